/*-------------------------------------------------------------------------
 *
 * job.h
 *	  A job: a sync with a name, that is run again and again.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_JOB_H
#define DELTAETL_JOB_H

#include "run.h"

typedef struct Job
{
	const char *name;
	RelationName source;
	RelationName target;
	const char *schedule;		/* NULL: none */
	const char *owner;			/* the role that made it */
	Jsonb	   *options;
} Job;

/* What the options of a job ask for. */
typedef struct JobOptions
{
	SyncOptions sync;
	int			retries;
	const char *lock_timeout;	/* NULL: the session's */
} JobOptions;

/* job_entry.c */
extern ParamListInfo deltaetl_text_params(const char *const *values, int count);
extern Job *deltaetl_find_job(Oid extension, const char *name, bool lock);
extern void deltaetl_add_job(Oid extension, const Job *job);
extern void deltaetl_change_job(Oid extension, const Job *job);
extern void deltaetl_remove_job(Oid extension, const Job *job);
extern bool deltaetl_owns_job(const Job *job);
extern void deltaetl_report_not_owner(const Job *job);
extern Oid	deltaetl_find_job_relation(const Job *job, RelationName name);

/* job_options.c */
extern JobOptions deltaetl_parse_job_options(Jsonb *object, Oid source,
											 Oid target, Oid extension);

/* job_cron.c */
extern void deltaetl_schedule_job(Oid extension, const Job *job);
extern bool deltaetl_may_unschedule(void);
extern void deltaetl_unschedule_job(const Job *job);

#endif							/* DELTAETL_JOB_H */
