/*-------------------------------------------------------------------------
 *
 * image.h
 *	  Exact images of rows as jsonb, both ways.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_IMAGE_H
#define DELTAETL_IMAGE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "compare.h"
#include "utils/jsonb.h"

typedef struct RowImager RowImager;

extern RowImager *deltaetl_imager_create(TupleDesc desc, const bool *include);
extern Jsonb *deltaetl_image_make(RowImager *imager, RowValues row,
								  Jsonb **text);
extern void deltaetl_image_read(RowImager *imager, Jsonb *row, Jsonb *text,
								Datum *values, bool *isnull, bool *present);
extern void deltaetl_imager_free(RowImager *imager);

#endif							/* DELTAETL_IMAGE_H */
