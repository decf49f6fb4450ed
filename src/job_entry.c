/*-------------------------------------------------------------------------
 *
 * job_entry.c
 *	  The table of jobs: finding, adding, changing and removing one.
 *
 * Users see the table through a view and write to it through the functions of
 * job.c, which check who they are.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "job.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"

/* Columns of an entry, by position. */
enum JobColumn
{
	JOB_NAME,
	JOB_SOURCE_SCHEMA,
	JOB_SOURCE_NAME,
	JOB_TARGET_SCHEMA,
	JOB_TARGET_NAME,
	JOB_SCHEDULE,
	JOB_OWNER,
	JOB_OPTIONS
};

#define JOB_COLUMNS (JOB_OPTIONS + 1)

/* A row to be read, and where what it holds is to live. */
typedef struct JobReader
{
	MemoryContext memory;
	Job		   *job;			/* NULL as long as there is none */
} JobReader;

#define FIND_JOB \
	"SELECT name, source_schema::pg_catalog.text, source_name::pg_catalog.text," \
	" target_schema::pg_catalog.text, target_name::pg_catalog.text, schedule," \
	" owner::pg_catalog.text, options FROM %s." JOB_TABLE \
	" WHERE name OPERATOR(pg_catalog.=) $1"

/* ---------- statements ---------- */

/* Parameters of a query that are all texts, or NULL. */
ParamListInfo
deltaetl_text_params(const char *const *values, int count)
{
	ParamListInfo params = deltaetl_params_create(count);

	for (int i = 0; i < count; i++)
		deltaetl_params_add_text(params, values[i]);
	return params;
}

static ParamListInfo
name_param(const char *name)
{
	return deltaetl_text_params(&name, 1);
}

static ParamListInfo
job_params(const Job *job)
{
	const char *values[JOB_COLUMNS] = {
		[JOB_NAME] = job->name,
		[JOB_SOURCE_SCHEMA] = job->source.schema,
		[JOB_SOURCE_NAME] = job->source.name,
		[JOB_TARGET_SCHEMA] = job->target.schema,
		[JOB_TARGET_NAME] = job->target.name,
		[JOB_SCHEDULE] = job->schedule,
		[JOB_OWNER] = job->owner,
		[JOB_OPTIONS] = JsonbToCString(NULL, &job->options->root, VARSIZE(job->options))
	};

	return deltaetl_text_params(values, JOB_COLUMNS);
}

/* Run a statement in which %s is the schema of the extension. */
static uint64
execute(Oid extension, const char *format, ParamListInfo params,
		RowCallback callback, void *arg)
{
	return deltaetl_owner_execute(extension,
								  psprintf(format, deltaetl_quote_schema(extension)),
								  params, callback, arg);
}

/* ---------- finding ---------- */

static char *
read_text(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column + 1, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static Jsonb *
read_jsonb(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column + 1, &isnull);

	return DatumGetJsonbPCopy(value);
}

static void
read_job(TupleTableSlot *slot, void *arg)
{
	JobReader  *reader = arg;
	MemoryContext previous = MemoryContextSwitchTo(reader->memory);
	Job		   *job = palloc0(sizeof(Job));

	job->name = read_text(slot, JOB_NAME);
	job->source.schema = read_text(slot, JOB_SOURCE_SCHEMA);
	job->source.name = read_text(slot, JOB_SOURCE_NAME);
	job->target.schema = read_text(slot, JOB_TARGET_SCHEMA);
	job->target.name = read_text(slot, JOB_TARGET_NAME);
	job->schedule = read_text(slot, JOB_SCHEDULE);
	job->owner = read_text(slot, JOB_OWNER);
	job->options = read_jsonb(slot, JOB_OPTIONS);
	reader->job = job;
	MemoryContextSwitchTo(previous);
}

static void
offer_name(TupleTableSlot *slot, void *arg)
{
	deltaetl_near_offer(arg, read_text(slot, JOB_NAME));
}

/* Of other users' jobs the caller need not learn. */
static void
report_unknown(Oid extension, const char *name)
{
	NearName	near;

	deltaetl_near_begin(&near, name);
	(void) execute(extension,
				   "SELECT name FROM %s." JOB_TABLE
				   " WHERE owner::pg_catalog.text OPERATOR(pg_catalog.=) $1",
				   name_param(GetUserNameFromId(GetUserId(), false)),
				   offer_name, &near);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("job \"%s\" does not exist", name),
			 near.nearest[0] ? errhint("Perhaps you meant the job \"%s\".", near.nearest) : 0));
}

/*
 * The job of that name, in the current memory context, and locked if it is to
 * be changed; an error if there is none.
 */
Job *
deltaetl_find_job(Oid extension, const char *name, bool lock)
{
	JobReader	reader = {.memory = CurrentMemoryContext};

	(void) execute(extension, lock ? FIND_JOB " FOR UPDATE" : FIND_JOB,
				   name_param(name), read_job, &reader);
	if (reader.job == NULL)
		report_unknown(extension, name);
	return reader.job;
}

/* ---------- writing ---------- */

void
deltaetl_add_job(Oid extension, const Job *job)
{
	uint64		added = execute(extension,
								"INSERT INTO %s." JOB_TABLE
								" VALUES ($1, $2, $3, $4, $5, $6, $7, $8::pg_catalog.jsonb)"
								" ON CONFLICT (name) DO NOTHING",
								job_params(job), NULL, NULL);

	if (added == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("job \"%s\" already exists", job->name),
				 errhint("Change it with deltaetl_alter_job(), or choose another name.")));
}

void
deltaetl_change_job(Oid extension, const Job *job)
{
	(void) execute(extension,
				   "UPDATE %s." JOB_TABLE " SET source_schema = $2, source_name = $3,"
				   " target_schema = $4, target_name = $5, schedule = $6,"
				   " options = $8::pg_catalog.jsonb WHERE name OPERATOR(pg_catalog.=) $1",
				   job_params(job), NULL, NULL);
}

void
deltaetl_remove_job(Oid extension, const Job *job)
{
	(void) execute(extension,
				   "DELETE FROM %s." JOB_TABLE " WHERE name OPERATOR(pg_catalog.=) $1",
				   name_param(job->name), NULL, NULL);
}

/* ---------- what an entry means ---------- */

/*
 * Whether a job is the caller's own.  Members of that role and superusers are
 * not enough: what somebody else has written would run with their rights.
 */
bool
deltaetl_owns_job(const Job *job)
{
	return strcmp(job->owner, GetUserNameFromId(GetUserId(), false)) == 0;
}

void
deltaetl_report_not_owner(const Job *job)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of job \"%s\"", job->name),
			 errhint("Log in as role %s.", quote_identifier(job->owner))));
}

/* The source or target of a job, by what it was called when the job was made. */
Oid
deltaetl_find_job_relation(const Job *job, RelationName name)
{
	RangeVar   *range = makeRangeVar(pstrdup(name.schema), pstrdup(name.name), -1);
	Oid			relid = RangeVarGetRelid(range, NoLock, true);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" of job \"%s\" does not exist",
						name.schema, name.name, job->name),
				 errhint("Create it again, or give the job another one with deltaetl_alter_job().")));
	return relid;
}
