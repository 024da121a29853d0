#!/bin/sh
# The house is clean: includes point downwards only, BLAS and OpenMP stay in one file each, and no
# file is longer than 500 lines. The layers, lowest first, members of a line independent of each
# other but for the named exceptions (see HACKING.md).
# SPDX-License-Identifier: BSD-3-Clause
set -eu
cd "$SF_SRCDIR"
rc=0

# Floor of a folder. A folder may include itself and lower floors.
floor() {
	case $1 in
	core) echo 0 ;;
	kernel | io) echo 1 ;;
	graph | data) echo 2 ;;
	process | comm) echo 3 ;;
	score | grid) echo 4 ;;
	net) echo 5 ;;
	objective | sampler) echo 6 ;;
	latent) echo 7 ;;
	metric | train) echo 8 ;;
	verify) echo 9 ;;
	cmd) echo 10 ;;
	*) echo "FAIL: folder src/$1 has no floor in tests/includes.sh" >&2; echo 99 ;;
	esac
}
# Folder behind a public header.
owner() {
	case $1 in
	base | error | context | object | noise) echo core ;;
	ems) echo sampler ;;
	likelihood) echo metric ;;
	exchange | variance) echo train ;;
	*) echo "$1" ;;
	esac
}

n=0
for file in src/*/*.[ch]; do
	dir=${file#src/}
	dir=${dir%%/*}
	[ "$dir" = cuda ] && continue
	mine=$(floor "$dir")
	for inc in $(sed -n 's/^#[[:space:]]*include[[:space:]]*["<]\([a-z_0-9/]*\)\.h[">].*/\1/p' "$file"); do
		case $inc in
		scorefield/*) other=$(owner "${inc#scorefield/}") ;;
		scorefield) other=cmd ;;
		*/*) other=${inc%%/*}; [ -d "src/$other" ] || continue ;;
		*) continue ;;
		esac
		n=$((n + 1))
		[ "$other" = "$dir" ] && continue
		[ "$(floor "$other")" -lt "$mine" ] ||
			{ echo "FAIL: $file includes $inc.h, which is not below it"; rc=1; }
	done
done
[ $n -gt 20 ] || { echo "FAIL: only $n includes found"; rc=1; }

if grep -nE '^#[[:space:]]*include[[:space:]]*"' src/cmd/*.[ch] | grep -v '"cmd/'; then
	echo 'FAIL: the program sees public headers alone (above)'
	rc=1
fi
if grep -lE '^#[[:space:]]*include[[:space:]]*<(cblas|lapacke)' src/*/*.[ch] | grep -v '^src/kernel/blas\.c$'; then
	echo 'FAIL: only src/kernel/blas.c sees BLAS and LAPACK (above)'
	rc=1
fi
if grep -lE '^#[[:space:]]*(include[[:space:]]*<omp\.h>|pragma[[:space:]]+omp)' src/*/*.[ch] | grep -v '^src/core/thread\.c$'; then
	echo 'FAIL: only src/core/thread.c uses OpenMP (above)'
	rc=1
fi
for file in include/*.h include/*/*.h src/*/*.[ch]; do
	lines=$(wc -l < "$file")
	[ "$lines" -le 500 ] || { echo "FAIL: $file has $lines lines; 500 is the limit"; rc=1; }
	grep -q 'SPDX-License-Identifier: BSD-3-Clause' "$file" ||
		{ echo "FAIL: $file has no licence line"; rc=1; }
done
exit $rc
