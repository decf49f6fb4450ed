/*-------------------------------------------------------------------------
 *
 * explain_triggers.c
 *	  Explaining what else acts when the delta is written: triggers, foreign
 *	  keys that change other tables, row security.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "explain.h"

#include "access/relation.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rls.h"

/* ---------- triggers ---------- */

/* As session_replication_role and ALTER TABLE ... DISABLE TRIGGER say. */
static bool
is_enabled(const Trigger *trigger)
{
	char		other_role = SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA ?
	TRIGGER_FIRES_ON_ORIGIN : TRIGGER_FIRES_ON_REPLICA;

	return trigger->tgenabled != TRIGGER_DISABLED && trigger->tgenabled != other_role;
}

static void
append_event(StringInfo buf, bool is_event, const char *name)
{
	if (is_event)
		appendStringInfo(buf, "%s%s", buf->len > 0 ? " OR " : "", name);
}

static char *
say_events(int16 type)
{
	StringInfo	buf = makeStringInfo();

	append_event(buf, TRIGGER_FOR_INSERT(type), "INSERT");
	append_event(buf, TRIGGER_FOR_UPDATE(type), "UPDATE");
	append_event(buf, TRIGGER_FOR_DELETE(type), "DELETE");
	append_event(buf, TRIGGER_FOR_TRUNCATE(type), "TRUNCATE");
	return buf->data;
}

static char *
say_trigger(const Trigger *trigger)
{
	int16		type = trigger->tgtype;

	return psprintf("%s (%s %s, for each %s%s)", quote_identifier(trigger->tgname),
					TRIGGER_FOR_BEFORE(type) ? "BEFORE" : "AFTER", say_events(type),
					TRIGGER_FOR_ROW(type) ? "row" : "statement",
					is_enabled(trigger) ? "" : ", disabled");
}

/*
 * The triggers of a table, by name: its users', or those of foreign keys.  A
 * partition's copy of a trigger of the whole is not named again.
 */
static List *
say_triggers(Relation rel, char *(*say) (const Trigger *trigger), bool is_internal)
{
	TriggerDesc *triggers = rel->trigdesc;
	List	   *said = NIL;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		char	   *words = trigger->tgisinternal == is_internal && !trigger->tgisclone ?
		say(trigger) : NULL;

		if (words != NULL)
			said = lappend(said, words);
	}
	return said;
}

/* ---------- foreign keys ---------- */

/* What a delete does to a table that refers to the row, if that changes it. */
static char *
say_referential_action(const Trigger *trigger)
{
	const char *action;

	switch (trigger->tgfoid)
	{
		case F_RI_FKEY_CASCADE_DEL:
			action = "CASCADE";
			break;
		case F_RI_FKEY_SETNULL_DEL:
			action = "SET NULL";
			break;
		case F_RI_FKEY_SETDEFAULT_DEL:
			action = "SET DEFAULT";
			break;
		default:
			return NULL;
	}
	return psprintf("%s (ON DELETE %s)", deltaetl_quote_relation(trigger->tgconstrrelid),
					action);
}

/* ---------- all of it ---------- */

static void
explain_table(const Explanation *explanation, Relation rel)
{
	const char *name = deltaetl_quote_relation(RelationGetRelid(rel));
	List	   *triggers = say_triggers(rel, say_trigger, false);
	List	   *changed = say_triggers(rel, say_referential_action, true);

	if (triggers != NIL)
		deltaetl_explain_line(explanation, 2, "Triggers of %s: %s", name,
							  deltaetl_say_list(triggers));
	if (changed != NIL && explanation->options->deletes)
		deltaetl_explain_line(explanation, 2, "Deletes from %s also change %s", name,
							  deltaetl_say_list(changed));
}

static void
explain_row_security(const Explanation *explanation, const MappingSide *side)
{
	if (check_enable_rls(side->relid, InvalidOid, true) == RLS_ENABLED)
		deltaetl_explain_line(explanation, 2, "Row security of %s holds for the current user: rows that it hides are not there for the run",
							  side->quoted);
}

/* What else acts when the delta is written. */
void
deltaetl_explain_triggers(const Explanation *explanation)
{
	const Mapping *mapping = explanation->mapping;
	ListCell   *cell;

	foreach(cell, mapping->target.tree)
	{
		Relation	rel = relation_open(lfirst_oid(cell), NoLock);

		explain_table(explanation, rel);
		relation_close(rel, NoLock);
	}
	explain_row_security(explanation, &mapping->source);
	explain_row_security(explanation, &mapping->target);
}
