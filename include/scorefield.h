/* scorefield.h: the whole public interface of libscorefield.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_H
#define SCOREFIELD_H

#include <scorefield/comm.h>
#include <scorefield/context.h>
#include <scorefield/data.h>
#include <scorefield/ems.h>
#include <scorefield/exchange.h>
#include <scorefield/graph.h>
#include <scorefield/grid.h>
#include <scorefield/io.h>
#include <scorefield/latent.h>
#include <scorefield/likelihood.h>
#include <scorefield/metric.h>
#include <scorefield/net.h>
#include <scorefield/noise.h>
#include <scorefield/object.h>
#include <scorefield/objective.h>
#include <scorefield/process.h>
#include <scorefield/sampler.h>
#include <scorefield/score.h>
#include <scorefield/train.h>
#include <scorefield/variance.h>
#include <scorefield/verify.h>

#endif
