#!/bin/sh
# nvcc.sh: nvcc as libtool calls a C compiler: what it does not know goes to the host's compiler.
#
#     sh nvcc.sh NVCC ARGUMENTS...
#
# SPDX-License-Identifier: BSD-3-Clause
set -e
nvcc=$1
shift
n=$#
while [ $n -gt 0 ]; do
	a=$1
	shift
	n=$((n - 1))
	case $a in
	-fPIC | -fpic | -f* | -pie | -W*) set -- "$@" -Xcompiler "$a" ;;
	*) set -- "$@" "$a" ;;
	esac
done
exec "$nvcc" "$@"
