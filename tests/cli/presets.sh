#!/bin/sh
# inspect and list on presets of published settings, whose data sets are not there: counts, refusals, statuses.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "the table of all presets" sf inspect --presets
cp stdout all
for p in $(sf list preset --quiet); do
	grep -q "^$p " all && ok "$p is in the table" || not_ok "$p is in the table"
	grep -q "^\.Cm $p\( \|$\)" "$srcdir/man/scorefield-config.7" && ok "$p is in the manual" || not_ok "$p is in the manual"
done
# Published numbers (Song et al. 2021; Karras et al. 2022; Song and Ermon 2020), each as counted and as published.
while read -r p n; do
	grep -q "^$p .* $n  *$n = " all && ok "$p: $n" || not_ok "$p: $n"
done << END
cifar10-ncsnpp 62,758,787
cifar10-ncsnpp-deep 107,586,947
cifar10-ddpmpp 61,804,419
cifar10-ddpmpp-deep 106,632,579
cifar10-edm-ddpmpp 55,733,891
cifar10-edm-ncsnpp 56,397,827
cifar10-ncsnv2 29,694,083
ffhq-256-ncsnpp 65,574,421
celebahq-1024-ncsnpp 105,785,880
END
if grep -q '!=' all; then not_ok "no count differs"; else ok "no count differs"; fi

passes "two of them" sf inspect cifar10-ddpmpp cifar10-cld
[ "$(grep -c '^cifar10' stdout)" -eq 2 ] && ok "a row each" || not_ok "a row each"
passes "as JSON" sf inspect cifar10-ddpmpp cifar10-cld --json
holds "JSON has counts" '"parameters": 61804419' stdout
holds "JSON has published counts" '"published": 61804419' stdout
passes "one" sf inspect cifar10-ddpmpp
holds "its count" "61,804,419, as published" stdout
holds "its source" "Song et al. 2021" stdout
holds "its memory" "needs " stdout
passes "one with a setting" sf inspect cifar10-ddpmpp --set data.shape=64x64x3

# Another network than published: shown, with status 3.
sf inspect cifar10-ddpmpp --set net.spec=ddpmpp:blocks=8 > stdout 2> stderr
[ $? -eq 3 ] && ok "another network ends with status 3" || not_ok "another network ends with status 3"
holds "both numbers" "106,632,579 parameters, published are 61,804,419" stderr
sf inspect cifar10-ddpmpp cifar10-cld --set net.spec=ddpmpp:blocks=8 > stdout 2> stderr
[ $? -eq 3 ] && ok "in a table too" || not_ok "in a table too"
holds "how many" "2 of 2 networks" stderr

refuses 2 "multiples of 8" inspect cifar10-ddpmpp --set data.shape=33x33x3
refuses 2 "32x32x3" inspect cifar10-ddpmpp --set data.shape=32by32
refuses 2 "did you mean 'cifar10-ddpmpp'" inspect cifar10-dpmpp
refuses 1 "missing operand" inspect
refuses 1 "takes no names" inspect --presets cifar10-cld
touch a.npy
refuses 1 "must all be presets" inspect a.npy cifar10-cld
refuses 1 "--set is for" inspect a.npy --set train.lr=1
refuses 2 "cifar-10-batches-bin" train cifar10-ddpmpp
refuses 2 "put them there, or set data.spec" train cifar10-ddpmpp
refuses 2 "put them there, or set data.spec" train ffhq-256-ncsnpp
[ -e runs ] && not_ok "no run directory is left behind" || ok "no run directory is left behind"

passes "list preset" sf list preset
holds "published ones are marked" "as published, at full scale" stdout
sed '/^as published/q' stdout > small
if grep -q 'ncsnpp' small; then not_ok "laptop presets come first"; else ok "laptop presets come first"; fi
holds "digits is among them" "digits" small
finish
