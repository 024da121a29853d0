/* check_papers.c: the papers' U-Nets against the authors' code in PyTorch (DDPM++, NCSN++, DDPM) and against a second
 * implementation from the formulas (EDM's, the 256-pixel NCSN++): tests/golden/README.md.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "golden_net.h"
#include "support.h"
#include "unet_names.h"

#include <scorefield.h>

struct net {
	const char *golden, *spec;
	int classes, by_sigma; /* by_sigma: cond is sigma, the network sees its logarithm and the output is divided by it */
	const char *fixed;     /* the file's Fourier frequencies, or NULL */
	int edm;               /* names: EDM's for images of this height; 0: score_sde's */
};

static const struct net nets[] = {
	{"ddpmpp-small", "ddpmpp:width=16,mult=1:2,blocks=1,attn=8,dropout=0", 0, 0, NULL, 0},
	{"ncsnpp-small", "ncsnpp:width=16,mult=1:2,blocks=1,attn=8,dropout=0,input=centered", 0, 1, "fixed.all_modules.0.W", 0},
	{"ddpm-small", "ddpm:width=32,mult=1:2,blocks=1,attn=8,dropout=0", 0, 0, NULL, 0},
	{"edm-ddpmpp-small", "songunet:width=16,mult=1:2,blocks=1,attn=8,dropout=0", 5, 0, NULL, 16},
	{"edm-ncsnpp-small", "songunet:width=16,mult=1:2,blocks=1,attn=8,dropout=0,resample=fir,embed=fourier,"
	 "progressive-input=residual", 5, 0, "model.map_noise.freqs", 16},
	{"ncsnpp-skip-small", "ncsnpp:width=16,mult=1:1:2,blocks=1,attn=4,dropout=0,input=centered,"
	 "progressive-input=input-skip,progressive-output=output-skip", 0, 1, "fixed.all_modules.0.W", 0},
	{"ncsnpp-cat-small", "ncsnpp:width=16,mult=1:1:2,blocks=1,attn=4,dropout=0,input=centered,"
	 "progressive-input=input-skip,combine=cat,progressive-output=residual", 0, 1, "fixed.all_modules.0.W", 0},
	{"ncsnpp-ddpm-small", "ncsnpp:width=16,mult=1:1:2,blocks=1,attn=4,dropout=0,input=centered,block=ddpm,"
	 "resample=fir-conv,embed=positional,skip-rescale=false", 0, 0, NULL, 0}};
enum { NETS = sizeof nets / sizeof *nets };

struct user {
	const struct net *net;
	const sf_graph *g;
};

static sf_var build(sf_graph *g, const golden_io *in, void *user)
{
	const struct net *n = ((struct user *)user)->net;
	sf_ctx *ctx = ck_ctx();
	sf_net *net;
	sf_net_io io;
	sf_var y;

	((struct user *)user)->g = g;
	assert_ok(ctx, sf_net_new(ctx, n->spec, &net));
	io.x = in->x;
	io.cond = n->by_sigma ? sf_log(g, in->cond) : in->cond;
	io.label = in->label;
	io.classes = n->classes;
	io.augment = in->augment;
	io.augments = in->augments;
	io.out_channels = 0;
	io.train = 1; /* dropout is 0 */
	y = sf_net_build(net, g, &io);
	sf_net_free(net);
	sf_ctx_free(ctx);
	return n->by_sigma ? sf_div(g, y, in->cond) : y;
}

static void place(const char *theirs, golden_place *p, void *user)
{
	const struct user *u = user;

	if (u->net->edm)
		edm_name(u->net->edm, theirs, p);
	else
		song_name(u->g, theirs, p);
}

static void check(const struct net *n, sf_dtype type, double rtol)
{
	struct user u = {NULL, NULL};
	golden_case c = {NULL, build, place, NULL, NULL, NULL};

	c.file = n->golden;
	c.fixed = n->fixed ? "embed.frequencies" : NULL;
	c.fixed_tensor = n->fixed;
	u.net = n;
	c.user = &u;
	golden_check(&c, type, rtol);
}

START_TEST(in_double) { check(&nets[_i], SF_F64, 1e-9); }
END_TEST

START_TEST(in_float) { check(&nets[_i], SF_F32, 1e-4); }
END_TEST

int main(void)
{
	Suite *s = suite_create("papers");
	TCase *tc = tcase_create("golden");

	tcase_add_loop_test(tc, in_double, 0, NETS);
	tcase_add_loop_test(tc, in_float, 0, NETS);
	suite_add_tcase(s, tc);
	return sf_test_main(s);
}
