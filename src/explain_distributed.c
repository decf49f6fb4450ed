/*-------------------------------------------------------------------------
 *
 * explain_distributed.c
 *	  Explaining a run on a table that Citus has distributed.
 *
 * Where a statement runs is what Citus has planned for it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "explain.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

static const char *
say_placement(const MappingSide *side)
{
	switch (side->placement.kind)
	{
		case PLACED_DISTRIBUTED:
			return psprintf("distributed by column %s",
							quote_identifier(get_attname(side->relid, side->placement.column, false)));
		case PLACED_TOGETHER:
			return "in one shard";
		case PLACED_EVERYWHERE:
			return "a reference table, on every node";
		case PLACED_LOCALLY:
			return "on this node, as a table that Citus manages";
		default:
			return "on this node";
	}
}

/* Where both sides are, if Citus has a say in it. */
void
deltaetl_explain_placement(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	if (!mapping->casts_source)
		return;
	deltaetl_explain_line(explanation, 1, "Placement, by Citus");
	deltaetl_explain_line(explanation, 2, "%s: %s", mapping->source.quoted,
						  say_placement(&mapping->source));
	deltaetl_explain_line(explanation, 2, "%s: %s", mapping->target.quoted,
						  say_placement(&mapping->target));
	if (mapping->node_local)
		deltaetl_explain_line(explanation, 2, "Rows with the same key lie on the same node");
	else if (mapping->source.placement.kind == PLACED_EVERYWHERE && mapping->by_statements)
		deltaetl_explain_line(explanation, 2, "Rows of %s are where those of %s are",
							  mapping->source.quoted, mapping->target.quoted);
	else
		deltaetl_explain_line(explanation, 2, "Rows of %s are brought to where those of %s are",
							  mapping->source.quoted, mapping->target.quoted);
}

/* Defaults that are not the same for every call are computed on one node. */
static const char *
say_where(const Mapping *mapping, const char *statement)
{
	if (deltaetl_passes_here(deltaetl_spi_plan(statement, mapping)))
		return "through this node";
	return mapping->node_local || mapping->source.placement.kind == PLACED_EVERYWHERE ?
		"node-local" : "to which rows of the source are sent";
}

static bool
can_have_rows(const Explanation *explanation, DeltaAction action)
{
	if (action == DELTA_DELETE)
		return explanation->options->deletes;
	return action == DELTA_INSERT || deltaetl_can_update(explanation->mapping);
}

static void
explain_action(const Explanation *explanation, DeltaAction action)
{
	static const char *const names[] = {"Delete", "Update", "Insert"};
	const Mapping *mapping = explanation->mapping;
	char	   *statement = deltaetl_node_statement(mapping, action);

	if (!can_have_rows(explanation, action))
	{
		deltaetl_explain_line(explanation, 2, "%s: never", names[action]);
		return;
	}
	deltaetl_explain_line(explanation, 2, "%s, %s:", names[action],
						  say_where(mapping, statement));
	deltaetl_explain_statement(explanation, 3, statement);
}

/* The statements that find and write what differs. */
void
deltaetl_explain_distributed_apply(const Explanation *explanation)
{
	deltaetl_explain_line(explanation, 1, explanation->options->dry_run ?
						  "Apply: nothing, because dry_run is true; without it" :
						  "Apply, each by a statement, all in one distributed transaction");
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		explain_action(explanation, action);
}
