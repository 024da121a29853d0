# Data that is installed: presets, the digits, completions.
SF_PRESETS = %reldir%/presets/checkerboard.ini %reldir%/presets/cld-swiss-roll.ini %reldir%/presets/digits.ini %reldir%/presets/double-well.ini \
	%reldir%/presets/fashion-mnist.ini %reldir%/presets/formula.ini %reldir%/presets/objectives.ini %reldir%/presets/objectives-mixture.ini \
	%reldir%/presets/swiss-roll.ini %reldir%/presets/tiny.ini
presetsdir = $(pkgdatadir)/presets
dist_presets_DATA = $(SF_PRESETS)
dist_pkgdata_DATA = %reldir%/digits-images-idx3-ubyte.gz %reldir%/digits-labels-idx1-ubyte.gz \
	%reldir%/digits.README
EXTRA_DIST += contrib/make-digits.py
bashcompdir = $(datadir)/bash-completion/completions
dist_bashcomp_DATA = %reldir%/completions/scorefield
