/* clock.h: the seconds at which a run made its steps.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_CLOCK_H
#define SF_CMD_CLOCK_H

#include "cmd/cmd.h"

typedef struct tick {
	int64_t step;
	double seconds;
} tick;
typedef struct ticks { /* zeros to begin with; free(v) */
	int64_t n, room;
	tick *v;
} ticks;

/* Lines {"step": .., "seconds": ..} of DIR/log.jsonl; a run without one has no clock. The clock of a run that was
 * resumed starts again and is added up. */
int clock_read(sf_ctx *ctx, const char *dir, ticks *all);
/* At a step: in a line between the lines around it, from 0 at step 0; NaN past the last. */
double clock_at(const ticks *all, int64_t step);

#endif
