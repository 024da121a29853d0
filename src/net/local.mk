# Members of the family: one file each, found by its name (<name>.c defines sf_net_<name>).
SF_NET_MEMBERS = %reldir%/affine.c %reldir%/ddpm.c %reldir%/ddpmpp.c %reldir%/mlp.c %reldir%/ncsn.c %reldir%/ncsnpp.c %reldir%/ncsnv2.c %reldir%/nvae_decoder.c %reldir%/nvae_encoder.c \
	%reldir%/songunet.c %reldir%/unet.c
SF_SOURCES += $(SF_NET_MEMBERS) %reldir%/block.c %reldir%/build.h %reldir%/cond.c %reldir%/embed.c %reldir%/fir.c \
	%reldir%/internal.h %reldir%/model.c %reldir%/net.c %reldir%/network.c %reldir%/nvae.c %reldir%/nvae.h %reldir%/param.c %reldir%/refine.c %reldir%/refine.h %reldir%/refine_block.c %reldir%/refine_net.c \
	%reldir%/unet.h %reldir%/unet_options.c %reldir%/unet_parts.c
