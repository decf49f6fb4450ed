/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Column names: look-up, and the nearest name when one does not exist.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "utils/varlena.h"

/* The number of a user column, or InvalidAttrNumber if there is none. */
AttrNumber
deltaetl_column_number(Relation rel, const char *name)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return att->attnum;
	}
	return InvalidAttrNumber;
}

/*
 * The column whose name is nearest to the given one, or NULL if none is near:
 * by edit distance, and as PostgreSQL does it at most half of the letters may
 * differ.
 */
static const char *
nearest_column(Relation rel, const char *name)
{
	TupleDesc	desc = RelationGetDescr(rel);
	const char *nearest = NULL;
	int			length = strlen(name);
	int			limit = length / 2;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const char *candidate = NameStr(att->attname);
		int			distance;

		if (att->attisdropped || limit < 0)
			continue;
		distance = varstr_levenshtein_less_equal(name, length,
												 candidate, strlen(candidate),
												 1, 1, 1, limit, true);
		if (distance <= limit)
		{
			nearest = candidate;
			limit = distance - 1;
		}
	}
	return nearest;
}

/* Report that a relation has no such column. */
void
deltaetl_unknown_column(Relation rel, const char *name)
{
	const char *nearest = nearest_column(rel, name);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist",
					name, RelationGetRelationName(rel)),
			 nearest ? errhint("Perhaps you meant the column \"%s\".", nearest) : 0));
}
