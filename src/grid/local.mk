# Members of the family: one file each, found by its name (<name>.c defines sf_grid_<name>).
SF_GRID_MEMBERS =
libscorefield_la_SOURCES += $(SF_GRID_MEMBERS)
