/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  Settings that the text of values depends on, pinned for a while.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_SETTINGS_H
#define DELTAETL_SETTINGS_H

#include "postgres.h"

extern int	deltaetl_pin_settings(bool with_names);
extern void deltaetl_unpin_settings(int nestlevel);

#endif							/* DELTAETL_SETTINGS_H */
