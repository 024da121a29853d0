scorefield_SOURCES = \
	%reldir%/bench.c \
	%reldir%/canvas.c \
	%reldir%/cmd.h \
	%reldir%/data.c \
	%reldir%/gnuplot.c \
	%reldir%/image.c \
	%reldir%/image.h \
	%reldir%/inspect.c \
	%reldir%/list.c \
	%reldir%/main.c \
	%reldir%/model.c \
	%reldir%/model.h \
	%reldir%/options.c \
	%reldir%/plot.c \
	%reldir%/plot.h \
	%reldir%/plot_density.c \
	%reldir%/plot_field.c \
	%reldir%/plot_grid.c \
	%reldir%/plot_loss.c \
	%reldir%/plot_schedule.c \
	%reldir%/plot_trajectories.c \
	%reldir%/sample.c \
	%reldir%/step.c \
	%reldir%/step.h \
	%reldir%/term.c \
	%reldir%/train.c \
	%reldir%/verify.c
