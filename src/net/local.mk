# Members of the family: one file each, found by its name (<name>.c defines sf_net_<name>).
SF_NET_MEMBERS =
libscorefield_la_SOURCES += $(SF_NET_MEMBERS)
