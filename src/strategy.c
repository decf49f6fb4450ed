/*-------------------------------------------------------------------------
 *
 * strategy.c
 *	  Where the work of a run is done: counting, detecting, applying.
 *
 * The one place that knows of more than one engine.  Whatever the strategy,
 * sync.c and diff.c see the same three steps and the same counts.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

/* How a delta is found and written; each step relies on those before it. */
typedef struct Strategy
{
	void		(*census) (Delta *delta, bool count_target);
	void		(*detect) (Delta *delta);
	AppliedCounts (*apply) (Delta *delta, ChangeLog *log);
	void		(*show) (const Delta *delta, DeltaAction action,
						 RowCallback callback, void *arg);
} Strategy;

static const Strategy local = {
	.census = deltaetl_local_census,
	.detect = deltaetl_local_detect,
	.apply = deltaetl_local_apply,
	.show = deltaetl_local_show
};

static const Strategy distributed = {
	.census = deltaetl_local_census,
	.detect = deltaetl_distributed_detect,
	.apply = deltaetl_distributed_apply,
	.show = deltaetl_distributed_show
};

static const Strategy remote = {
	.census = deltaetl_remote_census,
	.detect = deltaetl_remote_detect,
	.apply = deltaetl_local_apply,
	.show = deltaetl_local_show
};

static const Strategy *
strategy_of(const Delta *delta)
{
	if (delta->mapping->by_statements)
		return &distributed;
	return delta->mapping->by_digest ? &remote : &local;
}

/*
 * Count the rows of the source, and of the target if asked for; raise an
 * error that names up to KEYS_SHOWN keys if keys do not identify rows.
 */
void
deltaetl_census(Delta *delta, bool count_target)
{
	strategy_of(delta)->census(delta, count_target);
}

/* Find the delta and make it visible to queries. */
void
deltaetl_detect(Delta *delta)
{
	strategy_of(delta)->detect(delta);
}

/*
 * Apply the delta; returns how many rows were really changed.  The changes go
 * to the log, unless that is NULL, but not what triggers and foreign keys do to
 * other rows.
 */
AppliedCounts
deltaetl_apply(Delta *delta, ChangeLog *log)
{
	return strategy_of(delta)->apply(delta, log);
}

/* Hand the rows of an action, as deltaetl_diff() returns them, to a callback. */
void
deltaetl_show(const Delta *delta, DeltaAction action, RowCallback callback, void *arg)
{
	strategy_of(delta)->show(delta, action, callback, arg);
}
