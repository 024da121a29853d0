# Members of the family: one file each, found by its name (<name>.c defines sf_score_<name>).
SF_SCORE_MEMBERS =
libscorefield_la_SOURCES += $(SF_SCORE_MEMBERS)
