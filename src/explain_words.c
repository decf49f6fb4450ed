/*-------------------------------------------------------------------------
 *
 * explain_words.c
 *	  Lines of an explanation, and words for what keeps a run from a faster way.
 *
 * Copyright (c) 2026, deltaetl maintainers
 *
 *-------------------------------------------------------------------------
 */
#include "explain.h"

#include "utils/builtins.h"

/* As far as a level is indented. */
#define INDENT 2

/* As wide as a line of a statement becomes, if it has spaces to break it at. */
#define STATEMENT_WIDTH 90

static void
put_row(const Explanation *explanation, const char *line, int length)
{
	Datum		value = PointerGetDatum(cstring_to_text_with_len(line, length));
	bool		isnull = false;

	tuplestore_putvalues(explanation->result->setResult,
						 explanation->result->setDesc, &value, &isnull);
}

/*
 * Add a line.  Where the text has line breaks, as a scope may have, what
 * follows is indented below it, a row of the result for each line.
 */
void
deltaetl_explain_line(const Explanation *explanation, int level,
					  const char *format,...)
{
	StringInfoData text;
	StringInfoData line;
	int			needed = 1;

	initStringInfo(&text);
	while (needed > 0)
	{
		va_list		args;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&text, needed);
	}

	initStringInfo(&line);
	for (char *next = text.data; next != NULL;)
	{
		char	   *this = next;

		next = strchr(this, '\n');
		if (next != NULL)
			*next++ = '\0';
		resetStringInfo(&line);
		appendStringInfoSpaces(&line, (this > text.data ? level + 1 : level) *INDENT);
		appendStringInfoString(&line, this);
		put_row(explanation, line.data, line.len);
	}
	pfree(text.data);
	pfree(line.data);
}

/* The line from a position on, if it is long, ends at the last space before. */
static int
break_line(char *text, int start, int space, int end)
{
	if (end - start <= STATEMENT_WIDTH || space <= start)
		return start;
	text[		space] = '\n';

	return space + 1;
}

/*
 * Break lines of a statement, but not within a name, a string or the scope,
 * which may be any SQL.  The scope ends with a line break.
 */
static char *
wrap_statement(const char *statement, const char *scope)
{
	char	   *text = pstrdup(statement);
	const char *fixed = scope ? strstr(text, psprintf("(%s\n)", scope)) : NULL;
	char		quote = '\0';
	int			start = 0;
	int			space = 0;
	int			i;

	for (i = 0; text[i] != '\0'; i++)
	{
		if (text +i == fixed)
		{
			(void) break_line(text, start, space, i);
			i += strlen(scope) + strlen("(");
			start = i + 1;
		}
		else if (quote == '\0' && text[i] == ' ')
		{
			start = break_line(text, start, space, i);
			space = i;
		}
		else if (quote == '\0' ? text[i] == '"' || text[i] == '\'' : text[i] == quote)
			quote = quote == '\0' ? text[i] : '\0';
	}
	(void) break_line(text, start, space, i);
	return text;
}

/* Add a statement, with lines that are not too long. */
void
deltaetl_explain_statement(const Explanation *explanation, int level,
						   const char *statement)
{
	deltaetl_explain_line(explanation, level, "%s",
						  wrap_statement(statement, explanation->mapping->scope));
}

/* What is in the way, before and after its name. */
static const char *const words[][2] = {
	[NO_OBSTACLE] = {"nothing is in the way"},
	[OBSTACLE_SETTING] = {"deltaetl.detection is set to ", ""},

	[OBSTACLE_VIEW] = {"", " is a view, whose rows have no position to come back to"},
	[OBSTACLE_FOREIGN_TABLE] = {"", " is a foreign table"},
	[OBSTACLE_FOREIGN_PART] = {"a part of ", " is a foreign table"},
	[OBSTACLE_ELSEWHERE] = {"", " is a distributed or reference table"},
	[OBSTACLE_PARTITIONED] = {"", " is partitioned"},
	[OBSTACLE_CHILDREN] = {"", " has children"},
	[OBSTACLE_TRIGGERS] = {"", " has triggers"},
	[OBSTACLE_ROW_SECURITY] = {"row security of ", " holds for the current user"},
	[OBSTACLE_ACCESS_METHOD] = {"", " is not stored as a heap"},
	[OBSTACLE_VIRTUAL] = {"", " has generated columns that are not stored"},
	[OBSTACLE_PRIVILEGE] = {"the current user may not SELECT all of ", ""},
	[OBSTACLE_LAYOUT] = {"the columns of ", " are not the same in the same places"},
	[OBSTACLE_NO_TABLE] = {"", " has no partitions"},
	[OBSTACLE_MANY_TABLES] = {"there are more partitions or children than a run can number"},

	[OBSTACLE_RESERVED_NAME] = {"the name of column ", " is reserved"},
	[OBSTACLE_KEY_BYTES] = {"equal values of key column ", " may differ in their bytes"},
	[OBSTACLE_RECAST] = {"values of column ", " are assigned to another type"},
	[OBSTACLE_NOT_MAPPED] = {"column ", " does not come from the source"},
	[OBSTACLE_NULLABLE] = {"column ", " may be NULL"},
	[OBSTACLE_PARTITION_KEY] = {"column ", " says which partition a row belongs to"},
	[OBSTACLE_COLLATION] = {"in key column ", " more values are equal than in a unique index"},

	[OBSTACLE_NOT_TRACKED] = {"", " is not tracked"},
	[OBSTACLE_HASH_PRIVILEGE] = {"the current user may not read the stored hash of ", ""},
	[OBSTACLE_HASH_LACKS] = {"it leaves out column ", ", which is compared"},
	[OBSTACLE_HASH_HAS] = {"it covers column ", ", which is not compared"},
	[OBSTACLE_HASH_REPEATS] = {"it covers a column twice"},
	[OBSTACLE_OTHER_HASH] = {"", " has no such generated column"},
	[OBSTACLE_HASH_BELIEVED] = {"column ", " of the source is believed, and equal keys may differ in their bytes"},
	[OBSTACLE_ALGORITHM] = {"its algorithm is ", ", not sha256"},
	[OBSTACLE_NOT_LAST] = {"it is not the last column of ", ""},

	[OBSTACLE_BELIEF] = {"column ", " of the source is believed"},
	[OBSTACLE_BUCKET_WIDTH] = {"the key has more columns than a function takes arguments"},
	[OBSTACLE_NOT_SENT] = {"its foreign-data wrapper has nothing computed on the server of ", "; with postgres_fdw, option extensions of the server has to name deltaetl"},
	[OBSTACLE_COLUMN_NOT_SENT] = {"column ", " is not hashed on its server, as its type is not known to be the same there"},
	[OBSTACLE_SCOPE_NOT_SENT] = {"the scope cannot be evaluated on the server of ", ""},
	[OBSTACLE_SUMS_NOT_SENT] = {"hashes cannot be added up on the server of ", ""},
	[OBSTACLE_SERVER] = {"asking for the types of ", ""},

	[OBSTACLE_KEY_WIDTH] = {"the key has more columns than a fingerprint takes"},
	[OBSTACLE_LOAD] = {"the target is empty"},
	[OBSTACLE_ROW_LOCKS] = {"others may write meanwhile (lock_mode => 'row')"},
	[OBSTACLE_SNAPSHOT] = {"the snapshot of the transaction may be older than indexes and constraints"},
	[OBSTACLE_SCOPE] = {"the scope could see what the run has written"},
	[OBSTACLE_DEFERRABLE] = {"index ", " is deferrable"},
	[OBSTACLE_NO_INDEX] = {"no unique index rules duplicates out"},
	[OBSTACLE_BY_VALUE] = {"the rows of the source are not read again by their position"},
	[OBSTACLE_DELETE] = {"deletes always are"},

	[OBSTACLE_STORED_COLUMNS] = {"", " has generated columns"},
	[OBSTACLE_OLD_ROWS] = {"the change log needs the rows as they were"},
	[OBSTACLE_KEY_NOT_SENT] = {"the foreign-data wrapper of ", " does not send conditions on its key"},
	[OBSTACLE_VALUE_NOT_SENT] = {"the foreign-data wrapper does not send values of column ", " as parameters"}
};

StaticAssertDecl(lengthof(words) == OBSTACLE_KINDS, "an obstacle has no words");

/* What is in the way, as it follows on "because". */
const char *
deltaetl_say_obstacle(Obstacle obstacle)
{
	const char *const *said = words[obstacle.kind];
	const char *text = said[1] == NULL ? said[0] :
	psprintf("%s%s%s", said[0], obstacle.name, said[1]);

	if (obstacle.attnum > 0)
		text = psprintf("%s, from attribute number %d on", text, obstacle.attnum);
	return text;
}

/* "a, b, c" */
const char *
deltaetl_say_list(List *phrases)
{
	StringInfo	buf = makeStringInfo();
	ListCell   *cell;

	foreach(cell, phrases)
		appendStringInfo(buf, "%s%s", buf->len > 0 ? ", " : "",
						 (const char *) lfirst(cell));
	return buf->data;
}
