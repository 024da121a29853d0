# Members of the family: one file each, found by its name (<name>.c defines sf_sampler_<name>).
SF_SAMPLER_MEMBERS =
libscorefield_la_SOURCES += $(SF_SAMPLER_MEMBERS)
