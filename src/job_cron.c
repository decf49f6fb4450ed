/*-------------------------------------------------------------------------
 *
 * job_cron.c
 *	  Keeping pg_cron in step with the schedules of jobs.
 *
 * pg_cron is asked with the rights of the caller and in the caller's
 * transaction, so a job and its schedule come and go together, and pg_cron
 * runs the job as the role that made it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "job.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"

/* pg_cron's, which cannot be moved. */
#define CRON_SCHEMA "cron"

/* What a job is called there, before its own name. */
#define CRON_PREFIX "deltaetl:"

/* Names in pg_cron are those of PostgreSQL, and before 1.5 cut like those. */
#define LONGEST_NAME (NAMEDATALEN - 1 - (int) strlen(CRON_PREFIX))

/* ---------- names ---------- */

static char *
cron_name(const Job *job)
{
	return psprintf(CRON_PREFIX "%s", job->name);
}

static char *
cron_command(Oid extension, const Job *job)
{
	return psprintf("CALL %s.deltaetl_run_job(%s)",
					deltaetl_quote_schema(extension), quote_literal_cstr(job->name));
}

static const char *
database_name(void)
{
	return get_database_name(MyDatabaseId);
}

/* ---------- checks ---------- */

static bool
has_pg_cron(void)
{
	return OidIsValid(get_extension_oid("pg_cron", true));
}

/* pg_cron reads its jobs in one database of a server. */
static bool
is_elsewhere(void)
{
	const char *home = GetConfigOption("cron.database_name", true, false);

	return home != NULL && strcmp(home, database_name()) != 0;
}

static char *
describe_remedy(Oid extension, const Job *job)
{
	if (!is_elsewhere())
		return pstrdup("Install it with CREATE EXTENSION pg_cron, or leave schedule out and have cron or a systemd timer call the job, see doc/scheduling.md.");
	return psprintf("Leave schedule out, and in the database that cron.database_name names, say SELECT cron.schedule_in_database(%s, %s, %s, %s).",
					quote_literal_cstr(cron_name(job)), quote_literal_cstr(job->schedule),
					quote_literal_cstr(cron_command(extension, job)),
					quote_literal_cstr(database_name()));
}

static void
check_installed(Oid extension, const Job *job)
{
	if (has_pg_cron())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot schedule job \"%s\" without pg_cron", job->name),
			 errdetail("The extension pg_cron is not installed in database \"%s\".",
					   database_name()),
			 errhint("%s", describe_remedy(extension, job))));
}

/* Whether there is a pg_cron that the caller may ask. */
bool
deltaetl_may_unschedule(void)
{
	Oid			schema = get_namespace_oid(CRON_SCHEMA, true);
	Datum		may_call;

	if (!has_pg_cron() || !OidIsValid(schema) || !may_use_schema(schema) ||
		pg_class_aclcheck(get_relname_relid("job", schema), GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return false;
	may_call = DirectFunctionCall2(has_function_privilege_name,
								   CStringGetTextDatum(CRON_SCHEMA ".unschedule(bigint)"),
								   CStringGetTextDatum("EXECUTE"));
	return DatumGetBool(may_call);
}

static void
check_usage(void)
{
	if (!may_use_schema(get_namespace_oid(CRON_SCHEMA, false)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", CRON_SCHEMA),
				 errdetail("Schedules of jobs are kept by pg_cron."),
				 errhint("An administrator can GRANT USAGE ON SCHEMA %s TO %s.",
						 CRON_SCHEMA,
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

static bool
can_login(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		can;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for role %u", role);
	can = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	return can;
}

/* pg_cron would take the job, and fail to run it. */
static void
check_login(const Job *job)
{
	if (can_login(GetUserId()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot schedule job \"%s\" of a role that cannot log in", job->name),
			 errdetail("pg_cron logs in as role \"%s\" to run it.", job->owner),
			 errhint("Let the role log in with ALTER ROLE, or make the job as another one.")));
}

static void
check_length(const Job *job)
{
	if (strlen(job->name) > LONGEST_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name of job \"%s\" is too long to be scheduled", job->name),
				 errdetail("It has %d bytes, and pg_cron leaves room for %d.",
						   (int) strlen(job->name), LONGEST_NAME)));
}

/* ---------- statements ---------- */

/*
 * Have pg_cron run a job of the current user by its schedule, which pg_cron
 * checks, whether or not it did so before.
 */
void
deltaetl_schedule_job(Oid extension, const Job *job)
{
	const char *values[] = {cron_name(job), job->schedule, cron_command(extension, job)};

	check_installed(extension, job);
	check_usage();
	check_login(job);
	check_length(job);
	(void) deltaetl_spi_execute("SELECT " CRON_SCHEMA ".schedule($1, $2, $3)",
								deltaetl_text_params(values, lengthof(values)), NULL, NULL);
}

/*
 * Have pg_cron no longer run a job.  It need not know it any more.
 */
void
deltaetl_unschedule_job(const Job *job)
{
	const char *values[] = {cron_name(job), job->owner};

	if (!has_pg_cron())
		return;
	check_usage();
	(void) deltaetl_spi_execute("SELECT " CRON_SCHEMA ".unschedule(j.jobid) FROM " CRON_SCHEMA ".job AS j"
								" WHERE j.jobname::pg_catalog.text OPERATOR(pg_catalog.=) $1"
								" AND j.username OPERATOR(pg_catalog.=) $2"
								" AND j.database OPERATOR(pg_catalog.=)"
								" pg_catalog.current_database()::pg_catalog.text",
								deltaetl_text_params(values, lengthof(values)), NULL, NULL);
}
