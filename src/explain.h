/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  What the files that explain a run share.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_EXPLAIN_H
#define DELTAETL_EXPLAIN_H

#include "run.h"

#include "nodes/execnodes.h"

/* A run that is explained, and where the lines go. */
typedef struct Explanation
{
	const SyncOptions *options;
	const Mapping *mapping;
	const LoggedColumns *logged;	/* by the change log; NULL: none */
	ReturnSetInfo *result;
} Explanation;

/* explain_words.c */
extern void deltaetl_explain_line(const Explanation *explanation, int level,
								  const char *format,...) pg_attribute_printf(3, 4);
extern void deltaetl_explain_statement(const Explanation *explanation, int level,
									   const char *statement);
extern const char *deltaetl_say_obstacle(Obstacle obstacle);
extern const char *deltaetl_say_list(List *phrases);

/* explain_detection.c */
extern void deltaetl_explain_detection(const Explanation *explanation);

/* explain_apply.c */
extern void deltaetl_explain_apply(const Explanation *explanation);
extern void deltaetl_explain_statements(const Explanation *explanation);

/* explain_distributed.c */
extern void deltaetl_explain_placement(const Explanation *explanation);
extern void deltaetl_explain_distributed_apply(const Explanation *explanation);

/* explain_triggers.c */
extern void deltaetl_explain_triggers(const Explanation *explanation);

#endif							/* DELTAETL_EXPLAIN_H */
