libscorefield_la_SOURCES += %reldir%/graph.h
