# Data that is installed: presets, the digits, completions.
SF_PRESETS =
presetsdir = $(pkgdatadir)/presets
dist_presets_DATA = $(SF_PRESETS)
dist_pkgdata_DATA = %reldir%/digits-images-idx3-ubyte.gz %reldir%/digits-labels-idx1-ubyte.gz \
	%reldir%/digits.README
EXTRA_DIST += contrib/make-digits.py
