/*-------------------------------------------------------------------------
 *
 * foreign.c
 *	  Writing the delta to a foreign table: deletes and updates.
 *
 * As a rule another server can do them on its own, some rows at a time: it
 * gets keys and new values, and nothing comes back but how many rows have been
 * changed.  Where it does not take such a statement, or rows pass here all the
 * same (triggers of the foreign table, a log of what rows were), the delta is
 * joined with the rows that have its keys, and they are written one by one.
 *
 * Inserts are ordinary statements, of which a foreign-data wrapper makes
 * batches if it is told to.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "foreign.h"

#include "access/detoast.h"
#include "access/table.h"
#include "changelog.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "progress.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* As many bytes at most at a time, unless one row has more. */
#define BYTES_AT_A_TIME (1024 * 1024)

/* ---------- the rows of one statement ---------- */

typedef struct Chunk
{
	const Mapping *mapping;
	const ForeignStatement *statement;
	MemoryContext context;		/* reset when it has been sent */
	FmgrInfo   *equality;		/* of the columns of the key */
	Datum	  **values;			/* of each parameter, by row */
	bool	  **isnull;
	int			rows;
	Size		bytes;
} Chunk;

static Chunk
create_chunk(const Delta *delta, const ForeignStatement *statement)
{
	const Mapping *mapping = delta->mapping;
	Chunk		chunk = {.mapping = mapping,.statement = statement};

	chunk.context = AllocSetContextCreate(CurrentMemoryContext, "deltaetl foreign rows",
										  ALLOCSET_DEFAULT_SIZES);
	chunk.equality = palloc(mapping->nkeys * sizeof(FmgrInfo));
	for (int i = 0; i < mapping->nkeys; i++)
		fmgr_info(get_opcode(mapping->columns[i].equality), &chunk.equality[i]);
	chunk.values = palloc(statement->nparams * sizeof(Datum *));
	chunk.isnull = palloc(statement->nparams * sizeof(bool *));
	for (int i = 0; i < statement->nparams; i++)
	{
		chunk.values[i] = MemoryContextAllocHuge(CurrentMemoryContext, statement->rows * sizeof(Datum));
		chunk.isnull[i] = palloc(statement->rows * sizeof(bool));
	}
	return chunk;
}

static void
empty_chunk(Chunk *chunk)
{
	MemoryContextReset(chunk->context);
	chunk->rows = 0;
	chunk->bytes = 0;
}

static bool
is_full(const Chunk *chunk)
{
	return chunk->rows == chunk->statement->rows || chunk->bytes >= BYTES_AT_A_TIME;
}

/* The number, from 1, of the first row that has the same value in a key column. */
static int
place_of_key(Chunk *chunk, int key, int row)
{
	Oid			collation = chunk->mapping->columns[key].key_collation;
	const Datum *values = chunk->values[key];
	int			place = 0;

	while (place < row &&
		   !DatumGetBool(FunctionCall2Coll(&chunk->equality[key], collation,
										   values[place], values[row])))
		place++;
	return place + 1;
}

/* As the statement computes it of a row of the target. */
static int64
code_of_row(Chunk *chunk, int row)
{
	int64		code = 0;

	for (int i = 0; i < chunk->mapping->nkeys; i++)
		code = code * chunk->statement->rows + place_of_key(chunk, i, row);
	return code;
}

/* The row's place among those that have a value. */
static int
place_of_value(const Chunk *chunk, int i, int row)
{
	int			place = 1;

	if (chunk->isnull[i][row])
		return 0;
	for (int j = 0; j < row; j++)
		place += chunk->isnull[i][j] ? 0 : 1;
	return place;
}

static void
add_column(Chunk *chunk, int i, int column, const TupleTableSlot *slot)
{
	int			row = chunk->rows;
	bool		isnull = slot->tts_isnull[DELTA_FIRST_COLUMN + column];
	Datum		value = slot->tts_values[DELTA_FIRST_COLUMN + column];
	int16		typlen;
	bool		typbyval;

	get_typlenbyval(chunk->statement->params[i].element, &typlen, &typbyval);
	chunk->isnull[i][row] = isnull;
	chunk->values[i][row] = isnull ? (Datum) 0 : datumCopy(value, typbyval, typlen);
	if (!isnull && !typbyval)
		chunk->bytes += typlen == -1 ? toast_raw_datum_size(value) :
			datumGetSize(value, typbyval, typlen);
}

/* What a parameter has of a row; those that it is made of come before it. */
static void
add_value(Chunk *chunk, int i, const TupleTableSlot *slot)
{
	const ForeignParam *param = &chunk->statement->params[i];
	int			row = chunk->rows;

	if (param->kind == PARAM_VALUES)
	{
		add_column(chunk, i, param->column, slot);
		return;
	}
	chunk->isnull[i][row] = false;
	chunk->values[i][row] = param->kind == PARAM_CODES ?
		Int64GetDatum(code_of_row(chunk, row)) :
		Int32GetDatum(place_of_value(chunk, i - 1, row));
}

/* Add a row of the delta. */
static void
add_row(Chunk *chunk, TupleTableSlot *slot)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(chunk->context);

	slot_getallattrs(slot);
	for (int i = 0; i < chunk->statement->nparams; i++)
		add_value(chunk, i, slot);
	chunk->rows++;
	MemoryContextSwitchTo(oldcontext);
}

/* An array of the values that there are. */
static Datum
make_array(const Chunk *chunk, int i)
{
	Oid			element = chunk->statement->params[i].element;
	Datum	   *values = palloc(chunk->rows * sizeof(Datum));
	int			count = 0;
	int16		typlen;
	bool		typbyval;
	char		typalign;

	get_typlenbyvalalign(element, &typlen, &typbyval, &typalign);
	for (int row = 0; row < chunk->rows; row++)
		if (!chunk->isnull[i][row])
			values[count++] = chunk->values[i][row];
	return PointerGetDatum(construct_array(values, count, element, typlen, typbyval, typalign));
}

static ParamListInfo
make_params(const Chunk *chunk)
{
	const ForeignStatement *statement = chunk->statement;
	ParamListInfo params = deltaetl_params_create(statement->nparams);

	for (int i = 0; i < statement->nparams; i++)
	{
		if (statement->params[i].is_array)
			deltaetl_params_add(params, statement->types[i].type, make_array(chunk, i), false);
		else
			deltaetl_params_add(params, statement->types[i].type, chunk->values[i][0],
								chunk->isnull[i][0]);
	}
	return params;
}

/* Run the statement for the rows of a chunk, which is empty then. */
static uint64
send_chunk(Chunk *chunk, Modification *modification, ReturnedRows *returned)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(chunk->context);
	bool		is_remote = deltaetl_modify_is_remote(modification);
	uint64		changed;

	changed = deltaetl_modify_run(modification, make_params(chunk),
								  returned->log ? deltaetl_changelog_take : NULL, returned);
	if (is_remote)
		deltaetl_progress_advance(chunk->rows);
	MemoryContextSwitchTo(oldcontext);
	empty_chunk(chunk);
	return changed;
}

/* ---------- ways ---------- */

static Modification *
prepare(Delta *delta, const ForeignStatement *statement)
{
	return deltaetl_modify_prepare(statement->text, delta, statement->types);
}

static bool
is_sent_whole(Delta *delta, const ForeignStatement *statement)
{
	Modification *modification = prepare(delta, statement);
	bool		is_remote = deltaetl_modify_is_remote(modification);

	deltaetl_modify_end(modification);
	return is_remote;
}

/* The columns that an update sets, one after the other: which is in the way? */
static Obstacle
obstacle_in_columns(const Delta *delta, DeltaAction action)
{
	const Mapping *mapping = delta->mapping;
	Delta		one = *delta;

	one.only_changed = true;
	one.changed = palloc0(mapping->ncolumns * sizeof(bool));
	for (int i = 0; i < mapping->ncolumns && action == DELTA_UPDATE; i++)
	{
		one.changed[i] = true;
		if (deltaetl_is_written(delta, i) &&
			!is_sent_whole(&one, deltaetl_foreign_statement(&one, action, NULL, NULL)))
			return deltaetl_obstacle(OBSTACLE_VALUE_NOT_SENT, mapping->columns[i].quoted);
		one.changed[i] = false;
	}
	return deltaetl_obstacle(OBSTACLE_KEY_NOT_SENT, mapping->target.quoted);
}

/* PostgreSQL would have to compute them of rows that it does not see. */
static bool
has_stored_columns(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	TupleConstr *constraints = RelationGetDescr(rel)->constr;
	bool		has_stored = constraints != NULL && constraints->has_generated_stored;

	table_close(rel, NoLock);
	return has_stored;
}

/* What keeps rows from being written by the other server on its own. */
static Obstacle
obstacle_to_sending(Delta *delta, DeltaAction action, const LoggedColumns *logged)
{
	const Mapping *mapping = delta->mapping;

	if (mapping->target_has_triggers)
		return deltaetl_obstacle(OBSTACLE_TRIGGERS, mapping->target.quoted);
	if (has_stored_columns(mapping->target.relid))
		return deltaetl_obstacle(OBSTACLE_STORED_COLUMNS, mapping->target.quoted);
	if (logged != NULL && action == DELTA_UPDATE)
		return deltaetl_obstacle(OBSTACLE_OLD_ROWS, NULL);
	if (is_sent_whole(delta, deltaetl_foreign_statement(delta, action, logged, NULL)))
		return deltaetl_obstacle(NO_OBSTACLE, NULL);
	if (!is_sent_whole(delta, deltaetl_foreign_statement(delta, DELTA_DELETE, NULL, NULL)))
		action = DELTA_DELETE;
	return obstacle_in_columns(delta, action);
}

/* Which columns have NULLs in the rows of an action. */
static bool *
find_nulls(Delta *delta, DeltaAction action)
{
	int			ncolumns = delta->mapping->ncolumns;
	bool	   *has_nulls = palloc0(ncolumns * sizeof(bool));
	TupleTableSlot *row = MakeSingleTupleTableSlot(delta->desc, &TTSOpsMinimalTuple);

	tuplestore_rescan(delta->rows[action]);
	while (action == DELTA_UPDATE &&
		   tuplestore_gettupleslot(delta->rows[action], true, false, row))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(row);
		for (int i = 0; i < ncolumns; i++)
			has_nulls[i] |= row->tts_isnull[DELTA_FIRST_COLUMN + i];
	}
	ExecDropSingleTupleTableSlot(row);
	return has_nulls;
}

/*
 * How a delta's rows to delete or update, which it has by value, are written to
 * a foreign table, and the statement for that.
 */
ForeignWay
deltaetl_foreign_way(Delta *delta, DeltaAction action, const LoggedColumns *logged)
{
	ForeignWay	way = {.obstacle = obstacle_to_sending(delta, action, logged)};

	way.statement = deltaetl_is_free(way.obstacle) ?
		deltaetl_foreign_statement(delta, action, logged, find_nulls(delta, action)) :
		deltaetl_narrowed_statement(delta, action, logged);
	return way;
}

/* ---------- places ---------- */

static bool
is_postgres_fdw(Oid relid)
{
	ForeignServer *server = GetForeignServer(GetForeignServerIdByRelId(relid));
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	const char *handler = get_func_name(wrapper->fdwhandler);

	return handler != NULL && strcmp(handler, "postgres_fdw_handler") == 0;
}

static void
report_shared_places(TupleTableSlot *slot, void *arg)
{
	const Mapping *mapping = arg;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of foreign table \"%s\" cannot be written one by one",
					mapping->target.name),
			 errdetail("They would be found by their ctid, and some share it with others, as rows of several partitions do."),
			 errhint("Let deltaetl_explain() say what keeps them from being written by their key, or sync a foreign table for each partition.")));
}

/*
 * A new version of a row may get the ctid of one in another partition that is
 * still to be updated, so it is not enough that no two share one before.
 */
static void
check_lone_table(const Mapping *mapping)
{
	char	   *error;

	if (deltaetl_spi_probe(deltaetl_lone_table_query(mapping), mapping, true, &error))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of foreign table \"%s\" cannot be updated one by one",
					mapping->target.name),
			 error != NULL ? errdetail("They would be found by their ctid. Its server says: %s.", error) :
			 errdetail("They would be found by their ctid, which rows of several partitions may share, and its server cannot be asked whether it has any."),
			 error != NULL ? errhint("Let deltaetl_explain() say what keeps them from being written by their key, or sync a foreign table for each partition.") :
			 errhint("Install deltaetl there and name it in the option extensions of the server here, or let deltaetl_explain() say what keeps rows from being written by their key.")));
}

/*
 * Raise an error if rows would be written that cannot be told apart:
 * postgres_fdw knows one that it has read by its ctid alone, which is of no
 * use in a table with partitions or children.
 */
void
deltaetl_check_foreign(Delta *delta, const LoggedColumns *logged)
{
	const Mapping *mapping = delta->mapping;
	bool		by_place[DELTA_ACTIONS] = {false};

	if (!is_postgres_fdw(mapping->target.relid))
		return;
	for (DeltaAction action = DELTA_DELETE; action <= DELTA_UPDATE; action++)
		by_place[action] = delta->count[action] > 0 &&
			!deltaetl_is_free(obstacle_to_sending(delta, action, logged));
	if (by_place[DELTA_UPDATE])
		check_lone_table(mapping);
	if (by_place[DELTA_DELETE])
		deltaetl_spi_select(deltaetl_shared_places_query(mapping), mapping,
							report_shared_places, unconstify(Mapping *, mapping));
}

/* ---------- writing ---------- */

/*
 * Write the rows of an action; returns how many were really changed, as the
 * other server says.  What is changed goes to the log, unless that is NULL.
 */
uint64
deltaetl_foreign_modify(Delta *delta, DeltaAction action, ChangeLog *log)
{
	ForeignWay	way = deltaetl_foreign_way(delta, action, deltaetl_changelog_columns(log));
	Modification *modification = prepare(delta, way.statement);
	TupleTableSlot *row = MakeSingleTupleTableSlot(delta->desc, &TTSOpsMinimalTuple);
	ReturnedRows returned = {log, action};
	Chunk		chunk = create_chunk(delta, way.statement);
	bool		at_once = !deltaetl_is_free(way.obstacle);
	uint64		changed = 0;

	tuplestore_rescan(delta->rows[action]);
	while (tuplestore_gettupleslot(delta->rows[action], true, false, row))
	{
		CHECK_FOR_INTERRUPTS();
		add_row(&chunk, row);
		if (!at_once && is_full(&chunk))
			changed += send_chunk(&chunk, modification, &returned);
	}
	if (chunk.rows > 0)
		changed += send_chunk(&chunk, modification, &returned);
	ExecDropSingleTupleTableSlot(row);
	deltaetl_modify_end(modification);
	MemoryContextDelete(chunk.context);
	return changed;
}
