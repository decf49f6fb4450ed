/*-------------------------------------------------------------------------
 *
 * job.c
 *	  Making, changing and dropping jobs.
 *
 * A job is checked when it is made as a run is when it begins, with the rights
 * of the role that makes it, which is the one that it runs as.  It names its
 * tables, so it finds those that have been dropped and made again.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "job.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Arguments of deltaetl_create_job() and deltaetl_alter_job(), by position. */
enum JobArgument
{
	ARG_NAME,
	ARG_SOURCE,
	ARG_TARGET,
	ARG_OPTIONS,
	ARG_SCHEDULE
};

static void
check_writable(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandDuringRecovery(function);
}

/* ---------- checks ---------- */

static void
check_name(const char *name)
{
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a job must not be empty")));
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name of job \"%s\" is too long", name),
				 errdetail("It has %d bytes, and at most %d are possible.",
						   (int) strlen(name), NAMEDATALEN - 1)));
}

/* Whoever runs the job would not see the table, nor would it be there long. */
static void
check_persistence(Oid relid)
{
	if (get_rel_name(relid) != NULL &&
		get_rel_persistence(relid) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("temporary relation \"%s\" cannot be used by a job",
						get_rel_name(relid)),
				 errdetail("It is gone when this session ends.")));
}

/* Raise an error for all that would keep a run of the job from beginning. */
static void
check_run(Oid extension, const Job *job, Oid source, Oid target)
{
	char	   *schema = deltaetl_quote_schema(extension);
	JobOptions	options;

	check_persistence(source);
	check_persistence(target);
	options = deltaetl_parse_job_options(job->options, source, target, extension);
	deltaetl_check_request(&options.sync.request, schema);
	(void) deltaetl_lock_and_resolve(&options.sync.request, schema, AccessShareLock);
}

/* ---------- arguments ---------- */

static char *
read_name(FunctionCallInfo fcinfo)
{
	deltaetl_require_argument(fcinfo, ARG_NAME, "name");
	return deltaetl_text_argument(fcinfo, ARG_NAME);
}

/* NULL for none, which an empty one says as well. */
static char *
read_schedule(FunctionCallInfo fcinfo)
{
	char	   *schedule = deltaetl_text_argument(fcinfo, ARG_SCHEDULE);

	return schedule == NULL || schedule[0] == '\0' ? NULL : schedule;
}

/* Take what is given; returns whether a run would be another than before. */
static bool
take_changes(FunctionCallInfo fcinfo, Job *job)
{
	if (!PG_ARGISNULL(ARG_SOURCE))
		job->source = deltaetl_relation_name(deltaetl_relation_argument(fcinfo, ARG_SOURCE, "source"));
	if (!PG_ARGISNULL(ARG_TARGET))
		job->target = deltaetl_relation_name(deltaetl_relation_argument(fcinfo, ARG_TARGET, "target"));
	if (!PG_ARGISNULL(ARG_OPTIONS))
		job->options = PG_GETARG_JSONB_P(ARG_OPTIONS);
	if (!PG_ARGISNULL(ARG_SCHEDULE))
		job->schedule = read_schedule(fcinfo);
	return !PG_ARGISNULL(ARG_SOURCE) || !PG_ARGISNULL(ARG_TARGET) ||
		!PG_ARGISNULL(ARG_OPTIONS);
}

/* An argument that names a relation, or else the one that the job has. */
static Oid
read_relation(FunctionCallInfo fcinfo, int argno, const Job *job, RelationName name)
{
	return PG_ARGISNULL(argno) ? deltaetl_find_job_relation(job, name) :
		PG_GETARG_OID(argno);
}

/*
 * pg_cron may know a job that has no schedule, from before the extension was
 * dropped, or from another hand.
 */
static void
keep_in_step(Oid extension, const Job *job, bool was_scheduled)
{
	if (job->schedule != NULL)
		deltaetl_schedule_job(extension, job);
	else if (was_scheduled || deltaetl_may_unschedule())
		deltaetl_unschedule_job(job);
}

/* ---------- SQL functions ---------- */

PG_FUNCTION_INFO_V1(deltaetl_create_job);
PG_FUNCTION_INFO_V1(deltaetl_alter_job);
PG_FUNCTION_INFO_V1(deltaetl_drop_job);

/*
 * deltaetl_create_job(name text, source regclass, target regclass,
 *					   options jsonb, schedule text) returns void
 *
 * Make a job of the current user.  The options are named arguments of
 * deltaetl_sync(), retries and lock_timeout; the schedule is pg_cron's.
 */
Datum
deltaetl_create_job(PG_FUNCTION_ARGS)
{
	Oid			extension = deltaetl_extension(fcinfo);
	Job			job = {.name = read_name(fcinfo)};
	Oid			source = deltaetl_relation_argument(fcinfo, ARG_SOURCE, "source");
	Oid			target = deltaetl_relation_argument(fcinfo, ARG_TARGET, "target");

	check_writable("deltaetl_create_job()");
	deltaetl_require_argument(fcinfo, ARG_OPTIONS, "options");
	job.options = PG_GETARG_JSONB_P(ARG_OPTIONS);
	job.owner = GetUserNameFromId(GetUserId(), false);
	job.schedule = read_schedule(fcinfo);
	check_name(job.name);
	check_run(extension, &job, source, target);
	job.source = deltaetl_relation_name(source);
	job.target = deltaetl_relation_name(target);
	deltaetl_add_job(extension, &job);
	keep_in_step(extension, &job, false);
	PG_RETURN_VOID();
}

/*
 * deltaetl_alter_job(name text, source regclass, target regclass,
 *					  options jsonb, schedule text) returns void
 *
 * Change what is not NULL of a job of the current user; an empty schedule
 * takes it away.
 */
Datum
deltaetl_alter_job(PG_FUNCTION_ARGS)
{
	Oid			extension = deltaetl_extension(fcinfo);
	const char *name = read_name(fcinfo);
	Job		   *job;
	bool		was_scheduled;

	check_writable("deltaetl_alter_job()");
	job = deltaetl_find_job(extension, name, true);
	if (!deltaetl_owns_job(job))
		deltaetl_report_not_owner(job);
	was_scheduled = job->schedule != NULL;
	if (take_changes(fcinfo, job) || job->schedule != NULL)
		check_run(extension, job,
				  read_relation(fcinfo, ARG_SOURCE, job, job->source),
				  read_relation(fcinfo, ARG_TARGET, job, job->target));
	deltaetl_change_job(extension, job);
	if (!PG_ARGISNULL(ARG_SCHEDULE))
		keep_in_step(extension, job, was_scheduled);
	PG_RETURN_VOID();
}

/*
 * deltaetl_drop_job(name text) returns void
 *
 * Drop a job of the current user, or for a superuser of anybody.
 */
Datum
deltaetl_drop_job(PG_FUNCTION_ARGS)
{
	Oid			extension = deltaetl_extension(fcinfo);
	const char *name = read_name(fcinfo);
	Job		   *job;

	check_writable("deltaetl_drop_job()");
	job = deltaetl_find_job(extension, name, true);
	if (!deltaetl_owns_job(job) && !superuser())
		deltaetl_report_not_owner(job);
	deltaetl_remove_job(extension, job);
	if (job->schedule != NULL || deltaetl_may_unschedule())
		deltaetl_unschedule_job(job);
	PG_RETURN_VOID();
}
