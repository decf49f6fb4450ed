-- What a run would do, and why, without reading a row.
\set SHOW_CONTEXT never
SET deltaetl.detection = auto;
SET client_min_messages = warning;

-- all of it, as a user sees it
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(10,2), note text DEFAULT 'none', old int,
	total numeric GENERATED ALWAYS AS (price * 2) STORED);
CREATE TABLE staging (id int PRIMARY KEY, name text, price float8, note text, extra int);
SELECT deltaetl_explain('staging', 'products', exclude_columns => '{note}', deletes => 'delete', max_delete_pct => 10);
\pset format unaligned
\pset tuples_only on
CREATE TABLE same (LIKE products INCLUDING ALL);
SELECT * FROM deltaetl_explain('same', 'products');

-- reads no rows: neither of tables nor of a view whose rows cannot be computed
CREATE FUNCTION fails(value int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''a row was read''; END';
CREATE VIEW failing AS SELECT fails(id) AS id, name FROM staging;
INSERT INTO products (id, name) VALUES (1, 'one');
INSERT INTO staging (id, name) VALUES (1, 'one');
ALTER TABLE products ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY failing ON products USING (fails(id) = 0);
CREATE FUNCTION lines(VARIADIC names text[]) RETURNS SETOF text LANGUAGE sql AS $$
SELECT line FROM deltaetl_explain(names[1]::regclass, 'products', deletes => 'delete', max_delete_rows => 5,
	max_update_pct => 2.5, log_changes => 'rows', if_running => 'skip', scope => names[2]) AS line
$$;
CREATE FUNCTION reads() RETURNS bigint LANGUAGE sql VOLATILE AS $$
SELECT sum(pg_stat_get_xact_numscans(oid) + pg_stat_get_xact_blocks_fetched(oid)) FROM pg_class
WHERE oid IN ('products'::regclass, 'products_pkey'::regclass, 'staging'::regclass, 'staging_pkey'::regclass)
$$;
BEGIN;
SELECT reads() AS before, last_value AS last_run FROM deltaetl_run_id_seq \gset
SELECT count(*) > 20 FROM lines('staging', 'fails(id) = 0');
SELECT count(*) > 20 FROM lines('failing', 'id > 0');
SELECT reads() - :before AS reads;
-- writes nothing, not even a run id, and takes no lock that anybody feels
SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid';
SELECT pg_current_xact_id_if_assigned() IS NULL, (SELECT last_value = :last_run FROM deltaetl_run_id_seq), (SELECT count(*) FROM deltaetl_run_log WHERE target::text = 'products');
COMMIT;
BEGIN READ ONLY;
SELECT deltaetl_explain('staging', 'products', dry_run => true, log_changes => 'keys');
ROLLBACK;

-- keys: why they are the key, what of them is proved
CREATE FUNCTION keys(source regclass, target regclass, key_columns name[] DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS $$
SELECT line FROM deltaetl_explain(source, target, key_columns) AS line WHERE line ~ '^  Key:|Keys of|Snapshot'
$$;
CREATE TABLE t (id int NOT NULL CONSTRAINT "t-id" UNIQUE, b int, c text COLLATE "C", d numeric(5,1));
CREATE TABLE s (id int NOT NULL, b int, c text COLLATE "C", d numeric(5,1));
CREATE MATERIALIZED VIEW m AS SELECT id, b, c, d FROM t;
SELECT keys('s', 't');
SELECT keys('s', 't', '{b}');
SELECT keys('m', 't', '{id,d}');
CREATE UNIQUE INDEX ON t (b, c) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX ON s (c, b) NULLS NOT DISTINCT;
SELECT keys('s', 't', '{c,b}');
SELECT keys('s', 't', '{c,b,d}');
ALTER TABLE t ADD PRIMARY KEY (id, d) DEFERRABLE, DROP CONSTRAINT "t-id";
ALTER TABLE s ADD CONSTRAINT "S key" UNIQUE (id);
SELECT keys('s', 't');
DROP MATERIALIZED VIEW m;
ALTER TABLE t ADD UNIQUE (id);
ALTER TABLE s ALTER id TYPE bigint;
SELECT keys('s', 't', '{id}');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT keys('s', 't', '{id}');
COMMIT;
CREATE TABLE child () INHERITS (t);
SELECT keys('s', 't', '{id}');

-- columns: types, lengths, and what is left out; guards that columns bring
CREATE FUNCTION columns(source regclass, target regclass, columns name[] DEFAULT NULL, exclude_columns name[] DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS $$
SELECT line FROM deltaetl_explain(source, target, '{id}', columns, exclude_columns) AS line
WHERE line ~ '^Sync|ompared|^  New|^  Columns|IDENTITY|Update: never'
$$;
CREATE DOMAIN label AS text DEFAULT 'l';
CREATE TABLE wide (id int, "A b" varchar(3), e label NOT NULL, f int GENERATED ALWAYS AS IDENTITY, g int GENERATED ALWAYS AS (id) STORED, h char, gone int);
CREATE VIEW narrow AS SELECT 1::int8 AS id, 'x'::varchar(5) AS "A b", 1 AS f, 2 AS g, 'y'::char AS h, 3 AS "Z";
ALTER TABLE wide DROP gone;
SELECT columns('narrow', 'wide');
SELECT columns('narrow', 'wide', '{h,"A b"}', '{"Z",h}');
SELECT columns('narrow', 'wide', '{}');

-- what acts besides: triggers, foreign keys, row security
CREATE TABLE orders (product int REFERENCES products ON DELETE CASCADE, other int REFERENCES products ON DELETE SET NULL,
	kept int REFERENCES products, any_other int DEFAULT 1 REFERENCES products ON DELETE SET DEFAULT);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER "Audit" AFTER INSERT OR UPDATE ON products FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TRIGGER off BEFORE DELETE OR TRUNCATE ON products EXECUTE FUNCTION nothing();
ALTER TABLE products DISABLE TRIGGER off;
SELECT line FROM lines('staging') AS line WHERE line ~ 'Triggers|also change|security|copied|After';
ALTER TABLE products ENABLE REPLICA TRIGGER "Audit", ENABLE ALWAYS TRIGGER off;
SELECT line FROM lines('staging') AS line WHERE line ~ 'Triggers';
SET session_replication_role = replica;
SELECT line FROM lines('staging') AS line WHERE line ~ 'Triggers';
ALTER TABLE products ENABLE TRIGGER "Audit", DISABLE TRIGGER off;
SELECT line FROM lines('staging') AS line WHERE line ~ 'Triggers';
RESET session_replication_role;

-- the errors of deltaetl_sync(), rights among them
CREATE ROLE deltaetl_reader;
GRANT SELECT ON products, staging TO deltaetl_reader;
GRANT INSERT, UPDATE ON products TO deltaetl_reader;
SELECT deltaetl_explain('staging', 'products', deletes => 'remove');
SELECT deltaetl_explain('staging', 'products', '{name,nam}');
SELECT deltaetl_explain('staging', 'products', scope => 'nobody = 1');
SELECT deltaetl_explain('staging', 'failing');
SELECT deltaetl_explain('staging', 'wide', '{id}', max_delete_pct => 101);
SELECT deltaetl_explain('staging', 'wide');
SET ROLE deltaetl_reader;
SELECT line FROM deltaetl_explain('staging', 'products') AS line WHERE line ~ 'security';
SELECT deltaetl_explain('staging', 'products', deletes => 'delete');
SELECT deltaetl_explain('staging', 'wide');
RESET ROLE;

DROP TABLE products, staging, same, t, s, wide, orders CASCADE;
DROP VIEW narrow;
DROP DOMAIN label;
DROP FUNCTION lines, reads, keys, columns, fails, nothing;
DROP ROLE deltaetl_reader;
