/* crowd.c: what parallel loops cost at present, so that a crowded machine is noticed, and its end too.
 *
 *     slow = wall time/processor time of a thread between loops: 2 where another program takes half of a processor
 *     lag  = wall time of a loop - slow x processor time of its busiest thread, where that is a quarter of the wall time or more
 *
 * is the time that threads waited for one another, beyond what the same work would wait without others. Threads that spin while
 * the last one has no processor make it milliseconds for each loop; threads that sleep while they wait, next to nothing. The first
 * such loop counts 1/32, as any machine has one now and then; one right after another counts whole, and any other loop halves the
 * lag. 1/50 of the time that passes comes off it, and as much of the work that is kept on one thread for its sake: trying again
 * costs some percent.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <math.h>
#include <pthread.h>
#include <time.h>

static const double most = .02, memory = .1; /* seconds: of the lag; in which half is forgotten */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static double lag, faded;      /* seconds; when time was last taken off it */
static int again;              /* the loop before this one had to wait */
static double wall_sum, cpu_sum; /* between loops, of the thread that opened the last one, at these times: */
static double last_wall, last_cpu;
static pthread_t last;

double sf_processor_seconds(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		return 0;
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double sf_crowd_lag(void)
{
	double left, wall;

	pthread_mutex_lock(&lock);
	if (lag > 0) {
		wall = sf_seconds();
		lag = fmax(lag - (wall - faded) / 50, 0);
		faded = wall;
	}
	left = lag;
	pthread_mutex_unlock(&lock);
	return left;
}

void sf_crowd_kept(double seconds)
{
	pthread_mutex_lock(&lock);
	lag = fmax(lag - seconds / 50, 0);
	pthread_mutex_unlock(&lock);
}

void sf_crowd_begin(sf_watch *w)
{
	double wall, cpu, keep;

	w->wall = sf_seconds();
	w->cpu = sf_processor_seconds();
	pthread_mutex_lock(&lock);
	wall = w->wall - last_wall;
	cpu = w->cpu - last_cpu;
	if (last_wall > 0 && pthread_equal(last, pthread_self()) && wall >= 0 && cpu >= 0) {
		keep = exp2(-wall / memory);
		wall_sum = keep * wall_sum + wall;
		cpu_sum = keep * cpu_sum + cpu;
	}
	pthread_mutex_unlock(&lock);
}

void sf_crowd_end(const sf_watch *w, double busiest)
{
	double end = sf_seconds(), wall = end - w->wall, slow, waited;

	pthread_mutex_lock(&lock);
	slow = cpu_sum > 0 ? fmin(fmax(wall_sum / cpu_sum, 1), 8) : 1;
	waited = wall - slow * busiest;
	if (waited < .25 * wall)
		lag /= 2;
	else if (again)
		lag = fmin(waited, most);
	else
		lag += fmin(waited, most) / 32;
	again = waited >= .25 * wall;
	faded = end;
	last = pthread_self();
	last_wall = end;
	last_cpu = sf_processor_seconds();
	pthread_mutex_unlock(&lock);
}
