#!/bin/sh
# sanitize.sh [BUILD]: builds with AddressSanitizer and UndefinedBehaviorSanitizer, runs all tests.
# CC and CFLAGS are honoured. OpenMP is off: libgomp is not instrumented, and results are the same.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
src=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$src/build-sanitize}
flags='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
[ -f "$src/configure" ] || (cd "$src" && autoreconf -fi)
mkdir -p "$build"
cd "$build"
[ -f Makefile ] || "$src/configure" --disable-shared --disable-openmp \
	CFLAGS="${CFLAGS:--O1 -g} $flags" LDFLAGS="${LDFLAGS:-} $flags"
ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
CK_DEFAULT_TIMEOUT=300
export ASAN_OPTIONS UBSAN_OPTIONS CK_DEFAULT_TIMEOUT
make -j"$(getconf _NPROCESSORS_ONLN)" check
