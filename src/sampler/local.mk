# Members of the family: one file each, found by its name (<name>.c defines sf_sampler_<name>).
SF_SAMPLER_MEMBERS = %reldir%/em.c %reldir%/euler.c %reldir%/heun.c %reldir%/rk45.c \
	%reldir%/reverse_diffusion.c %reldir%/ancestral.c %reldir%/pc.c %reldir%/ald.c %reldir%/ggf.c %reldir%/sscs.c \
	%reldir%/ddim.c %reldir%/deis.c %reldir%/dpm.c %reldir%/dpm2.c %reldir%/dpm_adaptive.c %reldir%/dpm_fast.c %reldir%/dpm_v3.c %reldir%/dpmpp.c \
	%reldir%/dpmpp_sde.c %reldir%/euler_ancestral.c %reldir%/ipndm.c %reldir%/lms.c %reldir%/rk4.c %reldir%/unipc.c
SF_SOURCES += $(SF_SAMPLER_MEMBERS) %reldir%/brown.c %reldir%/frame.c %reldir%/frame.h %reldir%/single.c %reldir%/adaptive.c %reldir%/corrector.c %reldir%/driver.c %reldir%/ems.c %reldir%/ems.h %reldir%/ems_file.c %reldir%/ems_table.c %reldir%/known.c %reldir%/predictor.c %reldir%/predictor.h %reldir%/teleport.c \
	%reldir%/sampler.c %reldir%/sampler.h
