/*-------------------------------------------------------------------------
 *
 * check_table.c
 *	  deltaetl_check_table(): is a ctid enough to find a row again?
 *
 * postgres_fdw knows a row that it has read by its ctid alone, which several
 * rows have where partitions or children are read with their parent.  Another
 * server is asked by a query on the foreign table, so the function takes a
 * column of it, too, without which a planner here would compute it here.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"

#include "compat.h"

/* A name as another server has sent it, in UTF-8. */
static char *
name_argument(FunctionCallInfo fcinfo, int argno)
{
	bytea	   *name = PG_GETARG_BYTEA_PP(argno);

	return pg_any_to_server(pnstrdup(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)),
							VARSIZE_ANY_EXHDR(name), PG_UTF8);
}

PG_FUNCTION_INFO_V1(deltaetl_check_table);

/*
 * deltaetl_check_table(schema bytea, name bytea, ctid tid) returns boolean
 *
 * True if the relation, whose names are in UTF-8, is a table without partitions
 * or children; else an error.
 */
Datum
deltaetl_check_table(PG_FUNCTION_ARGS)
{
	char	   *schema = name_argument(fcinfo, 0);
	char	   *name = name_argument(fcinfo, 1);
	Oid			namespace = get_namespace_oid(schema, true);
	Oid			relid = OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;

	if (get_rel_relkind(relid) != RELKIND_RELATION || has_subclass(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s.%s\" is not a table without partitions and children",
						schema, name)));
	PG_RETURN_BOOL(true);
}
