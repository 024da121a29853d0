/* shape.c: what samples look like by [data] shape and classes alone, so that a network can be looked at, counted and
 * given published weights where its data set is not at hand; and the check that data are what a preset was made for.
 *
 * Images are taken to have 256 grey levels. Their deviation is unknown; 1/2 of a scale from -1 to 1 is EDM's sigma_data
 * (Karras et al. 2022, table 1).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_shape(sf_ctx *ctx, const char *text, sf_data_info *info)
{
	const char *at = text;

	info->rank = 0;
	info->size = 1;
	while (*at >= '0' && *at <= '9' && info->rank < 3) {
		char *end;
		long long v = strtoll(at, &end, 10);

		if (v < 1 || sf_mul_i64(info->size, v, &info->size) < 0 || info->size > INT64_C(1) << 40)
			break;
		info->dim[info->rank++] = v;
		at = end;
		if (*at == '\0' && info->rank != 2)
			return SF_OK;
		if (*at++ != 'x')
			break;
	}
	return sf_fail(ctx, SF_EINVAL, "[data] shape=%.60s; expected HEIGHTxWIDTHxCHANNELS, such as 32x32x3, or the number of "
	               "coordinates", text);
}

static void print_shape(const sf_data_info *info, char *text, size_t size)
{
	if (info->rank == 1)
		snprintf(text, size, "%lld", (long long)info->dim[0]);
	else
		snprintf(text, size, "%lldx%lldx%lld", (long long)info->dim[0], (long long)info->dim[1], (long long)info->dim[2]);
}

int sf_shape_assume(sf_ctx *ctx, const sf_settings *set, sf_data_info *info, sf_view *view)
{
	memset(info, 0, sizeof *info);
	memset(view, 0, sizeof *view);
	SF_TRY(read_shape(ctx, set->data.shape, info));
	info->classes = (int)set->data.classes;
	info->levels = info->rank == 3 ? 256 : 0;
	info->lo = info->levels ? 0 : -1;
	info->hi = info->levels ? 255 : 1;
	view->scale = 1;
	view->std = .5;
	if (set->data.scale == SF_SET_SCALE_STANDARD) {
		view->std = set->data.std;
	} else if (set->data.scale == SF_SET_SCALE_UNIT) {
		view->shift = info->lo;
		view->scale = info->hi - info->lo;
		view->std = .25;
	} else if (info->levels && set->data.scale != SF_SET_SCALE_NONE) {
		view->shift = view->scale = 127.5;
	}
	view->mean = set->data.scale == SF_SET_SCALE_UNIT ? .5 : 0;
	return SF_OK;
}

int sf_shape_check(sf_ctx *ctx, const sf_settings *set, const sf_data_info *found)
{
	char want[80], have[80];
	sf_data_info info;

	if (!*set->data.shape)
		return SF_OK;
	SF_TRY(read_shape(ctx, set->data.shape, &info));
	if (info.rank == found->rank && memcmp(info.dim, found->dim, (size_t)info.rank * sizeof *info.dim) == 0)
		return SF_OK;
	print_shape(&info, want, sizeof want);
	print_shape(found, have, sizeof have);
	return sf_fail(ctx, SF_EMISMATCH, "the data '%s' are %s, but [data] shape is %s; set data.shape to nothing where the "
	               "network should take them", set->data.spec, have, want);
}
