# isa_*.c are built by convenience libraries with their own compiler flags, see Makefile.am
SF_SOURCES += %reldir%/adam_body.h %reldir%/all_body.h %reldir%/blas.c \
	%reldir%/blas_entries.h %reldir%/conv_body.h %reldir%/few_body.h %reldir%/gemm_blas.c %reldir%/gemm_blas_body.h \
	%reldir%/gemm_body.h %reldir%/gemm_thin_body.h %reldir%/im2col_body.h %reldir%/isa_body.h %reldir%/kernel.h \
	%reldir%/map_body.h %reldir%/math_body.h %reldir%/noise.c %reldir%/noise_body.h \
	%reldir%/noise_lanes.h %reldir%/norm_body.h %reldir%/peak.c %reldir%/peak_body.h %reldir%/pick_body.h %reldir%/reduce_body.h %reldir%/ref_body.h \
	%reldir%/ref_conv_body.h %reldir%/ref_gemm_body.h %reldir%/select.c %reldir%/silu_v4.h %reldir%/simd.h \
	%reldir%/sincos.h %reldir%/softmax_body.h %reldir%/table.h %reldir%/table_body.h \
	%reldir%/winograd_body.h %reldir%/winograd_weight_body.h
