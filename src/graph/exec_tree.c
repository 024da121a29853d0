/* exec_tree.c: sums over the batch. Shard i leaves a partial; partials are added as a binary tree
 * over the shard index, (0,1) (2,3) ..., then pairs of pairs, an odd one going up unchanged. Which
 * terms are added in which order depends on the number of shards alone: the error grows with its
 * logarithm, and any number of threads gives the same bytes.
 *
 * A sum is taken as soon as both its terms are there, by the worker that brought the second one. If
 * the shards 0 .. k-1 are all done, as many partials wait as k has binary digits 1; so log2(shards)
 * + 1 slots beside one per worker are enough, and a worker that finds none free only has to wait.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

/* A finished subtree that waits for its sibling: shards [index 2^level, (index + 1) 2^level). */
typedef struct waiting {
	int level, slot;
	int64_t index;
} waiting;

struct sf_tree {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	int64_t next, shards;
	int *free_slot, nfree, nslot;
	waiting *wait;
	int nwait;
};

int sf_tree_new(const sf_plan *p, sf_tree **out)
{
	sf_tree *t = sf_alloc(1, sizeof *t);

	*out = NULL;
	if (!t)
		return SF_ENOMEM;
	t->nslot = p->nslot;
	t->free_slot = sf_alloc((size_t)p->nslot, sizeof *t->free_slot);
	t->wait = sf_alloc((size_t)p->nslot + 1, sizeof *t->wait);
	if (!t->free_slot || !t->wait || pthread_mutex_init(&t->lock, NULL) != 0) {
		sf_free(t->free_slot);
		sf_free(t->wait);
		sf_free(t);
		return SF_ENOMEM;
	}
	pthread_cond_init(&t->freed, NULL);
	*out = t;
	return SF_OK;
}

void sf_tree_free(sf_tree *t)
{
	if (!t)
		return;
	pthread_cond_destroy(&t->freed);
	pthread_mutex_destroy(&t->lock);
	sf_free(t->free_slot);
	sf_free(t->wait);
	sf_free(t);
}

void sf_tree_start(sf_tree *t, int64_t shards)
{
	int i;

	t->next = 0;
	t->shards = shards;
	t->nwait = 0;
	t->nfree = t->nslot;
	for (i = 0; i < t->nslot; i++) /* a stack: slots that were used are used again */
		t->free_slot[i] = t->nslot - 1 - i;
}

int64_t sf_tree_next(sf_tree *t, int *slot)
{
	int64_t shard;

	*slot = -1;
	pthread_mutex_lock(&t->lock);
	while (t->next > 0 && t->nslot > 0 && t->nfree == 0)
		pthread_cond_wait(&t->freed, &t->lock);
	shard = t->next++;
	if (shard > 0 && t->nslot > 0)
		*slot = t->free_slot[--t->nfree];
	pthread_mutex_unlock(&t->lock);
	return shard;
}

/* Takes the waiting sibling out; -2 where it is not there yet. */
static int take(sf_tree *t, int level, int64_t index)
{
	int i, slot;

	for (i = 0; i < t->nwait; i++)
		if (t->wait[i].level == level && t->wait[i].index == index) {
			slot = t->wait[i].slot;
			t->wait[i] = t->wait[--t->nwait];
			return slot;
		}
	return -2;
}

void sf_tree_done(sf_tree *t, int64_t shard, int slot, void (*add)(void *arg, int a, int b),
                  void *arg)
{
	int64_t count = t->shards; /* subtrees of this level */
	int level;

	if (t->nslot == 0)
		return;
	for (level = 0; count > 1; level++, shard /= 2, count = (count + 1) / 2) {
		int other, right;

		if ((shard ^ 1) >= count)
			continue; /* odd one out */
		pthread_mutex_lock(&t->lock);
		other = take(t, level, shard ^ 1);
		if (other == -2) {
			t->wait[t->nwait].level = level;
			t->wait[t->nwait].index = shard;
			t->wait[t->nwait++].slot = slot;
		}
		pthread_mutex_unlock(&t->lock);
		if (other == -2)
			return;
		right = shard & 1 ? slot : other;
		slot = shard & 1 ? other : slot;
		add(arg, slot, right);
		pthread_mutex_lock(&t->lock);
		t->free_slot[t->nfree++] = right;
		pthread_cond_signal(&t->freed);
		pthread_mutex_unlock(&t->lock);
	}
}
