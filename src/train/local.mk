SF_SOURCES += %reldir%/averages.c %reldir%/checkpoint.c %reldir%/config.c %reldir%/config_keys.c \
	%reldir%/config_read.c %reldir%/internal.h %reldir%/export.c %reldir%/import.c %reldir%/import_run.c %reldir%/ini.c %reldir%/ini.h %reldir%/layout.c %reldir%/limits.c %reldir%/map.c %reldir%/map.h %reldir%/map_match.c %reldir%/map_read.c %reldir%/taps.c %reldir%/memory.c %reldir%/meta.c %reldir%/meta.h %reldir%/optimiser.c %reldir%/pair.c %reldir%/phase.c \
	%reldir%/preview.c %reldir%/rundir.c %reldir%/setup.c %reldir%/shape.c %reldir%/step.c %reldir%/trainer.c %reldir%/variance.c
