# Members of the family: one file each, found by its name (<name>.c defines sf_metric_<name>).
SF_METRIC_MEMBERS =
SF_SOURCES += $(SF_METRIC_MEMBERS) %reldir%/bound.c %reldir%/encode.c %reldir%/explained.c %reldir%/flow.h %reldir%/likelihood.c \
	%reldir%/score_error.c %reldir%/trace.c
