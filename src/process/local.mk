# Members of the family: one file each, found by its name (<name>.c defines sf_process_<name>).
SF_PROCESS_MEMBERS = %reldir%/ve.c %reldir%/vp.c %reldir%/subvp.c %reldir%/edm.c %reldir%/cosine.c %reldir%/geometric_vp.c %reldir%/formula.c %reldir%/cld.c \
	%reldir%/ddpm.c %reldir%/double_well.c %reldir%/sech.c %reldir%/static.c
SF_SOURCES += $(SF_PROCESS_MEMBERS) %reldir%/beta.c %reldir%/block.c %reldir%/flow.c %reldir%/langevin.c %reldir%/levels.c %reldir%/path.c \
	%reldir%/process.c \
	%reldir%/beta.h %reldir%/langevin.h %reldir%/process.h
