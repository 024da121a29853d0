#!/bin/sh
# A stranger's program builds with nothing but pkg-config and runs.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
PKG_CONFIG_PATH=$SF_BUILDDIR${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
pc=${PKG_CONFIG:-pkg-config}
$pc --version > /dev/null 2>&1 || { echo 'SKIP: pkg-config is missing'; exit 77; }
static=
[ -f "$SF_BUILDDIR/.libs/libscorefield.so" ] || static=--static
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
flags=$($pc --cflags --libs $static scorefield)
# Examples that link by the .pc alone see public headers alone.
for c in "$SF_SRCDIR"/examples/[0-9]*.c; do
	# shellcheck disable=SC2086
	${CC:-cc} ${CFLAGS:-} -std=c99 -pedantic -Wall -Wextra -Werror -o "$tmp/a.out" "$c" \
		${LDFLAGS:-} $flags -lm
done
# shellcheck disable=SC2086
${CC:-cc} ${CFLAGS:-} -std=c99 -o "$tmp/a.out" "$SF_SRCDIR/examples/01-gaussian.c" ${LDFLAGS:-} $flags -lm
LD_LIBRARY_PATH=$SF_BUILDDIR/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$tmp/a.out"
version=$($pc --modversion scorefield)
header=$(sed -n 's|^#define SF_VERSION_[A-Z]* ||p' \
	"$SF_SRCDIR/include/scorefield/base.h" | tr '\n' . | sed 's/\.$//')
[ "$version" = "$header" ] ||
	{ echo "FAIL: scorefield.pc says $version, base.h says $header"; exit 1; }
grep -q "^Version: $version\$" "$SF_BUILDDIR/scorefield.pc"
