/*-------------------------------------------------------------------------
 *
 * stored.c
 *	  Stored hashes: generated columns that hold the hash of their row.
 *
 * Which column that is, what it hashes and how is read from its expression,
 * each time: the catalog is the only source of truth.  So renamed columns are
 * followed, and a column that somebody made by hand counts as one made by
 * deltaetl_track().  The expression is one of
 *
 *		deltaetl_row_hash(a, b, ...)
 *		deltaetl_record_hash(ROW(a, b, ...))
 *		digest(deltaetl_encode(a, b, ...), 'algorithm')
 *		digest(deltaetl_record_encode(ROW(a, b, ...)), 'algorithm')
 *
 * with functions of this extension and of pgcrypto, known by their OIDs, and
 * with plain columns: a cast could change what is hashed.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Whose calls make a stored hash; InvalidOid for one that is not there. */
typedef struct HashFunctions
{
	Oid			row_hash;
	Oid			record_hash;
	Oid			encode;
	Oid			record_encode;
	Oid			digest;			/* of pgcrypto */
} HashFunctions;

/* ---------- functions ---------- */

static Oid
find_function(Oid schema, const char *name, const Oid *argtypes, int nargs)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(argtypes, nargs)),
						   ObjectIdGetDatum(schema));
}

/* The schema of an extension, by its OID; no search_path has a say in it. */
static Oid
extension_schema(Oid extension)
{
	Relation	catalog = table_open(ExtensionRelationId, AccessShareLock);
	Oid			schema = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(catalog, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return schema;
}

/* digest(bytea, text), if it is really pgcrypto's. */
static Oid
find_digest(void)
{
	const Oid	argtypes[] = {BYTEAOID, TEXTOID};
	Oid			pgcrypto = get_extension_oid("pgcrypto", true);
	Oid			digest;

	if (!OidIsValid(pgcrypto))
		return InvalidOid;
	digest = find_function(extension_schema(pgcrypto), "digest", argtypes, 2);
	if (!OidIsValid(digest) ||
		getExtensionOfObject(ProcedureRelationId, digest) != pgcrypto)
		return InvalidOid;
	return digest;
}

static HashFunctions
find_functions(Oid schema)
{
	const Oid	any = ANYOID;
	const Oid	record = RECORDOID;
	HashFunctions functions;

	functions.row_hash = find_function(schema, "deltaetl_row_hash", &any, 1);
	functions.record_hash = find_function(schema, "deltaetl_record_hash", &record, 1);
	functions.encode = find_function(schema, "deltaetl_encode", &any, 1);
	functions.record_encode = find_function(schema, "deltaetl_record_encode", &record, 1);
	functions.digest = find_digest();
	return functions;
}

/* ---------- expressions ---------- */

/* Take the columns that are hashed; false if one is not just a column. */
static bool
read_columns(List *args, StoredHash *hash)
{
	ListCell   *cell;

	hash->ncolumns = 0;
	hash->columns = palloc(Max(list_length(args), 1) * sizeof(AttrNumber));
	foreach(cell, args)
	{
		Var		   *var = lfirst(cell);

		if (!IsA(var, Var) || var->varattno <= 0)
			return false;
		hash->columns[hash->ncolumns++] = var->varattno;
	}
	return hash->ncolumns > 0;
}

/* A call of one of two functions: with columns, or with ROW() of columns. */
static bool
read_row_call(Node *node, Oid with_columns, Oid with_record, StoredHash *hash)
{
	FuncExpr   *call = (FuncExpr *) node;
	RowExpr    *row;

	if (!IsA(node, FuncExpr) || call->funcvariadic)
		return false;
	if (call->funcid == with_columns)
		return read_columns(call->args, hash);
	if (call->funcid != with_record)
		return false;
	row = linitial(call->args);
	return IsA(row, RowExpr) && row->row_typeid == RECORDOID &&
		read_columns(row->args, hash);
}

/* The constant that names digest()'s algorithm, or NULL if it is not one. */
static char *
read_algorithm(Node *node)
{
	Const	   *constant = (Const *) node;

	if (!IsA(node, Const) || constant->consttype != TEXTOID ||
		constant->constisnull)
		return NULL;
	return TextDatumGetCString(constant->constvalue);
}

static bool
read_expression(Node *node, const HashFunctions *functions, StoredHash *hash)
{
	FuncExpr   *call = (FuncExpr *) node;

	hash->algorithm = "sha256";
	if (read_row_call(node, functions->row_hash, functions->record_hash, hash))
		return true;
	if (!IsA(node, FuncExpr) || !OidIsValid(functions->digest) ||
		call->funcid != functions->digest)
		return false;
	hash->algorithm = read_algorithm(lsecond(call->args));
	return hash->algorithm != NULL &&
		read_row_call(linitial(call->args), functions->encode,
					  functions->record_encode, hash);
}

/* The expression of a generated column. */
static Node *
generation_expression(TupleDesc desc, AttrNumber attnum)
{
	for (int i = 0; i < desc->constr->num_defval; i++)
		if (desc->constr->defval[i].adnum == attnum)
			return stringToNode(desc->constr->defval[i].adbin);
	return NULL;
}

/* ---------- relations ---------- */

/* What a column stores, or NULL if that is not the hash of the row. */
static StoredHash *
read_column(Relation rel, Form_pg_attribute att, const HashFunctions *functions)
{
	StoredHash *hash;
	Node	   *node;

	if (att->attisdropped || att->attgenerated != ATTRIBUTE_GENERATED_STORED ||
		att->atttypid != BYTEAOID)
		return NULL;
	hash = palloc0(sizeof(StoredHash));
	hash->attnum = att->attnum;
	hash->name = pstrdup(NameStr(att->attname));
	node = generation_expression(RelationGetDescr(rel), att->attnum);
	return node != NULL && read_expression(node, functions, hash) ? hash : NULL;
}

/*
 * The stored hashes of one table, without a look at its children.  What a
 * foreign table calls generated is in the hands of another server.
 */
static List *
table_hashes(Relation rel, const HashFunctions *functions)
{
	TupleDesc	desc = RelationGetDescr(rel);
	List	   *hashes = NIL;

	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return NIL;
	for (int i = 0; i < desc->natts; i++)
	{
		StoredHash *hash = read_column(rel, TupleDescAttr(desc, i), functions);

		if (hash != NULL)
			hashes = lappend(hashes, hash);
	}
	return hashes;
}

static const char *
column_name(Relation rel, AttrNumber attnum)
{
	return NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname);
}

/* Whether a table has the same stored hash, by names, as its parent has. */
static bool
has_same_hash(Relation child, Relation parent, const StoredHash *hash,
			  const HashFunctions *functions)
{
	AttrNumber	attnum = deltaetl_column_number(child, hash->name);
	StoredHash *other;

	if (attnum == InvalidAttrNumber ||
		child->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		return false;
	other = read_column(child, TupleDescAttr(RelationGetDescr(child), attnum - 1),
						functions);
	if (other == NULL || other->ncolumns != hash->ncolumns ||
		strcmp(other->algorithm, hash->algorithm) != 0)
		return false;
	for (int i = 0; i < hash->ncolumns; i++)
		if (strcmp(column_name(child, other->columns[i]),
				   column_name(parent, hash->columns[i])) != 0)
			return false;
	return true;
}

/*
 * Drop from a list what a partition or child does not have likewise.  One
 * that has been attached may compute a column of that name in its own way.
 */
static List *
hashes_of_child(List *hashes, Relation parent, Oid relid,
				const HashFunctions *functions)
{
	Relation	child = try_relation_open(relid, AccessShareLock);
	ListCell   *cell;

	if (child == NULL)
		return hashes;
	foreach(cell, hashes)
	{
		if (!has_same_hash(child, parent, lfirst(cell), functions))
			hashes = foreach_delete_current(hashes, cell);
	}
	relation_close(child, AccessShareLock);
	return hashes;
}

/* The stored hashes of all rows of a relation, by column number. */
List *
deltaetl_stored_hashes(Relation rel, Oid extension_namespace)
{
	HashFunctions functions;
	List	   *hashes;
	List	   *children;
	ListCell   *cell;

	/* most tables have none, and need no more than this look */
	if (rel->rd_att->constr == NULL ||
		!rel->rd_att->constr->has_generated_stored)
		return NIL;
	functions = find_functions(extension_namespace);
	hashes = table_hashes(rel, &functions);
	if (hashes == NIL || !rel->rd_rel->relhassubclass)
		return hashes;
	children = find_all_inheritors(RelationGetRelid(rel), NoLock, NULL);
	foreach(cell, children)
	{
		if (lfirst_oid(cell) != RelationGetRelid(rel))
			hashes = hashes_of_child(hashes, rel, lfirst_oid(cell), &functions);
	}
	return hashes;
}

/*
 * The stored hash of a relation, or NULL if it has none: that in the named
 * column; or, with NULL for its name, that in row_hash, else the first.  The
 * schema is that of the extension's functions.  The result lives in the
 * current memory context.
 */
StoredHash *
deltaetl_find_stored_hash(Relation rel, Oid extension_namespace,
						  const char *column)
{
	List	   *hashes = deltaetl_stored_hashes(rel, extension_namespace);
	ListCell   *cell;

	foreach(cell, hashes)
	{
		StoredHash *hash = lfirst(cell);

		if (strcmp(hash->name, column ? column : DEFAULT_HASH_COLUMN) == 0)
			return hash;
	}
	return column != NULL || hashes == NIL ? NULL : linitial(hashes);
}

/* ---------- SQL ---------- */

static char *
quoted_digest(void)
{
	Oid			digest = find_digest();

	if (!OidIsValid(digest))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function digest(bytea, text) of pgcrypto does not exist"),
				 errhint("Create the extension pgcrypto.")));
	return quote_qualified_identifier(get_namespace_name(get_func_namespace(digest)),
									  "digest");
}

/*
 * The expression of a stored hash as SQL, over other references: one for each
 * of its columns, in its order, quoted.  The schema, quoted too, is that of
 * the extension.  Of the hash only algorithm and number of columns matter.
 */
char *
deltaetl_hash_expression(const StoredHash *hash, const char *schema,
						 const char **references)
{
	bool		fits = hash->ncolumns <= MAX_HASH_ARGUMENTS;
	bool		is_sha256 = strcmp(hash->algorithm, "sha256") == 0;
	StringInfoData buf;

	initStringInfo(&buf);
	if (is_sha256)
		appendStringInfo(&buf, "%s.%s(", schema,
						 fits ? "deltaetl_row_hash" : "deltaetl_record_hash");
	else
		appendStringInfo(&buf, "%s(%s.%s(", quoted_digest(), schema,
						 fits ? "deltaetl_encode" : "deltaetl_record_encode");
	appendStringInfoString(&buf, fits ? "" : "ROW(");
	for (int i = 0; i < hash->ncolumns; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", references[i]);
	appendStringInfoString(&buf, fits ? ")" : "))");
	if (!is_sha256)
		appendStringInfo(&buf, ", %s::pg_catalog.text)",
						 quote_literal_cstr(hash->algorithm));
	return buf.data;
}
