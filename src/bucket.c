/*-------------------------------------------------------------------------
 *
 * bucket.c
 *	  What another server needs to narrow down where rows differ: buckets of
 *	  keys, and proof that it sees the types that we see.
 *
 * A bucket is known by the first bits of a hash of the key's encoding, so those
 * of more bits lie within those of fewer, and are the same on every server.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "encode.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define HASH_BITS 64

/* ---------- types ---------- */

/* "(10,2)", or what else a type makes of a length, a precision and the like. */
static char *
length_of_type(Form_pg_type type, int32 typmod)
{
	if (typmod < 0)
		return "";
	if (!OidIsValid(type->typmodout))
		return psprintf("(%d)", typmod);
	return DatumGetCString(OidFunctionCall1(type->typmodout, Int32GetDatum(typmod)));
}

/*
 * A type by the names that catalogs have for it, which no setting changes; two of
 * another name or length are different ones.
 */
static char *
type_name(Oid oid, int32 typmod)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(oid));
	Form_pg_type type;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", oid);
	type = (Form_pg_type) GETSTRUCT(tuple);
	name = psprintf("%s.%s%s", get_namespace_name(type->typnamespace),
					NameStr(type->typname), length_of_type(type, typmod));
	ReleaseSysCache(tuple);
	return name;
}

/* What deltaetl_check_types() expects of values that are encoded at all. */
void
deltaetl_begin_types(StringInfo buf)
{
	appendStringInfo(buf, "encoding %d\n", DELTAETL_ENCODING_VERSION);
}

/* Other than ASCII, which has other bytes on other servers, is no type to expect. */
static void
append_ascii(StringInfo buf, const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
		appendStringInfoChar(buf, *c < ' ' || IS_HIGHBIT_SET(*c) ? '?' : *c);
}

/*
 * Expect a type of the next argument: that which a domain is based on.  The name
 * is for messages.
 */
void
deltaetl_append_type(StringInfo buf, const char *name, Oid type, int32 typmod)
{
	Oid			base = getBaseTypeAndTypmod(type, &typmod);

	append_ascii(buf, type_name(base, typmod));
	appendStringInfoChar(buf, '\t');
	append_ascii(buf, name);
	appendStringInfoChar(buf, '\n');
}

static bool
is_expected(const char *expected, const char *type)
{
	Size		len = strlen(type);

	return strncmp(expected, type, len) == 0 && expected[len] == '\t';
}

/*
 * Check the type of an argument against a line of what is expected.  Without a
 * length or precision any will do: values that have one are read as they are.
 */
static void
check_type(const char *expected, Node *argument)
{
	int32		typmod = exprTypmod(argument);
	Oid			type = getBaseTypeAndTypmod(exprType(argument), &typmod);
	int			len = strcspn(expected, "\t");
	const char *name = expected + len + (expected[len] == '\t');

	if (is_expected(expected, type_name(type, typmod)) ||
		is_expected(expected, type_name(type, -1)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%.*s\" has type %s, not %.*s",
					(int) strcspn(name, "\n"), name, type_name(type, typmod),
					len, expected)));
}

/* The next line, or the end. */
static const char *
next_line(const char *text)
{
	text	  +=strcspn(text, "\n");
	return *text == '\n' ? text +1 : text;
}

static void
check_encoding(const char *expected)
{
	StringInfoData here;

	initStringInfo(&here);
	deltaetl_begin_types(&here);
	if (strncmp(expected, here.data, here.len) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("values are encoded otherwise"),
				 errdetail("Here it is %.*s, not %.*s.", here.len - 1, here.data,
						   (int) strcspn(expected, "\n"), expected)));
}

static void
check_arguments(const char *expected, List *arguments)
{
	ListCell   *cell = list_second_cell(arguments);

	check_encoding(expected);
	expected = next_line(expected);
	for (; cell != NULL && *expected != '\0'; cell = lnext(arguments, cell))
	{
		check_type(expected, lfirst(cell));
		expected = next_line(expected);
	}
	if (cell != NULL || *expected != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("there are other columns than expected")));
}

/* ---------- SQL functions ---------- */

PG_FUNCTION_INFO_V1(deltaetl_bucket);
PG_FUNCTION_INFO_V1(deltaetl_check_types);

/*
 * deltaetl_bucket(bits integer, VARIADIC "any") returns bigint
 *
 * The first bits, from none to 63, of a hash of the encoding of a row whose
 * columns are the other arguments.  Never NULL.
 */
Datum
deltaetl_bucket(PG_FUNCTION_ARGS)
{
	int			bits = PG_ARGISNULL(0) ? -1 : PG_GETARG_INT32(0);
	const EncodeBuffer *buf;

	if (bits < 0 || bits >= HASH_BITS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of bits of a bucket must be from 0 to %d", HASH_BITS - 1)));
	if (bits == 0)
		PG_RETURN_INT64(0);
	buf = deltaetl_encode_arguments(fcinfo, 1);
	PG_RETURN_INT64((int64) (XXH3_64bits(buf->data, buf->len) >> (HASH_BITS - bits)));
}

/*
 * deltaetl_check_types(expected bytea, VARIADIC "any") returns boolean
 *
 * True, or an error if the other arguments are not of the expected types (see
 * deltaetl_append_type()), which are not given as text: a collation that comes
 * from no column of theirs keeps foreign-data wrappers from sending a call.  A foreign table may declare other types than the
 * remote one has; what is computed there would then not be of the values that
 * are read here.
 */
Datum
deltaetl_check_types(PG_FUNCTION_ARGS)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;

	if (flinfo->fn_extra != NULL)
		PG_RETURN_BOOL(true);
	if (PG_ARGISNULL(0) || flinfo->fn_expr == NULL || !IsA(flinfo->fn_expr, FuncExpr))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expected types must be given, and the types of arguments be known")));
	check_arguments(text_to_cstring((text *) PG_GETARG_BYTEA_PP(0)),
					((FuncExpr *) flinfo->fn_expr)->args);
	flinfo->fn_extra = flinfo;
	PG_RETURN_BOOL(true);
}
