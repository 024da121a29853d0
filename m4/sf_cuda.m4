# sf_cuda.m4: the CUDA unit, for those who ask for it.
# SPDX-License-Identifier: BSD-3-Clause

# SF_CHECK_CUDA: --with-cuda[=DIR] and --with-cuda-arch=LIST. Sets have_cuda, NVCC, NVCC_FLAGS, CUDA_CFLAGS, CUDA_LIBS, CUDA_TEXT
# and the conditional HAVE_CUDA.
AC_DEFUN([SF_CHECK_CUDA], [
	AC_ARG_WITH([cuda], [AS_HELP_STRING([--with-cuda@<:@=DIR@:>@],
		[build the CUDA unit with the toolkit in DIR (nvcc on the PATH, or /usr/local/cuda)])], [], [with_cuda=no])
	AC_ARG_WITH([cuda-arch], [AS_HELP_STRING([--with-cuda-arch=LIST],
		[compute capabilities to build for, the last also as code for later ones @<:@80,90@:>@])],
		[], [with_cuda_arch=80,90])
	AC_ARG_VAR([NVCC], [the CUDA compiler])
	have_cuda=no CUDA_TEXT=no
	AS_IF([test "x$with_cuda" != xno], [SF_FIND_CUDA])
	AC_SUBST([NVCC_FLAGS])
	AC_SUBST([CUDA_CFLAGS])
	AC_SUBST([CUDA_LIBS])
	AC_SUBST([CUDA_DEFS])
	AM_CONDITIONAL([HAVE_CUDA], [test $have_cuda = yes])
])

AC_DEFUN([SF_FIND_CUDA], [
	AS_IF([test "x$with_cuda" = xyes], [sf_cuda_path=$PATH:/usr/local/cuda/bin], [sf_cuda_path=$with_cuda/bin])
	AC_PATH_PROG([NVCC], [nvcc], [no], [$sf_cuda_path])
	AS_IF([test "x$NVCC" = xno], [AC_MSG_ERROR([--with-cuda was asked for, and there is no nvcc in $sf_cuda_path])])
	# the compiler may be a link into the toolkit
	sf_cuda_dir=$with_cuda
	AS_IF([test "x$with_cuda" = xyes],
		[sf_cuda_dir=$(dirname "$(dirname "$(readlink -f "$NVCC" 2>/dev/null || echo "$NVCC")")")])
	sf_cuda_lib=$sf_cuda_dir/lib64
	AS_IF([test -d "$sf_cuda_lib"], [], [sf_cuda_lib=$sf_cuda_dir/lib])
	# the toolkit's headers are not pedantic
	CUDA_CFLAGS="-isystem $sf_cuda_dir/include"
	CUDA_LIBS="-L$sf_cuda_lib -R$sf_cuda_lib -lcudnn -lcublasLt -lnvrtc -lcudart"
	sf_cuda_CPPFLAGS=$CPPFLAGS sf_cuda_LIBS=$LIBS
	CPPFLAGS="$CPPFLAGS $CUDA_CFLAGS" LIBS="$(echo "$CUDA_LIBS" | sed 's/ -R[[^ ]]*//') $LIBS"
	AC_MSG_CHECKING([for cudart, NVRTC, cuBLASLt and cuDNN 9 in $sf_cuda_dir])
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <cuda_runtime_api.h>
#include <cublasLt.h>
#include <cudnn.h>
#include <nvrtc.h>
#if CUDNN_MAJOR < 9
#error cuDNN 9 or later is needed
#endif
]], [[
		int n = 0;
		return (int)cudaGetDeviceCount(&n) + (int)cublasLtGetVersion() + (int)cudnnGetVersion() + (int)nvrtcVersion(&n, &n);
]])],
		[AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no])
		AC_MSG_ERROR([--with-cuda needs the CUDA toolkit with NVRTC, cuBLASLt and cuDNN 9; see config.log, or name another --with-cuda=DIR])])
	AC_MSG_CHECKING([for NCCL])
	LIBS="-lnccl $LIBS"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <nccl.h>]], [[int v; return (int)ncclGetVersion(&v);]])],
		[AC_MSG_RESULT([yes])
		CUDA_LIBS="-lnccl $CUDA_LIBS" CUDA_DEFS=-DSF_HAVE_NCCL sf_cuda_nccl="with NCCL"],
		[AC_MSG_RESULT([no: one device])
		CUDA_DEFS= sf_cuda_nccl="without NCCL"])
	CPPFLAGS=$sf_cuda_CPPFLAGS LIBS=$sf_cuda_LIBS
	SF_CUDA_ARCH
	have_cuda=yes
	CUDA_TEXT="$NVCC for $with_cuda_arch, $sf_cuda_nccl"
])

# Machine code for each capability, and the last one's intermediate code, which later devices translate.
AC_DEFUN([SF_CUDA_ARCH], [
	AC_MSG_CHECKING([that nvcc knows capabilities $with_cuda_arch])
	NVCC_FLAGS=
	for sf_arch in $(echo "$with_cuda_arch" | tr ',' ' '); do
		NVCC_FLAGS="$NVCC_FLAGS -gencode arch=compute_$sf_arch,code=sm_$sf_arch"
	done
	NVCC_FLAGS="$NVCC_FLAGS -gencode arch=compute_$sf_arch,code=compute_$sf_arch"
	echo '__global__ void f(float *x) { *x = 1; }' >conftest.cu
	AS_IF([$NVCC $NVCC_FLAGS -c conftest.cu -o conftest.$ac_objext >&AS_MESSAGE_LOG_FD 2>&1],
		[AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no])
		AC_MSG_ERROR([nvcc does not compile for --with-cuda-arch=$with_cuda_arch; '$NVCC --list-gpu-arch' says what it knows])])
	rm -f conftest.cu conftest.$ac_objext
])
