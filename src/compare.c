/*-------------------------------------------------------------------------
 *
 * compare.c
 *	  Comparing two rows by their values.
 *
 * For rows of tables with the same columns in the same places, whose bytes
 * have been found to differ.  Values are the same if their encodings are,
 * which is only asked where their images differ.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "compare.h"

#include "access/detoast.h"
#include "encode.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "compat.h"

struct RowComparer
{
	MemoryContext context;		/* of all of it */
	MemoryContext scratch;		/* reset after each pair */
	TupleDesc	desc;
	FieldEncoder *encoders;
	EncodeBuffer bytes[2];
};

/* For rows of a row type, which has to outlive the comparer. */
RowComparer *
deltaetl_comparer_create(TupleDesc desc)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "deltaetl comparison",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	RowComparer *comparer = palloc0(sizeof(RowComparer));

	comparer->context = context;
	comparer->scratch = AllocSetContextCreate(context, "deltaetl row",
											  ALLOCSET_DEFAULT_SIZES);
	comparer->desc = desc;
	comparer->encoders = palloc0(desc->natts * sizeof(FieldEncoder));
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			deltaetl_encoder_init(&comparer->encoders[i],
								  TupleDescAttr(desc, i)->atttypid, context);
	for (int i = 0; i < lengthof(comparer->bytes); i++)
		deltaetl_buffer_init(&comparer->bytes[i], context);
	MemoryContextSwitchTo(oldcontext);
	return comparer;
}

static bool
same_encoding(RowComparer *comparer, int column, Datum a, Datum b)
{
	EncodeBuffer *bytes = comparer->bytes;

	deltaetl_buffer_reset(&bytes[0]);
	deltaetl_buffer_reset(&bytes[1]);
	encode_field(&comparer->encoders[column], a, false, &bytes[0]);
	encode_field(&comparer->encoders[column], b, false, &bytes[1]);
	return bytes[0].len == bytes[1].len &&
		memcmp(bytes[0].data, bytes[1].data, bytes[0].len) == 0;
}

/* Whether two values are out of line, and one and the same. */
static bool
same_place(Form_pg_attribute att, Datum a, Datum b)
{
	return att->attlen == -1 &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(a)) &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(b)) &&
		memcmp(DatumGetPointer(a), DatumGetPointer(b), TOAST_POINTER_SIZE) == 0;
}

/*
 * Whether two rows have the same value in a column.  What that takes is left
 * in the current memory context.
 */
bool
deltaetl_values_are_same(RowComparer *comparer, int column, RowValues a,
						 RowValues b)
{
	Form_pg_attribute att = TupleDescAttr(comparer->desc, column);
	Datum		left = a.values[column];
	Datum		right = b.values[column];

	if (a.isnull[column] || b.isnull[column])
		return a.isnull[column] && b.isnull[column];
	return left == right || same_place(att, left, right) ||
		datum_image_eq(left, right, att->attbyval, att->attlen) ||
		same_encoding(comparer, column, left, right);
}

/* What is generated is neither compared nor written. */
static bool
same_column(RowComparer *comparer, int column, RowValues a, RowValues b)
{
	Form_pg_attribute att = TupleDescAttr(comparer->desc, column);

	return att->attisdropped || att->attgenerated ||
		deltaetl_values_are_same(comparer, column, a, b);
}

bool
deltaetl_rows_are_same(RowComparer *comparer, RowValues a, RowValues b)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(comparer->scratch);
	bool		same = true;

	for (int i = 0; same && i < comparer->desc->natts; i++)
		same = same_column(comparer, i, a, b);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextReset(comparer->scratch);
	return same;
}

void
deltaetl_comparer_free(RowComparer *comparer)
{
	MemoryContextDelete(comparer->context);
}
