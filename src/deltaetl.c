/*-------------------------------------------------------------------------
 *
 * deltaetl.c
 *	  Module entry and settings.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "deltaetl.h"

#include "progress.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

int			deltaetl_detection = DETECT_AUTO;
bool		deltaetl_notify = false;
bool		deltaetl_progress_notices = false;

static const struct config_enum_entry detection_options[] = {
	{"auto", DETECT_AUTO, false},
	{"encoded", DETECT_ENCODED, false},
	{"join", DETECT_JOIN, false},
	{NULL, 0, false}
};

/* The prefix is ours: a misspelt setting under it is an error, not a wish. */
void
_PG_init(void)
{
	DefineCustomEnumVariable("deltaetl.detection",
							 "How deltaetl finds the rows that differ.",
							 "For developers: all ways find the same.",
							 &deltaetl_detection,
							 DETECT_AUTO, detection_options,
							 PGC_USERSET,
							 GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("deltaetl.notify",
							 "Whether each run is announced on channel \"deltaetl\" when it commits.",
							 "The payload is a JSON object with its number, status and counts.",
							 &deltaetl_notify,
							 false,
							 PGC_USERSET,
							 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("deltaetl.progress_notices",
							 "Tells how far long runs are, in notices.",
							 "At most one in a second, and none in the first two.",
							 &deltaetl_progress_notices,
							 false,
							 PGC_USERSET,
							 0,
							 NULL, NULL, NULL);
	MarkGUCPrefixReserved("deltaetl");
	deltaetl_slots_reserve();
}
