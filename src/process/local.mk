# Members of the family: one file each, found by its name (<name>.c defines sf_process_<name>).
SF_PROCESS_MEMBERS =
libscorefield_la_SOURCES += $(SF_PROCESS_MEMBERS)
