#!/bin/sh
# The manual pages are clean, complete, and say what the program says.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
man=$SF_SRCDIR/man
rc=0
fail() { echo "FAIL: $*"; rc=1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# the generated parts are up to date
sh "$SF_SRCDIR/build-aux/man-tables.sh" --check "$SF_BUILDDIR/mantables" "$SCOREFIELD" "$man" || rc=1

# a page for each command, a section for each member
for command in $("$SCOREFIELD" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
	[ -f "$man/scorefield-$command.1" ] || fail "scorefield $command has no manual page"
	grep -q "^\.Xr scorefield-$command 1" "$man/scorefield.1" || fail "scorefield(1) misses $command"
done
page() {
	case $1 in
	process) echo scorefield-processes ;;
	data | config) echo "scorefield-$1" ;;
	*) echo "scorefield-$1s" ;;
	esac
}
n=0
for family in process score grid net objective sampler metric data; do
	for name in $("$SCOREFIELD" list "$family" --quiet); do
		grep -q "^\.Ss $name\$" "$man/$(page $family).7" ||
			fail "$(page $family).7 misses $family $name"
		n=$((n + 1))
	done
done
[ $n -gt 10 ] || fail "only $n members found"
for h in "$SF_SRCDIR"/include/scorefield/*.h; do
	grep -q "scorefield/${h##*/}" "$man/scorefield.3" || fail "scorefield(3) misses ${h##*/}"
done
# references among the pages lead somewhere
for ref in $(cat "$man"/*.[137] | sed -n 's/^\.Xr \(scorefield[a-z-]*\) \([137]\).*/\1.\2/p' | sort -u); do
	[ -f "$man/$ref" ] || fail "there is no $ref"
done

if ! command -v mandoc > /dev/null; then
	[ $rc -eq 0 ] || exit $rc
	echo 'SKIP: mandoc is missing; content was checked, form was not'
	exit 77
fi
for f in "$man"/*.[137]; do
	# pages that are not installed yet are not found; that was checked above
	mandoc -T lint -W style "$f" 2>&1 | grep -v -e 'referenced manual not found' -e 'mandoc.db' > "$tmp/lint" || true
	if [ -s "$tmp/lint" ]; then
		cat "$tmp/lint"
		fail "mandoc -T lint ${f##*/}"
	fi
done
if man --version 2>/dev/null | grep -q 'man 2'; then
	for f in "$man"/*.[137]; do
		LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$f" \
			2> "$tmp/warn" > /dev/null || fail "man ${f##*/}"
		if [ -s "$tmp/warn" ]; then
			cat "$tmp/warn"
			fail "man --warnings ${f##*/}"
		fi
	done
fi
exit $rc
