#!/bin/sh
# Every command explains itself, mentions each of its options, and refuses what it does not know.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "--help" sf --help
commands=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' stdout)
[ "$(echo "$commands" | wc -w)" -ge 8 ] && ok "commands are listed" || not_ok "commands are listed: $commands"
for c in train sample evaluate likelihood distance latent plot verify list inspect data bench variance fit compare ems orders import export; do
	echo "$commands" | grep -qx $c && ok "$c is listed" || not_ok "$c is listed"
done
passes "--version" sf --version
grep -q '^scorefield [0-9]*\.[0-9]*\.[0-9]*$' stdout && ok "the version's form" || not_ok "the version's form"

for c in $commands; do
	passes "$c --help" sf "$c" --help
	holds "$c: usage" "Usage: scorefield $c" stdout
	for o in --seed --threads --precision --quiet --json --strict --help; do
		holds "$c: $o" "$o" stdout
	done
	# What the help names is accepted: a switch before --help, an option with a value never reads as unknown.
	for o in $(sed -n 's/^ *\(-[A-Za-z], \)\{0,1\}\(--[a-z][a-z0-9-]*\).*/\2/p' stdout); do
		sf "$c" "$o" --help > out 2> stderr
		if grep -q 'unknown option' stderr; then not_ok "$c knows $o"; else ok "$c knows $o"; fi
	done < /dev/null
	refuses 1 "unknown option '--no-such-thing'" "$c" --no-such-thing
	refuses 1 "did you mean '--threads'" "$c" --thread 2
done
for o in output set resume force; do
	sf train --help | grep -q -e "--$o" && ok "train --$o" || not_ok "train --$o"
done
for o in number sampler grid steps nfe output ema raw labels; do
	sf sample --help | grep -q -e "--$o" && ok "sample --$o" || not_ok "sample --$o"
done

refuses 1 "no command given"
refuses 1 "did you mean 'verify'" verfy
refuses 1 "did you mean 'sample'" sampel
for o in output preset set map weights ignore step moments force; do
	sf import --help | grep -q -e "--$o" && ok "import --$o" || not_ok "import --$o"
done
for o in output map weights checkpoint; do
	sf export --help | grep -q -e "--$o" && ok "export --$o" || not_ok "export --$o"
done
refuses 1 "missing operand" train
refuses 1 "too many operands" sample a b
refuses 1 "needs a value" sample run -n
refuses 1 "exclude each other" sample run --steps 3 --nfe 4
finish
