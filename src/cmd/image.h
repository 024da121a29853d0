/* image.h: pictures: values to pixels, tiles made larger, a canvas to draw on.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_IMAGE_H
#define SF_CMD_IMAGE_H

#include <scorefield.h>

/* v in [lo,hi] -> 0..255, rounded, clamped; NaN is 0. */
unsigned char pixel(double v, double lo, double hi);
/* Whether (rank, dim) is a picture that a PNG can hold: (h,w,1) or (h,w,3). */
int is_image(int rank, const int64_t *dim);
/* Writes values (n,h,w,c) in [lo,hi] as a grid; every pixel becomes zoom x zoom; zoom 0 makes tiles
 * of at least 40 pixels, cols 0 a near square. */
int image_grid(sf_ctx *ctx, const char *path, int64_t n, const int64_t *dim, const double *values,
	       double lo, double hi, int64_t cols, int64_t zoom);

typedef struct canvas {
	int w, h;
	unsigned char *rgb; /* (h,w,3) */
} canvas;
typedef struct panel { /* a square of the canvas that shows a box of the plane */
	canvas *on;
	int x, y, size;
	double x0, x1, y0, y1;
} panel;

int canvas_open(sf_ctx *ctx, canvas *c, int w, int h);
void canvas_free(canvas *c);
int canvas_write(sf_ctx *ctx, const canvas *c, const char *path);
/* Colour of a value in [0,1]: dark blue over green to yellow, even steps of lightness. */
void colour_of(double v, unsigned char rgb[3]);
/* n panels of `size` pixels in a row (columns x rows) with white gaps; panel i is set up by
 * panel_at. */
int panels_open(sf_ctx *ctx, canvas *c, int columns, int rows, int size);
panel panel_at(canvas *c, int column, int row, int size, const double box[4]);
/* Histogram of points (n,2) with `cells` a side, white where a cell holds *most points; *most = 0
 * is set to the fullest cell's, so that a second panel can have the same scale. Points outside are
 * not shown. */
int panel_density(sf_ctx *ctx, const panel *p, int64_t n, const double *xy, int cells,
                  double *most);
/* Cells of values (cells,cells), y upwards, scaled to [lo,hi]. */
void panel_cells(const panel *p, int cells, const double *value, double lo, double hi);
void panel_line(const panel *p, double x0, double y0, double x1, double y1,
		const unsigned char rgb[3], double opacity);
void panel_arrow(const panel *p, double x0, double y0, double x1, double y1,
		 const unsigned char rgb[3]);
void panel_dot(const panel *p, double x, double y, const unsigned char rgb[3], double opacity);
void panel_title(const panel *p, const char *text);

#endif
