#!/bin/sh
# The shared library exports what the public headers mark SF_API, and nothing else.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
lib=$SF_BUILDDIR/.libs/libscorefield.so
[ -f "$lib" ] || { echo 'SKIP: no ELF shared library in this build'; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

${NM:-nm} -D --defined-only "$lib" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
	sort -u > "$tmp/exported"
cat "$SF_SRCDIR"/include/scorefield/*.h | tr '\n\t' '  ' | grep -o 'SF_API [^;]*;' |
	sed -n 's/^SF_API [^(]*[ *]\(sf_[a-z0-9_]*\)(.*/\1/p' | sort -u > "$tmp/declared"

rc=0
if grep -v '^sf_' "$tmp/exported"; then
	echo "FAIL: exported, but not in the library's name space (above)"
	rc=1
fi
comm -23 "$tmp/declared" "$tmp/exported" > "$tmp/missing"
if [ -s "$tmp/missing" ]; then
	cat "$tmp/missing"
	echo 'FAIL: declared SF_API, but not exported (above)'
	rc=1
fi
comm -13 "$tmp/declared" "$tmp/exported" > "$tmp/extra"
if [ -s "$tmp/extra" ]; then
	cat "$tmp/extra"
	echo 'FAIL: exported, but not declared SF_API in a public header (above)'
	rc=1
fi
[ "$(wc -l < "$tmp/declared")" -gt 50 ] || { echo 'FAIL: found too few declarations'; rc=1; }
echo "$(wc -l < "$tmp/exported") exported symbols"
exit $rc
