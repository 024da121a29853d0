libscorefield_la_SOURCES += %reldir%/kernel.h %reldir%/table.h
