#!/bin/sh
# The library never prints, aborts or exits; nothing is built for one processor, with reordered
# arithmetic, or with the time of day inside.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
rc=0
lib=$SF_BUILDDIR/.libs/libscorefield_all.a
[ -f "$lib" ] || { echo "FAIL: $lib is missing"; exit 1; }
words='exit|_exit|_Exit|abort|quick_exit|__assert_fail|printf|vprintf|puts|putchar|perror|psignal'
words="$words|__printf_chk|__vprintf_chk|stdout|stderr|rand|srand|random|drand48|system|signal"
if ${NM:-nm} -A -u "$lib" 2>/dev/null | grep -E "[[:space:]]($words)(@.*)?\$"; then
	echo 'FAIL: library objects use what only the program may use (above)'
	rc=1
fi
cd "$SF_SRCDIR"
# this script and the manual name the words that it looks for
if grep -rnE -e '-march=native|-mtune=native|-ffast-math|-Ofast|__DATE__|__TIME__|__TIMESTAMP__' \
	configure.ac Makefile.am m4/sf_*.m4 src include tests/local.mk examples data/local.mk |
	grep -v 'nothing here changes a result'; then
	echo 'FAIL: flags or macros that make builds differ (above)'
	rc=1
fi
exit $rc
