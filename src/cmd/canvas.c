/* canvas.c: an RGB picture to draw on: panels that show a box of the plane, histograms, lines,
 * arrows and short titles in a 5x7 letter set of our own.
 *
 * Colours of values: the cubehelix path (Green 2011, Bull. Astr. Soc. India 39, 289; start 0.5,
 * rotations -1.0, hue 1.2), whose lightness rises evenly, so that it also reads in grey.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/image.h"

#include "cmd/cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 12, TITLE = 16 };

int canvas_open(sf_ctx *ctx, canvas *c, int w, int h)
{
	(void)ctx;
	c->w = w;
	c->h = h;
	c->rgb = malloc(3 * (size_t)w * (size_t)h);
	if (!c->rgb)
		return fail(STATUS_INPUT, "out of memory for a picture of %dx%d pixels", w, h);
	memset(c->rgb, 255, 3 * (size_t)w * (size_t)h);
	return 0;
}

void canvas_free(canvas *c)
{
	free(c->rgb);
	c->rgb = NULL;
}

int canvas_write(sf_ctx *ctx, const canvas *c, const char *path)
{
	return sf_png_write(ctx, path, c->h, c->w, 3, c->rgb);
}

void colour_of(double v, unsigned char rgb[3])
{
	double x = v > 0 ? (v < 1 ? v : 1) : 0;
	double phi = 2 * SF_PI * (0.5 / 3 + 1 - x), a = 1.2 * x * (1 - x) / 2;

	rgb[0] = pixel(x + a * (-0.14861 * cos(phi) + 1.78277 * sin(phi)), 0, 1);
	rgb[1] = pixel(x + a * (-0.29227 * cos(phi) - 0.90649 * sin(phi)), 0, 1);
	rgb[2] = pixel(x + a * 1.97294 * cos(phi), 0, 1);
}

int panels_open(sf_ctx *ctx, canvas *c, int columns, int rows, int size)
{
	return canvas_open(ctx, c, columns * size + (columns + 1) * GAP,
	                   rows * (size + TITLE) + (rows + 1) * GAP);
}

panel panel_at(canvas *c, int column, int row, int size, const double box[4])
{
	panel p;

	p.on = c;
	p.x = GAP + column * (size + GAP);
	p.y = GAP + TITLE + row * (size + TITLE + GAP);
	p.size = size;
	p.x0 = box[0];
	p.x1 = box[1];
	p.y0 = box[2];
	p.y1 = box[3];
	return p;
}

static void blend(const panel *p, int x, int y, const unsigned char rgb[3], double opacity)
{
	unsigned char *o;
	int k;

	if (x < 0 || y < 0 || x >= p->size || y >= p->size)
		return;
	o = p->on->rgb + 3 * ((size_t)(p->y + y) * (size_t)p->on->w + (size_t)(p->x + x));
	for (k = 0; k < 3; k++)
		o[k] = (unsigned char)(o[k] + opacity * (rgb[k] - o[k]) + 0.5);
}

/* Pixel coordinates of a point; far points are kept within what an int holds. */
static double px(const panel *p, double x)
{
	return fmax(-1e6, fmin(1e6, (x - p->x0) / (p->x1 - p->x0) * p->size));
}

static double py(const panel *p, double y)
{
	return fmax(-1e6, fmin(1e6, (p->y1 - y) / (p->y1 - p->y0) * p->size));
}

void panel_cells(const panel *p, int cells, const double *value, double lo, double hi)
{
	unsigned char rgb[3];
	int x, y;

	for (y = 0; y < p->size; y++) {
		for (x = 0; x < p->size; x++) {
			int i = cells - 1 - y * cells / p->size, j = x * cells / p->size;

			colour_of((value[i * cells + j] - lo) / (hi - lo), rgb);
			blend(p, x, y, rgb, 1);
		}
	}
}

int panel_density(sf_ctx *ctx, const panel *p, int64_t n, const double *xy, int cells,
                  double *most)
{
	double *count = calloc((size_t)cells * (size_t)cells, sizeof *count), full = 1;
	int64_t i;

	(void)ctx;
	if (!count)
		return fail(STATUS_INPUT, "out of memory for a histogram");
	for (i = 0; i < n; i++) {
		double x = floor((xy[2 * i] - p->x0) / (p->x1 - p->x0) * cells);
		double y = floor((xy[2 * i + 1] - p->y0) / (p->y1 - p->y0) * cells);

		if (x >= 0 && x < cells && y >= 0 && y < cells)
			count[(int)y * cells + (int)x]++;
	}
	for (i = 0; i < (int64_t)cells * cells; i++)
		full = fmax(full, count[i]);
	if (*most <= 0)
		*most = full;
	panel_cells(p, cells, count, 0, *most);
	free(count);
	return 0;
}

/* Steps of a quarter pixel with opacity spread over the four neighbours: smooth and short. */
static void soft_dot(const panel *p, double x, double y, const unsigned char rgb[3], double opacity)
{
	int i = (int)floor(x - 0.5), j = (int)floor(y - 0.5);
	double u = x - 0.5 - i, v = y - 0.5 - j;

	blend(p, i, j, rgb, opacity * (1 - u) * (1 - v));
	blend(p, i + 1, j, rgb, opacity * u * (1 - v));
	blend(p, i, j + 1, rgb, opacity * (1 - u) * v);
	blend(p, i + 1, j + 1, rgb, opacity * u * v);
}

static void stroke(const panel *p, double ax, double ay, double bx, double by,
		   const unsigned char rgb[3], double opacity)
{
	double length = hypot(bx - ax, by - ay);
	int i, n = (int)fmin(4e4, 2 * length) + 1;

	for (i = 0; i <= n; i++)
		soft_dot(p, ax + (bx - ax) * i / n, ay + (by - ay) * i / n, rgb, opacity);
}

void panel_line(const panel *p, double x0, double y0, double x1, double y1,
		const unsigned char rgb[3], double opacity)
{
	stroke(p, px(p, x0), py(p, y0), px(p, x1), py(p, y1), rgb, opacity);
}

void panel_arrow(const panel *p, double x0, double y0, double x1, double y1,
		 const unsigned char rgb[3])
{
	double ax = px(p, x0), ay = py(p, y0), bx = px(p, x1), by = py(p, y1);
	double length = hypot(bx - ax, by - ay), head = fmin(5, 0.4 * length), ux, uy;

	if (!(length > 0.5))
		return;
	ux = (bx - ax) / length;
	uy = (by - ay) / length;
	stroke(p, ax, ay, bx, by, rgb, 0.8);
	stroke(p, bx, by, bx - head * (ux + 0.6 * uy), by - head * (uy - 0.6 * ux), rgb, 0.8);
	stroke(p, bx, by, bx - head * (ux - 0.6 * uy), by - head * (uy + 0.6 * ux), rgb, 0.8);
}

void panel_dot(const panel *p, double x, double y, const unsigned char rgb[3], double opacity)
{
	double cx = px(p, x), cy = py(p, y);
	int i, j;

	for (j = -1; j <= 1; j++)
		for (i = -1; i <= 1; i++)
			soft_dot(p, cx + i, cy + j, rgb, opacity * (i && j ? 0.5 : 1));
}

/* Letters as seven rows of five bits, highest bit left; what a title needs. */
static const struct {
	char letter;
	unsigned char row[7];
} font[] = {{'a', {0, 0, 14, 1, 15, 17, 15}},    {'b', {16, 16, 30, 17, 17, 17, 30}},
	    {'c', {0, 0, 14, 16, 16, 16, 14}},   {'d', {1, 1, 15, 17, 17, 17, 15}},
	    {'e', {0, 0, 14, 17, 31, 16, 14}},   {'f', {6, 8, 28, 8, 8, 8, 8}},
	    {'g', {0, 0, 15, 17, 15, 1, 14}},    {'h', {16, 16, 30, 17, 17, 17, 17}},
	    {'i', {4, 0, 12, 4, 4, 4, 14}},      {'j', {2, 0, 6, 2, 2, 18, 12}},
	    {'k', {16, 16, 18, 20, 24, 20, 18}}, {'l', {12, 4, 4, 4, 4, 4, 14}},
	    {'m', {0, 0, 26, 21, 21, 21, 21}},   {'n', {0, 0, 30, 17, 17, 17, 17}},
	    {'o', {0, 0, 14, 17, 17, 17, 14}},   {'p', {0, 0, 30, 17, 30, 16, 16}},
	    {'q', {0, 0, 15, 17, 15, 1, 1}},     {'r', {0, 0, 22, 25, 16, 16, 16}},
	    {'s', {0, 0, 15, 16, 14, 1, 30}},    {'t', {8, 8, 28, 8, 8, 9, 6}},
	    {'u', {0, 0, 17, 17, 17, 19, 13}},   {'v', {0, 0, 17, 17, 17, 10, 4}},
	    {'w', {0, 0, 17, 17, 21, 21, 10}},   {'x', {0, 0, 17, 10, 4, 10, 17}},
	    {'y', {0, 0, 17, 17, 15, 1, 14}},    {'z', {0, 0, 31, 2, 4, 8, 31}},
	    {'0', {14, 17, 19, 21, 25, 17, 14}}, {'1', {4, 12, 4, 4, 4, 4, 14}},
	    {'2', {14, 17, 1, 6, 8, 16, 31}},    {'3', {14, 17, 1, 6, 1, 17, 14}},
	    {'4', {2, 6, 10, 18, 31, 2, 2}},     {'5', {31, 16, 30, 1, 1, 17, 14}},
	    {'6', {6, 8, 16, 30, 17, 17, 14}},   {'7', {31, 1, 2, 4, 8, 8, 8}},
	    {'8', {14, 17, 17, 14, 17, 17, 14}}, {'9', {14, 17, 17, 15, 1, 2, 12}},
	    {'.', {0, 0, 0, 0, 0, 12, 12}},      {',', {0, 0, 0, 0, 12, 4, 8}},
	    {'-', {0, 0, 0, 14, 0, 0, 0}},       {'=', {0, 0, 31, 0, 31, 0, 0}}};

void panel_title(const panel *p, const char *text)
{
	int x = p->x, y = p->y - 12, i, j;
	size_t k;

	for (; *text && x + 6 < p->x + p->size; text++, x += 6)
		for (k = 0; k < sizeof font / sizeof *font; k++)
			for (j = 0; font[k].letter == *text && j < 7; j++)
				for (i = 0; i < 5; i++)
					if (font[k].row[j] >> (4 - i) & 1)
						memset(p->on->rgb + 3 * ((size_t)(y + j) *
						                                 (size_t)p->on->w +
						                         (size_t)(x + i)),
						       40, 3);
}
