# Members of the family: one file each, found by its name (<name>.c defines sf_data_<name>).
SF_DATA_MEMBERS = %reldir%/checkerboard.c %reldir%/cifar10.c %reldir%/digits.c %reldir%/fashion_mnist.c \
	%reldir%/gaussians.c %reldir%/idx.c %reldir%/mixture.c %reldir%/moons.c %reldir%/npy.c \
	%reldir%/pinwheel.c %reldir%/png.c %reldir%/rings.c %reldir%/swiss_roll.c
SF_SOURCES += $(SF_DATA_MEMBERS) %reldir%/augment.c %reldir%/augment.h %reldir%/augment_warp.c %reldir%/data.c %reldir%/data.h %reldir%/folder.c %reldir%/folder.h \
	%reldir%/normals.c %reldir%/store.c %reldir%/toy.c %reldir%/view.c
