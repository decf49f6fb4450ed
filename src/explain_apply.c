/*-------------------------------------------------------------------------
 *
 * explain_apply.c
 *	  Explaining how the delta would be written.
 *
 * How an action is applied depends on which others have rows, and on how many
 * rows are new.  A delta is made for each case that can be, without any rows,
 * and the functions that apply it are asked.  First comes the case in which
 * there is something of everything, then those that differ from it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "explain.h"

#include "catalog/pg_class.h"
#include "fingerprint.h"
#include "foreign.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* How many rows of the source are new; what applies to one applies to the next. */
typedef enum Newness
{
	NEW_FEW,
	NEW_MOST,					/* so that the others are noted */
	NEW_ALL
} Newness;

#define NEWNESSES (NEW_ALL + 1)

typedef struct ApplyCase
{
	bool		lacks[DELTA_ACTIONS];	/* of these there are no rows */
	Newness		newness;
	char	   *statement;		/* NULL: none */
	int			rows;			/* of a foreign table, that it is about */
} ApplyCase;

#define MAX_CASES (NEWNESSES << DELTA_ACTIONS)

static const char *const action_names[] = {"Delete", "Update", "Insert"};
static const char *const action_words[] = {"deleted", "updated", "inserted"};

/* ---------- asking ---------- */

/* The delta as it would be in a case when it comes to be written. */
static Delta
delta_of_case(const Delta *delta, const ApplyCase *apply)
{
	Delta		plan = *delta;

	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		plan.count[action] = apply->lacks[action] ? 0 : 1;
	plan.count[DELTA_KNOWN] = apply->newness == NEW_MOST ? 1 : 0;
	plan.insert_rest = apply->newness != NEW_FEW;
	return plan;
}

static Obstacle
obstacle_to_rereading(const Delta *delta, const ApplyCase *apply)
{
	Delta		plan = delta_of_case(delta, apply);

	if (!plan.by_position)
		return deltaetl_obstacle(NO_OBSTACLE, NULL);
	return deltaetl_obstacle_to_rereading(&plan);
}

/* Whether an action is a delete or update of a foreign table. */
static bool
is_foreign(const Delta *delta, DeltaAction action)
{
	return delta->mapping->target.is_foreign && action != DELTA_INSERT;
}

/* The same as below, of a delete or update of a foreign table. */
static Obstacle
plan_foreign_action(const Explanation *explanation, Delta *plan,
					DeltaAction action, ApplyCase *apply)
{
	ForeignWay	way = deltaetl_foreign_way(plan, action, explanation->logged);

	apply->statement = way.statement->text;
	apply->rows = way.statement->rows;
	return way.obstacle;
}

/* Fill in how an action is applied in a case; returns why it takes a statement. */
static Obstacle
plan_action(const Explanation *explanation, const Delta *delta,
			DeltaAction action, ApplyCase *apply)
{
	Delta		plan = delta_of_case(delta, apply);
	Obstacle	obstacle;

	if (is_foreign(delta, action))
		return plan_foreign_action(explanation, &plan, action, apply);
	if (!deltaetl_is_free(obstacle_to_rereading(delta, apply)))
		deltaetl_delta_forget_positions(&plan);
	obstacle = deltaetl_obstacle_to_direct(&plan, action);
	if (!deltaetl_is_free(obstacle) && deltaetl_delta_fetches(&plan, action))
		deltaetl_delta_forget_positions(&plan);
	apply->statement = deltaetl_is_free(obstacle) ? NULL :
		deltaetl_action_query(&plan, action, explanation->logged);
	return obstacle;
}

/* Whether a case can be, beside that in which an action has rows. */
static bool
case_can_be(const Delta *delta, DeltaAction action, const ApplyCase *apply)
{
	const Mapping *mapping = delta->mapping;
	bool		tells_keys = deltaetl_is_free(deltaetl_obstacle_to_key_fingerprints(mapping));

	if (apply->lacks[action] || (!delta->with_deletes && !apply->lacks[DELTA_DELETE]))
		return false;
	if (apply->newness == NEW_FEW)
		return true;
	if (!delta->by_position || apply->lacks[DELTA_INSERT])
		return false;
	if (apply->newness == NEW_MOST)
		return tells_keys;
	return apply->lacks[DELTA_UPDATE] &&
		(tells_keys || (mapping->scope == NULL && apply->lacks[DELTA_DELETE]));
}

/* Whether what is said of one case holds for another unless more is said. */
static bool
case_covers(const ApplyCase *apply, const ApplyCase *other)
{
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		if (apply->lacks[action] && !other->lacks[action])
			return false;
	return apply->newness <= other->newness;
}

static bool
same_statement(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* ---------- words ---------- */

/* "nothing is deleted or inserted", for those that the first case has. */
static char *
say_lack(const ApplyCase *first, const ApplyCase *apply)
{
	const char *separator = "nothing is ";
	StringInfo	buf = makeStringInfo();

	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
	{
		if (!apply->lacks[action] || first->lacks[action])
			continue;
		appendStringInfo(buf, "%s%s", separator, action_words[action]);
		separator = " or ";
	}
	return buf->data;
}

static char *
say_newness(const Delta *delta, Newness newness)
{
	const Mapping *mapping = delta->mapping;
	const char *scope = mapping->scope ? " in scope" : "";

	StaticAssertStmt(MIN_NEW_SHARE == 2, "what is said is not what is done");
	if (newness == NEW_MOST)
		return psprintf("%s has less than half as many rows%s as %s",
						mapping->target.quoted, scope, mapping->source.quoted);
	if (!deltaetl_is_free(deltaetl_obstacle_to_key_fingerprints(mapping)))
		return psprintf("%s is empty", mapping->target.quoted);
	return psprintf("%s has no rows%s, or less than half as many as %s and none of their keys",
					mapping->target.quoted, scope, mapping->source.quoted);
}

/* When a case is, other than the first. */
static char *
say_case(const Delta *delta, const ApplyCase *first, const ApplyCase *apply)
{
	char	   *lack = say_lack(first, apply);
	StringInfo	buf = makeStringInfo();

	if (apply->newness != NEW_FEW)
		appendStringInfoString(buf, say_newness(delta, apply->newness));
	if (apply->newness != NEW_ALL && lack[0] != '\0')
		appendStringInfo(buf, "%s%s", buf->len > 0 ? ", and " : "", lack);
	return buf->data;
}

static void
explain_way(const Explanation *explanation, const ApplyCase *apply)
{
	if (apply->statement != NULL)
		deltaetl_explain_statement(explanation, 3, apply->statement);
	else if (get_rel_relkind(explanation->mapping->target.relid) == RELKIND_PARTITIONED_TABLE)
		deltaetl_explain_line(explanation, 3, "No statement: rows are written in the partition they lie in, as logical replication does it; other partitions are not read again");
	else
		deltaetl_explain_line(explanation, 3, "No statement: rows are written as logical replication and COPY do it");
}

/* ---------- an action ---------- */

static ApplyCase
first_case(const Delta *delta)
{
	ApplyCase	apply = {0};

	apply.lacks[DELTA_DELETE] = !delta->with_deletes;
	return apply;
}

/* Of the cases that have been said, the last one that covers a case. */
static const ApplyCase *
covering_case(const ApplyCase *said, int nsaid, const ApplyCase *apply)
{
	for (int i = nsaid - 1; i > 0; i--)
		if (case_covers(&said[i], apply))
			return &said[i];
	return &said[0];
}

/* The cases in which an action is applied in another way than in the first. */
static void
explain_other_cases(const Explanation *explanation, const Delta *delta,
					DeltaAction action)
{
	ApplyCase	said[MAX_CASES] = {first_case(delta)};
	int			nsaid = 1;

	(void) plan_action(explanation, delta, action, &said[0]);
	for (int i = 0; i < MAX_CASES; i++)
	{
		ApplyCase	apply = {.newness = i >> DELTA_ACTIONS};

		for (DeltaAction other = DELTA_DELETE; other <= DELTA_INSERT; other++)
			apply.lacks[other] = (i & (1 << other)) != 0;
		if (!case_can_be(delta, action, &apply))
			continue;
		(void) plan_action(explanation, delta, action, &apply);
		if (same_statement(covering_case(said, nsaid, &apply)->statement, apply.statement))
			continue;
		deltaetl_explain_line(explanation, 2, "%s, if %s:", action_names[action],
							  say_case(delta, &said[0], &apply));
		explain_way(explanation, &apply);
		said[nsaid++] = apply;
	}
}

static bool
sets_columns(const Delta *delta)
{
	for (int i = 0; i < delta->mapping->ncolumns; i++)
		if (deltaetl_is_written(delta, i))
			return true;
	return false;
}

/* Whether an action is never needed, with these options and columns. */
static bool
is_never(const Delta *delta, DeltaAction action)
{
	return (action == DELTA_DELETE && !delta->with_deletes) ||
		(action == DELTA_UPDATE && !sets_columns(delta));
}

/* Whether the other server gets a delete or update of a foreign table whole. */
static void
explain_foreign_way(const Explanation *explanation, DeltaAction action,
					Obstacle obstacle, int rows)
{
	if (!deltaetl_is_free(obstacle))
		deltaetl_explain_line(explanation, 2, "%s, row by row after a join with those that have these keys, because %s:",
							  action_names[action], deltaetl_say_obstacle(obstacle));
	else
		deltaetl_explain_line(explanation, 2, rows == 1 ? "%s, by the other server, one row at a time:" :
							  "%s, by the other server, up to %d rows at a time:",
							  action_names[action], rows);
}

static void
explain_action(const Explanation *explanation, const Delta *delta, DeltaAction action)
{
	ApplyCase	first = first_case(delta);

	if (is_never(delta, action))
		deltaetl_explain_line(explanation, 2, "%s: never", action_names[action]);
	else
	{
		Obstacle	obstacle = plan_action(explanation, delta, action, &first);

		if (is_foreign(delta, action))
			explain_foreign_way(explanation, action, obstacle, first.rows);
		else if (delta->mapping->target.is_foreign)
			deltaetl_explain_line(explanation, 2, explanation->logged ?
								  "Insert, row by row because the change log needs the rows as they are stored:" :
								  "Insert, in batches if the foreign table or its server has the option batch_size:");
		else if (action == DELTA_DELETE || deltaetl_is_free(obstacle))
			deltaetl_explain_line(explanation, 2, "%s:", action_names[action]);
		else
			deltaetl_explain_line(explanation, 2, "%s, by a statement because %s:",
								  action_names[action], deltaetl_say_obstacle(obstacle));
		explain_way(explanation, &first);
	}
}

/* ---------- all of it ---------- */

/* Where rows of the source are copied before the first one is written. */
static void
explain_copying(const Explanation *explanation, const Delta *delta)
{
	if (delta->lock_rows && delta->mapping->by_fingerprint)
		deltaetl_explain_line(explanation, 2, "Rows of %s are copied first, because %s",
							  delta->mapping->source.quoted,
							  deltaetl_say_obstacle(deltaetl_obstacle_to_rereading(delta)));
	for (Newness newness = NEW_FEW; newness <= NEW_MOST; newness++)
	{
		ApplyCase	apply = first_case(delta);
		Obstacle	obstacle;

		apply.newness = newness;
		obstacle = obstacle_to_rereading(delta, &apply);
		if (deltaetl_is_free(obstacle) || !case_can_be(delta, DELTA_INSERT, &apply))
			continue;
		deltaetl_explain_line(explanation, 2, "Rows of %s are copied first if more than one of these has rows%s%s, because %s",
							  delta->mapping->source.quoted,
							  newness == NEW_FEW ? "" : " and ",
							  newness == NEW_FEW ? "" : say_newness(delta, newness),
							  deltaetl_say_obstacle(obstacle));
		break;
	}
}

/* By what rows of the target are found. */
static void
explain_row_identity(const Explanation *explanation, const Delta *delta)
{
	const Mapping *mapping = delta->mapping;
	ApplyCase	first = first_case(delta);
	Delta		plan = delta_of_case(delta, &first);

	if (!mapping->by_ctid)
		deltaetl_explain_line(explanation, 2, "Rows of %s are found by their key, not their position, because %s",
							  mapping->target.quoted,
							  deltaetl_say_obstacle(mapping->ctid_obstacle));
	else if (!deltaetl_updates_by_ctid(&plan))
		deltaetl_explain_line(explanation, 2, "After deletes, rows to update are found by their key, because triggers of %s may have moved them",
							  mapping->target.quoted);
}

/*
 * A delta of which nothing is known yet.  Keys that are equal but not in their
 * bytes get those of the source; where nothing else is set, that is shown.
 */
static Delta *
create_delta(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;
	Delta	   *delta = deltaetl_delta_create(mapping, explanation->options->deletes);

	delta->lock_rows = explanation->options->lock_rows;
	if (delta->lock_rows)
		deltaetl_delta_forget_positions(delta);
	if (!sets_columns(delta) &&
		!deltaetl_is_free(deltaetl_obstacle_to_canonical_keys(mapping)))
		memset(delta->changed, true, mapping->nkeys * sizeof(bool));
	return delta;
}

static void
explain_key_columns(const Explanation *explanation)
{
	if (!deltaetl_is_free(deltaetl_obstacle_to_canonical_keys(explanation->mapping)))
		deltaetl_explain_line(explanation, 2, "If a key differs in its bytes from the one that it equals, updates set the key, too");
}

/* How the delta would be written, as long as there is something of everything. */
void
deltaetl_explain_apply(const Explanation *explanation)
{
	Delta	   *delta = create_delta(explanation);

	deltaetl_explain_line(explanation, 1, explanation->options->dry_run ?
						  "Apply: nothing, because dry_run is true; without it" :
						  "Apply, each only if it has rows");
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		explain_action(explanation, delta, action);
	explain_copying(explanation, delta);
	explain_row_identity(explanation, delta);
	explain_key_columns(explanation);
	deltaetl_delta_free(delta);
}

/* What statements call the columns. */
static const char *
say_column_names(const Mapping *mapping)
{
	List	   *columns = NIL;

	for (int i = 0; i < mapping->ncolumns; i++)
		columns = lappend(columns, psprintf("c%d = %s", i + 1, mapping->columns[i].quoted));
	return deltaetl_say_list(columns);
}

/* Whether an action takes a statement that has the tables of the delta in it. */
static bool
takes_statement(const Explanation *explanation, const Delta *delta,
				DeltaAction action)
{
	ApplyCase	first = first_case(delta);
	Obstacle	obstacle;

	if (is_never(delta, action))
		return false;
	obstacle = plan_action(explanation, delta, action, &first);
	return first.statement != NULL &&
		!(is_foreign(delta, action) && deltaetl_is_free(obstacle));
}

/* By what the tables of the delta name rows. */
static char *
say_positions(bool in_target, bool in_source)
{
	return psprintf("%s%s%s%s",
					in_target || in_source ? ", by their position " : "",
					in_target ? "in the target (tid, oid)" : "",
					in_target && in_source ? " and " : "",
					in_source ? "in the source (source_tid, source_oid)" : "");
}

/* The names in the statements. */
static void
explain_names(const Explanation *explanation, const Delta *delta)
{
	bool		takes_rows = takes_statement(explanation, delta, DELTA_UPDATE) ||
	takes_statement(explanation, delta, DELTA_INSERT);
	ApplyCase	most = {.newness = NEW_MOST,.lacks = {true, false, false}};
	List	   *tables = NIL;

	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		if (takes_statement(explanation, delta, action))
			tables = lappend(tables, unconstify(char *, deltaetl_delta_name(action)));
	if (delta->mapping->target.is_foreign)
		deltaetl_explain_line(explanation, 1, "In statements, $1 and so on are the keys of rows, and after them their new values");
	if (tables == NIL)
		return;
	deltaetl_explain_line(explanation, 1, "In statements, t is a row of the target and d one of the delta%s",
						  takes_rows && explanation->logged ?
						  "; o is what t was before, for the change log" : "");
	if (takes_rows || !delta->mapping->by_ctid)
		deltaetl_explain_line(explanation, 2, "d has the columns %s",
							  say_column_names(delta->mapping));
	deltaetl_explain_line(explanation, 2, "%s: the rows found%s", deltaetl_say_list(tables),
						  say_positions(delta->mapping->by_ctid, takes_rows && delta->by_position));
	if (takes_statement(explanation, delta, DELTA_INSERT) &&
		case_can_be(delta, DELTA_INSERT, &most))
		deltaetl_explain_line(explanation, 2, "%s: the rows of the source that are not new",
							  deltaetl_delta_name(DELTA_KNOWN));
}

/* What the statements mean, and other forms of them. */
void
deltaetl_explain_statements(const Explanation *explanation)
{
	Delta	   *delta = create_delta(explanation);

	explain_names(explanation, delta);
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_INSERT; action++)
		if (!is_never(delta, action))
			explain_other_cases(explanation, delta, action);
	deltaetl_delta_free(delta);
}
