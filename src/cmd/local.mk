scorefield_SOURCES =
