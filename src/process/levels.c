/* levels.c: the noise levels of iDDPM, falling with j,
 *
 *     abar_j = sin^2(c j),  c = (pi/2)/(M (1 + C2)),   u_M = 0,
 *     u_{j-1}^2 + 1 = (u_j^2 + 1)/max(abar_{j-1}/abar_j, C1),   C1 = 0.001,  C2 = 0.008.
 *
 * Nichol and Dhariwal 2021 (2102.09672) as Karras et al. 2022 (2206.00364), table 1, write it; level j here is step M-1-j there.
 * The bound C1 (no step takes more than 0.999 of the variance) is met at j = 0 alone, as abar_1/abar_2 is 1/4 and more. So the
 * product telescopes: u_j^2 + 1 = abar_M/abar_j, u_j^2 = sin c(M+j) sin c(M-j)/sin^2 cj, and no table is needed.
 * Known answers (M = 1000): u_0 = 20291.1696, u_1 = 641.662345, u_500 = 1.01238954, u_999 = 0.00642541277.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

#include <math.h>

#define C1 0.001
#define C2 0.008

double sf_iddpm_level(int64_t levels, int64_t j)
{
	double m = (double)levels, i = (double)(j > 0 ? j : 1), c = SF_PI / 2 / (m * (1 + C2));
	double u = sqrt(sin(c * (m + i)) * sin(c * (m - i))) / sin(c * i);

	return j > 0 ? u : sqrt((u * u + 1) / C1 - 1);
}

int64_t sf_iddpm_nearest(int64_t levels, double ratio)
{
	double m = (double)levels, c = SF_PI / 2 / (m * (1 + C2)), at = asin(sin(c * m) / sqrt(1 + ratio * ratio)) / c;
	int64_t j = at > 0 ? (int64_t)at : 0; /* between u_j and u_{j+1} */

	if (j >= levels - 1)
		return levels - 1;
	return sf_iddpm_level(levels, j) - ratio <= ratio - sf_iddpm_level(levels, j + 1) ? j : j + 1;
}
