# Members of the family: one file each, found by its name (<name>.c defines sf_objective_<name>).
SF_OBJECTIVE_MEMBERS =
libscorefield_la_SOURCES += $(SF_OBJECTIVE_MEMBERS)
