# Members of the family: one file each, found by its name (<name>.c defines sf_grid_<name>).
SF_GRID_MEMBERS = %reldir%/uniform.c %reldir%/quadratic.c %reldir%/karras.c %reldir%/vp.c %reldir%/iddpm.c \
	%reldir%/logsnr.c %reldir%/cosine.c
SF_SOURCES += $(SF_GRID_MEMBERS) %reldir%/grid.c %reldir%/grid.h
