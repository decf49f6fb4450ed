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

#include "access/relation.h"
#include "changelog.h"
#include "foreign.h"
#include "progress.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

/* The statement that an action takes, unless its rows are written directly. */
char *
deltaetl_action_query(const Delta *delta, DeltaAction action,
					  const LoggedColumns *logged)
{
	switch (action)
	{
		case DELTA_DELETE:
			return deltaetl_delete_query(delta->mapping, logged, "");
		case DELTA_UPDATE:
			return deltaetl_update_query(delta, logged, "");
		default:
			return deltaetl_insert_query(delta, logged);
	}
}

/*
 * Whether rows may escape a statement: a BEFORE trigger returns NULL or has
 * moved them, a policy hides them, or another server has its own reasons.
 */
static bool
rows_may_escape(const Mapping *mapping)
{
	ListCell   *cell;

	foreach(cell, mapping->target.tree)
	{
		if (check_enable_rls(lfirst_oid(cell), InvalidOid, true) == RLS_ENABLED)
			return true;
	}
	return mapping->target_has_triggers ||
		deltaetl_has_foreign_children(mapping->target.relid);
}

/* Nothing else may keep rows from being written without an error. */
static void
report_shortfall(const Delta *delta, DeltaAction action, uint64 applied)
{
	static const char *const words[] = {"deleted", "updated", "inserted"};
	bool		may_escape = rows_may_escape(delta->mapping);

	if (applied >= delta->count[action])
		return;
	ereport(may_escape ? WARNING : ERROR,
			(errcode(may_escape ? ERRCODE_WARNING : ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
			 errmsg("only " UINT64_FORMAT " of " UINT64_FORMAT " rows of \"%s\" were %s",
					applied, delta->count[action],
					delta->mapping->target.name, words[action]),
			 may_escape ?
			 errdetail("A trigger or a row security policy of the table, or the server of a foreign part of it, kept the others from it.") :
			 errdetail("Functions that the definition of the table calls have written to source or target meanwhile."),
			 may_escape ? 0 :
			 errhint("Look at the functions in its defaults, generated columns, constraints and indexes.")));
}

/*
 * Rows that are looked for by what they are not may be those of a partition
 * that the source has got meanwhile.
 */
static void
check_excess(const Delta *delta, DeltaAction action, uint64 applied)
{
	if (applied <= delta->count[action])
		return;
	deltaetl_check_trees(delta->mapping);
	ereport(ERROR,
			(errcode(ERRCODE_CARDINALITY_VIOLATION),
			 errmsg("more rows of \"%s\" would be changed than differ",
					delta->mapping->target.name),
			 errdetail("Triggers of the table have given other rows the same keys.")));
}

static uint64
run_statement(Delta *delta, DeltaAction action, ChangeLog *log)
{
	const LoggedColumns *logged = deltaetl_changelog_columns(log);
	ReturnedRows returned = {log, action};

	return deltaetl_modify(deltaetl_action_query(delta, action, logged), delta,
						   log ? deltaetl_changelog_take : NULL, &returned);
}

static uint64
apply_action(Delta *delta, DeltaAction action, ChangeLog *log)
{
	bool		directly = deltaetl_can_apply_directly(delta, action);

	if (delta->mapping->target.is_foreign && action != DELTA_INSERT)
		return deltaetl_foreign_modify(delta, action, log);
	if ((!directly || action == DELTA_INSERT) && deltaetl_delta_fetches(delta, action))
		deltaetl_delta_fetch(delta, action);
	if (!directly)
		return run_statement(delta, action, log);
	switch (action)
	{
		case DELTA_DELETE:
			return deltaetl_direct_delete(delta, log);
		case DELTA_UPDATE:
			return deltaetl_direct_update(delta, log);
		default:
			return deltaetl_direct_insert(delta, log);
	}
}

/*
 * What keeps rows of the source from being read again when they are written,
 * so that they have to be taken before.  A statement does not see what is
 * written while it runs, so the first one needs none; and where rows are
 * written without a plan nobody else writes meanwhile.  What others overtake
 * is written under a newer snapshot than the source has been read under.
 */
Obstacle
deltaetl_obstacle_to_rereading(const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	bool		is_first = delta->count[DELTA_DELETE] == 0;

	if (delta->lock_rows)
		return deltaetl_obstacle(OBSTACLE_ROW_LOCKS, NULL);
	for (DeltaAction action = DELTA_UPDATE; action <= DELTA_INSERT; action++)
	{
		bool		unaffected = is_first || deltaetl_can_apply_directly(delta, action);

		if (delta->count[action] == 0)
			continue;
		is_first = false;
		if (unaffected)
			continue;
		if (mapping->target_has_triggers)
			return deltaetl_obstacle(OBSTACLE_TRIGGERS, mapping->target.quoted);
		return deltaetl_obstacle(delta->insert_rest && mapping->scope != NULL ?
								 OBSTACLE_SCOPE : NO_OBSTACLE, NULL);
	}
	return deltaetl_obstacle(NO_OBSTACLE, NULL);
}

/*
 * Open the source's tables, so that no trigger can truncate or drop what a
 * value that lies out of line refers to.  A statement that reads them does the
 * same.
 */
static List *
open_source(const Mapping *mapping)
{
	List	   *relations = NIL;
	ListCell   *cell;

	foreach(cell, mapping->source.tree)
		relations = lappend(relations, relation_open(lfirst_oid(cell), NoLock));
	return relations;
}

static void
close_source(List *relations)
{
	ListCell   *cell;

	foreach(cell, relations)
		relation_close(lfirst(cell), NoLock);
}

static uint64
rows_to_apply(const Delta *delta)
{
	return delta->count[DELTA_DELETE] + delta->count[DELTA_UPDATE] +
		delta->count[DELTA_INSERT];
}

/* Write what the delta has; what is not inserted may have been by others. */
static AppliedCounts
apply_actions(Delta *delta, ChangeLog *log)
{
	AppliedCounts applied = {0};

	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
	{
		if (delta->count[action] == 0)
			continue;
		applied.count[action] = apply_action(delta, action, log);
		check_excess(delta, action, applied.count[action]);
		if (action != DELTA_INSERT || !delta->lock_rows)
			report_shortfall(delta, action, applied.count[action]);
	}
	return applied;
}

static void
add_counts(uint64 *sum, const uint64 *counts)
{
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		sum[action] += counts[action];
}

/* How often overtaken rows are looked at again. */
#define MAX_ROUNDS 10

/* Write rows that are locked first; returns those that others have overtaken. */
static Delta *
apply_round(Delta *delta, ChangeLog *log, AppliedCounts *applied)
{
	Delta	   *overtaken = deltaetl_lock_rows(delta);

	*applied = apply_actions(delta, log);
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (delta->count[DELTA_INSERT] > 0)
		deltaetl_note_not_inserted(delta, overtaken, delta->conflicts);
	report_shortfall(delta, DELTA_INSERT, applied->count[DELTA_INSERT]);
	return overtaken;
}

/*
 * Lock and write the rows of the delta, then those that have been overtaken, as
 * they are by then, and so on.  The delta's counts become those of all rounds.
 * In the last one a key that is there, but cannot be seen, is an error.
 */
static AppliedCounts
apply_locked(Delta *delta, ChangeLog *log)
{
	AppliedCounts total = {0};
	Delta		sum = {0};
	Delta	   *current = delta;

	PushCopiedSnapshot(GetActiveSnapshot());
	for (int round = 0; current != NULL; round++)
	{
		AppliedCounts applied;
		Delta	   *overtaken;

		current->last_try = round == MAX_ROUNDS;
		overtaken = apply_round(current, log, &applied);
		if (round == MAX_ROUNDS && rows_to_apply(overtaken) > 0)
			deltaetl_report_overtaken(overtaken);
		add_counts(total.count, applied.count);
		add_counts(sum.count, current->count);
		if (current != delta)
			deltaetl_delta_free(current);
		current = deltaetl_look_again(overtaken);
	}
	PopActiveSnapshot();
	memcpy(delta->count, sum.count, sizeof(total.count));
	return total;
}

/* Write the rows of the delta, here, and let triggers see them at the end. */
AppliedCounts
deltaetl_local_apply(Delta *delta, ChangeLog *log)
{
	AppliedCounts applied;
	List	   *source = open_source(delta->mapping);

	deltaetl_progress_phase(RUN_APPLY, rows_to_apply(delta));
	if (delta->by_position &&
		!deltaetl_is_free(deltaetl_obstacle_to_rereading(delta)))
		deltaetl_delta_take_values(delta);
	if (delta->mapping->target.is_foreign)
		deltaetl_check_foreign(delta, deltaetl_changelog_columns(log));
	deltaetl_hold_triggers();
	applied = delta->lock_rows ? apply_locked(delta, log) : apply_actions(delta, log);
	close_source(source);
	deltaetl_fire_triggers();
	return applied;
}
