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

/*
 * Lock the target, with its partitions or children, in the given mode and the
 * source against changes of its definition; return the mapping that holds
 * from now to the end of the transaction.
 */
Mapping *
deltaetl_lock_and_resolve(const MappingRequest *request, const char *schema,
						  LOCKMODE target_mode)
{
	deltaetl_check_scope(deltaetl_resolve(request, schema));
	LockRelationOid(request->target, target_mode);
	(void) find_all_inheritors(request->target, target_mode, NULL);
	LockRelationOid(request->source, AccessShareLock);
	return deltaetl_resolve(request, schema);
}
