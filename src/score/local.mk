# Members of the family: one file each, found by its name (<name>.c defines sf_score_<name>).
SF_SCORE_MEMBERS = %reldir%/gaussian.c %reldir%/mixture.c
SF_SOURCES += $(SF_SCORE_MEMBERS) %reldir%/delta.c %reldir%/function.c %reldir%/score.c \
	%reldir%/score.h
