# Members of the family: one file each, found by its name (<name>.c defines sf_sampler_<name>).
SF_SAMPLER_MEMBERS = %reldir%/em.c %reldir%/euler.c %reldir%/heun.c %reldir%/rk45.c
SF_SOURCES += $(SF_SAMPLER_MEMBERS) %reldir%/adaptive.c %reldir%/driver.c \
	%reldir%/sampler.c %reldir%/sampler.h
