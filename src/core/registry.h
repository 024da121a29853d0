/* registry.h: what the generated registry.c defines. Class records are known by their first member,
 * the head, alone, so that the core need not see the families above it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_REGISTRY_H
#define SF_REGISTRY_H

#include "core/core.h"

extern const char *const sf_family_names[];
extern const sf_class *const *const sf_family_members[];

#endif
