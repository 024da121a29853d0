#!/bin/sh
# flip.sh SRCDIR FILE SED TEST...: does a test notice a changed constant? Compiles FILE with the sed expression applied, links it ahead
# of the library, runs the test programs, and succeeds if one of them fails. Run by `make flip`, which sets CC, CPPFLAGS, CFLAGS, LIBS.
#
#     make flip FILE=src/objective/dsm.c SED='s/SF_NEEDS_LINEAR, 0/0, 0/' TEST='check_combinations check_objective'
#
# SPDX-License-Identifier: BSD-3-Clause
set -eu
src=$1 file=$2 edit=$3
shift 3
[ -n "$file" ] && [ -n "$edit" ] && [ $# -gt 0 ] || { echo "flip: set FILE, SED and TEST" >&2; exit 2; }
work=$(mktemp -d "${TMPDIR:-/tmp}/flip.XXXXXX")
trap 'rm -rf "$work"' EXIT
sed "$edit" "$src/$file" >"$work/$(basename "$file")"
if cmp -s "$src/$file" "$work/$(basename "$file")"; then
	echo "flip: '$edit' changes nothing in $file" >&2
	exit 2
fi
$CC $CPPFLAGS -I"$src/$(dirname "$file")" $CFLAGS -c "$work/$(basename "$file")" -o "$work/changed.o"
for test; do
	$CC $CFLAGS -o "$work/$test" "tests/$test.o" "$work/changed.o" .libs/libtestsupport.a .libs/libscorefield_all.a $LIBS
	if SF_SRCDIR=$src OMP_WAIT_POLICY=passive CK_DEFAULT_TIMEOUT=120 "$work/$test" >"$work/log" 2>&1; then
		echo "$test: green"
	else
		echo "$test: red, as it should be"
		exit 0
	fi
done
echo "flip: no test noticed '$edit' in $file" >&2
exit 1
