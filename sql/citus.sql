-- tables that Citus has distributed: here, its catalog says so, and the
-- statements run like any; sql/ in citus/ has tests on several nodes
BEGIN;
\set ON_ERROR_ROLLBACK on
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (
	logicalrelid regclass NOT NULL,
	partmethod "char" NOT NULL,
	partkey text,
	colocationid int NOT NULL,
	repmodel "char" NOT NULL);
CREATE SCHEMA "Odd ""schema";
SET search_path = "Odd ""schema", public;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE "T'arget" (
	part text NOT NULL, "c1" numeric NOT NULL, s date,
	n int, "we ird" varchar(5), a int[], m mood, j jsonb, twice int GENERATED ALWAYS AS (n * 2) STORED,
	PRIMARY KEY (part, "c1"));
CREATE TABLE "S""ource" (LIKE "T'arget");
ALTER TABLE "S""ource" ALTER n TYPE smallint;
INSERT INTO pg_catalog.pg_dist_partition VALUES
	('"T''arget"', 'h', '{VAR :varno 1 :varattno 1 :vartype 25}', 7, 's'),
	('"S""ource"', 'h', '{VAR :varno 1 :varattno 1 :vartype 25}', 7, 's');

INSERT INTO "T'arget"
SELECT 'p' || i % 5, i, DATE '2024-01-01' + i, NULLIF(i % 7, 0), 'w' || i, ARRAY[i, NULL], 'ok', jsonb_build_object('i', i)
FROM generate_series(1, 100) AS i;
INSERT INTO "S""ource"
SELECT 'p' || i % 5, i, DATE '2024-01-01' + i, NULLIF(i % 7, 0), CASE WHEN i % 10 > 0 THEN 'w' || i END, ARRAY[i, NULL],
	CASE WHEN i % 25 = 0 THEN 'sad' ELSE 'ok' END::mood, jsonb_build_object('i', i)
FROM generate_series(11, 120) AS i;

-- the same as in one join of both
CREATE VIEW differing AS
SELECT count(*) FILTER (WHERE t.part IS NULL) AS inserted,
	count(*) FILTER (WHERE s.part IS NOT NULL AND t.part IS NOT NULL) AS updated,
	count(*) FILTER (WHERE s.part IS NULL) AS deleted
FROM "S""ource" AS s FULL JOIN "T'arget" AS t USING (part, "c1")
WHERE (s.part, s.s, s.n, s."we ird", s.a, s.m, s.j) IS DISTINCT FROM (t.part, t.s, t.n, t."we ird", t.a, t.m, t.j);
TABLE differing;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('"S""ource"', '"T''arget"', deletes => 'delete', dry_run => true);
SELECT action, count(*), string_agg(DISTINCT changed_columns::text, ' ') FROM deltaetl_diff('"S""ource"', '"T''arget"')
GROUP BY action ORDER BY action;
SELECT action, key, new_row ->> 'we ird' AS weird FROM deltaetl_diff('"S""ource"', '"T''arget"', scope => 's < ''2024-01-22''')
ORDER BY action, (key ->> 'c1')::int LIMIT 13;

-- guards stop it before anything is written
SELECT deltaetl_sync('"S""ource"', '"T''arget"', deletes => 'delete', max_delete_pct => 9);
SELECT deltaetl_sync('"S""ource"', '"T''arget"', deletes => 'delete', max_delete_rows => 9);
SELECT deltaetl_sync('"S""ource"', '"T''arget"', max_update_pct => 1);
SELECT deltaetl_sync('"S""ource"', '"T''arget"', deletes => 'delete', scope => 'false');
SELECT deltaetl_sync('"S""ource"', '"T''arget"', scope => 'm = ''sad''');

-- it writes no row again that is the same
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('"S""ource"', '"T''arget"', scope => 's < ''2024-02-01''');
CREATE TEMP TABLE written_before AS SELECT ctid AS at, xmin AS by, part, c1 FROM "T'arget";
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('"S""ource"', '"T''arget"', deletes => 'delete', max_delete_pct => 50, max_delete_rows => 50, max_update_pct => 50);
TABLE differing;
SELECT count(*) FROM written_before AS b JOIN "T'arget" AS t ON t.ctid = b.at AND (t.part, t.c1) = (b.part, b.c1);
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('"S""ource"', '"T''arget"', deletes => 'delete');

-- keys that are equal but not in their bytes
UPDATE "S""ource" SET c1 = 100.00 WHERE c1 = 100;
SELECT inserted, updated, deleted FROM deltaetl_sync('"S""ource"', '"T''arget"');
SELECT c1 FROM "T'arget" WHERE c1 = 100;
SELECT inserted, updated, deleted FROM deltaetl_sync('"S""ource"', '"T''arget"');
-- but rows cannot be moved by what they are distributed by
UPDATE pg_catalog.pg_dist_partition SET partkey = '{VAR :varno 1 :varattno 2 :vartype 1700}';
UPDATE "S""ource" SET c1 = 100.0000 WHERE c1 = 100;
SELECT inserted, updated, deleted FROM deltaetl_sync('"S""ource"', '"T''arget"');
UPDATE "S""ource" SET n = 77 WHERE c1 = 100;
SELECT inserted, updated, deleted FROM deltaetl_sync('"S""ource"', '"T''arget"');
SELECT c1, n, twice FROM "T'arget" WHERE c1 = 100;

-- keys of the source that identify no row
ALTER TABLE "S""ource" ALTER part DROP NOT NULL;
INSERT INTO "S""ource" (part, c1) VALUES ('p0', 15), (NULL, 1);
SELECT deltaetl_sync('"S""ource"', '"T''arget"');
DELETE FROM "S""ource" WHERE part IS NULL;
SELECT deltaetl_sync('"S""ource"', '"T''arget"');
DELETE FROM "S""ource" WHERE c1 = 15;

-- what is said of it
SELECT deltaetl_explain('"S""ource"', '"T''arget"', columns => '{n}', deletes => 'delete');
SELECT deltaetl_explain('"S""ource"', '"T''arget"', columns => '{}', max_update_pct => 1, dry_run => true);

-- stored hashes
SELECT deltaetl_track('"T''arget"', hash_column => 'h');
DROP VIEW differing;
ALTER TABLE "S""ource" ALTER n TYPE int, ADD h bytea GENERATED ALWAYS AS (deltaetl_row_hash(part, "c1", a, j, m, n, s, "we ird")) STORED;
SELECT line FROM deltaetl_explain('"S""ource"', '"T''arget"') AS line WHERE line ~ 'Compared:|stored hash';
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('"S""ource"', '"T''arget"');
UPDATE pg_catalog.pg_dist_partition SET partkey = '{VAR :varno 1 :varattno 1 :vartype 25}';
SELECT line FROM deltaetl_explain('"S""ource"', '"T''arget"') AS line WHERE line ~ 'Compared:|differs';
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('"S""ource"', '"T''arget"', deletes => 'delete');
UPDATE "S""ource" SET "we ird" = 'new' WHERE c1 < 30;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('"S""ource"', '"T''arget"', deletes => 'delete');
SELECT count(*) FROM "S""ource" AS s FULL JOIN "T'arget" AS t USING (part, "c1") WHERE (s.part, s.h) IS DISTINCT FROM (t.part, t.h);
SELECT count(*) FROM deltaetl_verify('"T''arget"');
SELECT count(*) FROM deltaetl_hashes('"T''arget"') AS h JOIN "T'arget" AS t ON t.h = h.row_hash;
ROLLBACK;
