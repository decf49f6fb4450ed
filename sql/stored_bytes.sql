-- Tables of the same layout, whose rows are compared as they are stored: rows
-- of equal values and other bytes are not written, others of equal bytes are.
SET extra_float_digits = 1;

CREATE FUNCTION rows_written(target regclass) RETURNS bigint LANGUAGE sql VOLATILE AS $$
SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid) +
	pg_stat_get_xact_tuples_deleted(oid))
FROM (SELECT target AS oid UNION SELECT relid FROM pg_partition_tree(target)) AS tables
$$;

-- Sync s to t, held against plain SQL, where rows are compared as text, and
-- against what was really written; and sync again, which writes nothing.
CREATE FUNCTION check_sync(columns text, source_columns text DEFAULT NULL,
	OUT inserted bigint, OUT updated bigint, OUT deleted bigint, OUT unchanged bigint, OUT wrong text)
LANGUAGE plpgsql AS $$
DECLARE
	source text := format('SELECT s.id, ROW(%s)::text AS row FROM s', coalesce(source_columns, columns));
	target text := format('SELECT t.id, ROW(%s)::text AS row FROM t', columns);
	expected bigint[];
	planned bigint[];
	got bigint[];
	again bigint[];
	before bigint := rows_written('t');
	written bigint;
	written_again bigint;
	different bigint;
BEGIN
	EXECUTE format('SELECT ARRAY[count(*) FILTER (WHERE t.id IS NULL), count(*) FILTER (WHERE s.row <> t.row),
		count(*) FILTER (WHERE s.id IS NULL), count(*) FILTER (WHERE s.row = t.row)]
		FROM (%s) AS s FULL JOIN (%s) AS t USING (id)', source, target) INTO expected;
	SELECT ARRAY[count(*) FILTER (WHERE action = 'insert'), count(*) FILTER (WHERE action = 'update'),
		count(*) FILTER (WHERE action = 'delete')] INTO planned FROM deltaetl_diff('s', 't');
	SELECT ARRAY[d.inserted, d.updated, d.deleted, d.unchanged] INTO got
	FROM deltaetl_sync('s', 't', deletes => 'delete') AS d;
	written := rows_written('t') - before;
	SELECT ARRAY[d.inserted, d.updated, d.deleted, d.unchanged] INTO again
	FROM deltaetl_sync('s', 't', deletes => 'delete') AS d;
	written_again := rows_written('t') - before - written;
	EXECUTE format('SELECT count(*) FROM ((%s EXCEPT ALL %s) UNION ALL (%2$s EXCEPT ALL %1$s)) AS d',
		source, target) INTO different;
	IF got <> expected OR planned <> got[1:3] OR written <> got[1] + got[2] + got[3]
		OR again <> ARRAY[0, 0, 0, got[1] + got[2] + got[4]] OR written_again <> 0 OR different <> 0 THEN
		wrong := format('expected %s, planned %s, written %s, then %s, written %s, %s rows differ',
			expected, planned, written, again, written_again, different);
	END IF;
	SELECT got[1], got[2], got[3], got[4] INTO inserted, updated, deleted, unchanged;
END $$;

-- columns added later: equal bytes, other defaults; then equal values
CREATE TABLE s (id int PRIMARY KEY, a text);
CREATE TABLE t (LIKE s INCLUDING ALL);
INSERT INTO s VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
INSERT INTO t SELECT * FROM s;
ALTER TABLE s ADD b int DEFAULT 1, ADD c text;
ALTER TABLE t ADD b int DEFAULT 2, ADD c text;
SELECT deltaetl_row_hash(s) = deltaetl_row_hash(t) AS equal, * FROM s JOIN t USING (id) WHERE id = 1;
SELECT * FROM check_sync('id, a, b, c');
ALTER TABLE s ADD d text DEFAULT 'same', ADD e int[] DEFAULT '{1,NULL}';
ALTER TABLE t ADD d text DEFAULT 'same', ADD e int[] DEFAULT '{1,NULL}';
UPDATE s SET a = a WHERE id IN (1, 2);
UPDATE t SET a = a WHERE id IN (2, 3);
SELECT * FROM check_sync('id, a, b, c, d, e');
ALTER TABLE s ALTER d SET DEFAULT 'other', ADD f numeric DEFAULT 1.50;
ALTER TABLE t ADD f numeric DEFAULT 1.5;
INSERT INTO t (id, a, f) VALUES (5, 'e', 1.50);
UPDATE s SET f = 1.5 WHERE id = 4;
INSERT INTO s (id, a, f) VALUES (6, 'f', NULL);
SELECT * FROM check_sync('id, a, b, c, d, e, f');

-- columns dropped: what is left of them does not count; on one side only
ALTER TABLE s ADD gone int DEFAULT 7, ADD last text DEFAULT 'x';
ALTER TABLE t ADD gone date DEFAULT '2026-01-01', ADD last text DEFAULT 'x';
UPDATE s SET gone = id WHERE id <> 2;
UPDATE t SET gone = NULL WHERE id = 3;
ALTER TABLE s DROP gone;
ALTER TABLE t DROP gone;
SELECT * FROM check_sync('id, a, b, c, d, e, f, last');
UPDATE s SET a = a;
UPDATE s SET last = 'y' WHERE id = 2;
SELECT * FROM check_sync('id, a, b, c, d, e, f, last');
ALTER TABLE s DROP b;
ALTER TABLE t DROP b, ADD b int, ADD g int;
ALTER TABLE s ADD b int;
UPDATE s SET b = 8 WHERE id = 1;
SELECT * FROM check_sync('id, a, c, d, e, f, last, b');
DROP TABLE s, t;

-- dropped columns of other types, so that equal bytes are other values
CREATE TABLE s (id int PRIMARY KEY, gone text, a text);
CREATE TABLE t (id int PRIMARY KEY, gone int, a text);
INSERT INTO s VALUES (1, 'x', E'A\tBCD'), (2, 'x', 'same');
INSERT INTO t VALUES (1, x'410d7805'::int, 'BCD'), (2, 0, 'same');	-- in little-endian order
ALTER TABLE s DROP gone;
ALTER TABLE t DROP gone;
SELECT * FROM check_sync('id, a');
DROP TABLE s, t;

-- one value in four ways of storing it: compressed, out of line, neither
CREATE TABLE s (id int PRIMARY KEY, a text COMPRESSION pglz, b text) WITH (autovacuum_enabled = off);
CREATE TABLE t (LIKE s INCLUDING ALL);
INSERT INTO s SELECT i, repeat('ab' || i, 1000 * (i % 3)), 'b' FROM generate_series(1, 9) AS i;
SELECT count(*) FILTER (WHERE pg_column_size(a) < octet_length(a)) AS compressed FROM s;
DO $$
DECLARE
	storage text;
	got record;
BEGIN
	FOREACH storage IN ARRAY '{external, main, plain, extended}'::text[] LOOP
		EXECUTE format('ALTER TABLE t ALTER a SET STORAGE %s, ALTER b SET STORAGE PLAIN', storage);
		TRUNCATE t;
		INSERT INTO t SELECT id, a || '', b FROM s;
		UPDATE t SET b = 'changed' WHERE id IN (2, 3);
		UPDATE t SET a = overlay(a PLACING 'X' FROM 2) WHERE id IN (4, 6);
		SELECT * INTO got FROM check_sync('id, a, b');
		RAISE NOTICE '%: %, % compressed', storage, got,
			(SELECT count(*) FROM t WHERE pg_column_size(a) < octet_length(a));
		-- short values with a long header; and compressed by us into a plain column
		TRUNCATE t;
		INSERT INTO t SELECT * FROM s;
		SELECT * INTO got FROM check_sync('id, a, b');
		RAISE NOTICE '%: %', storage, got;
	END LOOP;
END $$;
DROP TABLE s, t;

-- NULLs: the same data under another bitmap, also of more than a byte
CREATE TABLE s (id int PRIMARY KEY, a int, b int, c text, d int, e int, f int, g int, h int, i int);
CREATE TABLE t (LIKE s INCLUDING ALL);
INSERT INTO s (id, a, b, c) VALUES (1, 5, NULL, NULL), (2, NULL, 5, NULL), (3, NULL, NULL, ''), (6, NULL, NULL, NULL);
INSERT INTO s VALUES (4, 1, 2, '', 4, 5, 6, 7, 8, 9), (5, 1, 2, 'x', 4, 5, 6, 7, 8, NULL);
INSERT INTO t (id, a, b) VALUES (1, NULL, 5), (2, NULL, 5), (3, NULL, NULL), (6, NULL, NULL);
INSERT INTO t VALUES (4, 1, 2, '', 4, 5, 6, 7, NULL, 8), (5, 1, 2, 'x', 4, 5, 6, 7, 8, NULL);
SELECT * FROM check_sync('id, a, b, c, d, e, f, g, h, i');
-- updated, rolled back and locked rows are what they were
DO 'BEGIN FOR i IN 1 .. 40 LOOP UPDATE t SET a = a + 1; UPDATE t SET a = a - 1; END LOOP; END';
BEGIN;
UPDATE s SET d = 99;
ROLLBACK;
BEGIN;
SELECT count(*) FROM (SELECT FROM s FOR UPDATE) AS locked;
SELECT * FROM check_sync('id, a, b, c, d, e, f, g, h, i');
COMMIT;
DROP TABLE s, t;
DROP FUNCTION check_sync, rows_written;
