SF_SOURCES += %reldir%/checkpoint.c %reldir%/config.c %reldir%/config_keys.c \
	%reldir%/config_read.c %reldir%/internal.h %reldir%/meta.c %reldir%/meta.h %reldir%/optimiser.c \
	%reldir%/preview.c %reldir%/rundir.c %reldir%/setup.c %reldir%/step.c %reldir%/trainer.c %reldir%/variance.c
