SF_SOURCES += # filled as files come
