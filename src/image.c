/*-------------------------------------------------------------------------
 *
 * image.c
 *	  Exact images of rows as jsonb, both ways.
 *
 * An image is an object of the columns by name, for people and for programs,
 * as to_jsonb() would show the row.  Where that does not tell a value exactly,
 * a second object has its text.  So, to have a value back: the text if there
 * is one; else NULL for null; else what the input function of the type makes
 * of the string, the number or the boolean.
 *
 * Nothing in an image depends on the session's settings.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "image.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "image_value.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

/* How the values of a column are read. */
typedef struct ColumnReader
{
	const char *name;
	Oid			type;
	Oid			base;			/* what a domain is made of */
	int32		typmod;
	Oid			ioparam;
	FmgrInfo	input;			/* of the base type */
	ExprState  *domain;			/* checks what a domain demands, or NULL */
} ColumnReader;

struct RowImager
{
	MemoryContext context;		/* of all of it */
	MemoryContext scratch;		/* reset after each row */
	RowShape   *row;
	JsonbPair  *shown;			/* room for one row */
	JsonbPair  *texts;
	bool		needs_settings; /* as in a ValueImager */
	bool		reads_settings;
	bool		needs_names;
	ColumnReader *readers;		/* once something is read */
	ExprContext *econtext;		/* of what checks domains */
};

/*
 * Prepare to make and read images of rows of a row type, which has to outlive
 * the imager; include[] has those of its columns that belong to them, NULL
 * stands for all that are not dropped.
 */
RowImager *
deltaetl_imager_create(TupleDesc desc, const bool *include)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "deltaetl image",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	RowImager  *imager = palloc0(sizeof(RowImager));

	imager->context = context;
	imager->scratch = AllocSetContextCreate(context, "deltaetl row",
											ALLOCSET_DEFAULT_SIZES);
	imager->row = deltaetl_row_shape_create(desc, include);
	imager->shown = palloc0(Max(desc->natts, 1) * sizeof(JsonbPair));
	imager->texts = palloc0(Max(desc->natts, 1) * sizeof(JsonbPair));
	memcpy(imager->shown, imager->row->pairs, imager->row->ncolumns * sizeof(JsonbPair));
	for (int i = 0; i < imager->row->ncolumns; i++)
	{
		imager->needs_settings |= imager->row->columns[i].needs_settings;
		imager->reads_settings |= imager->row->columns[i].reads_settings;
		imager->needs_names |= imager->row->columns[i].needs_names;
	}
	MemoryContextSwitchTo(oldcontext);
	return imager;
}

void
deltaetl_imager_free(RowImager *imager)
{
	MemoryContextDelete(imager->context);
}

/* ---------- making ---------- */

/* The strings alone may be more than a jsonb takes. */
static void
check_size(const JsonbPair *pairs, int npairs)
{
	Size		size = 0;

	for (int i = 0; i < npairs; i++)
		if (pairs[i].value.type == jbvString)
			size += pairs[i].value.val.string.len;
	if (size > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row is too large to be logged"),
				 errdetail("Its strings have %zu bytes, and a jsonb may have up to %d.",
						   size, JENTRY_OFFLENMASK),
				 errhint("Log only the keys, with log_changes => 'keys'.")));
}

static Jsonb *
build_object(JsonbPair *pairs, int npairs)
{
	JsonbValue	object = {.type = jbvObject};

	check_size(pairs, npairs);
	object.val.object.nPairs = npairs;
	object.val.object.pairs = pairs;
	return JsonbValueToJsonb(&object);
}

/* Fill in what is shown and what needs text as well; returns how many do. */
static int
show_row(RowImager *imager, RowValues row)
{
	int			ntexts = 0;

	for (int i = 0; i < imager->row->ncolumns; i++)
	{
		ValueImager *column = &imager->row->columns[i];
		int			place = imager->row->places[i];
		JsonbPair  *pair = &imager->texts[ntexts];
		char	   *string;

		if (row.isnull[place])
		{
			imager->shown[i].value.type = jbvNull;
			continue;
		}
		if (column->show(column, row.values[place], &imager->shown[i].value))
			continue;
		pair->key = imager->shown[i].key;
		string = deltaetl_value_text(column, row.values[place]);
		deltaetl_show_string(column, string, strlen(string), &pair->value);
		ntexts++;
	}
	return ntexts;
}

/*
 * Make the image of a row.  *text is NULL if jsonb holds all of it exactly.
 * The results are in the current memory context.
 */
Jsonb *
deltaetl_image_make(RowImager *imager, RowValues row, Jsonb **text)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(imager->scratch);
	int			nestlevel = 0;
	int			ntexts;
	Jsonb	   *image;

	if (imager->needs_settings)
		nestlevel = deltaetl_pin_settings(imager->needs_names);
	ntexts = show_row(imager, row);
	deltaetl_unpin_settings(nestlevel);

	MemoryContextSwitchTo(oldcontext);
	image = build_object(imager->shown, imager->row->ncolumns);
	*text = ntexts > 0 ? build_object(imager->texts, ntexts) : NULL;
	MemoryContextReset(imager->scratch);
	return image;
}

/* ---------- reading ---------- */

/*
 * What checks a value of a domain.  PostgreSQL's domain_check() wants the base
 * type to have a binary form.
 */
static ExprState *
prepare_domain(const ColumnReader *reader)
{
	CaseTestExpr *value = makeNode(CaseTestExpr);
	CoerceToDomain *domain = makeNode(CoerceToDomain);

	value->typeId = reader->base;
	value->typeMod = reader->typmod;
	value->collation = get_typcollation(reader->base);
	domain->arg = (Expr *) value;
	domain->resulttype = reader->type;
	domain->resulttypmod = -1;
	domain->resultcollid = get_typcollation(reader->type);
	domain->coercionformat = COERCE_IMPLICIT_CAST;
	domain->location = -1;
	return ExecInitExpr((Expr *) domain, NULL);
}

static void
init_reader(ColumnReader *reader, Form_pg_attribute att)
{
	Oid			input;

	reader->name = NameStr(att->attname);
	reader->type = att->atttypid;
	reader->typmod = att->atttypmod;
	reader->base = getBaseTypeAndTypmod(reader->type, &reader->typmod);
	getTypeInputInfo(reader->base, &input, &reader->ioparam);
	fmgr_info(input, &reader->input);
	if (reader->type != reader->base)
		reader->domain = prepare_domain(reader);
}

static void
init_readers(RowImager *imager)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(imager->context);
	const RowShape *row = imager->row;

	imager->readers = palloc0(Max(row->ncolumns, 1) * sizeof(ColumnReader));
	imager->econtext = CreateStandaloneExprContext();
	for (int i = 0; i < row->ncolumns; i++)
		init_reader(&imager->readers[i], TupleDescAttr(row->desc, row->places[i]));
	MemoryContextSwitchTo(oldcontext);
}

/* What a value is for the input function of its type; NULL for NULL. */
static char *
value_string(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return NULL;
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBinary:
			return JsonbToCString(NULL, value->val.binary.data, value->val.binary.len);
		default:
			elog(ERROR, "unexpected kind of jsonb value: %d", (int) value->type);
	}
}

static JsonbValue *
find_member(Jsonb *object, const char *name, JsonbValue *room)
{
	if (object == NULL)
		return NULL;
	return getKeyJsonValueFromContainer(&object->root, name, strlen(name), room);
}

static void
explain_column(void *arg)
{
	const ColumnReader *reader = *((ColumnReader **) arg);

	if (reader != NULL)
		errcontext("column \"%s\" of a logged row", reader->name);
}

/* Read the columns that an image has as values of their base types. */
static void
read_values(RowImager *imager, Jsonb *row, Jsonb *text, Datum *values,
			bool *isnull, ColumnReader **current)
{
	for (int i = 0; i < imager->row->ncolumns; i++)
	{
		ColumnReader *reader = &imager->readers[i];
		int			place = imager->row->places[i];
		JsonbValue	room;
		JsonbValue *value = find_member(text, reader->name, &room);
		char	   *string;

		if (value == NULL)
			value = find_member(row, reader->name, &room);
		if (value == NULL)
			continue;
		*current = reader;
		string = value_string(value);
		values[place] = InputFunctionCall(&reader->input, string, reader->ioparam,
										  reader->typmod);
		isnull[place] = string == NULL;
	}
}

/* Check what domains demand of the columns that an image has. */
static void
check_domains(RowImager *imager, const Datum *values, const bool *isnull,
			  const bool *present, ColumnReader **current)
{
	ExprContext *econtext = imager->econtext;

	for (int i = 0; i < imager->row->ncolumns; i++)
	{
		ColumnReader *reader = &imager->readers[i];
		int			place = imager->row->places[i];
		bool		result_isnull;

		if (!present[place] || reader->domain == NULL)
			continue;
		*current = reader;
		econtext->caseValue_datum = values[place];
		econtext->caseValue_isNull = isnull[place];
		(void) ExecEvalExprSwitchContext(reader->domain, econtext, &result_isnull);
	}
	ResetExprContext(econtext);
}

static void
find_columns(const RowImager *imager, Jsonb *row, bool *present)
{
	memset(present, false, imager->row->desc->natts * sizeof(bool));
	for (int i = 0; i < imager->row->ncolumns; i++)
	{
		JsonbValue	room;

		present[imager->row->places[i]] =
			find_member(row, imager->readers[i].name, &room) != NULL;
	}
}

/*
 * Read an image.  present[] tells which columns it has, and values[] and
 * isnull[] get those, as the columns are now; all three are by the place of
 * the column in the row type.  Results are in the current memory context.
 * Raises the error of the input function or domain that does not accept a
 * value, with the name of the column.
 *
 * Domains are checked under the session's own settings, as they may call
 * functions of users.
 */
void
deltaetl_image_read(RowImager *imager, Jsonb *row, Jsonb *text, Datum *values,
					bool *isnull, bool *present)
{
	ColumnReader *current = NULL;
	ErrorContextCallback callback = {
		.previous = error_context_stack,.callback = explain_column,.arg = &current
	};
	int			nestlevel = 0;

	if (imager->readers == NULL)
		init_readers(imager);
	find_columns(imager, row, present);
	if (imager->reads_settings)
		nestlevel = deltaetl_pin_settings(imager->needs_names);
	error_context_stack = &callback;
	read_values(imager, row, text, values, isnull, &current);
	error_context_stack = callback.previous;
	deltaetl_unpin_settings(nestlevel);

	error_context_stack = &callback;
	check_domains(imager, values, isnull, present, &current);
	error_context_stack = callback.previous;
}
