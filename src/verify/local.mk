SF_SOURCES += %reldir%/verify.c %reldir%/verify.h %reldir%/data.c %reldir%/noise.c %reldir%/process.c %reldir%/score.c \
	%reldir%/grid.c %reldir%/sampler.c %reldir%/sampler_order.c %reldir%/net.c %reldir%/objective.c \
	%reldir%/trial.c %reldir%/trial.h
