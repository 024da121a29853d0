#!/bin/sh
# The script that compares objectives runs through: a few steps of each, its tables whole, and equal errors where identities
# promise them.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"
SCOREFIELD_THREADS=1
export SCOREFIELD SCOREFIELD_THREADS

passes "compare-objectives.sh -q" sh "$srcdir/examples/compare-objectives.sh" -q out
same "the table is printed and kept" stdout out/table.md
[ "$(grep -c '^| .ism. |' stdout)" -eq 4 ] && ok "ism is in four tables" || not_ok "ism is in four tables"
for name in ssm ssm-vr fd-ssm fd-ssm-vr dsm stf lcss; do
	[ "$(grep -c "^| .$name. |" stdout)" -eq 3 ] && ok "$name is in three tables" || not_ok "$name is in three tables"
done
for name in lcss-two lcss-base; do
	[ "$(grep -c "^| .$name. |" stdout)" -eq 3 ] && ok "$name is in three tables" || not_ok "$name is in three tables"
done
grep -q -e nan -e inf stdout && not_ok "all numbers are finite" || ok "all numbers are finite"
# every row has as many columns as its table's head
awk -F '|' '/^$/ { n = 0; next } !n { n = NF } NF != n { exit 1 }' stdout && ok "rows are whole" || not_ok "rows are whole"
# LCSS with one noise has DSM's gradient (to rounding): the same errors to three digits
column() { # NAME: the error on the board
	awk -v name="$1" -F '|' '$2 == " `" name "` " { printf "%.3f", $5; exit }' stdout
}
[ "$(column dsm)" = "$(column lcss)" ] && ok "lcss learns what dsm does" || not_ok "lcss learns what dsm does"
[ "$(column dsm)" != "$(column lcss-two)" ] && ok "a second noise does not" || not_ok "a second noise does not"
if command -v gnuplot > /dev/null; then
	for f in objectives objectives-dimension; do
		[ "$(head -c 4 out/$f.png | tail -c 3)" = PNG ] && ok "$f.png" || not_ok "$f.png"
	done
fi
if sh "$srcdir/examples/compare-objectives.sh" -s few out2 2> err; then not_ok "refuses a wrong number"; else
	ok "refuses a wrong number"; fi
[ -e out2 ] && not_ok "and leaves nothing" || ok "and leaves nothing"
finish
