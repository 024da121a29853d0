# The CUDA unit: one translation unit, its parts included, in a module that the library loads when a device is asked for. No C++
# runtime: no exceptions, no type information, no guards.
SF_CUDA_PARTS = %reldir%/cuda.cu %reldir%/chain.h %reldir%/code.h %reldir%/conv.h %reldir%/cu.h %reldir%/cuda.h %reldir%/data.h %reldir%/dnn.h %reldir%/fir.h %reldir%/lane.h \
	%reldir%/linear.h %reldir%/map.h %reldir%/matmul.h %reldir%/nccl.h %reldir%/norm.h %reldir%/optimiser.h %reldir%/peak.h %reldir%/pick.h %reldir%/plan.h \
	%reldir%/random.h %reldir%/record.h %reldir%/shape.h %reldir%/source.h %reldir%/softmax.h %reldir%/stable.h %reldir%/sum.h %reldir%/noise.h %reldir%/norm_back.h %reldir%/part.h %reldir%/step.h %reldir%/unit.h
EXTRA_DIST += $(SF_CUDA_PARTS) build-aux/nvcc.sh
if HAVE_CUDA
pkglib_LTLIBRARIES = scorefield-cuda.la
scorefield_cuda_la_SOURCES =
scorefield_cuda_la_LIBADD = %reldir%/cuda.lo $(CUDA_LIBS)
scorefield_cuda_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -export-symbols-regex sf_device_unit_cuda
EXTRA_scorefield_cuda_la_DEPENDENCIES = %reldir%/cuda.lo
AM_CPPFLAGS += -DSF_CUDA_MODULE='"$(pkglibdir)/scorefield-cuda.so"'
%reldir%/cuda.lo: $(SF_CUDA_PARTS) src/graph/device.h src/graph/exec.h
	$(AM_V_GEN)$(MKDIR_P) %reldir% && $(LIBTOOL) $(AM_V_lt) --tag=CC --tag=disable-static $(AM_LIBTOOLFLAGS) $(LIBTOOLFLAGS) \
		--mode=compile $(SHELL) $(top_srcdir)/build-aux/nvcc.sh $(NVCC) $(NVCC_FLAGS) -O3 --fmad=false \
		-I$(top_srcdir)/src -I$(top_srcdir)/include -D_XOPEN_SOURCE=700 $(CUDA_DEFS) -fvisibility=hidden -fno-exceptions -fno-rtti \
		-fno-threadsafe-statics -Wall -c -o $@ $(srcdir)/%reldir%/cuda.cu
endif
