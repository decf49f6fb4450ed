/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  deltaetl_explain(): what a run would do, and why.
 *
 * The request is resolved as for a run, but no row is read and none written.
 * Nothing is decided here: the functions that decide in a run are asked, and
 * what they say is put into words.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "explain.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "changelog.h"
#include "funcapi.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* ---------- relations and key ---------- */

static const char *
say_kind(const MappingSide *side)
{
	switch (get_rel_relkind(side->relid))
	{
		case RELKIND_PARTITIONED_TABLE:
			return "partitioned table";
		case RELKIND_VIEW:
			return "view";
		case RELKIND_MATVIEW:
			return "materialized view";
		case RELKIND_FOREIGN_TABLE:
			return "foreign table";
		default:
			return list_length(side->tree) > 1 ? "table with children" : "table";
	}
}

static void
explain_relations(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	deltaetl_explain_line(explanation, 0, "Sync %s (%s) -> %s (%s)%s",
						  mapping->source.quoted, say_kind(&mapping->source),
						  mapping->target.quoted, say_kind(&mapping->target),
						  explanation->options->dry_run ? ", dry run" : "");
}

/* A column, and how its values are assigned if they are of another type. */
static char *
say_column(const MappingColumn *column)
{
	if (!column->recast)
		return column->quoted;
	return psprintf("%s (%s assigned to %s)", column->quoted,
					format_type_with_typemod(column->source_type, column->source_typmod),
					format_type_with_typemod(column->type, column->typmod));
}

static const char *
say_columns(const Mapping *mapping, int from, int to)
{
	List	   *columns = NIL;

	for (int i = from; i < to; i++)
		columns = lappend(columns, say_column(&mapping->columns[i]));
	return deltaetl_say_list(columns);
}

static const char *
say_key_origin(const Mapping *mapping)
{
	switch (mapping->key_origin)
	{
		case KEY_PRIMARY:
			return psprintf("the primary key %s", mapping->key_index);
		case KEY_UNIQUE:
			return psprintf("by unique index %s, as there is no primary key",
							mapping->key_index);
		default:
			return mapping->key_index == NULL ?
				"by key_columns, although no unique index is over just these" :
				psprintf("by key_columns, matched as by index %s", mapping->key_index);
	}
}

static void
explain_key(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	deltaetl_explain_line(explanation, 1, "Key: %s, %s%s",
						  say_columns(mapping, 0, mapping->nkeys),
						  say_key_origin(mapping),
						  mapping->nulls_match ? "; NULL matches NULL" : "");
}

/* ---------- columns ---------- */

static int
compare_places(const ListCell *a, const ListCell *b)
{
	return ((const MappingColumn *) lfirst(a))->attnum -
		((const MappingColumn *) lfirst(b))->attnum;
}

static char *
say_left_out(const MappingColumn *column)
{
	static const char *const reasons[] = {
		[COLUMN_EXCLUDED] = "in exclude_columns",
		[COLUMN_GENERATED] = "generated",
		[COLUMN_NOT_NAMED] = "not in columns",
		[COLUMN_NOT_IN_SOURCE] = "not in the source"
	};

	return psprintf("%s (%s)", column->quoted, reasons[column->use]);
}

/* Whether new rows get something in a column that is not written. */
static bool
has_default(Relation target, const MappingColumn *column)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(target), column->attnum - 1);

	return att->atthasdef || att->attidentity ||
		get_typdefault(att->atttypid) != NULL;
}

static char *
say_initial_value(Relation target, const MappingColumn *column)
{
	return psprintf("%s %s", column->quoted,
					has_default(target, column) ? "its default" : "NULL");
}

static void
explain_left_out(const Explanation *explanation, Relation target)
{
	List	   *columns = list_copy(explanation->mapping->left_out);
	List	   *left_out = NIL;
	List	   *initial = NIL;
	ListCell   *cell;

	list_sort(columns, compare_places);
	foreach(cell, columns)
	{
		const MappingColumn *column = lfirst(cell);

		left_out = lappend(left_out, say_left_out(column));
		if (!column->generated)
			initial = lappend(initial, say_initial_value(target, column));
	}
	if (left_out != NIL)
		deltaetl_explain_line(explanation, 1, "Not compared and not written: %s",
							  deltaetl_say_list(left_out));
	if (initial != NIL)
		deltaetl_explain_line(explanation, 1, "New rows get: %s",
							  deltaetl_say_list(initial));
}

/* Columns of the source that are nothing to the target. */
static void
explain_unused(const Explanation *explanation, Relation source, Relation target)
{
	const char *believed = explanation->options->request.source_hash_column;
	TupleDesc	desc = RelationGetDescr(source);
	List	   *unused = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);

		if (!TupleDescAttr(desc, i)->attisdropped &&
			deltaetl_column_number(target, name) == InvalidAttrNumber &&
			(believed == NULL || strcmp(name, believed) != 0))
			unused = lappend(unused, pstrdup(quote_identifier(name)));
	}
	if (unused != NIL)
		deltaetl_explain_line(explanation, 1, "Columns of the source that the target lacks: %s",
							  deltaetl_say_list(unused));
}

static void
explain_columns(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;
	Relation	source = relation_open(mapping->source.relid, NoLock);
	Relation	target = relation_open(mapping->target.relid, NoLock);

	deltaetl_explain_line(explanation, 1, "Compared and written: %s",
						  mapping->ncolumns > mapping->nkeys ?
						  say_columns(mapping, mapping->nkeys, mapping->ncolumns) :
						  "nothing but the key");
	explain_left_out(explanation, target);
	explain_unused(explanation, source, target);
	relation_close(target, NoLock);
	relation_close(source, NoLock);
}

/* ---------- what is done ---------- */

static void
explain_extent(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;

	if (mapping->scope != NULL)
		deltaetl_explain_line(explanation, 1, "Scope, on both sides: %s", mapping->scope);
	deltaetl_explain_line(explanation, 1, "Rows that only %s has: %s", mapping->target.quoted,
						  explanation->options->deletes ? "deleted" :
						  "left alone (deletes => 'ignore')");
}

static char *
say_tree(const MappingSide *side)
{
	return psprintf("%s%s", side->quoted,
					list_length(side->tree) == 1 ? "" :
					get_rel_relkind(side->relid) == RELKIND_PARTITIONED_TABLE ?
					" and its partitions" : " and its children");
}

static void
explain_lock(const Explanation *explanation, const MappingSide *side, LOCKMODE mode)
{
	deltaetl_explain_line(explanation, 2, "%s: %s, others can %s", say_tree(side),
						  GetLockmodeName(DEFAULT_LOCKMETHOD, mode),
						  mode == ShareRowExclusiveLock ? "read but not write" : "read and write");
}

static void
explain_locks(const Explanation *explanation)
{
	static const char *const ways[] = {
		[RUNNING_WAIT] = "this one waits (if_running => 'wait')",
		[RUNNING_SKIP] = "this one is skipped (if_running => 'skip')",
		[RUNNING_ERROR] = "an error (if_running => 'error')"
	};
	const Mapping *mapping = explanation->mapping;
	const SyncOptions *options = explanation->options;

	deltaetl_explain_line(explanation, 1, "Locks, until the transaction ends");
	explain_lock(explanation, &mapping->target, deltaetl_target_lock(options));
	explain_lock(explanation, &mapping->source, AccessShareLock);
	if (mapping->by_statements && !options->dry_run)
		deltaetl_explain_line(explanation, 2, "The lock of %s is taken on all nodes",
							  mapping->target.quoted);
	if (options->dry_run)
		return;
	deltaetl_explain_line(explanation, 2, "If another run on %s is going on: %s",
						  mapping->target.quoted, ways[options->if_running]);
	if (options->lock_rows)
		deltaetl_explain_line(explanation, 2, "Rows to delete and update are locked before they are written; those that others have changed, or inserted, are looked at again");
	else if (IsolationUsesXactSnapshot())
		deltaetl_explain_line(explanation, 2, "Snapshot: older than the locks; %s is read twice more, and if others have changed it, that is an error",
							  mapping->target.quoted);
}

/* ---------- guards and log ---------- */

static char *
say_limit(const char *name, double limit, const char *rows)
{
	return psprintf("%s => %.15g: %s stop the run", name, limit, rows);
}

/* Each guard that is set, and NULL for those that could be. */
static List *
say_guards(const SyncOptions *options, List **unset)
{
	struct
	{
		const char *name;
		double		limit;
		bool		matters;
		const char *rows;
	}			limits[] = {
		{"max_delete_pct", options->max_delete_pct, options->deletes,
		"deletes of a larger share of the target's rows"},
		{"max_delete_rows", options->max_delete_rows, options->deletes, "more deletes"},
		{"max_update_pct", options->max_update_pct, true,
		"updates of a larger share of the target's rows"}
	};
	List	   *guards = NIL;

	if (options->deletes)
		guards = lappend(guards, options->allow_empty_source ?
						 "allow_empty_source => true: a source without rows empties the target" :
						 "allow_empty_source => false: a source without rows stops the run");
	for (int i = 0; i < lengthof(limits); i++)
	{
		if (limits[i].matters && limits[i].limit != NO_LIMIT)
			guards = lappend(guards, say_limit(limits[i].name, limits[i].limit, limits[i].rows));
		else if (limits[i].matters)
			*unset = lappend(*unset, unconstify(char *, limits[i].name));
	}
	return guards;
}

static List *
say_identity_guards(const Mapping *mapping)
{
	List	   *guards = NIL;

	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].identity)
			guards = lappend(guards, psprintf("%s is GENERATED ALWAYS AS IDENTITY: another value for an existing row stops the run",
											  mapping->columns[i].quoted));
	return guards;
}

static void
explain_guards(const Explanation *explanation)
{
	List	   *unset = NIL;
	List	   *guards = say_guards(explanation->options, &unset);
	ListCell   *cell;

	guards = list_concat(guards, say_identity_guards(explanation->mapping));
	deltaetl_explain_line(explanation, 1, guards == NIL ? "Guards: none" : "Guards");
	foreach(cell, guards)
		deltaetl_explain_line(explanation, 2, "%s", (const char *) lfirst(cell));
	if (unset != NIL)
		deltaetl_explain_line(explanation, 2, "not set: %s", deltaetl_say_list(unset));
}

static void
explain_log(const Explanation *explanation)
{
	static const char *const levels[] = {
		[LOG_NONE] = "none (log_changes => 'none')",
		[LOG_KEYS] = "keys and changed columns of the rows that change (log_changes => 'keys')",
		[LOG_ROWS] = "the rows that change, before and after, so that the run can be reverted (log_changes => 'rows')"
	};

	deltaetl_explain_line(explanation, 1, "Change log: %s",
						  explanation->options->dry_run ? "nothing, because dry_run is true" :
						  levels[explanation->options->log_changes]);
}

/* ---------- deltaetl_explain ---------- */

static void
explain_run(const Explanation *explanation)
{
	explain_relations(explanation);
	deltaetl_explain_placement(explanation);
	explain_key(explanation);
	explain_columns(explanation);
	explain_extent(explanation);
	explain_locks(explanation);
	deltaetl_explain_detection(explanation);
	explain_guards(explanation);
	if (explanation->mapping->by_statements)
	{
		deltaetl_explain_distributed_apply(explanation);
		return;
	}
	deltaetl_explain_apply(explanation);
	deltaetl_explain_triggers(explanation);
	explain_log(explanation);
	deltaetl_explain_statements(explanation);
}

PG_FUNCTION_INFO_V1(deltaetl_explain);

/*
 * deltaetl_explain(arguments of deltaetl_sync())
 *	 returns setof text
 *
 * What deltaetl_sync() would do with these arguments, and why, a line a row.
 * Raises the errors that it would raise before it reads a row.
 */
Datum
deltaetl_explain(PG_FUNCTION_ARGS)
{
	SyncOptions options = deltaetl_read_options(fcinfo);
	char	   *schema = deltaetl_extension_schema(fcinfo);
	Explanation explanation = {.options = &options};

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	explanation.result = (ReturnSetInfo *) fcinfo->resultinfo;
	deltaetl_check_request(&options.request, schema);
	explanation.mapping = deltaetl_lock_and_resolve(&options.request, schema,
													AccessShareLock);
	deltaetl_check_distributed(&options, explanation.mapping);
	if (options.log_changes != LOG_NONE)
		explanation.logged = deltaetl_logged_columns(explanation.mapping,
													 options.log_changes);
	explain_run(&explanation);
	PG_RETURN_NULL();
}
