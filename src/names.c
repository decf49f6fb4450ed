/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Column names: look-up; and the nearest name when one does not exist.
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

/* Begin to look for the name that is nearest to a given one. */
void
deltaetl_near_begin(NearName *near, const char *wanted)
{
	near->wanted = wanted;
	near->nearest[0] = '\0';
	near->limit = strlen(wanted) / 2;
}

/*
 * Take a name if it is nearer than those before: by edit distance, and as
 * PostgreSQL does it at most half of the letters may differ.
 */
void
deltaetl_near_offer(NearName *near, const char *candidate)
{
	int			distance;

	if (near->limit < 0)
		return;
	distance = varstr_levenshtein_less_equal(near->wanted, strlen(near->wanted),
											 candidate, strlen(candidate),
											 1, 1, 1, near->limit, true);
	if (distance <= near->limit)
	{
		strlcpy(near->nearest, candidate, NAMEDATALEN);
		near->limit = distance - 1;
	}
}

static void
offer_columns(NearName *near, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			deltaetl_near_offer(near, NameStr(TupleDescAttr(desc, i)->attname));
}

/* Report that a relation has no such column. */
void
deltaetl_unknown_column(Relation rel, const char *name)
{
	NearName	near;

	deltaetl_near_begin(&near, name);
	offer_columns(&near, rel);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist",
					name, RelationGetRelationName(rel)),
			 near.nearest[0] ? errhint("Perhaps you meant the column \"%s\".", near.nearest) : 0));
}
