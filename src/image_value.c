/*-------------------------------------------------------------------------
 *
 * image_value.c
 *	  How values are shown in the image of a row: containers, choice.
 *
 * As to_jsonb() shows them, but for what settings make of them, and with what
 * it takes to do so looked up once for a column and not for each value:
 *
 *		array			array, without its lower bounds
 *		composite		object
 *		domain			as its base type
 *		the rest		image_scalar.c
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "image_value.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "compat.h"

/* ---------- containers ---------- */

typedef struct ArrayElements
{
	ValueImager *imager;
	Datum	   *values;
	bool	   *isnull;
} ArrayElements;

/* Show the next elements as an array of some dimensions. */
static void
show_dimensions(ArrayElements *next, int ndim, const int *dims, JsonbValue *shown)
{
	shown->type = jbvArray;
	shown->val.array.rawScalar = false;
	shown->val.array.nElems = ndim > 0 ? dims[0] : 0;
	shown->val.array.elems = palloc0(Max(shown->val.array.nElems, 1) * sizeof(JsonbValue));
	for (int i = 0; i < shown->val.array.nElems; i++)
	{
		JsonbValue *element = &shown->val.array.elems[i];

		CHECK_FOR_INTERRUPTS();
		if (ndim > 1)
		{
			show_dimensions(next, ndim - 1, dims + 1, element);
			continue;
		}
		if (*next->isnull)
			element->type = jbvNull;
		else
			(void) next->imager->show(next->imager, *next->values, element);
		next->values++;
		next->isnull++;
	}
}

static bool
show_array(ValueImager *imager, Datum value, JsonbValue *shown)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	ArrayElements elements = {.imager = imager->element};
	int			count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (count > MaxAllocSize / sizeof(JsonbValue))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("array in column \"%s\" is too large to be logged", imager->column),
				 errdetail("It has %d elements.", count),
				 errhint("Log only the keys, with log_changes => 'keys'.")));
	deconstruct_array(array, ARR_ELEMTYPE(array), imager->typlen, imager->typbyval,
					  imager->typalign, &elements.values, &elements.isnull, &count);
	show_dimensions(&elements, count > 0 ? ARR_NDIM(array) : 0, ARR_DIMS(array), shown);
	return false;
}

static bool
show_composite(ValueImager *imager, Datum value, JsonbValue *shown)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	RowShape   *row = imager->row;
	Datum	   *values = palloc(row->desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(row->desc->natts * sizeof(bool));
	HeapTupleData tuple = {0};

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	tuple.t_data = header;
	heap_deform_tuple(&tuple, row->desc, values, isnull);
	shown->type = jbvObject;
	shown->val.object.nPairs = row->ncolumns;
	shown->val.object.pairs = palloc(Max(row->ncolumns, 1) * sizeof(JsonbPair));
	memcpy(shown->val.object.pairs, row->pairs, row->ncolumns * sizeof(JsonbPair));
	for (int i = 0; i < row->ncolumns; i++)
	{
		ValueImager *column = &row->columns[i];
		JsonbValue *member = &shown->val.object.pairs[i].value;

		if (isnull[row->places[i]])
			member->type = jbvNull;
		else
			(void) column->show(column, values[row->places[i]], member);
	}
	return false;
}

/* jsonb has keys in the order of their length, then of their bytes. */
static int
compare_pairs(const void *a, const void *b)
{
	const JsonbValue *x = &((const JsonbPair *) a)->key;
	const JsonbValue *y = &((const JsonbPair *) b)->key;

	if (x->val.string.len != y->val.string.len)
		return x->val.string.len < y->val.string.len ? -1 : 1;
	return memcmp(x->val.string.val, y->val.string.val, x->val.string.len);
}

/*
 * The columns of a row type, which has to outlive the result, of which
 * include[] has those wanted; NULL for all that are not dropped.
 */
RowShape *
deltaetl_row_shape_create(TupleDesc desc, const bool *include)
{
	RowShape   *row = palloc0(sizeof(RowShape));

	row->desc = desc;
	row->places = palloc(Max(desc->natts, 1) * sizeof(int));
	row->columns = palloc0(Max(desc->natts, 1) * sizeof(ValueImager));
	row->pairs = palloc0(Max(desc->natts, 1) * sizeof(JsonbPair));
	for (int i = 0; i < desc->natts; i++)
	{
		JsonbPair  *pair = &row->pairs[row->ncolumns];

		if (TupleDescAttr(desc, i)->attisdropped || (include && !include[i]))
			continue;
		pair->key.type = jbvString;
		pair->key.val.string.val = NameStr(TupleDescAttr(desc, i)->attname);
		pair->key.val.string.len = strlen(pair->key.val.string.val);
		pair->order = i;
		row->ncolumns++;
	}
	qsort(row->pairs, row->ncolumns, sizeof(JsonbPair), compare_pairs);
	for (int i = 0; i < row->ncolumns; i++)
	{
		row->places[i] = row->pairs[i].order;
		deltaetl_value_imager_init(&row->columns[i],
								   TupleDescAttr(desc, row->places[i])->atttypid,
								   row->pairs[i].key.val.string.val);
	}
	return row;
}

/* ---------- choice ---------- */

static void
init_output(FmgrInfo *function, Oid type)
{
	Oid			output;
	bool		isvarlena;

	getTypeOutputInfo(type, &output, &isvarlena);
	fmgr_info(output, function);
}

static void
init_array(ValueImager *imager, Oid element_type)
{
	get_typlenbyvalalign(element_type, &imager->typlen, &imager->typbyval,
						 &imager->typalign);
	imager->element = palloc0(sizeof(ValueImager));
	deltaetl_value_imager_init(imager->element, element_type, imager->column);
	imager->needs_settings = imager->element->needs_settings ||
		!deltaetl_output_is_plain(imager->element->output.fn_addr);
	imager->reads_settings = true;	/* array_nulls */
	imager->needs_names = imager->element->needs_names;
	imager->show = show_array;
}

static void
init_composite(ValueImager *imager)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(imager->type, -1);

	imager->row = deltaetl_row_shape_create(CreateTupleDescCopyConstr(desc), NULL);
	ReleaseTupleDesc(desc);
	imager->needs_settings = imager->reads_settings = false;
	for (int i = 0; i < imager->row->ncolumns; i++)
	{
		imager->needs_settings |= imager->row->columns[i].needs_settings ||
			!deltaetl_output_is_plain(imager->row->columns[i].output.fn_addr);
		imager->reads_settings |= imager->row->columns[i].reads_settings;
		imager->needs_names |= imager->row->columns[i].needs_names;
	}
	imager->reads_settings |= imager->needs_settings;
	imager->show = show_composite;
}

/*
 * Prepare to show values of a type.  What the imager needs is kept in the
 * current memory context.
 */
void
deltaetl_value_imager_init(ValueImager *imager, Oid type, const char *column)
{
	Oid			element_type;

	check_stack_depth();
	imager->column = column;
	imager->type = getBaseType(type);
	init_output(&imager->output, imager->type);
	element_type = get_element_type(imager->type);

	if (OidIsValid(element_type))
		init_array(imager, element_type);
	else if (type_is_rowtype(imager->type))
		init_composite(imager);
	else
		deltaetl_scalar_imager_init(imager);
}
