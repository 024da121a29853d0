#!/bin/sh
# bench.sh: builds the benchmark and prints its table; what is named after `--` goes to it.
#
#     sh bench/bench.sh [-p PYTHON] [-m eager|compile] [-t THREADS] [-d DEVICE] [-- --only TEXT GROUP...]
#
# Run in the build directory (or `make bench`, with BENCHFLAGS). PyTorch is compared with where PYTHON (default: the
# first python3 that has it) can import it. Both sides get the same number of threads; PyTorch gets what makes it fastest: an
# OpenMP build of OpenBLAS where Debian's is installed, and a malloc that keeps its pages. With -d cuda,bf16 both sides run on
# that device (and -m compile is what PyTorch is fastest with); GROUP is then device.
set -e
src=$(cd "$(dirname "$0")" && pwd)
python='' mode=eager threads=$(nproc) device=cpu
while getopts p:m:t:d: o; do
	case $o in
	p) python=$OPTARG ;;
	m) mode=$OPTARG ;;
	t) threads=$OPTARG ;;
	d) device=$OPTARG ;;
	*) exit 1 ;;
	esac
done
shift $((OPTIND - 1))
${MAKE:-make} -s bench/bench
for p in $python /usr/bin/python3 python3; do
	if [ -z "$found" ] && "$p" -c 'import torch' 2>/dev/null; then
		found=$p
	fi
done
peer=
if [ -n "$found" ]; then
	blas=
	for d in /usr/lib/*/openblas-openmp; do
		[ -d "$d" ] && blas=$d
	done
	peer="env LD_LIBRARY_PATH=$blas MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 \
MALLOC_TOP_PAD_=1073741824 OMP_NUM_THREADS=$threads $found $src/peer.py $threads $mode ${device%%,*} 2>/dev/null"
fi
OMP_NUM_THREADS=$threads exec bench/bench --threads "$threads" --device "$device" ${peer:+--peer "exec $peer"} "$@"
