#!/bin/sh
# Models of latents from training to pictures: sample, likelihood, latent, distance, and what does not fit.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

small="--set net.spec=mlp:width=16,depth=1 --set vae.encoder=nvae-encoder:width=8,levels=1 --set vae.decoder=nvae-decoder:width=8,levels=1
	--set vae.latent=2 --set vae.pretrain=10 --set vae.kl-steps=5 --set train.batch=16 --set train.shards=2 --set train.warmup=0
	--set train.log-every=5 --set train.checkpoint-every=0 --set train.sample-every=0 --set train.events=false --set sample.steps=4
	--set sample.sampler=heun"
# train RUN PRESET SETTING...
train() {
	run=$1 preset=$2
	shift 2
	# shellcheck disable=SC2086
	sf train "$preset" -q -o "$run" $small --set train.steps=20 "$@"
}
passes "train lsgm-digits" train run lsgm-digits
passes "train cld-lsgm-digits" train cld cld-lsgm-digits --set sample.sampler=em
passes "train another encoder" train other lsgm-digits --seed 1
passes "inspect the run" sf inspect run
holds "the checkpoint names its encoder" "vae-hash" stdout
passes "train a model of the data" sf train tiny -q -o plain --set train.steps=5 --set train.checkpoint-every=0

for r in run cld; do
	passes "$r: sample" sf sample $r -q -n 4 -o $r.png
	passes "$r: sample to NPY" sf sample $r -q -n 6 -o $r.npy
	passes "$r: its shape" sf inspect $r.npy
	holds "$r: data, not latents" "6x8x8x1" stdout
	passes "$r: a part of them" sf sample $r -q -n 2 --first 4 -o part.npy --threads 1
	tail -c 512 $r.npy > a
	tail -c 512 part.npy > b
	same "$r: the same bytes" a b
	passes "$r: its own autoencoder" sf sample $r -q -n 6 -o own.npy --vae $r
	same "$r: the same samples" $r.npy own.npy
	passes "$r: trajectory" sf sample $r -q -n 2 -o part.npy --trajectory film.png
	passes "$r: trajectory as numbers" sf sample $r -q -n 2 -o part.npy --trajectory film.npy
	passes "$r: its shape" sf inspect film.npy
	holds "$r: latents" "x2x4x4x2" stdout
	passes "$r: likelihood" sf likelihood $r -n 8 --latents ends.npy --solver rk45:rtol=1e-3,atol=1e-3 --json
	holds "$r: a bound" '"bound": true' stdout
	holds "$r: its parts" '"cross": ' stdout
	passes "$r: latents of the flow" sf inspect ends.npy
	if [ $r = cld ]; then want=8x2x4x4x2; else want=8x4x4x2; fi
	holds "$r: their shape" $want stdout
	passes "$r: decode" sf sample $r -q --decode ends.npy -o back.npy --sampler rk45:rtol=1e-3,atol=1e-3
	passes "$r: between" sf sample $r -q --decode ends.npy --between 3 -o back.png
	passes "$r: cross entropy" sf likelihood $r -n 8 --bound elbo --times 8 -o each.csv
	holds "$r: says so" "nll <= " stdout
	holds "$r: columns" "record,nll,bits_per_dim,exact,logp,reconstruction,entropy,cross" each.csv
	# nll = reconstruction - entropy + cross, record by record
	awk -F , 'NR > 1 { d = $2 - ($6 - $7 + $8); if (d < 0) d = -d; if (d > 1e-6 * ($6 + 1)) bad = 1 } END { exit bad || NR != 9 }' each.csv &&
		ok "$r: the parts add up" || not_ok "$r: the parts add up"
	passes "$r: reconstruct" sf latent $r reconstruct -n 6
	holds "$r: the error" "rms" stdout
	[ -s $r/reconstruct.png ] && ok "$r: a grid" || not_ok "$r: a grid"
	passes "$r: traverse" sf latent $r traverse -n 3 --steps 5 --aggregate 50 -o walk.npy
	passes "$r: its shape" sf inspect walk.npy
	holds "$r: channels, steps" "2x5x8x8x1" stdout
	passes "$r: principal directions" sf latent $r traverse --along principal -n 3 --steps 5 --aggregate 50 --json -o walk.png
	holds "$r: directions" '"deviation": ' stdout
	passes "$r: interpolate" sf latent $r interpolate -n 3 --steps 4 -o circle.npy
	passes "$r: on the line" sf latent $r interpolate -n 3 --steps 4 --line -o line.npy
	passes "$r: its shape" sf inspect line.npy
	holds "$r: rows of neighbours" "2x4x8x8x1" stdout
done
# The middle column of a traversal and the ends of an interpolation are the record's own reconstruction.
sf latent run reconstruct -q -n 2 -o pair.npy
sf latent run traverse -q -n 1 --steps 3 --aggregate 50 -o walk.npy
sf latent run interpolate -q -n 2 --steps 2 -o ends.npy
values() { # FILE FIRST COUNT: pictures of 64 numbers from the back
	tail -c $(($2 * 256)) "$1" | head -c $(($3 * 256)) | od -A n -v -t f4 | tr -s ' ' '\n' | sed '/^$/d'
}
values pair.npy 3 1 > a
values walk.npy 2 1 > b
values ends.npy 2 1 > c
close() {
	paste "$1" "$2" | awk '{ d = $1 - $2; if (d < -1e-3 || d > 1e-3) bad = 1 } END { exit bad || NR != 64 }'
}
close a b && ok "traversals go through the reconstruction" || not_ok "traversals go through the reconstruction"
close a c && ok "interpolations begin at it" || not_ok "interpolations begin at it"

passes "distance" sf distance run.npy digits -n 6 --json
holds "of values, features and slices" '"features": ' stdout
passes "distance of data" sf distance digits digits -n 50
holds "the floor" "data to other data" stdout

refuses 2 "trained for" sample run -o x.npy --vae other
refuses 2 "" sample run -o x.npy --vae cld
refuses 2 "" sample run -o x.npy --vae plain
refuses 2 "model of data" sample plain -o x.npy --vae run
refuses 2 "no latents" latent plain reconstruct
refuses 1 "did you mean 'traverse'" latent run traverses
refuses 2 "one record has no neighbour" latent run interpolate -n 1
refuses 2 "the data have 1797" latent run reconstruct --first 1790 -n 20
refuses 2 "another shape" latent run reconstruct --data moons
refuses 1 "--range" latent run traverse --range 1:2:3
refuses 2 "ends in .png or .npy" latent run traverse -o x.gif
refuses 2 "of latents, not of data" evaluate run
refuses 2 "of latents, not of data" compare run
if sf bench -q lsgm-digits > stdout 2> stderr; then not_ok "no bench"; else ok "no bench"; fi
holds "and says so" "steps with latents" stderr
refuses 2 "is for latents" variance lsgm-digits
refuses 2 "of latents, not of data" ems run -o x.safetensors
refuses 2 "no parts of its latents" sample run --inpaint run.png --mask run.png -o x.png
refuses 2 "give --gaussian" sample run --teleport 1 -o x.png
refuses 2 "not latents of this network" sample run --decode run.npy -o x.png
refuses 2 "shape of the data's records" distance walk.npy digits
# latents that do not fit: the decoder gives back another size; a U-Net on a vector
# shellcheck disable=SC2086
refuses 2 "vae:" train lsgm-digits -q -o bad $small --set vae.decoder=nvae-decoder:width=8,levels=2
# shellcheck disable=SC2086
refuses 2 "" train lsgm-digits -q -o bad $small --set net.spec=unet:width=8,mult=1,blocks=1 --set vae.encoder=mlp:width=8 --set vae.decoder=mlp:width=8
passes "the comparison of doc/latent.md, quick" env SCOREFIELD="$SCOREFIELD" sh "$srcdir/examples/compare-latent.sh" -q digits table
[ "$(grep -c '^| .*rk45' stdout)" -eq 3 ] && ok "a row each" || not_ok "a row each"
grep -qi "nan\|| 0 |" stdout && not_ok "numbers in it" || ok "numbers in it"
[ -d bad ] && not_ok "no run was begun" || ok "no run was begun"
finish
