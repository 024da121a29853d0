/* config_keys.c: the sections and keys of a configuration, with help, default and range. Defaults of the optimiser:
 * Kingma and Ba 2015 for Adam, Song et al. 2021 (2011.13456, appendix H) for clipping at 1 and the ramp of the moving
 * average; rates and sizes suit a laptop, presets hold those of papers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include <stddef.h>

#define AT(m) offsetof(sf_settings, m)
#define END {NULL, NULL, 0, 0, NULL, 0, 0, NULL}
#define BIG 1e15

static const sf_opt data[] = {
	{"spec", "data set (scorefield list data)", SF_OPT_STRING, AT(data.spec), "checkerboard", 0, 0, NULL},
	{"scale", "network values: as stored, [0,1], [-1,1], or mean 0 and deviation std; auto: pm1 for grey levels",
	 SF_OPT_CHOICE, AT(data.scale), "auto", 0, 0, "auto|none|unit|pm1|standard"},
	{"std", "standard deviation for scale=standard", SF_OPT_DOUBLE, AT(data.std), "1", 1e-6, 1e6, NULL},
	{"flip", "mirror left-right half of the time", SF_OPT_BOOL, AT(data.flip), "false", 0, 0, NULL},
	{"dequantise", "add uniform noise below one grey level", SF_OPT_BOOL, AT(data.dequantise), "false",
	 0, 0, NULL},
	{"augment", "probability of each transform of EDM's augmentation, which the network is told of as 9 labels (src/data/augment.c; "
	            "0.12 for CIFAR-10, 0.15 for 64x64 faces); 0: none", SF_OPT_DOUBLE, AT(data.augment), "0", 0, 1, NULL},
	{"augment-kinds", "which transforms: all, or some of x-flip, y-flip, scale, rotate, stretch and translate with colons between "
	                  "them", SF_OPT_STRING, AT(data.augment_kinds), "all", 0, 0, NULL},
	{"shape", "what a sample is expected to be, HEIGHTxWIDTHxCHANNELS or NUMBERS: other data are refused, and inspect and "
	          "import go by it without the data", SF_OPT_STRING, AT(data.shape), "", 0, 0, NULL},
	{"classes", "labels that go with shape", SF_OPT_INT, AT(data.classes), "0", 0, 1e6, NULL},
	END};
static const sf_opt process[] = {
	{"spec", "forward process (scorefield list process)", SF_OPT_STRING, AT(process.spec), "vp", 0, 0, NULL},
	END};
static const sf_opt net[] = {
	{"spec", "network (scorefield list net)", SF_OPT_STRING, AT(net.spec), "mlp", 0, 0, NULL},
	{"parameters", "trainable parameters that are expected, such as a published count; other networks are refused; 0: any",
	 SF_OPT_INT, AT(net.parameters), "0", 0, BIG, NULL},
	{"source", "who published the network and that count, for inspect to show", SF_OPT_STRING, AT(net.source), "", 0, 0, NULL},
	END};
static const sf_opt model[] = {
	{"parametrisation", "what the network's output stands for: eps, score, sigma-score, x0, v, edm, edm-vp, edm-ve, edm-iddpm, "
	                    "mixed, mixed-learned or energy", SF_OPT_STRING, AT(model.parametrisation), "eps", 0, 0, NULL},
	{"cond", "what the network is told of the noise: 999 t/T, ln(r)/4, ln(r), ln(r/2) with r = sigma/alpha, the number of the "
	         "noise level, or 999 times the time at which vp has r; auto: by parametrisation and network", SF_OPT_CHOICE,
	 AT(model.cond), "auto", 0, 0, "auto|time|log4|log|log-half|level|vp-time"},
	{"levels", "noise levels of cond=level; 0: the process's, for edm-iddpm 1000", SF_OPT_INT, AT(model.levels), "0", 0, 100000,
	 NULL},
	{"sigma-data", "standard deviation that edm scales with; 0: that of the data", SF_OPT_DOUBLE,
	 AT(model.sigma_data), "0", 0, 1e6, NULL},
	{"mix", "logit of the network's share that parametrisation mixed-learned starts from, in each channel", SF_OPT_DOUBLE, AT(model.mix),
	 "-3", -50, 50, NULL},
	{"precision", "of weights and arithmetic", SF_OPT_CHOICE, AT(model.precision), "float32", 0, 0,
	 "float32|float64"},
	{"conditional", "feed the data's labels to the network", SF_OPT_BOOL, AT(model.conditional), "false", 0, 0,
	 NULL},
	END};
static const sf_opt vae[] = {
	{"encoder", "network that encodes the data, whose latent variables the model is then of (scorefield list net); empty: a model of "
	 "the data themselves", SF_OPT_STRING, AT(vae.encoder), "", 0, 0, NULL},
	{"decoder", "network that decodes latents", SF_OPT_STRING, AT(vae.decoder), "", 0, 0, NULL},
	{"latent", "channels of the latent of images, or its numbers, all groups together", SF_OPT_INT, AT(vae.latent), "8", 1, 65536, NULL},
	{"groups", "groups of latents, each of which is encoded knowing those before it; divides latent", SF_OPT_INT, AT(vae.groups), "1",
	 1, 16, NULL},
	{"likelihood", "of the data given a latent: normal, a chance of one a number, or mixtures of discretised logistics", SF_OPT_CHOICE,
	 AT(vae.likelihood), "logistic", 0, 0, "gaussian|bernoulli|logistic"},
	{"std", "standard deviation of likelihood=gaussian; 0: learned, one for all", SF_OPT_DOUBLE, AT(vae.std), "0", 0, 1e6, NULL},
	{"mixture", "components of likelihood=logistic", SF_OPT_INT, AT(vae.mixture), "1", 1, 30, NULL},
	{"pretrain", "first steps, in which encoder and decoder are trained with normal latents and the score model is not", SF_OPT_INT,
	 AT(vae.pretrain), "0", 0, BIG, NULL},
	{"after", "what follows: joint: encoder and decoder are trained together with the score model; frozen: the score model alone, of what "
	 "the averages of the encoder encode", SF_OPT_CHOICE, AT(vae.after), "joint", 0, 0, "joint|frozen"},
	{"times", "of the encoder's cross entropy in joint training: those of the score model's loss (one evaluation serves both), or its "
	 "own, with noise of its own", SF_OPT_CHOICE, AT(vae.times), "shared", 0, 0, "shared|separate"},
	{"q-times", "density of times=separate (see t of objectives)", SF_OPT_CHOICE, AT(vae.q_times), "normal", 0, 0, "uniform|normal"},
	{"kl-start", "weight of the latents' divergence in the first step", SF_OPT_DOUBLE, AT(vae.kl_start), "0.0001", 0, 1, NULL},
	{"kl-steps", "steps over which that weight rises to 1 in a line; 0: it is 1", SF_OPT_INT, AT(vae.kl_steps), "0", 0, BIG, NULL},
	{"balance", "while it rises, groups count by their share of the divergence, so that none is given up", SF_OPT_BOOL, AT(vae.balance),
	 "true", 0, 0, NULL},
	{"spectral", "weight of the sum of the largest singular values of encoder and decoder, and of their norms' largest scales; 0: none",
	 SF_OPT_DOUBLE, AT(vae.spectral), "0", 0, 1e6, NULL},
	{"lr", "learning rate of encoder and decoder; 0: that of [train]", SF_OPT_DOUBLE, AT(vae.lr), "0", 0, 1e30, NULL},
	{"from", "run or checkpoint whose encoder and decoder (the first average) training starts with", SF_OPT_STRING, AT(vae.from), "", 0, 0,
	 NULL},
	END};
static const sf_opt objective[] = {
	{"spec", "objective (scorefield list objective)", SF_OPT_STRING, AT(objective.spec), "dsm", 0, 0, NULL},
	END};
static const sf_opt train[] = {
	{"steps", "updates in all", SF_OPT_INT, AT(train.steps), "10000", 0, BIG, NULL},
	{"batch", "samples of a step", SF_OPT_INT, AT(train.batch), "128", 1, 1 << 24, NULL},
	{"shards", "parts the batch is cut into, a power of two; fixes the order of sums, and so the bytes. 0: up to 16, fewer for "
	 "small networks", SF_OPT_INT, AT(train.shards), "0", 0, 4096, NULL},
	{"accumulate", "runs that a step is made in, one after the other, each with its part of the shards; at most one a "
	 "shard. Saves the memory of the batch's arrays and changes no byte", SF_OPT_INT, AT(train.accumulate), "1", 1, 4096,
	 NULL},
	{"recompute", "activations that are worked out again for the gradient instead of kept: those within a network's blocks, or "
	 "those that are cheap (all but products and convolutions); less memory, more work, the same bytes", SF_OPT_CHOICE,
	 AT(train.recompute), "none", 0, 0, "none|blocks|cheap"},
	{"memory-check", "refuse to start what needs more memory than this process may have", SF_OPT_BOOL,
	 AT(train.memory_check), "true", 0, 0, NULL},
	{"lr", "learning rate", SF_OPT_DOUBLE, AT(train.lr), "0.001", 0, 1e30, NULL},
	{"beta1", "Adam's decay of the mean", SF_OPT_DOUBLE, AT(train.beta1), "0.9", 0, 0.999999999, NULL},
	{"beta2", "Adam's decay of the square", SF_OPT_DOUBLE, AT(train.beta2), "0.999", 0, 0.999999999, NULL},
	{"eps", "Adam's epsilon", SF_OPT_DOUBLE, AT(train.eps), "1e-8", 1e-30, 1, NULL},
	{"warmup", "updates over which the rate rises from 0 in a line", SF_OPT_INT, AT(train.warmup), "0", 0, BIG,
	 NULL},
	{"warmup-images", "the same, counted in images", SF_OPT_INT, AT(train.warmup_images), "0", 0, BIG, NULL},
	{"clip", "largest norm of the gradient; 0: no clipping", SF_OPT_DOUBLE, AT(train.clip), "1", 0, 1e30, NULL},
	{"nonfinite", "stop: a loss or gradient that is not finite ends the run; zero: NaN in the gradient becomes 0 and an "
	 "infinite number 1e5 of its sign, and the log counts them", SF_OPT_CHOICE, AT(train.nonfinite), "stop", 0, 0,
	 "stop|zero"},
	{"ema", "decay of the moving average of the weights; of several (0.999:0.9999) each is an average of its own, the "
	 "first draws the previews", SF_OPT_LIST, AT(train.ema), "0.999", 0, 1, NULL},
	{"ema-ramp", "tf: min(ema, (1+n)/(10+n)) after n updates; edm: half-life in images", SF_OPT_CHOICE,
	 AT(train.ema_ramp), "tf", 0, 0, "none|tf|edm"},
	{"ema-halflife", "images over which the average forgets half, for ema-ramp=edm; several as for ema, whose place they "
	 "take", SF_OPT_LIST, AT(train.ema_halflife), "500000", 1e-8, BIG, NULL},
	{"label-dropout", "share of the samples that are learned without their label, for guidance", SF_OPT_DOUBLE,
	 AT(train.label_dropout), "0", 0, 1, NULL},
	{"seed", "of weights, data order and noise", SF_OPT_INT, AT(train.seed), "0", 0, 9e15, NULL},
	{"log-every", "steps between lines of log.jsonl", SF_OPT_INT, AT(train.log_every), "50", 1, BIG, NULL},
	{"checkpoint-every", "steps between checkpoints; 0: at the end only", SF_OPT_INT,
	 AT(train.checkpoint_every), "1000", 0, BIG, NULL},
	{"sample-every", "steps between sample grids; 0: none", SF_OPT_INT, AT(train.sample_every), "0", 0, BIG,
	 NULL},
	{"keep", "checkpoints to keep", SF_OPT_INT, AT(train.keep), "2", 1, 1e6, NULL},
	{"events", "write TensorBoard events", SF_OPT_BOOL, AT(train.events), "true", 0, 0, NULL},
	END};
static const sf_opt sample[] = {
	{"sampler", "sampler (scorefield list sampler)", SF_OPT_STRING, AT(sample.sampler), "heun", 0, 0, NULL},
	{"grid", "time grid (scorefield list grid); empty: the sampler's own", SF_OPT_STRING, AT(sample.grid), "",
	 0, 0, NULL},
	{"steps", "steps of the grid; 0: the sampler's own", SF_OPT_INT, AT(sample.steps), "0", 0, 1e9, NULL},
	{"n", "samples", SF_OPT_INT, AT(sample.n), "64", 1, 1e9, NULL},
	{"seed", "of the samples' noise", SF_OPT_INT, AT(sample.seed), "0", 0, 9e15, NULL},
	{"batch", "samples a thread works on at a time; 0: picked", SF_OPT_INT, AT(sample.batch), "0", 0, 65536,
	 NULL},
	END};

const sf_section sf_sections[] = {
	{"data", data}, {"process", process}, {"net", net}, {"model", model}, {"vae", vae}, {"objective", objective},
	{"train", train}, {"sample", sample}, {NULL, NULL}};
