#!/bin/sh
# Each public header compiles alone, as pedantic C99 and as C++, and only sees public headers.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=0
inc="-I$SF_SRCDIR/include"
for h in "$SF_SRCDIR"/include/scorefield.h "$SF_SRCDIR"/include/scorefield/*.h; do
	name=${h#"$SF_SRCDIR"/include/}
	printf '#include <%s>\nextern int sf_nothing;\n' "$name" | tee "$tmp/h.c" > "$tmp/h.cc"
	# shellcheck disable=SC2086 # CC may hold flags
	${CC:-cc} -std=c99 -pedantic -Wall -Wextra -Werror "$inc" -c "$tmp/h.c" -o "$tmp/h.o" ||
		{ echo "FAIL: $name as C99"; rc=1; }
	if [ -n "${CXX:-}" ]; then
		# shellcheck disable=SC2086
		$CXX -pedantic -Wall -Wextra -Werror "$inc" -c "$tmp/h.cc" -o "$tmp/h.o" ||
			{ echo "FAIL: $name as C++"; rc=1; }
	fi
	# the umbrella has them all
	guard=SCOREFIELD_$(basename "$name" .h | tr '[:lower:]' '[:upper:]')_H
	printf '#include <scorefield.h>\n#ifndef %s\n#error\n#endif\n' "$guard" > "$tmp/h.c"
	case $name in
	# shellcheck disable=SC2086
	scorefield/*) ${CC:-cc} "$inc" -E "$tmp/h.c" > /dev/null ||
		{ echo "FAIL: scorefield.h does not bring <$name>"; rc=1; } ;;
	esac
done
[ -n "${CXX:-}" ] || echo 'note: no C++ compiler, C++ was not tried'
exit $rc
