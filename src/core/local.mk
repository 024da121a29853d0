SF_SOURCES += %reldir%/core.h %reldir%/cgroup.c %reldir%/clock.c %reldir%/context.c %reldir%/cores.c %reldir%/crowd.c %reldir%/cpu.c %reldir%/expr.c %reldir%/expr.h %reldir%/memory.c \
	%reldir%/object.c %reldir%/option.c %reldir%/registry.h %reldir%/text.c %reldir%/thread.c
