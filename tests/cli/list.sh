#!/bin/sh
# list names every family and member; its JSON parses and carries the option tables.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

# json NAME: the last output parses. Checker: python3 or jq where there is one.
if command -v python3 > /dev/null; then
	parses() { python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$1"; }
elif command -v jq > /dev/null; then
	parses() { jq . "$1" > /dev/null; }
else
	parses() { grep -q '^[{]' "$1" && tail -n 1 "$1" | grep -q '^}'; }
fi

passes "list" sf list
cp stdout all
json() {
	cp stdout json
	passes "$1 parses" parses json
}

for f in process score grid net objective sampler data preset; do
	holds "names $f" "$f" all
	passes "list $f" sf list $f
	[ -s stdout ] && ok "list $f is not empty" || not_ok "list $f is not empty"
	sf list $f --quiet > names
	passes "list $f --json" sf list $f --json
	json "list $f --json"
	for m in $(cat names); do
		passes "list $f $m" sf list $f "$m"
		passes "list $f $m --json" sf list $f "$m" --json
		json "list $f $m --json"
		holds "list $f $m --json names it" "\"$m\"" json
	done
done
passes "list --json" sf list --json
json "list --json"
holds "list --json has families" '"families"' json
passes "list config" sf list config
holds "list config names train.steps" "train.steps" stdout
sf list process vp --json > vp.json
holds "defaults are in the JSON" '"default": "20"' vp.json

refuses 2 "did you mean 'process'" list proces
refuses 2 "did you mean 'subvp'" list process subpv
refuses 2 "did you mean 'digits'" list preset digit
refuses 2 "did you mean 'heun'" list sampler huen
finish
