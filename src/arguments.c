/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Reading the arguments of SQL functions.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

void
deltaetl_require_argument(FunctionCallInfo fcinfo, int argno, const char *argname)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", argname)));
}

/* The OID of a relation, which need not be there but is not InvalidOid. */
Oid
deltaetl_relation_argument(FunctionCallInfo fcinfo, int argno,
						   const char *argname)
{
	deltaetl_require_argument(fcinfo, argno, argname);
	if (!OidIsValid(PG_GETARG_OID(argno)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", InvalidOid)));
	return PG_GETARG_OID(argno);
}

bool
deltaetl_bool_argument(FunctionCallInfo fcinfo, int argno,
					   const char *argname)
{
	deltaetl_require_argument(fcinfo, argno, argname);
	return PG_GETARG_BOOL(argno);
}

/* A text argument as a C string, NULL for NULL. */
char *
deltaetl_text_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* A name argument as a C string, NULL for NULL. */
char *
deltaetl_name_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(argno)));
}

/* The names of a name[] argument in order; an error if one is there twice. */
List *
deltaetl_name_list(FunctionCallInfo fcinfo, int argno, const char *argname)
{
	ArrayType  *array;
	Datum	   *names;
	bool	   *isnull;
	int			count;
	List	   *list = NIL;

	if (PG_ARGISNULL(argno))
		return NIL;

	array = PG_GETARG_ARRAYTYPE_P(argno);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s must be a one-dimensional array", argname)));
	deconstruct_array(array, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &names, &isnull, &count);
	for (int i = 0; i < count; i++)
	{
		ListCell   *cell;

		if (isnull[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not contain nulls", argname)));
		foreach(cell, list)
		{
			if (strcmp(lfirst(cell), NameStr(*DatumGetName(names[i]))) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" appears twice in %s",
								NameStr(*DatumGetName(names[i])), argname)));
		}
		list = lappend(list, pstrdup(NameStr(*DatumGetName(names[i]))));
	}
	return list;
}

/* The names of key_columns, NIL if it was not given. */
List *
deltaetl_key_list(FunctionCallInfo fcinfo, int argno)
{
	List	   *list = deltaetl_name_list(fcinfo, argno, "key_columns");

	if (list == NIL && !PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key_columns must not be empty"),
				 errhint("Leave it out to use the target's own key.")));
	return list;
}

/* The schema that the called function, and so the extension, lives in. */
Oid
deltaetl_extension(FunctionCallInfo fcinfo)
{
	return get_func_namespace(fcinfo->flinfo->fn_oid);
}

/* The name of a schema as it is written in a query. */
char *
deltaetl_quote_schema(Oid schema)
{
	return pstrdup(quote_identifier(get_namespace_name(schema)));
}

char *
deltaetl_extension_schema(FunctionCallInfo fcinfo)
{
	return deltaetl_quote_schema(deltaetl_extension(fcinfo));
}
