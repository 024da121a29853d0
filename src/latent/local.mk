SF_SOURCES += %reldir%/cross_entropy.c %reldir%/coder.c %reldir%/decoder.c %reldir%/hash.c %reldir%/latent.h %reldir%/logistic.c %reldir%/posterior.c \
	%reldir%/spectral.c %reldir%/vae.c
SF_SOURCES += %reldir%/loss.c %reldir%/loss.h
