#!/bin/sh
# setup.sh: from a fresh machine to a result, in one command.
#
#   sh build-aux/setup.sh demo    installs what is missing, builds in build/, draws the demo pictures
#   sh build-aux/setup.sh test    installs what the tests need too, builds, runs them
#   sh build-aux/setup.sh build   only builds
#   sh build-aux/setup.sh needs [test]   prints the packages that are missing, changes nothing
#
# Package managers: apt, dnf, pacman, apk. As root, or where sudo asks no password, packages are
# installed without a question; elsewhere the line to run is printed and the script ends with 1.
# Environment: BUILD (build directory), CONFIGURE_FLAGS, MAKEFLAGS, DEMO_SHORT=1 (a demo of a minute).
# The tests are configured with --with-cuda where nvcc and cuDNN 9 are found; they need no device.
#
# The names for apt were tried on Debian 12. Those for dnf, pacman and apk are from those
# distributions' package lists and have not been tried.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
# a folder with a space in its name would need care all over autotools
case $(pwd) in *' '*) echo "setup: move the sources to a path without spaces" >&2; exit 1 ;; esac

say() { printf '%s\n' "setup: $*"; }
die() { printf '%s\n' "setup: $*" >&2; exit 1; }
have() { command -v "$1" > /dev/null 2>&1; }
pc() { pkg-config --exists "$1" 2>/dev/null; }

# ---- what is needed: a test for each thing, and its package by manager ----

# Whether a program with CBLAS and LAPACKE links, by any of the ways that configure tries.
have_blas() {
	have cc && have pkg-config || return 1
	dir=$(mktemp -d)
	printf '#include <cblas.h>\n#include <lapacke.h>\n%s\n' 'int main(void){double a=1,w;
		return (int)cblas_ddot(1,&a,1,&a,1)+LAPACKE_dsyev(LAPACK_ROW_MAJOR,86,76,1,&a,1,&w);}' > "$dir/t.c"
	ok=1
	for module in openblas flexiblas blas; do
		for lapacke in '' '-llapacke' '-llapacke -llapack -lcblas'; do
			# shellcheck disable=SC2046,SC2086 # lists of flags
			cc -o "$dir/t" "$dir/t.c" $(pkg-config --cflags $module lapacke 2>/dev/null ||
				pkg-config --cflags $module 2>/dev/null) $lapacke \
				$(pkg-config --libs $module 2>/dev/null) 2>/dev/null && ok=0 && break 2
		done
	done
	rm -rf "$dir"
	return $ok
}

# need TEST apt dnf pacman apk: adds the package to the list unless TEST succeeds.
missing=
need() {
	sh_test=$1
	case $manager in
	apt) name=$2 ;; dnf) name=$3 ;; pacman) name=$4 ;; apk) name=$5 ;; *) name=$2 ;;
	esac
	if ! eval "$sh_test"; then missing="$missing $name"; fi
}

find_missing() {
	missing=
	need 'have cc && echo "#include <stdio.h>" | cc -E - > /dev/null 2>&1' \
		'gcc libc6-dev' 'gcc glibc-devel' gcc 'gcc musl-dev'
	need 'have make' make make make make
	need 'have autoconf' autoconf autoconf autoconf autoconf
	need 'have automake' automake automake automake automake
	need 'have libtoolize' libtool libtool libtool libtool
	need 'have pkg-config' pkg-config pkgconf-pkg-config pkgconf pkgconf
	need 'pc libpng' libpng-dev libpng-devel libpng libpng-dev
	need 'pc zlib' zlib1g-dev zlib-devel zlib zlib-dev
	need 'pc jansson' libjansson-dev jansson-devel jansson jansson-dev
	need 'pc inih' libinih-dev inih-devel libinih inih-dev
	need have_blas 'libopenblas-dev liblapacke-dev' openblas-devel openblas openblas-dev
	[ "$1" = test ] || return 0
	need 'pc check' check check-devel check check-dev
	need 'have g++ || have clang++' g++ gcc-c++ gcc g++
	need 'have mandoc' mandoc mandoc mandoc mandoc
	need 'have man' man-db man-db man-db man-db
}

# Wanted, but nothing fails without them: curves, and the garments for the data tests.
find_wanted() {
	missing=
	need 'have gnuplot' gnuplot-nox gnuplot gnuplot gnuplot
	[ "$1" = test ] || return 0
	need '[ -d /usr/share/datasets/fashion-mnist ]' dataset-fashion-mnist '' '' ''
}

# ---- installing ----

manager=none
for m in apt-get dnf pacman apk; do
	if have $m; then manager=${m%-get}; break; fi
done
# The commands of each manager: refresh the lists, then install.
refresh_line() {
	case $manager in apt) echo 'apt-get update' ;; apk) echo 'apk update' ;; *) echo true ;; esac
}
install_line() {
	case $manager in
	apt) echo 'env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends' ;;
	dnf) echo 'dnf install -y' ;;
	pacman) echo 'pacman -Sy --needed --noconfirm' ;;
	apk) echo 'apk add' ;;
	esac
}
refreshed=no
# install PACKAGE...: 0 if done, 1 if not allowed or failed
install() {
	if [ "$(id -u)" -eq 0 ]; then as=
	elif have sudo && sudo -n true 2>/dev/null; then as='sudo -n'
	else return 1
	fi
	# shellcheck disable=SC2046,SC2086
	if [ $refreshed = no ]; then
		$as $(refresh_line) || say 'the package lists could not be refreshed'
		refreshed=yes
	fi
	# shellcheck disable=SC2046,SC2086
	$as $(install_line) "$@"
}

provide() {
	find_missing "$1"
	if [ -n "$missing" ]; then
		[ "$manager" != none ] || die "missing (names as in Debian):$missing;" \
			'no apt, dnf, pacman or apk is here to install them'
		say "installing:$missing"
		# shellcheck disable=SC2086
		if ! install $missing; then
			printf '%s\n' "setup: these packages are missing; install them, then run me again:" >&2
			sudo=sudo
			[ "$(id -u)" -ne 0 ] || sudo=
			printf '\n    %s\n\n' "${sudo:+$sudo }$(install_line)$missing" >&2
			exit 1
		fi
		find_missing "$1"
		[ -z "$missing" ] || die "still missing after the installation:$missing"
	fi
	find_wanted "$1"
	for package in $missing; do
		install "$package" || say "going on without $package"
	done
}

# ---- building ----

# --with-cuda where a program for the toolkit's libraries compiles and links as configure tries it; nothing is installed for it.
cuda_flag() {
	nvcc=$(PATH=$PATH:/usr/local/cuda/bin command -v nvcc) || return 0
	root=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
	dir=$(mktemp -d)
	printf '#include <cudnn.h>\n#include <cublasLt.h>\n#include <nvrtc.h>\n%s\n' \
		'int main(void){int n;return (int)(cudnnGetVersion()/90000)+(int)cublasLtGetVersion()+(int)nvrtcVersion(&n,&n);}' > "$dir/t.c"
	! cc -o "$dir/t" "$dir/t.c" -I"$root/include" -L"$root/lib64" -L"$root/lib" -lcudnn -lcublasLt -lnvrtc -lcudart \
		> /dev/null 2>&1 || echo --with-cuda
	rm -rf "$dir"
}

build() {
	# later changes of configure.ac or Makefile.am are noticed by make itself
	[ -f configure ] || autoreconf -fi
	mkdir -p "$build"
	top=$(pwd)
	# shellcheck disable=SC2086
	[ -f "$build/Makefile" ] || (cd "$build" && "$top/configure" ${CONFIGURE_FLAGS:-})
	make -C "$build" -j"$jobs"
}

# Runs the tests, then shows the log of each failing one and the closing lines of every C test
# program, so that a run in which nothing was tested is seen.
run_tests() {
	rc=0
	make -C "$build" -j"$jobs" check || rc=$?
	for trs in "$build"/tests/*.trs "$build"/tests/*/*.trs "$build"/examples/*.trs; do
		[ -f "$trs" ] || continue
		if grep -q '^:test-result: \(FAIL\|ERROR\|XPASS\)' "$trs"; then
			printf '\n---- %s ----\n' "${trs%.trs}"
			cat "${trs%.trs}.log"
		fi
	done
	printf '\nClosing lines of the test programs:\n'
	total=0
	for log in "$build"/tests/check_*.log; do
		[ -f "$log" ] || continue
		line=$(grep -E '^[0-9]+%: Checks: [0-9]+' "$log" | tail -n 1)
		printf '  %-24s %s\n' "$(basename "$log" .log)" "${line:-NO RESULT: $(tail -n 1 "$log")}"
		n=$(printf '%s\n' "$line" | sed -n 's/.*Checks: \([0-9]*\).*/\1/p')
		total=$((total + ${n:-0}))
	done
	say "$total checks in C"
	for trs in "$build"/tests/*.trs "$build"/tests/*/*.trs; do
		if [ -f "$trs" ] && grep -q '^:test-result: SKIP' "$trs"; then
			printf '  skipped %s: %s\n' "$(basename "$trs" .trs)" \
				"$(tail -n 2 "${trs%.trs}.log" | head -n 1)"
		fi
	done
	[ $total -gt 0 ] || { say 'no C test has run'; rc=1; }
	[ $rc -eq 0 ] && say 'all tests passed'
	return $rc
}

case ${1:-} in
demo)
	provide build
	build
	SCOREFIELD=$(cd "$build" && pwd)/scorefield
	SCOREFIELD_DATA=$(pwd)/data
	export SCOREFIELD SCOREFIELD_DATA
	sh examples/demo.sh "${2:-demo}"
	;;
test)
	provide test
	CONFIGURE_FLAGS="$(cuda_flag) ${CONFIGURE_FLAGS:-}"
	build
	run_tests
	;;
build)
	provide build
	build
	;;
needs)
	find_missing "${2:-build}"
	printf '%s\n' "${missing# }"
	;;
*)
	sed -n '2,/^# SPDX/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
	exit 1
	;;
esac
