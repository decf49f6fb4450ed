/*-------------------------------------------------------------------------
 *
 * distributed.c
 *	  A run on a target that Citus has distributed.
 *
 * What differs is found and written where it is, by one statement an action,
 * and the statements say how many rows there were.  They are one distributed
 * transaction.  Only where a guard or the user wants to know it before, rows
 * are counted first, by the same joins.
 *
 * There is no snapshot that holds for several nodes.  So the source should not
 * be written to meanwhile; where that shows, the run stops.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "run.h"

#include "access/xact.h"
#include "utils/rls.h"

#include "progress.h"

/* What Citus calls the plan of an INSERT whose rows travel. */
#define INSERT_SELECT_NODE "Citus INSERT ... SELECT"

/* ---------- what can be done ---------- */

static void
refuse_option(const Mapping *mapping, const char *option, const char *reason,
			  const char *instead)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s is not possible for distributed table \"%s\"", option,
					mapping->target.name),
			 errdetail("%s", reason),
			 errhint("%s", instead)));
}

/* Whether an action can have rows, with these options and columns. */
static bool
can_have_rows(const Mapping *mapping, bool deletes, DeltaAction action)
{
	if (action == DELTA_DELETE)
		return deletes;
	return action == DELTA_INSERT || deltaetl_can_update(mapping);
}

/* Whether a plan, by the name of its topmost node, has rows pass this node. */
bool
deltaetl_passes_here(const char *node)
{
	return node != NULL && strcmp(node, INSERT_SELECT_NODE) == 0;
}

/* Citus writes rows that pass this node by COPY, for which policies are nothing. */
static void
check_policies(const Mapping *mapping, const char *node)
{
	if (deltaetl_passes_here(node) &&
		check_enable_rls(mapping->target.relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot insert rows of \"%s\" into distributed table \"%s\" under row security",
						mapping->source.name, mapping->target.name),
				 errdetail("They would pass through this node, and Citus writes such rows by COPY, which does not obey policies."),
				 errhint("Co-locate the source with the target, or run this as a role that the policies of the target do not apply to.")));
}

/* Have a statement planned, which is where Citus says what it cannot do. */
static void
check_plan(const Mapping *mapping, const char *statement)
{
	MemoryContext context = CurrentMemoryContext;
	const char *volatile node = NULL;

	PG_TRY();
	{
		node = deltaetl_spi_plan(statement, mapping);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (geterrcode() != ERRCODE_FEATURE_NOT_SUPPORTED)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("Citus cannot sync \"%s\" from \"%s\"",
						mapping->target.name, mapping->source.name),
				 errdetail("It says: %s.", error->message),
				 errhint("Co-locate the source with the target; and in a scope, call only IMMUTABLE functions for columns.")));
	}
	PG_END_TRY();
	check_policies(mapping, node);
}

/*
 * Nodes would take their snapshots at different moments, this one before the
 * target was locked; and copies of a row have to stay the same.
 */
static void
check_isolation(const Mapping *mapping)
{
	if (mapping->target.placement.kind == PLACED_EVERYWHERE && IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot sync reference table \"%s\" in a transaction with isolation level %s",
						mapping->target.name,
						IsolationIsSerializable() ? "serializable" : "repeatable read"),
				 errdetail("Its copies on different nodes could be given different rows, as each node would read under a snapshot of its own."),
				 errhint("Use a transaction with isolation level read committed.")));
}

static void
check_plans(const SyncOptions *options, const Mapping *mapping)
{
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		if (can_have_rows(mapping, options->deletes, action))
			check_plan(mapping, deltaetl_node_statement(mapping, action));
}

/*
 * Raise an error, before a row is read, if something is asked for that cannot
 * be done for a distributed table.
 */
void
deltaetl_check_distributed(const SyncOptions *options, const Mapping *mapping)
{
	if (!mapping->by_statements)
		return;
	if (options->log_changes != LOG_NONE)
		refuse_option(mapping, "log_changes",
					  "Rows are changed on other nodes, and do not come to where the log is.",
					  "Leave it out, or keep the output of deltaetl_diff().");
	if (options->lock_rows)
		refuse_option(mapping, "lock_mode => 'row'",
					  "Citus cannot lock the rows that differ before they are changed.",
					  "Say lock_mode => 'table'.");
	if (!options->dry_run)
		check_isolation(mapping);
	check_plans(options, mapping);
}

/* ---------- steps of a run ---------- */

static void
take_count(TupleTableSlot *slot, void *arg)
{
	bool		isnull;

	*((uint64 *) arg) = (uint64) DatumGetInt64(slot_getattr(slot, 1, &isnull));
}

static void
count_rows(Delta *delta, DeltaAction action)
{
	const Mapping *mapping = delta->mapping;

	if (can_have_rows(mapping, delta->with_deletes, action))
		deltaetl_spi_select(deltaetl_node_count_query(mapping, action), mapping,
							take_count, &delta->count[action]);
}

/* Find how many rows differ, if that has to be known before they are written. */
void
deltaetl_distributed_detect(Delta *delta)
{
	const Mapping *mapping = delta->mapping;

	if (mapping->scope != NULL && !mapping->scope_by_key)
		deltaetl_check_out_of_scope(mapping, deltaetl_node_out_of_scope_query(mapping));
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		if (delta->count_first[action])
			count_rows(delta, action);
}

/* Guards have seen fewer rows than there were a moment later. */
static void
check_excess(const Delta *delta, DeltaAction action, uint64 applied)
{
	if (!delta->count_first[action] || applied <= delta->count[action])
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("more rows of \"%s\" would be changed than differed before",
					delta->mapping->target.name),
			 errdetail("Source \"%s\" has been written to meanwhile.",
					   delta->mapping->source.name),
			 errhint("Try again.")));
}

/* Write what differs; the delta gets to know how much that was. */
AppliedCounts
deltaetl_distributed_apply(Delta *delta, ChangeLog *log)
{
	const Mapping *mapping = delta->mapping;
	AppliedCounts applied = {0};

	deltaetl_progress_phase(RUN_APPLY, delta->count[DELTA_DELETE] +
							delta->count[DELTA_UPDATE] + delta->count[DELTA_INSERT]);
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
	{
		bool		known_empty = delta->count_first[action] && delta->count[action] == 0;

		if (known_empty || !can_have_rows(mapping, delta->with_deletes, action))
			continue;
		applied.count[action] =
			deltaetl_spi_modify(deltaetl_node_statement(mapping, action), mapping);
		deltaetl_progress_advance(applied.count[action]);
		check_excess(delta, action, applied.count[action]);
		delta->count[action] = applied.count[action];
	}
	return applied;
}

/* The rows of an action as deltaetl_diff() returns them. */
void
deltaetl_distributed_show(const Delta *delta, DeltaAction action,
						  RowCallback callback, void *arg)
{
	const Mapping *mapping = delta->mapping;

	if (can_have_rows(mapping, delta->with_deletes, action))
		deltaetl_spi_select(deltaetl_node_diff_query(mapping, action), mapping,
							callback, arg);
}
