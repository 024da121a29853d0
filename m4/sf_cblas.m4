# sf_cblas.m4: a BLAS with the C interface, and LAPACK through LAPACKE, whoever makes them.
# SPDX-License-Identifier: BSD-3-Clause

# SF_TRY_CBLAS(CFLAGS, LIBS): on success sets sf_blas=yes, CBLAS_CFLAGS and CBLAS_LIBS.
AC_DEFUN([SF_TRY_CBLAS], [
	AS_IF([test $sf_blas = no], [
		CFLAGS="$sf_blas_CFLAGS $1"
		LIBS="$2 $LIBM $sf_blas_LIBS"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <cblas.h>
#include <lapacke.h>
]], [[
			float a = 1;
			double s = 1, w;
			cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1, 1, &a, 1, &a, 1, 0, &a, 1);
			return (int)LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'V', 'L', 1, &s, 1, &w)
			       + (int)LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', 1, &s, 1);
]])],
			[sf_blas=yes CBLAS_CFLAGS="$1" CBLAS_LIBS="$2"])
		CFLAGS=$sf_blas_CFLAGS
		LIBS=$sf_blas_LIBS
	])
])

# SF_TRY_CBLAS_NAME(NAME): NAME as a pkg-config module, else as -lNAME. LAPACKE may be inside the BLAS
# (OpenBLAS and FlexiBLAS as upstream builds them) or a library of its own (Debian, netlib).
AC_DEFUN([SF_TRY_CBLAS_NAME], [
	AS_IF([$PKG_CONFIG --exists "$1" 2>/dev/null],
		[sf_c=$($PKG_CONFIG --cflags "$1") sf_l=$($PKG_CONFIG --libs "$1")],
		[sf_c= sf_l=-l$1])
	AS_IF([$PKG_CONFIG --exists lapacke 2>/dev/null],
		[sf_lc=$($PKG_CONFIG --cflags lapacke) sf_ll=$($PKG_CONFIG --libs lapacke)],
		[sf_lc= sf_ll=-llapacke])
	SF_TRY_CBLAS([$sf_c], [$sf_l])
	SF_TRY_CBLAS([$sf_c $sf_lc], [$sf_ll $sf_l])
	SF_TRY_CBLAS([$sf_c $sf_lc], [$sf_ll -llapack $sf_l])
	SF_TRY_CBLAS([$sf_c $sf_lc], [$sf_ll -llapack -lcblas $sf_l])
])

# SF_CHECK_CBLAS: honours CBLAS_CFLAGS and CBLAS_LIBS, then --with-blas=NAME, then looks around.
AC_DEFUN([SF_CHECK_CBLAS], [
	AC_REQUIRE([PKG_PROG_PKG_CONFIG])
	AC_ARG_VAR([CBLAS_CFLAGS], [compiler flags for <cblas.h> and <lapacke.h>])
	AC_ARG_VAR([CBLAS_LIBS], [linker flags for CBLAS and LAPACKE])
	AC_ARG_WITH([blas], [AS_HELP_STRING([--with-blas=NAME],
		[BLAS to link: a pkg-config module or library name such as openblas, flexiblas, blas])],
		[], [with_blas=auto])
	sf_blas=no
	sf_blas_CFLAGS=$CFLAGS
	sf_blas_LIBS=$LIBS
	AC_MSG_CHECKING([for CBLAS and LAPACKE])
	AS_IF([test "x$CBLAS_LIBS" != x], [SF_TRY_CBLAS([$CBLAS_CFLAGS], [$CBLAS_LIBS])],
		[AS_CASE([$with_blas],
			[yes|auto], [sf_names="openblas flexiblas blas cblas"],
			[no], [AC_MSG_ERROR([a BLAS is required: --with-blas=NAME picks one])],
			[sf_names=$with_blas])
		for sf_name in $sf_names; do
			SF_TRY_CBLAS_NAME([$sf_name])
		done])
	AC_MSG_RESULT([$sf_blas${CBLAS_LIBS:+ ($CBLAS_LIBS)}])
	AS_IF([test $sf_blas = no], [AC_MSG_ERROR([no BLAS with <cblas.h> and <lapacke.h> links.
Install one (Debian: libopenblas-dev liblapacke-dev), or name it with --with-blas=NAME or CBLAS_LIBS])])
])
