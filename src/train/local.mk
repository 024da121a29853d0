libscorefield_la_SOURCES +=
