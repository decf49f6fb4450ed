/*-------------------------------------------------------------------------
 *
 * image_json.c
 *	  Whether jsonb can hold a value of type json.
 *
 * json keeps what it gets as long as its syntax is right.  jsonb takes no
 * character 0, no half of a surrogate pair and no number that numeric has no
 * room for, and raises an error, which nobody can catch cheaply in the middle
 * of a statement.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "image_json.h"

#include "mb/pg_wchar.h"

/* What is beyond these is not worth the risk. */
#define DEPTH_SHOWN 500
#define NUMBER_BYTES_SHOWN 1000
#define EXPONENT_SHOWN 1000
#define BYTES_SHOWN (16 * 1024 * 1024)

/* The code that the four digits of \u stand for. */
static unsigned int
escaped_code(const char *digits)
{
	char		copy[5];

	memcpy(copy, digits, 4);
	copy[4] = '\0';
	return (unsigned int) strtoul(copy, NULL, 16);
}

/* Whether a \u escape has a character in this database; skips it. */
static bool
escape_fits(const char **p)
{
	unsigned int code = escaped_code(*p + 2);
	unsigned int second;

	*p += 6;
	if (code == 0 || (code > 0x7F && GetDatabaseEncoding() != PG_UTF8))
		return false;
	if (is_utf16_surrogate_second(code))
		return false;
	if (!is_utf16_surrogate_first(code))
		return true;
	if ((*p)[0] != '\\' || (*p)[1] != 'u')
		return false;
	second = escaped_code(*p + 2);
	*p += 6;
	return is_utf16_surrogate_second(second);
}

/* The same of a string; skips it and its quotes. */
static bool
string_fits(const char **p)
{
	(*p)++;
	while (**p != '"')
	{
		if (**p != '\\')
			(*p)++;
		else if ((*p)[1] != 'u')
			*p += 2;
		else if (!escape_fits(p))
			return false;
	}
	(*p)++;
	return true;
}

static bool
number_fits(const char **p)
{
	Size		len = strspn(*p, "+-.0123456789eE");
	Size		mantissa = strspn(*p, "+-.0123456789");
	long		exponent = 0;

	if (mantissa < len)
		exponent = strtol(*p + mantissa + 1, NULL, 10);
	*p += len;
	return len <= NUMBER_BYTES_SHOWN && labs(exponent) <= EXPONENT_SHOWN;
}

/* Whether jsonb has a value for the text of a json value, which is valid. */
bool
deltaetl_json_fits_jsonb(const char *json)
{
	const char *p = json;
	int			depth = 0;

	if (strlen(json) > BYTES_SHOWN)
		return false;
	while (*p != '\0')
	{
		bool		fits = true;

		if (*p == '"')
			fits = string_fits(&p);
		else if (*p == '-' || (*p >= '0' && *p <= '9'))
			fits = number_fits(&p);
		else
		{
			if (*p == '[' || *p == '{')
				fits = ++depth <= DEPTH_SHOWN;
			if (*p == ']' || *p == '}')
				depth--;
			p++;
		}
		if (!fits)
			return false;
	}
	return true;
}
