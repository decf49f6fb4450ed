/*-------------------------------------------------------------------------
 *
 * image_value.h
 *	  How values are shown in the image of a row; for image.c.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#ifndef DELTAETL_IMAGE_VALUE_H
#define DELTAETL_IMAGE_VALUE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "utils/jsonb.h"

typedef struct ValueImager ValueImager;
typedef struct RowShape RowShape;

/*
 * Shows a value that is not NULL in the current memory context, as to_jsonb()
 * would; returns whether the value can be had back from that: what is shown is
 * the output of its type, as a string or a number, or a boolean.
 */
typedef bool (*ShowFunction) (ValueImager *imager, Datum value,
							  JsonbValue *shown);

struct ValueImager
{
	const char *column;			/* that it is of, for messages */
	Oid			type;			/* no domain */
	ShowFunction show;
	FmgrInfo	output;			/* gives the text that the value can be had
								 * back from */
	FmgrInfo	function;		/* what is shown, if that is something else */
	bool		needs_settings; /* what is made of it depends on them */
	bool		reads_settings; /* what its text is read as depends on them */
	bool		needs_names;	/* on those for names too */
	ValueImager *element;		/* of an array */
	int16		typlen;			/* of the element */
	bool		typbyval;
	char		typalign;
	RowShape   *row;			/* of a composite */
};

/* The columns of a row, in the order that jsonb has keys in. */
struct RowShape
{
	TupleDesc	desc;
	int			ncolumns;
	int		   *places;			/* of each in a row */
	ValueImager *columns;
	JsonbPair  *pairs;			/* with names and no values */
};

/* image_scalar.c */
extern char *deltaetl_value_text(ValueImager *imager, Datum value);
extern void deltaetl_show_string(const ValueImager *imager, const char *string,
								 Size len, JsonbValue *shown);
extern bool deltaetl_output_is_plain(PGFunction output);
extern void deltaetl_scalar_imager_init(ValueImager *imager);

/* image_value.c */
extern void deltaetl_value_imager_init(ValueImager *imager, Oid type,
									   const char *column);
extern RowShape *deltaetl_row_shape_create(TupleDesc desc, const bool *include);

#endif							/* DELTAETL_IMAGE_VALUE_H */
