# Members of the family: one file each, found by its name (<name>.c defines sf_objective_<name>).
SF_OBJECTIVE_MEMBERS = %reldir%/dsm.c %reldir%/lcss.c
SF_SOURCES += $(SF_OBJECTIVE_MEMBERS) %reldir%/batch.c %reldir%/family.h %reldir%/objective.c \
	%reldir%/rule.c %reldir%/rule.h %reldir%/terms.c
