# Members of the family: one file each, found by its name (<name>.c defines sf_objective_<name>).
SF_OBJECTIVE_MEMBERS = %reldir%/dsm.c %reldir%/fd_dsm.c %reldir%/fd_ssm.c %reldir%/fd_ssm_vr.c %reldir%/hsm.c %reldir%/ism.c %reldir%/lcss.c %reldir%/local_dsm.c \
	%reldir%/ssm.c %reldir%/ssm_vr.c %reldir%/stf.c
SF_SOURCES += $(SF_OBJECTIVE_MEMBERS) %reldir%/batch.c %reldir%/batch.h %reldir%/batch_device.c %reldir%/batch_table.c %reldir%/family.h %reldir%/fd.c %reldir%/fd.h %reldir%/normal_time.c %reldir%/normal_time.h %reldir%/objective.c \
	%reldir%/rule.c %reldir%/rule.h %reldir%/slices.c %reldir%/slices.h %reldir%/stable.c %reldir%/stable.h %reldir%/terms.c %reldir%/time_table.c %reldir%/time_table.h
