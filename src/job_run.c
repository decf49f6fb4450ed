/*-------------------------------------------------------------------------
 *
 * job_run.c
 *	  Running a job: what fails is rolled back, entered in the log, tried
 *	  again if that may help, and otherwise raised.
 *
 * Each attempt has a transaction of its own, and in it a subtransaction, whose
 * end leaves the outer one able to write the entry of a failure.  What is
 * needed beyond that lives in memory of the call.
 *
 * A job runs as its owner.  Where that is not who has logged in, but a role
 * that was set, the owner's code could become whoever has set it.  So there it
 * runs as what PostgreSQL itself runs for others does, such as a function in
 * an index that is built again: it cannot set a role, nor leave code to the
 * end of the transaction or to the session.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "job.h"

#include <math.h>

#include "access/xact.h"
#include "commands/trigger.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"

/* How long to wait before the first retry, and at most, in seconds. */
#define FIRST_DELAY 0.5
#define LONGEST_DELAY 30.0

typedef struct JobAttempt
{
	MemoryContext memory;		/* of this one, not of the next */
	Oid			extension;
	const Job  *job;
	bool		force;
	int			number;			/* from 1 */
	TimestampTz started;		/* the first one */
	JobOptions	options;
	Run			run;
} JobAttempt;

/* ---------- an attempt ---------- */

static void
push_member(JsonbBuilder *builder, const char *name, JsonbValue *value)
{
	JsonbValue	key = {.type = jbvString};

	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	push_jsonb(builder, WJB_KEY, &key);
	push_jsonb(builder, WJB_VALUE, value);
}

/* The options as the run log shows them. */
static Jsonb *
describe_options(const JobAttempt *attempt)
{
	JsonbBuilder builder = {0};
	JsonbValue	value;
	Jsonb	   *more;

	push_jsonb(&builder, WJB_BEGIN_OBJECT, NULL);
	if (attempt->number > 1)
	{
		value.type = jbvNumeric;
		value.val.numeric = int64_to_numeric(attempt->number);
		push_member(&builder, "attempts", &value);
	}
	if (attempt->force)
	{
		value.type = jbvBool;
		value.val.boolean = true;
		push_member(&builder, "force", &value);
	}
	push_jsonb(&builder, WJB_END_OBJECT, NULL);
	more = JsonbValueToJsonb(builder.result);
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(attempt->job->options),
											  JsonbPGetDatum(more)));
}

/* Begin a run of which nothing is known yet but what the job is called. */
static void
begin_run(JobAttempt *attempt)
{
	MemoryContextSwitchTo(attempt->memory);
	memset(&attempt->options, 0, sizeof(JobOptions));
	attempt->options.sync.request.extension = attempt->extension;
	attempt->options.sync.job = attempt->job->name;
	attempt->options.sync.given = describe_options(attempt);
	deltaetl_run_begin(&attempt->run, &attempt->options.sync);
	if (attempt->number == 1)
		attempt->started = attempt->run.started;
	attempt->run.started = attempt->started;
	attempt->run.source = attempt->job->source;
	attempt->run.target = attempt->job->target;
}

static void
resolve_job(JobAttempt *attempt)
{
	const Job  *job = attempt->job;
	Jsonb	   *given = attempt->options.sync.given;
	Oid			target = deltaetl_find_job_relation(job, job->target);
	Oid			source;
	JobOptions	options;

	attempt->options.sync.request.target = target;
	source = deltaetl_find_job_relation(job, job->source);
	options = deltaetl_parse_job_options(job->options, source, target,
										 attempt->extension);
	options.sync.given = given;
	options.sync.force = attempt->force;
	options.sync.job = job->name;
	attempt->options = options;
}

/* To the end of the transaction. */
static void
set_lock_timeout(const char *timeout)
{
	if (timeout != NULL)
		(void) set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Run it so that nothing it calls can set a role, now or later: settings are
 * taken back, and what is deferrable is not deferred, as nothing that is
 * deferred is allowed there.
 */
static void
run_guarded(JobAttempt *attempt, Oid user, int context)
{
	ConstraintsSetStmt *immediate = makeNode(ConstraintsSetStmt);
	int			nestlevel = NewGUCNestLevel();

	AfterTriggerSetState(immediate);
	SetUserIdAndSecContext(user, context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	(void) deltaetl_run_sync(&attempt->run);
	AtEOXact_GUC(false, nestlevel);
	SetUserIdAndSecContext(user, context);
}

/* Whether there is no other role that code could go back to. */
static bool
is_logged_in(Oid user)
{
	return user == GetAuthenticatedUserId() && user == GetSessionUserId();
}

/* The end of the transaction may fail as well. */
static void
run_in_transaction(JobAttempt *attempt)
{
	Oid			user;
	int			context;

	GetUserIdAndSecContext(&user, &context);
	EnsurePortalSnapshotExists();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(attempt->memory);
	resolve_job(attempt);
	set_lock_timeout(attempt->options.lock_timeout);
	if (is_logged_in(user))
		(void) deltaetl_run_sync(&attempt->run);
	else
		run_guarded(attempt, user, context);
	ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(attempt->memory);
	deltaetl_spi_commit();
}

/* Twice as long each time. */
static double
delay_before(int attempt)
{
	return Min(ldexp(FIRST_DELAY, attempt - 2), LONGEST_DELAY);
}

/* A little shorter each time, so that two who met do not meet again. */
static double
with_jitter(double delay)
{
	return delay * (1 - pg_prng_double(&pg_global_prng_state) / 4);
}

/* Outside of a transaction, as far as a procedure can be. */
static void
wait_before(const JobAttempt *attempt)
{
	int64		delay = 1000 * with_jitter(delay_before(attempt->number));
	TimestampTz end;
	long		left;

	deltaetl_spi_commit();
	end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay);
	while ((left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 left, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* End a failed attempt; returns its error, which is no longer being handled. */
static ErrorData *
take_error(JobAttempt *attempt)
{
	ErrorData  *error;

	MemoryContextSwitchTo(attempt->memory);
	error = CopyErrorData();
	FlushErrorState();
	if (IsSubTransaction())
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(attempt->memory);
	return error;
}

/* Returns what an attempt has failed with, or NULL. */
static ErrorData *
try_run(JobAttempt *attempt)
{
	ErrorData  *volatile error = NULL;

	begin_run(attempt);
	PG_TRY();
	{
		if (attempt->number > 1)
		{
			wait_before(attempt);
			begin_run(attempt);
		}
		run_in_transaction(attempt);
	}
	PG_CATCH();
	{
		error = take_error(attempt);
	}
	PG_END_TRY();
	return error;
}

/* ---------- a failure ---------- */

static bool
may_help_to_retry(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

static void
announce_retry(const JobAttempt *attempt, int retries, const ErrorData *error)
{
	ereport(NOTICE,
			(errcode(error->sqlerrcode),
			 errmsg("attempt %d of job \"%s\" failed: %s",
					attempt->number - 1, attempt->job->name, error->message),
			 errdetail("Attempt %d of %d follows in about %g seconds.",
					   attempt->number, retries + 1, delay_before(attempt->number))));
}

static void
failure_context(void *arg)
{
	const ErrorData *error = arg;

	errcontext("log entry of a run that failed: %s", error->message);
}

/* Enter a failed run in the log, and commit that. */
static void
enter_failure(Run *run, ErrorData *error)
{
	ErrorContextCallback callback;

	callback.callback = failure_context;
	callback.arg = error;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	run->sqlstate = pstrdup(unpack_sql_state(error->sqlerrcode));
	run->message = error->message;
	run->detail = error->detail;
	EnsurePortalSnapshotExists();
	deltaetl_run_end(run, RUN_FAILED);
	deltaetl_spi_commit();
	error_context_stack = callback.previous;
}

/* What the run has failed with is more than that its entry has failed, too. */
static void
try_to_enter_failure(JobAttempt *attempt, ErrorData *error)
{
	PG_TRY();
	{
		enter_failure(&attempt->run, error);
	}
	PG_CATCH();
	{
		ErrorData  *other;

		MemoryContextSwitchTo(attempt->memory);
		other = CopyErrorData();
		FlushErrorState();
		ereport(WARNING,
				(errcode(other->sqlerrcode),
				 errmsg("could not enter the failed run of job \"%s\" in the run log: %s",
						attempt->job->name, other->message)));
	}
	PG_END_TRY();
}

/* Try until it is done or no more retries are left, which raises the error. */
static void
run_job(JobAttempt *attempt)
{
	ErrorData  *error;
	int			retries;

	while ((error = try_run(attempt)) != NULL)
	{
		retries = attempt->options.retries;
		if (attempt->number > retries || !may_help_to_retry(error))
		{
			try_to_enter_failure(attempt, error);
			ReThrowError(error);
		}
		attempt->number++;
		announce_retry(attempt, retries, error);
		MemoryContextReset(attempt->memory);
	}
}

/* ---------- SQL procedure ---------- */

static void
check_context(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context != NULL && IsA(context, CallContext) && !context->atomic)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("deltaetl_run_job() cannot run inside a transaction block"),
			 errdetail("If the run fails, its entry in the run log would be rolled back with the transaction."),
			 errhint("CALL it by itself, or call deltaetl_sync() in the transaction.")));
}

/* What the caller has done before would be committed with the run. */
static void
check_nothing_written(void)
{
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("deltaetl_run_job() cannot run in a transaction that has written"),
			 errdetail("The job ends transactions, so what was written or locked before it could not be taken back any more."),
			 errhint("COMMIT before the CALL, or call deltaetl_sync() in the transaction.")));
}

/*
 * In a transaction of its own, as what was set for the caller's, a role among
 * it, ends with that.
 */
static Job *
find_own_job(Oid extension, const char *name)
{
	Job		   *job = deltaetl_find_job(extension, name, false);

	if (!deltaetl_owns_job(job))
		deltaetl_report_not_owner(job);
	return job;
}

PG_FUNCTION_INFO_V1(deltaetl_run_job);

/*
 * deltaetl_run_job(name text, force boolean)
 *
 * Run a job of the current user, with force whatever its guards say.  An error
 * is raised after the failed run has been entered in the log.
 */
Datum
deltaetl_run_job(PG_FUNCTION_ARGS)
{
	JobAttempt	attempt = {.number = 1};

	check_context(fcinfo);
	deltaetl_require_argument(fcinfo, 0, "name");
	PreventCommandIfReadOnly("deltaetl_run_job()");
	PreventCommandDuringRecovery("deltaetl_run_job()");

	attempt.force = deltaetl_bool_argument(fcinfo, 1, "force");
	attempt.extension = deltaetl_extension(fcinfo);
	check_nothing_written();
	deltaetl_spi_begin_procedure();
	deltaetl_spi_commit();
	attempt.memory = AllocSetContextCreate(CurrentMemoryContext, "deltaetl attempt",
										   ALLOCSET_DEFAULT_SIZES);
	EnsurePortalSnapshotExists();
	attempt.job = find_own_job(attempt.extension, deltaetl_text_argument(fcinfo, 0));
	run_job(&attempt);
	deltaetl_spi_end_procedure();
	PG_RETURN_VOID();
}
