/*-------------------------------------------------------------------------
 *
 * changelog.c
 *	  Logging the rows that a run changes.
 *
 * Entries go to a table of the extension that nobody else can write to.  They
 * are written here without a statement, so with nobody's rights: no function
 * is called that belongs to the table, and those that make an image of a row,
 * which are of its types, are called with the rights of the caller.
 *
 * A log of level 'keys' is about the columns of the mapping, which the caller
 * may read; one of level 'rows' about all columns of the target.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "changelog.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "batch.h"
#include "catalog/pg_type.h"
#include "compare.h"
#include "executor/executor.h"
#include "image.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "compat.h"

/* Columns of the table of changes. */
enum EntryColumn
{
	ENTRY_RUN_ID,
	ENTRY_POSITION,
	ENTRY_ACTION,
	ENTRY_KEY,
	ENTRY_CHANGED_COLUMNS,
	ENTRY_OLD_ROW,
	ENTRY_NEW_ROW,
	ENTRY_OLD_TEXT,
	ENTRY_NEW_TEXT
};

#define ENTRY_COLUMNS (ENTRY_NEW_TEXT + 1)

struct ChangeLog
{
	MemoryContext context;		/* of all of it */
	MemoryContext scratch;		/* reset after each change */
	Relation	target;
	LoggedColumns *columns;
	NameData   *names;			/* of these */
	Datum		actions[DELTA_ACTIONS];
	RowComparer *comparer;
	RowImager  *keys;
	RowImager  *rows;			/* NULL unless rows are logged */

	/* what a statement returns */
	TupleDesc	returned;		/* of the logged columns */
	TupleTableSlot *old;
	TupleTableSlot *new;

	/* the table of changes */
	int64		run_id;
	int64		position;
	Relation	entries;
	EState	   *estate;
	ResultRelInfo *result;
	Batch	   *batch;
};

/* ---------- columns ---------- */

/*
 * The columns that a log of a level is about, in the order of the table.  The
 * target has to be locked.
 */
LoggedColumns *
deltaetl_logged_columns(const Mapping *mapping, LogLevel level)
{
	Relation	target = table_open(mapping->target.relid, NoLock);
	TupleDesc	desc = RelationGetDescr(target);
	bool	   *logged = palloc0(desc->natts * sizeof(bool));
	LoggedColumns *columns = palloc0(sizeof(LoggedColumns));

	for (int i = 0; i < mapping->ncolumns; i++)
		logged[mapping->columns[i].attnum - 1] = true;
	columns->attnums = palloc(desc->natts * sizeof(AttrNumber));
	columns->quoted = palloc(desc->natts * sizeof(char *));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || (level != LOG_ROWS && !logged[i]))
			continue;
		columns->attnums[columns->count] = att->attnum;
		columns->quoted[columns->count++] =
			pstrdup(quote_identifier(NameStr(att->attname)));
	}
	table_close(target, NoLock);
	return columns;
}

/* Those of a log, or NULL if there is none. */
const LoggedColumns *
deltaetl_changelog_columns(const ChangeLog *log)
{
	return log ? log->columns : NULL;
}

/* ---------- opening and closing ---------- */

/*
 * As system catalogs are opened to write to them: without triggers, and
 * without rights being asked for.
 */
static void
open_entries(ChangeLog *log, const Mapping *mapping)
{
	Oid			relid = deltaetl_own_relation(mapping->extension, CHANGE_TABLE);

	log->entries = table_open(relid, RowExclusiveLock);
	if (RelationGetNumberOfAttributes(log->entries) != ENTRY_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" of extension deltaetl has been altered", CHANGE_TABLE),
				 errhint("Make it again as the extension has made it.")));
	log->estate = CreateExecutorState();
	log->estate->es_output_cid = GetCurrentCommandId(true);
	log->result = makeNode(ResultRelInfo);
	log->result->ri_RelationDesc = log->entries;
	ExecOpenIndices(log->result, false);
	log->batch = deltaetl_batch_create(log->result, log->estate, NULL, NULL);
}

static void
open_target(ChangeLog *log, const Mapping *mapping, LogLevel level)
{
	TupleDesc	desc;
	bool	   *is_key;

	log->target = table_open(mapping->target.relid, NoLock);
	if (level == LOG_ROWS)
		deltaetl_check_whole_rows(log->target);
	log->columns = deltaetl_logged_columns(mapping, level);
	desc = RelationGetDescr(log->target);
	is_key = palloc0(desc->natts * sizeof(bool));
	for (int i = 0; i < mapping->nkeys; i++)
		is_key[mapping->columns[i].attnum - 1] = true;
	log->keys = deltaetl_imager_create(desc, is_key);
	if (level == LOG_ROWS)
		log->rows = deltaetl_imager_create(desc, NULL);
	log->comparer = deltaetl_comparer_create(desc);
	log->old = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	log->new = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
}

static void
describe_columns(ChangeLog *log)
{
	const LoggedColumns *columns = log->columns;
	TupleDesc	desc = RelationGetDescr(log->target);

	log->names = palloc(columns->count * sizeof(NameData));
	log->returned = CreateTemplateTupleDesc(columns->count);
	for (int i = 0; i < columns->count; i++)
	{
		log->names[i] = TupleDescAttr(desc, columns->attnums[i] - 1)->attname;
		TupleDescCopyEntry(log->returned, i + 1, desc, columns->attnums[i]);
	}
	complete_descriptor(log->returned);
}

/*
 * Open the log of a run, or return NULL if its level is that of none.  Raises
 * an error if rows are to be logged and the caller may not read all of them.
 * The target is locked.
 */
ChangeLog *
deltaetl_changelog_open(const Mapping *mapping, LogLevel level, int64 run_id)
{
	MemoryContext context;
	MemoryContext oldcontext;
	ChangeLog  *log;

	if (level == LOG_NONE)
		return NULL;
	context = AllocSetContextCreate(CurrentMemoryContext, "deltaetl change log",
									ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(context);
	log = palloc0(sizeof(ChangeLog));
	log->context = context;
	log->scratch = AllocSetContextCreate(context, "deltaetl change",
										 ALLOCSET_DEFAULT_SIZES);
	log->run_id = run_id;
	log->actions[DELTA_DELETE] = CStringGetTextDatum("delete");
	log->actions[DELTA_UPDATE] = CStringGetTextDatum("update");
	log->actions[DELTA_INSERT] = CStringGetTextDatum("insert");
	open_target(log, mapping, level);
	describe_columns(log);
	open_entries(log, mapping);
	MemoryContextSwitchTo(oldcontext);
	return log;
}

/* Write what is left of a log, if there is one, and close it. */
void
deltaetl_changelog_close(ChangeLog *log)
{
	if (log == NULL)
		return;
	(void) deltaetl_batch_finish(log->batch);
	ExecCloseIndices(log->result);
	FreeExecutorState(log->estate);
	table_close(log->entries, NoLock);
	ExecDropSingleTupleTableSlot(log->old);
	ExecDropSingleTupleTableSlot(log->new);
	table_close(log->target, NoLock);
	MemoryContextDelete(log->context);
}

/* ---------- adding ---------- */

static RowValues
row_values(TupleTableSlot *slot)
{
	RowValues	row = {slot->tts_values, slot->tts_isnull};

	return row;
}

static void
set_value(TupleTableSlot *entry, int column, Datum value)
{
	entry->tts_values[column] = value;
	entry->tts_isnull[column] = false;
}

static Size
set_changed_columns(ChangeLog *log, TupleTableSlot *entry, TupleTableSlot *old,
					TupleTableSlot *new)
{
	const LoggedColumns *columns = log->columns;
	Datum	   *changed = palloc(columns->count * sizeof(Datum));
	int			count = 0;
	ArrayType  *array;

	for (int i = 0; i < columns->count; i++)
		if (!deltaetl_values_are_same(log->comparer, columns->attnums[i] - 1,
									  row_values(old), row_values(new)))
			changed[count++] = NameGetDatum(&log->names[i]);
	array = construct_array(changed, count, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR);
	set_value(entry, ENTRY_CHANGED_COLUMNS, PointerGetDatum(array));
	return VARSIZE(array);
}

static Size
set_image(RowImager *imager, TupleTableSlot *entry, TupleTableSlot *row,
		  int column, int text_column)
{
	Jsonb	   *text;
	Jsonb	   *image = deltaetl_image_make(imager, row_values(row), &text);

	set_value(entry, column, JsonbPGetDatum(image));
	if (text == NULL || text_column < 0)
		return VARSIZE(image);
	set_value(entry, text_column, JsonbPGetDatum(text));
	return VARSIZE(image) + VARSIZE(text);
}

/* Make the entry of a change; returns about how many bytes it takes. */
static Size
fill_entry(ChangeLog *log, TupleTableSlot *entry, DeltaAction action,
		   TupleTableSlot *old, TupleTableSlot *new)
{
	Size		bytes = 0;

	set_value(entry, ENTRY_RUN_ID, Int64GetDatum(log->run_id));
	set_value(entry, ENTRY_POSITION, Int64GetDatum(++log->position));
	set_value(entry, ENTRY_ACTION, log->actions[action]);
	bytes += set_image(log->keys, entry, new ? new : old, ENTRY_KEY, -1);
	if (action == DELTA_UPDATE)
		bytes += set_changed_columns(log, entry, old, new);
	if (log->rows != NULL && old != NULL)
		bytes += set_image(log->rows, entry, old, ENTRY_OLD_ROW, ENTRY_OLD_TEXT);
	if (log->rows != NULL && new != NULL)
		bytes += set_image(log->rows, entry, new, ENTRY_NEW_ROW, ENTRY_NEW_TEXT);
	return bytes;
}

/*
 * Add a change: the row that was there, NULL for an insert, and the one that is
 * there now, NULL for a delete.  Both are laid out as the target's rows are,
 * with at least the logged columns filled in.
 */
void
deltaetl_changelog_add(ChangeLog *log, DeltaAction action, TupleTableSlot *old,
					   TupleTableSlot *new)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(log->scratch);
	TupleTableSlot *entry = deltaetl_batch_slot(log->batch);
	Size		bytes;

	if (old != NULL)
		slot_getallattrs(old);
	if (new != NULL)
		slot_getallattrs(new);
	bytes = fill_entry(log, entry, action, old, new);
	ExecStoreVirtualTuple(entry);
	deltaetl_batch_add(log->batch, bytes);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextReset(log->scratch);
}

/* Make a row of the target of its logged columns. */
static TupleTableSlot *
place_columns(const ChangeLog *log, RowValues logged, TupleTableSlot *slot)
{
	const LoggedColumns *columns = log->columns;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < columns->count; i++)
	{
		slot->tts_values[columns->attnums[i] - 1] = logged.values[i];
		slot->tts_isnull[columns->attnums[i] - 1] = logged.isnull[i];
	}
	return ExecStoreVirtualTuple(slot);
}

static RowValues
take_apart(const ChangeLog *log, Datum record)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(record);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),.t_data = header};
	Datum	   *values = palloc(log->columns->count * sizeof(Datum));
	bool	   *isnull = palloc(log->columns->count * sizeof(bool));
	RowValues	row = {values, isnull};

	heap_deform_tuple(&tuple, log->returned, values, isnull);
	return row;
}

/* The first or second of the rows that a statement returns. */
static RowValues
returned_row(const ReturnedRows *returned, const TupleTableSlot *slot, int number)
{
	int			offset = number * returned->log->columns->count;
	RowValues	row = {slot->tts_values + offset, slot->tts_isnull + offset};

	if (deltaetl_returns_records(returned->log->columns, returned->action))
		return take_apart(returned->log, slot->tts_values[number]);
	return row;
}

/*
 * Add what a statement of the delta returns for a change: the row that was
 * there, unless that is an insert, and the one that is there now, unless it is
 * a delete.
 */
void
deltaetl_changelog_take(TupleTableSlot *slot, void *arg)
{
	const ReturnedRows *returned = arg;
	ChangeLog  *log = returned->log;
	MemoryContext oldcontext = MemoryContextSwitchTo(log->scratch);
	TupleTableSlot *old = NULL;
	TupleTableSlot *new = NULL;
	int			next = 0;

	slot_getallattrs(slot);
	if (returned->action != DELTA_INSERT)
		old = place_columns(log, returned_row(returned, slot, next++), log->old);
	if (returned->action != DELTA_DELETE)
		new = place_columns(log, returned_row(returned, slot, next++), log->new);
	deltaetl_changelog_add(log, returned->action, old, new);
	MemoryContextSwitchTo(oldcontext);
}
