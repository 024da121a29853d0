#!/bin/sh
# flip.sh edit SRCDIR FILE SED, flip.sh run SRCDIR CC LIBS TEST...: does a test notice a changed constant? The two halves of `make flip`:
# the first puts a changed copy of FILE into flip.tmp/, which make compiles; the second links it ahead of the library, runs the test
# programs, and succeeds if one of them fails.
#
#     make flip FILE=src/objective/dsm.c SED='s/sigma \/ tail/sigma/' TEST='check_hsm check_objective'
#
# SPDX-License-Identifier: BSD-3-Clause
set -eu
half=$1 src=$2
shift 2
case $half in
edit)
	[ -n "$1" ] && [ -n "$2" ] || { echo "flip: set FILE, SED and TEST" >&2; exit 2; }
	rm -rf flip.tmp
	mkdir flip.tmp
	sed "$2" "$src/$1" >flip.tmp/changed.c
	if cmp -s "$src/$1" flip.tmp/changed.c; then
		echo "flip: '$2' changes nothing in $1" >&2
		exit 2
	fi
	;;
run)
	cc=$1 libs=$2
	shift 2
	for test; do
		$cc -o flip.tmp/test "tests/$test.o" flip.tmp/changed.o .libs/libtestsupport.a .libs/libscorefield_all.a $libs
		if SF_SRCDIR=$src OMP_WAIT_POLICY=passive CK_DEFAULT_TIMEOUT=120 flip.tmp/test >flip.tmp/log 2>&1; then
			echo "$test: green"
		else
			echo "$test: red, as it should be"
			rm -rf flip.tmp
			exit 0
		fi
	done
	echo "flip: no test noticed" >&2
	exit 1
	;;
esac
