/* base.h: what every public header needs: version, export mark, C++ guard.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_BASE_H
#define SCOREFIELD_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define SF_BEGIN extern "C" {
#define SF_END }
#else
#define SF_BEGIN
#define SF_END
#endif

#if defined __GNUC__
#define SF_API __attribute__((visibility("default")))
#define SF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define SF_API
#define SF_PRINTF(fmt, args)
#endif

#define SF_VERSION_MAJOR 0
#define SF_VERSION_MINOR 1
#define SF_VERSION_PATCH 0

#define SF_PI 3.14159265358979323846 /* M_PI is not in C99 */

SF_BEGIN

/* The version of the library that is loaded, "0.1.0"; never freed. */
SF_API const char *sf_version(void);

SF_END
#endif
