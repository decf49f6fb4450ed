/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL 15 and 19, and between OpenSSL 1.1 and 3.
 *
 * The only file that looks at version numbers.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_COMPAT_H
#define DELTAETL_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "deltaetl needs PostgreSQL 15 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * Whether no row can have a NULL in a column.  From 18 on a NOT NULL
 * constraint may be there without having been validated.
 */
#if PG_VERSION_NUM >= 180000
#define column_is_not_null(desc, i) \
	(TupleDescCompactAttr(desc, i)->attnullability == ATTNULLABLE_VALID)
#else
#define column_is_not_null(desc, i) (TupleDescAttr(desc, i)->attnotnull)
#endif

/* From 18 on a generated column may be computed whenever it is read. */
#if PG_VERSION_NUM >= 180000
#define has_virtual_columns(desc) \
	((desc)->constr != NULL && (desc)->constr->has_generated_virtual)
#else
#define has_virtual_columns(desc) false
#endif

/* From 19 on a descriptor has to be told when it is complete. */
#if PG_VERSION_NUM >= 190000
#define complete_descriptor(desc) TupleDescFinalize(desc)
#else
#define complete_descriptor(desc) ((void) (desc))
#endif

/* Whether the caller is the owner of a relation, or may act as such. */
#if PG_VERSION_NUM >= 160000
#define owns_relation(relid) \
	object_ownercheck(RelationRelationId, relid, GetUserId())
#else
#define owns_relation(relid) pg_class_ownercheck(relid, GetUserId())
#endif

#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"

/* Whether the caller may look up names in a schema. */
#if PG_VERSION_NUM >= 160000
#define may_use_schema(schema) \
	(object_aclcheck(NamespaceRelationId, schema, GetUserId(), ACL_USAGE) == ACLCHECK_OK)
#else
#define may_use_schema(schema) \
	(pg_namespace_aclcheck(schema, GetUserId(), ACL_USAGE) == ACLCHECK_OK)
#endif

#include "storage/buffile.h"

/* Read that much from a temporary file, or fail. */
#if PG_VERSION_NUM >= 160000
#define read_exactly(file, data, size) BufFileReadExact(file, data, size)
#else
static inline void
read_exactly(BufFile *file, void *data, size_t size)
{
	if (BufFileRead(file, data, size) != size)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from temporary file: %m")));
}
#endif

#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "nodes/makefuncs.h"
#include "parser/parse_relation.h"
#include "utils/rel.h"

/*
 * Make a relation the only one of an executor's state, as the target of an
 * insert or update of some columns, which the user has to have the right to,
 * ACL_INSERT or ACL_UPDATE.  From 16 on what may be done to a relation is apart
 * from what it is.
 */
static inline void
init_range_table(EState *estate, Relation rel, AclMode right, Bitmapset *columns)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
#if PG_VERSION_NUM >= 160000
	RTEPermissionInfo *permission;
	List	   *permissions = NIL;
#else
	RangeTblEntry *permission = rte;
#endif

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(rel);
	rte->relkind = rel->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
#if PG_VERSION_NUM >= 160000
	permission = addRTEPermissionInfo(&permissions, rte);
#endif
	permission->requiredPerms = right;
	if (right == ACL_INSERT)
		permission->insertedCols = columns;
	else
		permission->updatedCols = columns;
#if PG_VERSION_NUM >= 160000
	(void) ExecCheckPermissions(list_make1(rte), permissions, true);
#else
	(void) ExecCheckRTPerms(list_make1(rte), true);
#endif
#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, list_make1(rte), permissions, bms_make_singleton(1));
#elif PG_VERSION_NUM >= 160000
	ExecInitRangeTable(estate, list_make1(rte), permissions);
#else
	ExecInitRangeTable(estate, list_make1(rte));
#endif
}

#if PG_VERSION_NUM >= 160000
#define init_epq_state(epqstate, estate) \
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1, NIL)
#else
#define init_epq_state(epqstate, estate) \
	EvalPlanQualInit(epqstate, estate, NULL, NIL, -1)
#endif

#if PG_VERSION_NUM >= 190000
#define insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, estate, 0, slot, NIL, NULL)
#elif PG_VERSION_NUM >= 160000
#define insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#else
#define insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#endif

/* Run a query to its end. */
#if PG_VERSION_NUM >= 180000
#define run_executor(desc) ExecutorRun(desc, ForwardScanDirection, 0)
#else
#define run_executor(desc) ExecutorRun(desc, ForwardScanDirection, 0, true)
#endif

#include "access/tableam.h"

/* Read all rows of a table. */
#if PG_VERSION_NUM >= 190000
#define begin_scan(rel, snapshot) table_beginscan(rel, snapshot, 0, NULL, SO_NONE)
#else
#define begin_scan(rel, snapshot) table_beginscan(rel, snapshot, 0, NULL)
#endif

#include "tcop/tcopprot.h"

/* Plan a query that has no parameters. */
#if PG_VERSION_NUM >= 190000
#define plan_query(query, text, options) pg_plan_query(query, text, options, NULL, NULL)
#else
#define plan_query(query, text, options) pg_plan_query(query, text, options, NULL)
#endif

#include "storage/bufmgr.h"

/* Until 16 rows could be removed that a very old snapshot still sees. */
#if PG_VERSION_NUM >= 170000
#define check_old_snapshot(rel, page) ((void) 0)
#else
#define check_old_snapshot(rel, page) \
	TestForOldSnapshot(GetActiveSnapshot(), rel, page)
#endif

#include "utils/timestamp.h"

/* Intervals without end came with 17. */
#if PG_VERSION_NUM >= 170000
#define interval_is_infinite(interval) INTERVAL_NOT_FINITE(interval)
#else
#define interval_is_infinite(interval) false
#endif

#include "storage/proc.h"

/* The number of this process among those of the server. */
#if PG_VERSION_NUM >= 170000
#define own_proc_number() (MyProcNumber)
#else
#define own_proc_number() (MyProc->pgprocno)
#endif

/*
 * Memory that all processes share under a name.  Until 16 there was none to be
 * had once the server runs.
 */
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#define SHARED_MEMORY_ON_DEMAND true
#if PG_VERSION_NUM >= 190000
static inline void
init_shared_memory(void *memory, void *init)
{
	(*(void (**) (void *)) init) (memory);
}
#endif
static inline void *
demand_shared_memory(const char *name, Size size, void (*init) (void *memory))
{
	bool		found;

#if PG_VERSION_NUM >= 190000
	return GetNamedDSMSegment(name, size, init_shared_memory, &found, &init);
#else
	return GetNamedDSMSegment(name, size, init, &found);
#endif
}
#else
#define SHARED_MEMORY_ON_DEMAND false
#define demand_shared_memory(name, size, init) NULL
#endif

#include "utils/jsonb.h"

/* A jsonb that grows.  Until 18 each step returned it as far as it was. */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState JsonbBuilder;
#define push_jsonb(builder, token, value) pushJsonbValue(builder, token, value)
#else
typedef struct JsonbBuilder
{
	JsonbParseState *state;
	JsonbValue *result;
} JsonbBuilder;
static inline void
push_jsonb(JsonbBuilder *builder, JsonbIteratorToken token, JsonbValue *value)
{
	builder->result = pushJsonbValue(&builder->state, token, value);
}
#endif

#include "catalog/pg_type.h"
#include "utils/fmgrprotos.h"

/* Names of databases became a type in 19. */
#if PG_VERSION_NUM >= 190000
#define REGDATABASE_TYPE REGDATABASEOID
#define REGDATABASE_SEND regdatabasesend
#else
#define REGDATABASE_TYPE InvalidOid
#define REGDATABASE_SEND NULL
#endif

#include <openssl/evp.h>

/*
 * OpenSSL 3 looks an algorithm up each time it is named, unless it has been
 * fetched; before that, it was a constant.
 */
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#define fetch_sha256() EVP_MD_fetch(NULL, "SHA256", NULL)
#define free_sha256(algorithm) EVP_MD_free(algorithm)
#else
#define fetch_sha256() unconstify(EVP_MD *, EVP_sha256())
#define free_sha256(algorithm) ((void) (algorithm))
#endif

#endif							/* DELTAETL_COMPAT_H */
