SF_SOURCES += %reldir%/graph.h
SF_SOURCES += %reldir%/rules.h %reldir%/graph.c %reldir%/cse.c %reldir%/recompute.c %reldir%/leaf.c \
	%reldir%/elementwise.c %reldir%/reduce.c %reldir%/matmul.c %reldir%/conv.c \
	%reldir%/resample.c %reldir%/pool.c %reldir%/resize.c %reldir%/shape.c %reldir%/norm.c %reldir%/softmax.c \
	%reldir%/attention.c %reldir%/autodiff.c %reldir%/ops.c
SF_SOURCES += %reldir%/exec.h %reldir%/plan.c %reldir%/plan_order.c %reldir%/plan_chain.c \
	%reldir%/plan_pack.c %reldir%/plan_fuse.c %reldir%/plan_memory.c %reldir%/exec.c %reldir%/exec_tree.c %reldir%/profile.c \
	%reldir%/cpu_f32.c %reldir%/cpu_f64.c %reldir%/cpu_body.h %reldir%/cpu_part_body.h %reldir%/cpu_map_body.h \
	%reldir%/cpu_sum_body.h %reldir%/cpu_linear_body.h %reldir%/cpu_norm_body.h \
	%reldir%/cpu_shape_body.h %reldir%/cpu_fir_body.h %reldir%/cpu_pick_body.h
SF_SOURCES += %reldir%/device.h %reldir%/device.c %reldir%/device_layout.c %reldir%/device_plan.c
