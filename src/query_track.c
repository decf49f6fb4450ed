/*-------------------------------------------------------------------------
 *
 * query_track.c
 *	  The text of the statements on stored hashes; runs nothing.
 *
 * What query.c says of its queries holds here as well.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "query.h"
#include "utils/builtins.h"

/*
 * The hash of all columns of the mapping.  Its order of columns is that of the
 * encoding, so the hash is what deltaetl_hashes() returns.
 */
static char *
track_expression(const Mapping *mapping, const char *algorithm)
{
	StoredHash	hash = {0};
	const char **references = palloc(mapping->ncolumns * sizeof(char *));

	hash.ncolumns = mapping->ncolumns;
	hash.algorithm = pstrdup(algorithm);
	for (int i = 0; i < mapping->ncolumns; i++)
		references[i] = mapping->columns[i].quoted;
	return deltaetl_hash_expression(&hash, mapping->schema, references);
}

/* A query that is only analyzed: does it call our functions? */
char *
deltaetl_track_check_query(const Mapping *mapping, const char *algorithm)
{
	return psprintf("SELECT %s FROM %s", track_expression(mapping, algorithm),
					mapping->target.quoted);
}

char *
deltaetl_track_query(const Mapping *mapping, const char *hash_column,
					 const char *algorithm)
{
	return psprintf("ALTER TABLE %s ADD COLUMN %s pg_catalog.bytea"
					" GENERATED ALWAYS AS (%s) STORED",
					mapping->target.quoted, quote_identifier(hash_column),
					track_expression(mapping, algorithm));
}

/* Drop stored hashes, of which there is one or more. */
char *
deltaetl_untrack_query(const MappingSide *target, List *hashes)
{
	StringInfo	buf = deltaetl_new_query("ALTER TABLE ");
	ListCell   *cell;

	appendStringInfoString(buf, target->quoted);
	foreach(cell, hashes)
	{
		const StoredHash *hash = lfirst(cell);

		appendStringInfo(buf, "%s DROP COLUMN %s",
						 foreach_current_index(cell) > 0 ? "," : "",
						 quote_identifier(hash->name));
	}
	return buf->data;
}

/* The expression of a hash over the columns of the target's rows. */
static char *
row_hash_expression(const Mapping *mapping, Relation target,
					const StoredHash *hash)
{
	TupleDesc	desc = RelationGetDescr(target);
	const char **references = palloc(hash->ncolumns * sizeof(char *));

	for (int i = 0; i < hash->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, hash->columns[i] - 1);

		references[i] = psprintf(ROW_ALIAS ".%s",
								 quote_identifier(NameStr(att->attname)));
	}
	return deltaetl_hash_expression(hash, mapping->schema, references);
}

/*
 * Key, hash as it is in a column and hash as it should be, of the rows where
 * the two differ.
 */
char *
deltaetl_verify_query(const Mapping *mapping, Relation target,
					  const char *hash_column, const StoredHash *hash)
{
	StringInfo	buf = deltaetl_new_query("SELECT ");

	deltaetl_append_object(buf, mapping, "r", false, mapping->nkeys);
	appendStringInfoString(buf, ", r.stored, r.computed FROM (SELECT ");
	deltaetl_append_row_columns(buf, mapping, mapping->nkeys);
	appendStringInfo(buf, ", " ROW_ALIAS ".%s AS stored, %s AS computed"
					 " FROM %s AS " ROW_ALIAS ") AS r"
					 " WHERE %s.deltaetl_differs(r.stored, r.computed)",
					 quote_identifier(hash_column),
					 row_hash_expression(mapping, target, hash),
					 mapping->target.quoted, mapping->schema);
	return buf->data;
}
