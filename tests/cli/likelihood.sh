#!/bin/sh
# Likelihoods of a trained network: in words, as JSON and as CSV, by both traces and the bound; its latents there and back.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

# numbers FILE.npy: the numbers of a float32 or float64 NPY, one a line
numbers() {
	case $(head -c 128 "$1") in
	*'<f8'*) od -An -v -j 128 -t f8 "$1" ;;
	*) od -An -v -j 128 -t f4 "$1" ;;
	esac | tr -s ' ' '\n' | sed '/^$/d'
}
# near NAME TOLERANCE FILE.npy FILE.npy
near() {
	numbers "$3" > a.txt
	numbers "$4" > b.txt
	paste a.txt b.txt | awk -v t="$2" '{ d = $1 - $2; if (d < 0) d = -d; if (!(d <= t)) { print NR, $0; bad = 1 } }
		END { exit bad || NR == 0 }' > stderr && ok "$1" || not_ok "$1"
}
# field NAME FILE: a number of the JSON
field() {
	sed -n 's/^ *"'"$1"'": \([-0-9.e+]*\),*$/\1/p' "$2"
}
# within NAME A B TOLERANCE
within() {
	if awk -v a="$2" -v b="$3" -v t="$4" 'BEGIN { d = a - b; exit !(a != "" && b != "" && d <= t && -d <= t) }'; then ok "$1"
	else not_ok "$1: $2 is not $3 within $4"; fi
}

passes "train on two normals" sf train tiny -q -o run --set data.spec=mixture --set train.steps=1000
passes "likelihood" sf likelihood run
holds "a mean" "nll = " stdout
holds "the data's own density" "the data's own density: " stdout
holds "256 records" "256 records of 2 numbers" stdout
passes "likelihood --quiet" sf likelihood run -q
[ "$(wc -l < stdout)" -eq 1 ] && ok "the mean alone" || not_ok "the mean alone"
passes "JSON" sf likelihood run --json -n 200 --solver rk45:rtol=1e-6,atol=1e-6 --precision double
cp stdout exact.json
[ "$(field records exact.json)" = 200 ] && ok "records" || not_ok "records"
# no density is closer to the data's than their own, but for what 200 records tell
awk -v a="$(field nll exact.json)" -v b="$(field exact exact.json)" 'BEGIN { exit !(a > b - 0.02 && a < b + 0.5) }' &&
	ok "a little above the data's own" || not_ok "a little above the data's own"

for t in 1 2 3; do
	sf likelihood run -n 300 -q --threads $t -o t$t.csv > /dev/null
	same "$t threads give the same numbers" t1.csv t$t.csv
done
[ "$(head -n 1 t1.csv)" = record,nll,bits_per_dim,exact,logp,prior,divergence,velocity ] && ok "the columns" ||
	not_ok "the columns"
sf likelihood run -n 100 --first 200 -q -o part.csv > /dev/null
tail -n 100 t1.csv > want.csv
tail -n 100 part.csv > got.csv
same "records 200 to 299 are the same alone" want.csv got.csv
mean=$(awk -F , 'NR > 1 { s += $2 } END { printf "%.9g", s / (NR - 1) }' t1.csv)
sf likelihood run -n 300 --json > all.json
within "the mean of the records" "$(field nll all.json)" "$mean" 1e-6

passes "Hutchinson" sf likelihood run -n 200 --trace hutchinson --probes 50 --json
within "close to the exact trace" "$(field nll stdout)" "$(field nll exact.json)" 0.1
holds "said so" '"trace": "rademacher"' stdout
passes "normal probes" sf likelihood run -n 200 --trace hutchinson --probe normal --probes 50 --json
within "close, too" "$(field nll stdout)" "$(field nll exact.json)" 0.2
passes "the variational bound" sf likelihood run -n 200 --bound elbo --times 500 --json
holds "a bound" '"bound": true' stdout
awk -v a="$(field nll stdout)" -v s="$(field se stdout)" -v b="$(field nll exact.json)" 'BEGIN { exit !(a > b - 4 * s && a < b + 2) }' &&
	ok "above the likelihood" || not_ok "above the likelihood"
passes "bound in words" sf likelihood run --bound elbo -n 20 -q
holds "a bound in words" "nll <= " stdout
sf likelihood run -n 20 -q > ema
sf likelihood run -n 20 -q --raw > raw
if cmp -s ema raw; then not_ok "--raw differs from the average"; else ok "--raw differs from the average"; fi

# latents
passes "sample" sf sample run -n 12 -q -o x.npy
passes "encode" sf likelihood run --data npy:path=x.npy --trace none --latents z.npy --solver rk45:rtol=1e-7,atol=1e-7 --precision double
passes "decode" sf sample run --decode z.npy -q -o back.npy --sampler rk45:rtol=1e-7,atol=1e-7 --precision double
near "there and back" 1e-4 x.npy back.npy
passes "in between" sf sample run --decode z.npy --between 5 -q -o between.npy --sampler rk45:rtol=1e-7,atol=1e-7 --precision double
numbers between.npy | awk 'NR % 10 == 1 || NR % 10 == 2' > first.txt
numbers back.npy | head -n 22 > want.txt
same "each row starts at a latent" want.txt first.txt
[ "$(numbers between.npy | wc -l)" -eq 110 ] && ok "11 rows of 5 points" || not_ok "11 rows of 5 points"
refuses 2 "adds noise" sample run --decode z.npy --sampler em
refuses 1 "--decode" sample run --between 3

# 8-bit data
passes "train on digits" sf train digits -q -o dig --set train.steps=2 --set net.spec=unet:width=8,mult=1:1,blocks=1 --set train.batch=4
passes "digits" sf likelihood dig -n 2 --solver rk45:rtol=1e-2,atol=1e-2 --json
bits=$(field bits_per_dim stdout)
nll=$(field nll stdout)
d=$(field dimensions stdout)
within "bits per dimension" "$bits" "$(awk -v n="$nll" -v d="$d" 'BEGIN { printf "%.12g", n / d / log(2) }')" 1e-6
holds "one probe where there are many dimensions" '"trace": "rademacher"' stdout

# velocities
passes "train with velocities" sf train tiny -q -o cld --set data.spec=mixture --set train.steps=100 --set process.spec=cld \
	--set model.parametrisation=mixed --set objective.spec=hsm
passes "cld" sf likelihood cld -n 12
holds "its bound" "nll <= " stdout
passes "encode with velocities" sf likelihood cld -n 12 --trace none --latents zc.npy -q
passes "decode with velocities" sf sample cld --decode zc.npy -q -o xc.npy
[ "$(numbers xc.npy | wc -l)" -eq 24 ] && [ "$(numbers zc.npy | wc -l)" -eq 48 ] && ok "two numbers of four" || not_ok "two numbers of four"
refuses 2 "not latents of this network" sample cld --decode z.npy
refuses 2 "'cld' is one of two" likelihood cld --bound elbo

refuses 2 "no such run" likelihood nowhere
refuses 2 "in another shape" likelihood run --data mixture:dim=3,weights=1,means=0:0:0,stds=1
refuses 2 "did you mean 'mixture'" likelihood run --data mixtur
refuses 2 "have 12 records" likelihood run --data npy:path=x.npy -n 13
refuses 2 "have 12 records" likelihood run --data npy:path=x.npy --first 12
refuses 2 "'heun' cannot carry" likelihood run --solver heun
refuses 2 "rtol" likelihood run --solver rk45:rtol=1e-15
refuses 2 "start at time 80" likelihood run --start 80
refuses 1 "--trace none" likelihood run --trace none
refuses 1 "--latents" likelihood run --bound elbo --latents q.npy
refuses 1 "--latents" likelihood run --passes 2 --latents q.npy
refuses 2 "out of range" likelihood run --probes 0
finish
