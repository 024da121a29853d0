SF_SOURCES += %reldir%/verify.c %reldir%/verify.h %reldir%/cld.c %reldir%/condition.c %reldir%/data.c %reldir%/fd.c %reldir%/fitted.c %reldir%/noise.c %reldir%/process.c %reldir%/walk.c %reldir%/score.c \
	%reldir%/grid.c %reldir%/sampler.c %reldir%/sampler_order.c %reldir%/multistep.c %reldir%/sde.c %reldir%/law.c %reldir%/predictor.c %reldir%/ald.c %reldir%/ggf.c %reldir%/sscs.c %reldir%/likelihood.c %reldir%/teleport.c %reldir%/net.c %reldir%/objective.c %reldir%/precond.c %reldir%/gradient.c %reldir%/hsm.c %reldir%/slices.c \
	%reldir%/stf.c %reldir%/trial.c %reldir%/trial.h
