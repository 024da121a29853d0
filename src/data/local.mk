# Members of the family: one file each, found by its name (<name>.c defines sf_data_<name>).
SF_DATA_MEMBERS =
libscorefield_la_SOURCES += $(SF_DATA_MEMBERS)
