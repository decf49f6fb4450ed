/*-------------------------------------------------------------------------
 *
 * lock.c
 *	  Locking source and target for the rest of the transaction.
 *
 * A request is resolved twice: first to report problems, lack of rights among
 * them, before waiting for or holding a lock that others feel; then under the
 * locks, since the tables may have changed while we waited.  In between no
 * weaker lock is held, as upgrading one invites deadlocks.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* The last field of advisory locks; those that users take have 1 or 2. */
#define RUNNING_LOCK 0xDE

/* Lock a relation and its partitions or children; returns all of them. */
static List *
lock_tree(Oid relid, LOCKMODE mode)
{
	LockRelationOid(relid, mode);
	if (get_rel_relkind(relid) == '\0')
		return NIL;
	return find_all_inheritors(relid, mode, NULL);
}

static void
check_tree(const MappingSide *side)
{
	List	   *tree = find_all_inheritors(side->relid, AccessShareLock, NULL);

	if (list_difference_oid(tree, side->tree) != NIL ||
		list_difference_oid(side->tree, tree) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("\"%s\" has got or lost children or partitions during the run",
						side->name),
				 errhint("Try again.")));
}

/*
 * Raise an error if a relation has got or lost children since it was locked,
 * which a lock that lets others read and write does not prevent.
 */
void
deltaetl_check_trees(const Mapping *mapping)
{
	check_tree(&mapping->source);
	check_tree(&mapping->target);
}

/* Report what is wrong with a request, before anything is locked. */
void
deltaetl_check_request(const MappingRequest *request, const char *schema)
{
	deltaetl_check_scope_syntax(deltaetl_resolve(request, schema));
}

/*
 * Mark a target as one that a run works on, up to the end of the transaction;
 * false if another has done so.  It is no more than a mark, an advisory lock
 * that nobody ever waits for: it is there before the locks of the tables, and
 * who holds others of those already would wait in a circle.
 */
bool
deltaetl_mark_running(Oid target)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, target, RUNNING_LOCK);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Others can write to a table of Citus from any node, so it is locked on all of
 * them, which Citus does with LOCK TABLE.  That comes before our own lock, as
 * it takes them in the same order wherever it is said.
 */
static void
lock_on_nodes(Oid relid, LOCKMODE mode)
{
	const char *word = mode == ShareRowExclusiveLock ? "SHARE ROW EXCLUSIVE" :
	"SHARE UPDATE EXCLUSIVE";
	Mapping		placed = {.target.relid = relid};
	MappingSide *target = &placed.target;

	if (mode == AccessShareLock)
		return;
	deltaetl_find_placements(&placed);
	if (target->placement.kind == PLACED_HERE)
		return;
	target->name = get_rel_name(relid);
	if (target->name == NULL)
		return;
	target->quoted = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
												target->name);
	deltaetl_spi_define(psprintf("LOCK TABLE %s IN %s MODE", target->quoted, word), target);
}

/*
 * Lock the target in the given mode and the source, if there is one, against
 * changes of its definition; return the mapping that holds from now to the end of the
 * transaction.
 */
Mapping *
deltaetl_lock_and_resolve(const MappingRequest *request, const char *schema,
						  LOCKMODE target_mode)
{
	Mapping    *mapping;
	List	   *target_tree;
	List	   *source_tree = NIL;

	lock_on_nodes(request->target, target_mode);
	target_tree = lock_tree(request->target, target_mode);
	if (OidIsValid(request->source))
		source_tree = lock_tree(request->source, AccessShareLock);

	mapping = deltaetl_resolve(request, schema);
	mapping->target.tree = target_tree;
	mapping->source.tree = source_tree;
	if (deltaetl_has_foreign_children(request->target))
		mapping->ctid_obstacle = deltaetl_obstacle(mapping->target.is_foreign ?
												   OBSTACLE_FOREIGN_TABLE : OBSTACLE_FOREIGN_PART,
												   mapping->target.quoted);
	deltaetl_resolve_placement(mapping);
	mapping->by_ctid = deltaetl_is_free(mapping->ctid_obstacle);
	mapping->by_fingerprint = mapping->source.exists &&
		deltaetl_is_free(deltaetl_obstacle_to_fingerprints(mapping));
	deltaetl_note_leaves(&mapping->target);
	if (mapping->source.exists)
		deltaetl_note_leaves(&mapping->source);
	deltaetl_check_source_files(mapping);
	deltaetl_note_triggers(mapping);
	deltaetl_check_scope(mapping);
	if (!mapping->by_statements)
		deltaetl_resolve_remote(mapping);
	return mapping;
}
