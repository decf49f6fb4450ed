/*-------------------------------------------------------------------------
 *
 * execute.c
 *	  What those who run queries share, through SPI or without it.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "execute.h"

#include "catalog/namespace.h"
#include "nodes/makefuncs.h"

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;

	if (receiver->callback != NULL)
		receiver->callback(slot, receiver->arg);
	return true;
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receiver_shutdown(DestReceiver *self)
{
}

RowReceiver
deltaetl_receiver(RowCallback callback, void *arg)
{
	RowReceiver receiver = {.callback = callback,.arg = arg};

	receiver.pub.receiveSlot = receive_row;
	receiver.pub.rStartup = receiver_startup;
	receiver.pub.rShutdown = receiver_shutdown;
	receiver.pub.rDestroy = receiver_shutdown;
	receiver.pub.mydest = DestTuplestore;
	return receiver;
}

/* A tuplestore as a table that queries can be let see. */
EphemeralNamedRelation
deltaetl_named_relation(const char *name, TupleDesc desc, Tuplestorestate *rows,
						uint64 count)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));

	relation->md.name = pstrdup(name);
	relation->md.reliddesc = InvalidOid;
	relation->md.tupdesc = desc;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = (double) count;
	relation->reldata = rows;
	return relation;
}

/*
 * Locks keep relations from being renamed, but not their schemas; so after the
 * names in a query have been looked up it is made sure that they still mean
 * the relations that are locked.
 */
void
deltaetl_check_name(const MappingSide *side)
{
	RangeVar   *name;

	if (!side->exists)
		return;
	name = makeRangeVar(side->schema, side->name, -1);
	if (RangeVarGetRelid(name, NoLock, true) != side->relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("schema \"%s\" has been renamed during the run",
						side->schema),
				 errhint("Try again.")));
}
