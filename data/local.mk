# Data that is installed: presets, the digits, completions.
SF_PRESETS = %reldir%/presets/afhqv2-64-edm-ddpmpp.ini %reldir%/presets/afhqv2-64-edm-ncsnpp.ini \
	%reldir%/presets/celeba-64-ncsnv2.ini %reldir%/presets/celebahq-1024-ncsnpp.ini \
	%reldir%/presets/celebahq-256-ncsnpp.ini %reldir%/presets/checkerboard.ini %reldir%/presets/cifar10-cld.ini \
	%reldir%/presets/cifar10-ddpm.ini %reldir%/presets/cifar10-ddpmpp-deep-subvp.ini \
	%reldir%/presets/cifar10-ddpmpp-deep.ini %reldir%/presets/cifar10-ddpmpp-discrete.ini \
	%reldir%/presets/cifar10-ddpmpp-subvp.ini %reldir%/presets/cifar10-ddpmpp.ini \
	%reldir%/presets/cifar10-edm-cond-ddpmpp.ini %reldir%/presets/cifar10-edm-cond-ncsnpp.ini \
	%reldir%/presets/cifar10-edm-ddpmpp.ini %reldir%/presets/cifar10-edm-ncsnpp.ini %reldir%/presets/cifar10-ncsn.ini \
	%reldir%/presets/cifar10-ncsnpp-deep.ini %reldir%/presets/cifar10-ncsnpp-discrete.ini \
	%reldir%/presets/cifar10-ncsnpp.ini %reldir%/presets/cifar10-ncsnv2.ini %reldir%/presets/cifar10-stf-ddpmpp.ini \
	%reldir%/presets/cifar10-stf-ncsnpp.ini %reldir%/presets/cld-lsgm-digits.ini %reldir%/presets/cld-lsgm-fashion-mnist.ini \
	%reldir%/presets/cld-swiss-roll.ini %reldir%/presets/digits.ini \
	%reldir%/presets/double-well.ini %reldir%/presets/fashion-mnist.ini %reldir%/presets/fashion-mnist-ddpmpp.ini %reldir%/presets/ffhq-1024-ncsnpp.ini \
	%reldir%/presets/ffhq-256-ncsnpp.ini %reldir%/presets/ffhq-256-ncsnv2.ini %reldir%/presets/ffhq-64-edm-ddpmpp.ini \
	%reldir%/presets/ffhq-64-edm-ncsnpp.ini %reldir%/presets/formula.ini %reldir%/presets/lsgm-digits.ini %reldir%/presets/lsgm-fashion-mnist.ini %reldir%/presets/objectives-mixture.ini \
	%reldir%/presets/objectives.ini %reldir%/presets/swiss-roll.ini %reldir%/presets/tiny.ini
presetsdir = $(pkgdatadir)/presets
dist_presets_DATA = $(SF_PRESETS)
SF_MAPS = %reldir%/maps/edm.ini %reldir%/maps/ncsnv2.ini %reldir%/maps/own.ini %reldir%/maps/score-sde.ini \
	%reldir%/maps/score-sde-ddpm.ini
mapsdir = $(pkgdatadir)/maps
dist_maps_DATA = $(SF_MAPS)
dist_pkgdata_DATA = %reldir%/digits-images-idx3-ubyte.gz %reldir%/digits-labels-idx1-ubyte.gz \
	%reldir%/digits.README
EXTRA_DIST += contrib/README.md contrib/make-digits.py contrib/torch2safetensors.py
bashcompdir = $(datadir)/bash-completion/completions
dist_bashcomp_DATA = %reldir%/completions/scorefield
