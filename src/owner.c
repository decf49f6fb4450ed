/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Reading and writing the extension's own tables.
 *
 * Users cannot write to the logs, so what the extension writes it writes with
 * the rights of the owner of its tables.  This is the only place that does so,
 * and the statements that come here are ours: their text is fixed, every name
 * in it is qualified, values are parameters, and the tables have nothing that
 * would run code of somebody else.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "run.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "catalog/dependency.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* The relation of the extension that has a name. */
Oid
deltaetl_own_relation(Oid extension, const char *name)
{
	Oid			relid = get_relname_relid(name, extension);

	if (!OidIsValid(relid) ||
		getExtensionOfObject(RelationRelationId, relid) !=
		get_extension_oid("deltaetl", false))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" of extension deltaetl does not exist", name),
				 errhint("Create the extension again.")));
	return relid;
}

/* The role that owns a relation. */
Oid
deltaetl_relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Run a statement on the extension's tables with the rights of their owner;
 * rows that it returns go to the callback, if there is one.  Returns how many
 * rows it has returned or changed.  If it fails, the end of the transaction
 * or subtransaction gives the caller's rights back.
 */
uint64
deltaetl_owner_execute(Oid extension, const char *query, ParamListInfo params,
					   RowCallback callback, void *arg)
{
	Oid			owner = deltaetl_relation_owner(deltaetl_own_relation(extension, RUN_TABLE));
	Oid			user;
	int			context;
	uint64		rows;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	rows = deltaetl_spi_execute(query, params, callback, arg);
	SetUserIdAndSecContext(user, context);
	return rows;
}
