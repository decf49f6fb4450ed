-- Tables of about the same layout: values that are stored in several ways, and
-- columns that are only almost the same on both sides.
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

-- arrays with a bitmap that tells of no NULL, and of another dimension
CREATE TABLE s (id int PRIMARY KEY, a int[], b text[]);
CREATE TABLE t (LIKE s INCLUDING ALL);
INSERT INTO s VALUES (1, '{1,2}', '{a,b}'), (2, '{1,2}', '{a,b}'), (3, '{1,NULL}', '{NULL}'), (4, '{}', '[0:1]={a,b}'), (5, '{{1,2}}', '{}');
INSERT INTO t SELECT * FROM s;
UPDATE t SET a = '{1,NULL}', b = '{a,NULL}' WHERE id = 1;
UPDATE t SET a[2] = 2, b[2] = 'b' WHERE id = 1;
UPDATE t SET a = '{1,0}' WHERE id = 3;
UPDATE t SET b = '{a,b}' WHERE id = 4;
UPDATE t SET a = '{{1},{2}}' WHERE id = 5;
SELECT pg_column_size(s.a) <> pg_column_size(t.a) AS other_bytes FROM s JOIN t USING (id) WHERE id = 1;
SELECT * FROM check_sync('id, a, b');
DROP TABLE s, t;

-- numbers that are equal and print differently, or are not and print alike
CREATE TABLE s (id int PRIMARY KEY, f float8, n numeric, r real, i interval, c char(3));
CREATE TABLE t (LIKE s INCLUDING ALL);
INSERT INTO s VALUES (1, '-0', 1.0, '-0', '24:00', 'a'), (2, 'NaN', 'NaN', 'NaN', '1 day', 'a'), (3, 1, 1.00, 1, '1 mon', 'a');
INSERT INTO s SELECT id + 3, f, n, r, i, c FROM s;
INSERT INTO t VALUES (1, '0', 1.0, '-0', '24:00', 'a '), (2, - 'NaN'::float8, 'NaN', - 'NaN'::real, '1 day', 'a  '), (3, 1, 1.00, 1, '1 mon', 'a'),
	(4, '-0', 1.0, '0', '24:00', 'a'), (5, 'NaN', 'NaN', 'NaN', '24:00', 'a'), (6, 1, 1.000, 1, '30 days', 'a');
SELECT * FROM check_sync('id, f, n, r, i, c');
DROP TABLE s, t;

-- labels of an enum with new names, a composite type with a new attribute
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN short AS varchar(4);
CREATE TABLE s (id int PRIMARY KEY, m mood, p pair, d short, j jsonb);
CREATE TABLE t (LIKE s INCLUDING ALL);
INSERT INTO s VALUES (1, 'sad', '(1,x)', 'a', '{"a": 1.0}'), (2, 'ok', '(2,y)', 'b', '{}'), (3, NULL, '(,)', NULL, 'null'), (4, 'ok', NULL, '', NULL);
INSERT INTO t SELECT * FROM s;
ALTER TYPE mood RENAME VALUE 'sad' TO 'low';
ALTER TYPE pair ADD ATTRIBUTE c int;
UPDATE s SET p.b = (p).b WHERE id < 3;
UPDATE t SET m = 'happy', j = '{"a": 1.00}' WHERE id = 2;
UPDATE t SET p = '(,,)' WHERE id = 4;
SELECT * FROM check_sync('id, m, p, d, j');
DROP TABLE s, t;
DROP DOMAIN short;
DROP TYPE mood, pair;

-- generated columns do not count, of the same expression, another, or none
CREATE TABLE s (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a + 1) STORED, b text);
CREATE TABLE t (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a + 1) STORED, b text);
INSERT INTO s VALUES (1, 1, DEFAULT, 'x'), (2, 2, DEFAULT, 'y'), (3, 3, DEFAULT, NULL), (4, NULL, DEFAULT, NULL);
INSERT INTO t (id, a, b) SELECT id, a * (CASE id WHEN 2 THEN 10 ELSE 1 END), b FROM s;
SELECT * FROM check_sync('id, a, b');
ALTER TABLE t DROP g, DROP b, ADD g int GENERATED ALWAYS AS (a * 100) STORED, ADD b text;
ALTER TABLE s DROP g, DROP b, ADD g int GENERATED ALWAYS AS (a - 100) STORED, ADD b text;
UPDATE s SET a = 7 WHERE id = 3;
SELECT * FROM check_sync('id, a, b');
SELECT count(*) AS generated, count(*) FILTER (WHERE g IS NOT DISTINCT FROM a * 100) AS good FROM t;
ALTER TABLE s ALTER g DROP EXPRESSION;
UPDATE s SET a = 8, g = -1 WHERE id = 3;
SELECT * FROM check_sync('id, a, b');
ALTER TABLE t ALTER g DROP EXPRESSION;
SELECT * FROM check_sync('id, a, b, g');
DROP TABLE s, t;

-- columns of the same name and another length or precision, or place
CREATE TABLE s (id int PRIMARY KEY, v varchar(9), n numeric(8,3), ts timestamptz(6), b varbit(8));
CREATE TABLE t (id int PRIMARY KEY, v varchar(5), n numeric(8,2), ts timestamptz(0), b varbit(4));
INSERT INTO s VALUES (1, 'abc', 1.501, '2026-01-01 00:00:00.4+00', '101'), (2, 'ab   ', 2.5, '2026-01-01 00:00:00.6+00', '1'), (3, 'x', NULL, NULL, NULL);
INSERT INTO t VALUES (1, 'abc', 1.5, '2026-01-01 00:00:00+00', '101'), (2, 'ab', 2.5, '2026-01-01 00:00:01+00', '1'), (4, '', 0, NULL, NULL);
SELECT * FROM check_sync('id, v, n, ts, b', 'id, v::varchar(5), n::numeric(8,2), ts::timestamptz(0), b::varbit(4)');
DROP TABLE s, t;
CREATE TABLE s (a text, id int PRIMARY KEY, b text);
CREATE TABLE t (a text, b text, id int PRIMARY KEY);
INSERT INTO s VALUES ('x', 1, 'y'), ('y', 2, 'x');
INSERT INTO t VALUES ('x', 'y', 1), ('x', 'y', 2);
SELECT * FROM check_sync('id, a, b');
DROP TABLE s, t;

-- partitions: all as the source is laid out, and one that is not
CREATE TABLE s (id int, a text, b int);
CREATE TABLE t (id int PRIMARY KEY, a text, b int) PARTITION BY RANGE (id);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100);
CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (100) TO (200);
INSERT INTO s SELECT i, 'a' || i, i FROM generate_series(0, 180, 20) AS i;
INSERT INTO t SELECT id, a, b + (id % 100) / 60 FROM s WHERE id <> 40;
INSERT INTO t VALUES (41, 'a', 1), (141, 'a', 1);
SELECT * FROM check_sync('id, a, b');
CREATE TABLE t3 (b int, gone int, a text, id int NOT NULL);
ALTER TABLE t3 DROP gone;
ALTER TABLE t ATTACH PARTITION t3 FOR VALUES FROM (200) TO (300);
INSERT INTO s SELECT id + 200, a, b FROM s WHERE id < 100;
INSERT INTO t SELECT id, a, b + (id % 100) / 60 FROM s WHERE id >= 200;
UPDATE s SET a = a || 'x' WHERE id IN (20, 120, 220);
SELECT * FROM check_sync('id, a, b');
-- the other way round, a partitioned source
ALTER TABLE s ADD PRIMARY KEY (id);
ALTER TABLE s RENAME TO other;
ALTER TABLE t RENAME TO s;
ALTER TABLE other RENAME TO t;
UPDATE t SET b = 0 WHERE id IN (0, 20, 140, 240);
DELETE FROM s WHERE id = 260;
SELECT * FROM check_sync('id, a, b');
DROP TABLE s, t;
DROP FUNCTION check_sync, rows_written;
