#!/bin/sh
# Whatever lies in the source tree is named in a makefile, so that it is built, tested, installed and
# in the release archive.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
cd "$SF_SRCDIR"
rc=0
cat Makefile.am src/*/local.mk data/local.mk man/local.mk examples/local.mk tests/local.mk |
	tr -s ' \t\\=$(){}' '\n' | sed 's,.*/,,' | sort -u > "${TMPDIR:-/tmp}/sf-listed.$$"
trap 'rm -f "${TMPDIR:-/tmp}/sf-listed.$$"' EXIT
for file in $(find include src data man examples tests build-aux/*.sh -type f \
	! -name '.*' ! -name '*.o' ! -name '*.lo' ! -name '*.log' ! -name '*.trs' \
	! -path '*/.libs/*' ! -path '*/.deps/*' ! -name local.mk | sort); do
	name=${file##*/}
	case $file in
	build-aux/ltmain.sh) continue ;;
	tests/check_*.c) name=${name%.c} ;;
	examples/[0-9]*.c) name=${name%.c} ;;
	esac
	# in a build inside the source tree, programs lie beside their sources
	[ -x "$file" ] && [ -f "$file.c" ] && continue
	grep -qxF -e "$name" "${TMPDIR:-/tmp}/sf-listed.$$" ||
		{ echo "FAIL: $file is in no makefile"; rc=1; }
done
exit $rc
