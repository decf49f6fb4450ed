-- Rows are found by the key of the run, with its own equality, and written by
-- the statements of a sync.
\set SHOW_CONTEXT never
\set sync 'SELECT run_id AS run, inserted, updated, deleted FROM deltaetl_sync(''staging'', ''target'', deletes => ''delete'', log_changes => ''rows'')'
\set revert 'SELECT run_id AS back, inserted, updated, deleted, skipped FROM deltaetl_revert(:run)'
\set differ '(SELECT b::text FROM before b EXCEPT ALL SELECT t::text FROM target t) UNION ALL (SELECT t::text FROM target t EXCEPT ALL SELECT b::text FROM before b)'

-- equal keys with other bytes, several columns, NULLs that match
SET client_min_messages = warning;
CREATE EXTENSION citext;
RESET client_min_messages;
CREATE TABLE target (n numeric, c citext, a numeric[], v int, UNIQUE NULLS NOT DISTINCT (n, c, a));
CREATE TABLE staging (LIKE target);
INSERT INTO target VALUES (1.0, 'One', '{1.0}', 1), (2, NULL, '{NULL}', 2), (NULL, NULL, NULL, 3), (4.0, 'four', '{}', 4), (5, 'five', NULL, 5);
INSERT INTO staging VALUES (1.00, 'ONE', '{1.00}', 1), (2, NULL, '{NULL}', 20), (NULL, NULL, NULL, NULL), (5, 'FIVE', NULL, 50), (6, 'six', '{6}', 6);
CREATE TABLE before AS TABLE target;
:sync \gset
\echo :inserted :updated :deleted
:revert \gset
\echo :inserted :updated :deleted :skipped
:differ;
SELECT inserted, updated, deleted, skipped FROM deltaetl_revert(:back);
(TABLE staging EXCEPT ALL TABLE target) UNION ALL (TABLE target EXCEPT ALL TABLE staging);
-- the key under which a row is now matches still, the row is another one
UPDATE target SET c = 'One' WHERE n = 1;
CREATE FUNCTION refused(run bigint, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deltaetl_revert(run);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
END $$;
SELECT refused(:run);
SELECT inserted, updated, deleted, skipped FROM deltaetl_revert(:run, 'skip');
DROP TABLE target, staging, before;
DROP EXTENSION citext;

-- not the primary key, and one that no index backs
CREATE TABLE target (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku text UNIQUE NOT NULL, qty int);
CREATE TABLE staging (sku text, qty int);
INSERT INTO target (sku, qty) VALUES ('a', 1), ('b', 2), ('c', 3);
INSERT INTO staging VALUES ('a', 10), ('c', 3), ('d', 4);
CREATE TABLE before AS TABLE target;
SELECT run_id AS run FROM deltaetl_sync('staging', 'target', '{sku}', deletes => 'delete', log_changes => 'rows') \gset
:revert \gset
\echo :inserted :updated :deleted :skipped
:differ;
ALTER TABLE target DROP CONSTRAINT target_sku_key;
SELECT run_id AS run FROM deltaetl_sync('staging', 'target', '{sku}', deletes => 'delete', log_changes => 'rows') \gset
:revert \gset
\echo :inserted :updated :deleted :skipped
:differ;
DROP TABLE target, staging, before;

-- unique values that change hands, of rows that refer to each other
CREATE TABLE target (id int PRIMARY KEY, code text UNIQUE DEFERRABLE, parent int REFERENCES target);
CREATE TABLE staging (LIKE target);
INSERT INTO target VALUES (1, 'a', NULL), (2, 'b', 1), (3, 'c', 2), (4, 'd', 3);
INSERT INTO staging VALUES (2, 'c', NULL), (3, 'b', 2), (5, 'a', 3), (4, 'd', 5);
CREATE TABLE before AS TABLE target;
:sync \gset
:revert \gset
\echo :inserted :updated :deleted :skipped
:differ;
SELECT inserted, updated, deleted, skipped FROM deltaetl_revert(:back);
(TABLE staging EXCEPT ALL TABLE target) UNION ALL (TABLE target EXCEPT ALL TABLE staging);
DROP TABLE target, staging, before;

-- partitions, between which rows move
CREATE TABLE target (id int, region text, v text) PARTITION BY LIST (region);
CREATE TABLE target_north PARTITION OF target FOR VALUES IN ('n');
CREATE TABLE target_south (v text, gone int, region text, id int);
ALTER TABLE target_south DROP COLUMN gone;
ALTER TABLE target ATTACH PARTITION target_south DEFAULT;
CREATE TABLE staging (LIKE target);
INSERT INTO target SELECT i, CASE WHEN i % 2 = 0 THEN 'n' ELSE 's' END, 'v' || i FROM generate_series(1, 20) AS i;
INSERT INTO staging SELECT i, CASE WHEN i % 3 = 0 THEN 'n' ELSE 's' END, 'v' || i FROM generate_series(5, 25) AS i;
CREATE TABLE before AS TABLE target;
SELECT run_id AS run FROM deltaetl_sync('staging', 'target', '{id}', deletes => 'delete', log_changes => 'rows') \gset
(TABLE staging EXCEPT ALL TABLE target) UNION ALL (TABLE target EXCEPT ALL TABLE staging);
:revert \gset
\echo :inserted :updated :deleted :skipped
:differ;
SELECT inserted, updated, deleted, skipped FROM deltaetl_revert(:back);
(TABLE staging EXCEPT ALL TABLE target) UNION ALL (TABLE target EXCEPT ALL TABLE staging);
DROP TABLE target, staging, before;

-- a hash that is stored, triggers, names that need quotes
CREATE SCHEMA "My shop";
CREATE TABLE "My shop"."Target ""1""" ("Id" int PRIMARY KEY, "select" text, "c1" int);
CREATE TABLE staging ("Id" int, "select" text, "c1" int);
INSERT INTO "My shop"."Target ""1""" VALUES (1, 'x', 1), (2, 'y', 2);
INSERT INTO staging VALUES (1, 'X', NULL), (3, 'z', 3);
SELECT deltaetl_track('"My shop"."Target ""1"""');
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_LEVEL = 'STATEMENT' THEN
		RAISE NOTICE '% % %', TG_WHEN, TG_OP, TG_LEVEL;
		RETURN NULL;
	ELSIF TG_OP = 'DELETE' THEN
		RETURN CASE WHEN old."Id" = 3 AND old.c1 = -3 THEN NULL ELSE old END;
	END IF;
	new.c1 := abs(new.c1) * CASE WHEN TG_OP = 'INSERT' THEN -1 ELSE 1 END;
	RETURN new;
END $$;
CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON "My shop"."Target ""1""" FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER noted AFTER INSERT OR UPDATE OR DELETE ON "My shop"."Target ""1""" FOR EACH STATEMENT EXECUTE FUNCTION note();
SELECT run_id AS run FROM deltaetl_sync('staging', '"My shop"."Target ""1"""', deletes => 'delete', log_changes => 'rows') \gset
SELECT "Id", "select", c1 FROM "My shop"."Target ""1""" ORDER BY 1;
-- what a trigger has made of a row is what the run has left; it may keep one
SELECT inserted, updated, deleted, skipped FROM deltaetl_revert(:run);
SELECT "Id", "select", c1, row_hash = deltaetl_row_hash("Id", c1, "select") AS hashed FROM "My shop"."Target ""1""" ORDER BY 1;
SET client_min_messages = warning;
DROP SCHEMA "My shop" CASCADE;
RESET client_min_messages;
DROP TABLE staging;
DROP FUNCTION note;

-- a trigger that gives a row the key of one that the run has deleted
CREATE TABLE target (id int PRIMARY KEY, v text);
CREATE TABLE staging AS SELECT 5 AS id, 'e' AS v;
INSERT INTO target VALUES (1, 'a');
CREATE FUNCTION rekey() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.id := 1; RETURN new; END';
CREATE TRIGGER rekey BEFORE INSERT ON target FOR EACH ROW WHEN (new.id = 5) EXECUTE FUNCTION rekey();
:sync \gset
TABLE target;
SELECT refused(:run);
DROP TABLE target, staging;
DROP FUNCTION rekey, refused;

-- more changes than fit into memory
CREATE TABLE target AS SELECT i AS id, repeat('x', 200) || i AS v FROM generate_series(1, 3000) AS i;
ALTER TABLE target ADD PRIMARY KEY (id);
CREATE TABLE staging AS SELECT id, v || 'y' AS v FROM target WHERE id % 3 > 0;
INSERT INTO staging SELECT i, 'new' FROM generate_series(5001, 5500) AS i;
CREATE TABLE before AS TABLE target;
SET work_mem = '64kB';
:sync \gset
:revert \gset
\echo :inserted :updated :deleted :skipped
:differ;
SELECT inserted, updated, deleted, skipped FROM deltaetl_revert(:run, 'skip');
DELETE FROM target WHERE id > 2990;
SELECT inserted, updated, deleted, skipped FROM deltaetl_revert(:back, 'skip');
RESET work_mem;
SELECT id FROM (TABLE staging EXCEPT ALL TABLE target) AS d ORDER BY 1;
SELECT id FROM (TABLE target EXCEPT ALL TABLE staging) AS d ORDER BY 1;
DROP TABLE target, staging, before;
