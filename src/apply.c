/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  Writing the delta: delete, update, insert, one statement each.
 *
 * In this order, so that a unique value that one row gives up is free for
 * another.  They are ordinary statements: triggers, constraints, row security
 * and partition routing do what they do for DML written by hand.  A statement
 * without rows is not run, so its statement triggers do not fire.
 *
 * AFTER triggers wait until all three are done, as they do for a MERGE.  The
 * foreign keys of a table on itself need that: a row whose parent goes may get
 * another one in the same run.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

static char *
action_query(const Delta *delta, DeltaAction action)
{
	switch (action)
	{
		case DELTA_DELETE:
			return deltaetl_delete_query(delta->mapping);
		case DELTA_UPDATE:
			return deltaetl_update_query(delta);
		default:
			return deltaetl_insert_query(delta);
	}
}

/*
 * Rows may escape a statement: a BEFORE trigger returned NULL or has moved
 * them, or a policy hides them.
 */
static void
warn_of_shortfall(const Delta *delta, DeltaAction action, uint64 applied)
{
	static const char *const words[] = {"deleted", "updated", "inserted"};

	if (applied < delta->count[action])
		ereport(WARNING,
				(errmsg("only " UINT64_FORMAT " of " UINT64_FORMAT " rows of \"%s\" were %s",
						applied, delta->count[action],
						delta->mapping->target.name, words[action]),
				 errdetail("A trigger or a row security policy of the table kept the others from it.")));
}

static uint64
apply_action(Delta *delta, DeltaAction action)
{
	if (!deltaetl_can_apply_directly(delta, action))
		return deltaetl_spi_modify(action_query(delta, action), delta->mapping);
	return action == DELTA_UPDATE ? deltaetl_direct_update(delta) :
		deltaetl_direct_insert(delta);
}

/* Apply the delta; returns how many rows were really changed. */
AppliedCounts
deltaetl_apply(Delta *delta)
{
	AppliedCounts applied = {0};

	deltaetl_spi_hold_triggers();
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
	{
		if (delta->count[action] == 0)
			continue;
		applied.count[action] = apply_action(delta, action);
		if (applied.count[action] > delta->count[action])
			ereport(ERROR,
					(errcode(ERRCODE_CARDINALITY_VIOLATION),
					 errmsg("more rows of \"%s\" would be changed than differ",
							delta->mapping->target.name),
					 errdetail("Triggers of the table have given other rows the same keys.")));
		warn_of_shortfall(delta, action, applied.count[action]);
	}
	deltaetl_spi_fire_triggers();
	return applied;
}
