# Members of the family: one file each, found by its name (<name>.c defines sf_score_<name>).
SF_SCORE_MEMBERS = %reldir%/gaussian.c %reldir%/mixture.c %reldir%/low_rank.c %reldir%/deltas.c %reldir%/product.c
SF_SOURCES += $(SF_SCORE_MEMBERS) %reldir%/components.c %reldir%/components.h %reldir%/delta.c %reldir%/delta.h %reldir%/eigen.c %reldir%/fit.c \
	%reldir%/points.c %reldir%/flow.c %reldir%/flow.h %reldir%/function.c %reldir%/guided.c %reldir%/score.c \
	%reldir%/score.h
