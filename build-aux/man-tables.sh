#!/bin/sh
# man-tables.sh [--check] MANTABLES SCOREFIELD MANDIR: puts the generated parts of the manual pages
# between their marks:
#
#     .\" BEGIN table FAMILY     ... .\" END     from the class records (mantables)
#     .\" BEGIN options COMMAND  ... .\" END     from scorefield COMMAND --help
#
# With --check nothing is changed; the differences are shown and the status is 1 if there are any.
# SPDX-License-Identifier: BSD-3-Clause
set -eu
check=no
if [ "${1:-}" = --check ]; then check=yes; shift; fi
mantables=$1
scorefield=$2
dir=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# "  -n, --number N    help [default]" lines of a help text to an mdoc list
options() {
	"$scorefield" "$1" --help > "$tmp/help"
	awk '
	function escape(s) { gsub(/\\/, "\\e", s); if (s ~ /^[.'"'"']/) s = "\\&" s; return s }
	function fill(s,    n, w, i, line) {
		n = split(s, w, " "); line = ""
		for (i = 1; i <= n; i++) {
			if (line != "" && length(line) + length(w[i]) + 1 > 76) { print escape(line); line = "" }
			line = line == "" ? w[i] : line " " w[i]
		}
		if (line != "") print escape(line)
	}
	/^Options:|^Common options:/ { open = 1; if (!began++) print ".Bl -tag -width Ds"; next }
	/^$/ { if (open == 2) open = 0; next }
	open && /^  (-.,|   ) --/ {
		open = 2
		line = substr($0, 3)
		match(line, /^(-.,|   ) --[^ ]+/)
		left = substr(line, 1, RLENGTH)
		rest = substr(line, RLENGTH + 1)
		arg = ""
		# an argument follows the name after one space; else blanks up to the help in column 25
		if (rest ~ /^ [^ ]/ && length(left) < 24) {
			match(rest, /^ [^ ]+/)
			arg = substr(rest, 2, RLENGTH - 1)
			rest = substr(rest, RLENGTH + 1)
		}
		# a long name leaves its help to the next line
		if (rest ~ /^ *$/) getline rest
		sub(/^ +/, "", rest)
		def = ""
		if (match(rest, / \[[^]]*\]$/)) {
			def = substr(rest, RSTART + 2, RLENGTH - 3)
			rest = substr(rest, 1, RSTART - 1)
		}
		item = ".It"
		if (left ~ /^-/) item = item " Fl " substr(left, 2, 1) " ,"
		sub(/^.* --/, "", left)
		item = item " Fl Fl " left
		gsub(/[|]/, " | ", arg)
		if (arg != "") item = item " Ar " arg
		print item
		if (rest ~ /^[a-z][a-z]/) rest = toupper(substr(rest, 1, 1)) substr(rest, 2)
		if (rest !~ /[.]$/) rest = rest "."
		fill(rest)
		if (def != "" && def != "false") { print "The default is"; print ".Ql " def " ." }
	}
	END { if (began) print ".El" }' "$tmp/help"
}

rc=0
for page in "$dir"/*.[137]; do
	grep -q '^\.\\" BEGIN ' "$page" || continue
	new=$tmp/$(basename "$page")
	: > "$new"
	skip=no
	while IFS= read -r line; do
		case $line in
		'.\" END')
			skip=no
			;;
		esac
		[ $skip = yes ] || printf '%s\n' "$line" >> "$new"
		case $line in
		'.\" BEGIN table '*)
			"$mantables" "${line##* }" >> "$new"
			skip=yes
			;;
		'.\" BEGIN options '*)
			options "${line##* }" >> "$new"
			skip=yes
			;;
		esac
	done < "$page"
	if ! cmp -s "$page" "$new"; then
		if [ $check = yes ]; then
			diff -u "$page" "$new" || true
			rc=1
		else
			cat "$new" > "$page"
			echo "updated $page"
		fi
	fi
done
[ $rc -eq 0 ] || echo 'FAIL: manual pages are out of date: make man-tables'
exit $rc
