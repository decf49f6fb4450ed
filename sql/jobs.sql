-- Jobs: made, run, failed, changed and dropped.
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (id int, name text);
INSERT INTO products VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four');
INSERT INTO staging VALUES (1, 'ONE'), (2, 'two'), (3, 'three'), (4, 'four'), (5, 'five');

SELECT deltaetl_create_job('nightly', 'staging', 'products',
	'{"deletes": "delete", "max_delete_pct": 25}');
SELECT name, source, target, schedule, owner = current_user AS mine, last_status, last_started,
	last_run, options
FROM deltaetl_job;

-- it does what deltaetl_sync() does, and says nothing
CALL deltaetl_run_job('nightly');
SELECT * FROM products EXCEPT ALL SELECT * FROM staging;
SELECT * FROM staging EXCEPT ALL SELECT * FROM products;
CREATE VIEW runs AS
SELECT row_number() OVER (ORDER BY run_id) AS run, job, source_name, target_name, target_owner = role AS own,
	status, inserted, updated, deleted, unchanged, sqlstate
FROM deltaetl_run_entry WHERE job IS NOT NULL;
SELECT * FROM runs;
SELECT j.last_status, j.last_run = max(r.run_id) AS last, j.last_started <= clock_timestamp() AS started
FROM deltaetl_job AS j, deltaetl_run_entry AS r WHERE r.job = j.name GROUP BY j.last_status, j.last_run, j.last_started;

-- one that fails leaves its entry, the target as it was, and the error
DELETE FROM staging WHERE id < 4;
UPDATE staging SET name = 'FOUR' WHERE id = 4;
CREATE TABLE before AS SELECT * FROM products;
CALL deltaetl_run_job('nightly');
\echo :SQLSTATE
SELECT * FROM before EXCEPT ALL SELECT * FROM products;
SELECT * FROM products EXCEPT ALL SELECT * FROM before;
SELECT * FROM runs ORDER BY run DESC LIMIT 1;
SELECT message, detail, options, key_columns, xid, resolve_time > '0' AS resolved, detect_time > '0' AS detected,
	apply_time
FROM deltaetl_run_entry ORDER BY run_id DESC LIMIT 1;
SELECT last_status FROM deltaetl_job;

-- also one that fails when it has written, and one that does so as it commits
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
AS $$BEGIN RAISE EXCEPTION 'no %', new.name USING ERRCODE = 'P0007', DETAIL = 'not ' || tg_name; END$$;
CREATE TRIGGER now AFTER UPDATE ON products FOR EACH ROW EXECUTE FUNCTION refuse();
\set VERBOSITY terse
CALL deltaetl_run_job('nightly', force => true);
\echo :SQLSTATE
DROP TRIGGER now ON products;
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON products DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION refuse();
CALL deltaetl_run_job('nightly', force => true);
DROP TRIGGER later ON products;
SELECT * FROM before EXCEPT ALL SELECT * FROM products;
SELECT run, status, inserted, sqlstate FROM runs ORDER BY run DESC LIMIT 2;
SELECT message, detail FROM deltaetl_run_entry ORDER BY run_id DESC LIMIT 2;

-- the same with force, which the log tells
CALL deltaetl_run_job('nightly', force => true);
SELECT * FROM products EXCEPT ALL SELECT * FROM staging;
SELECT * FROM runs ORDER BY run DESC LIMIT 1;
SELECT options FROM deltaetl_run_entry ORDER BY run_id DESC LIMIT 1;
SELECT options FROM deltaetl_job;

-- cancelled
CREATE VIEW slow AS SELECT * FROM staging WHERE pg_sleep(100) IS NOT NULL;
SELECT deltaetl_alter_job('nightly', source => 'slow');
SET statement_timeout = '50ms';
CALL deltaetl_run_job('nightly');
RESET statement_timeout;
SELECT run, source_name, status, sqlstate FROM runs ORDER BY run DESC LIMIT 1;

-- where its failure could not be kept, it does not begin
\set VERBOSITY default
BEGIN;
CALL deltaetl_run_job('nightly');
ROLLBACK;
\set VERBOSITY terse
BEGIN READ ONLY;
CALL deltaetl_run_job('nightly');
ROLLBACK;
SET default_transaction_read_only = on;
CALL deltaetl_run_job('nightly');
RESET default_transaction_read_only;
CREATE FUNCTION call_it() RETURNS void LANGUAGE plpgsql AS 'BEGIN CALL deltaetl_run_job(''nightly''); END';
SELECT call_it();
DO $$BEGIN CALL deltaetl_run_job('nightly'); EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', SQLSTATE; END$$;
SELECT deltaetl_alter_job('nightly', source => 'staging');
DO $$BEGIN CALL deltaetl_run_job('nightly'); CALL deltaetl_run_job('nightly'); END$$;
SELECT run, status, unchanged FROM runs ORDER BY run DESC LIMIT 3;

-- names are looked up when it runs: what is gone is missed, what is back is found
ALTER TABLE products RENAME TO goods;
CALL deltaetl_run_job('nightly');
SELECT run, target_name, own, status, sqlstate FROM runs ORDER BY run DESC LIMIT 1;
SELECT name, target, last_status FROM deltaetl_job;
SELECT deltaetl_alter_job('nightly', target => 'goods');
CALL deltaetl_run_job('nightly');
SELECT deltaetl_alter_job('nightly', options => '{"deletes": "delete", "columns": ["name"]}');
DROP VIEW slow;
ALTER TABLE staging DROP name;
CALL deltaetl_run_job('nightly');
DROP TABLE staging;
CREATE TABLE staging (id int, name text DEFAULT 'new');
INSERT INTO staging VALUES (4), (6);
CALL deltaetl_run_job('nightly', force => true);
SELECT * FROM goods ORDER BY id;
SELECT run, target_name, status, inserted, updated, deleted, sqlstate FROM runs ORDER BY run DESC LIMIT 4;

-- dropped, and its runs remembered
\set VERBOSITY default
CALL deltaetl_run_job('nihgtly');
\set VERBOSITY terse
SELECT deltaetl_drop_job('nightly');
CALL deltaetl_run_job('nightly');
SELECT deltaetl_drop_job('nightly');
SELECT * FROM deltaetl_job;
SELECT job, count(*) FROM runs GROUP BY job;
-- bad arguments
CALL deltaetl_run_job(NULL);
CALL deltaetl_run_job('nightly', NULL);

\set VERBOSITY default
DROP FUNCTION call_it;
DROP VIEW runs;
DROP TABLE goods, staging, before;
DROP FUNCTION refuse;
