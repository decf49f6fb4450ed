/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Settings that the text of values depends on, pinned for a while.
 *
 * What a value is as text must not depend on who asks.  Only the settings that
 * differ are touched, so that pinning them again costs next to nothing.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "settings.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/xml.h"

#define PINNED_SEARCH_PATH "pg_catalog, pg_temp"
#define PINNED_TIME_ZONE "UTC"

/* Pin one setting unless it has its value; the first opens a nesting level. */
static void
pin_setting(int *nestlevel, bool is_pinned, const char *name, const char *value)
{
	if (is_pinned)
		return;
	if (*nestlevel == 0)
		*nestlevel = NewGUCNestLevel();
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Pin the settings; those that say which names need a schema only if asked
 * for, as functions of users that are called meanwhile may rely on them.
 * Returns what deltaetl_unpin_settings() takes.
 */
int
deltaetl_pin_settings(bool with_names)
{
	int			nestlevel = 0;

	pin_setting(&nestlevel, DateStyle == USE_ISO_DATES && DateOrder == DATEORDER_YMD,
				"datestyle", "ISO, YMD");
	pin_setting(&nestlevel, IntervalStyle == INTSTYLE_POSTGRES,
				"intervalstyle", "postgres");
	pin_setting(&nestlevel,
				strcmp(pg_get_timezone_name(session_timezone), PINNED_TIME_ZONE) == 0,
				"timezone", PINNED_TIME_ZONE);
	pin_setting(&nestlevel, extra_float_digits == 1, "extra_float_digits", "1");
	pin_setting(&nestlevel, bytea_output == BYTEA_OUTPUT_HEX, "bytea_output", "hex");
	pin_setting(&nestlevel, strcmp(GetConfigOption("lc_monetary", false, false), "C") == 0, "lc_monetary", "C");
	pin_setting(&nestlevel, xmloption == XMLOPTION_CONTENT, "xmloption", "content");
	pin_setting(&nestlevel, Array_nulls, "array_nulls", "on");
	if (!with_names)
		return nestlevel;
	pin_setting(&nestlevel, strcmp(namespace_search_path, PINNED_SEARCH_PATH) == 0,
				"search_path", PINNED_SEARCH_PATH);
	pin_setting(&nestlevel, !quote_all_identifiers, "quote_all_identifiers", "off");
	return nestlevel;
}

void
deltaetl_unpin_settings(int nestlevel)
{
	if (nestlevel > 0)
		AtEOXact_GUC(true, nestlevel);
}
