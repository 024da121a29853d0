#!/bin/sh
# Every derivation check of the program holds, and there are some.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=0
"$SCOREFIELD" verify --json > "$tmp/rows" || rc=$?
"$SCOREFIELD" verify || rc=$?
rows=$(tr ',{' '\n\n' < "$tmp/rows" | grep -c '"pass" *:' || true)
bad=$(tr ',{}' '\n\n\n' < "$tmp/rows" | grep -c '"pass" *: *false' || true)
echo "$rows rows, $bad failing, exit status $rc"
[ "$rows" -gt 0 ] && [ "$bad" -eq 0 ] && [ $rc -eq 0 ]
