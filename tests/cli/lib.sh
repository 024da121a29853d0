# lib.sh: what the tests of the program share. Each prints "ok NAME" or "not ok NAME" lines and ends with
# "PASS: N checks", so that a run without checks is seen. Needs $SCOREFIELD, the program's path.
# SPDX-License-Identifier: BSD-3-Clause

: "${SF_SRCDIR:=.}"
if [ -z "$SCOREFIELD" ]; then
	for p in ./scorefield "$SF_SRCDIR/scorefield"; do
		[ -x "$p" ] && SCOREFIELD=$p
	done
fi
case $SCOREFIELD in
/*) ;;
*) SCOREFIELD=$(pwd)/$SCOREFIELD ;;
esac
[ -x "$SCOREFIELD" ] || { echo "no program at '$SCOREFIELD' (set SCOREFIELD)"; exit 99; }
srcdir=$(cd "$SF_SRCDIR" && pwd)
SCOREFIELD_DATA=$srcdir/data
OPENBLAS_NUM_THREADS=1
LC_ALL=C
export SCOREFIELD_DATA OPENBLAS_NUM_THREADS LC_ALL
unset SCOREFIELD_THREADS SCOREFIELD_ISA NO_COLOR COLUMNS

work=$(mktemp -d "${TMPDIR:-/tmp}/sf-cli.XXXXXX") || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 99' HUP INT TERM
cd "$work" || exit 99

checks=0
failures=0

sf() {
	"$SCOREFIELD" "$@"
}

ok() {
	checks=$((checks + 1))
	echo "ok $1"
}

not_ok() {
	checks=$((checks + 1))
	failures=$((failures + 1))
	echo "not ok $1"
	[ -f "$work/stderr" ] && sed 's/^/#   /' "$work/stderr"
}

# passes NAME COMMAND...: the command succeeds. Output in $work/stdout and $work/stderr.
passes() {
	name=$1
	shift
	if "$@" > "$work/stdout" 2> "$work/stderr"; then ok "$name"; else not_ok "$name (status $?)"; fi
}

# refuses STATUS TEXT ARGUMENT...: the program ends with STATUS and says TEXT in exactly one line that starts
# with its name, on standard error, with nothing on standard output.
refuses() {
	want=$1
	text=$2
	shift 2
	"$SCOREFIELD" "$@" > "$work/stdout" 2> "$work/stderr"
	status=$?
	name="refuses $*"
	if [ $status -ne "$want" ]; then
		not_ok "$name: status $status, expected $want"
	elif [ "$(wc -l < "$work/stderr")" -ne 1 ]; then
		not_ok "$name: expected one line"
	elif ! grep -q '^scorefield: ' "$work/stderr"; then
		not_ok "$name: the line does not start with 'scorefield: '"
	elif ! grep -qF -e "$text" "$work/stderr"; then
		not_ok "$name: the line lacks '$text'"
	elif [ -s "$work/stdout" ]; then
		not_ok "$name: something on standard output"
	else
		ok "$name"
	fi
}

# same NAME FILE FILE
same() {
	if cmp "$2" "$3" > "$work/stderr" 2>&1; then ok "$1"; else not_ok "$1"; fi
}

# holds NAME TEXT FILE
holds() {
	if grep -qF -e "$2" "$3"; then ok "$1"; else not_ok "$1: no '$2' in $3"; fi
}

skip() {
	echo "SKIP: $1"
	exit 77
}

finish() {
	if [ "$checks" -eq 0 ]; then
		echo "FAIL: no check ran"
		exit 1
	fi
	if [ "$failures" -ne 0 ]; then
		echo "FAIL: $failures of $checks checks"
		exit 1
	fi
	echo "PASS: $checks checks"
	exit 0
}
