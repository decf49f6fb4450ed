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
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

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

/*
 * Lock the target in the given mode and the source against changes of its
 * definition; return the mapping that holds from now to the end of the
 * transaction.
 */
Mapping *
deltaetl_lock_and_resolve(const MappingRequest *request, const char *schema,
						  LOCKMODE target_mode)
{
	Mapping    *mapping = deltaetl_resolve(request, schema);
	List	   *target_tree;
	List	   *source_tree;

	deltaetl_check_scope_syntax(mapping);
	target_tree = lock_tree(request->target, target_mode);
	source_tree = lock_tree(request->source, AccessShareLock);

	mapping = deltaetl_resolve(request, schema);
	mapping->target.tree = target_tree;
	mapping->source.tree = source_tree;
	mapping->by_ctid = mapping->by_ctid &&
		!deltaetl_has_foreign_children(request->target);
	mapping->by_fingerprint = deltaetl_can_fingerprint(mapping);
	deltaetl_note_triggers(mapping);
	deltaetl_check_scope(mapping);
	return mapping;
}
