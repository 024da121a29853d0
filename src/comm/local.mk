# Members of the family: one file each, found by its name (<name>.c defines sf_comm_<name>).
SF_COMM_MEMBERS = %reldir%/null.c %reldir%/local.c %reldir%/nccl.c
SF_SOURCES += $(SF_COMM_MEMBERS) %reldir%/comm.c %reldir%/comm.h %reldir%/meet.c %reldir%/place.c %reldir%/wire.c %reldir%/wire.h
