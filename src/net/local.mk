# Members of the family: one file each, found by its name (<name>.c defines sf_net_<name>).
SF_NET_MEMBERS = %reldir%/affine.c %reldir%/mlp.c %reldir%/unet.c
SF_SOURCES += $(SF_NET_MEMBERS) %reldir%/block.c %reldir%/build.h %reldir%/embed.c \
	%reldir%/internal.h %reldir%/model.c %reldir%/net.c %reldir%/network.c %reldir%/param.c
