# sf_flags.m4: compiler and linker flags, each used only where it works.
# SPDX-License-Identifier: BSD-3-Clause

# SF_CHECK_CFLAG(FLAGS, IF-ACCEPTED, IF-REFUSED)
# Tries FLAGS together; a warning counts as a refusal (clang only warns about flags it does not know).
AC_DEFUN([SF_CHECK_CFLAG], [
	sf_saved_CFLAGS=$CFLAGS
	AC_MSG_CHECKING([whether $CC accepts $1])
	CFLAGS="$CFLAGS $1 -Werror"
	AC_COMPILE_IFELSE([AC_LANG_SOURCE([int sf_nothing;])], [sf_accepted=yes], [sf_accepted=no])
	CFLAGS=$sf_saved_CFLAGS
	AC_MSG_RESULT([$sf_accepted])
	AS_IF([test $sf_accepted = yes], [m4_default([$2], [:])], [m4_default([$3], [:])])
])

# SF_ADD_CFLAGS(VARIABLE, FLAGS): appends those of FLAGS that the compiler accepts.
AC_DEFUN([SF_ADD_CFLAGS], [
	for sf_flag in m4_normalize([$2]); do
		SF_CHECK_CFLAG([$sf_flag], [$1="$$1 $sf_flag"])
	done
])

# SF_VERSION_SCRIPT: whether the linker takes a version script, for symbol versions and as a second
# lock on what the library exports. Conditional HAVE_VERSION_SCRIPT.
AC_DEFUN([SF_VERSION_SCRIPT], [
	AC_CACHE_CHECK([whether the linker takes a version script], [sf_cv_version_script], [
		sf_saved_LDFLAGS=$LDFLAGS
		echo 'V { global: sf_*; local: *; };' > conftest.map
		LDFLAGS="$LDFLAGS -shared -fPIC -Wl,--version-script=conftest.map"
		AC_LINK_IFELSE([AC_LANG_SOURCE([int sf_nothing;])],
			[sf_cv_version_script=yes], [sf_cv_version_script=no])
		LDFLAGS=$sf_saved_LDFLAGS
		rm -f conftest.map
	])
	AM_CONDITIONAL([HAVE_VERSION_SCRIPT], [test $sf_cv_version_script = yes])
])

# SF_KERNEL_VARIANT(NAME, FLAGS, FEATURE): whether the kernels can also be built with FLAGS and
# __builtin_cpu_supports knows FEATURE. Sets have_NAME, SF_<NAME>_CFLAGS and conditional HAVE_<NAME>.
AC_DEFUN([SF_KERNEL_VARIANT], [
	m4_pushdef([NAME], m4_toupper([$1]))
	have_$1=no
	SF_[]NAME[]_CFLAGS=
	AS_IF([test "x$enable_dispatch" != xno], [
		sf_saved_CFLAGS=$CFLAGS
		AC_MSG_CHECKING([whether kernels can be built for $1])
		AC_LINK_IFELSE([AC_LANG_PROGRAM([], [return !__builtin_cpu_supports($3)])],
			[CFLAGS="$CFLAGS $2 -Werror"
			AC_COMPILE_IFELSE([AC_LANG_SOURCE([int sf_nothing;])], [have_$1=yes])])
		CFLAGS=$sf_saved_CFLAGS
		AC_MSG_RESULT([$have_$1])
		AS_IF([test $have_$1 = yes], [SF_[]NAME[]_CFLAGS="$2"])
	])
	AC_SUBST([SF_]NAME[_CFLAGS])
	AM_CONDITIONAL([HAVE_]NAME, [test $have_$1 = yes])
	m4_popdef([NAME])
])
