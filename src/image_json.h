/*-------------------------------------------------------------------------
 *
 * image_json.h
 *	  Whether jsonb can hold a value of type json.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_IMAGE_JSON_H
#define DELTAETL_IMAGE_JSON_H

#include "postgres.h"

extern bool deltaetl_json_fits_jsonb(const char *json);

#endif							/* DELTAETL_IMAGE_JSON_H */
