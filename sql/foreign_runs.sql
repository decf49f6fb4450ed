-- Foreign tables as targets: options of a run, and what is refused.
\set SHOW_CONTEXT never
-- not the list of what CASCADE drops
SET client_min_messages = warning;
CREATE EXTENSION postgres_fdw;
DO $$
BEGIN
  EXECUTE format('CREATE SERVER loop_back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L, extensions ''deltaetl'')',
                 trim(split_part(current_setting('unix_socket_directories'), ',', 1)), current_setting('port'), current_database());
  EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER loop_back OPTIONS (user %L)', current_user);
END $$;
\set counts 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''staging'', ''target'', ''{id}'''
\set ways 'SELECT line FROM deltaetl_explain(''staging'', ''target'', ''{id}'', deletes => ''delete'') AS line WHERE line ~ ''^    (Delete|Update|Insert)'''
\set differ 'SELECT count(*) AS differ FROM ((TABLE staging EXCEPT ALL TABLE remote) UNION ALL (TABLE remote EXCEPT ALL TABLE staging)) AS d'
CREATE TABLE remote (id int PRIMARY KEY, name text, qty int);
CREATE FOREIGN TABLE target (id int NOT NULL, name text, qty int) SERVER loop_back OPTIONS (table_name 'remote');
INSERT INTO remote SELECT i, 'name ' || i, i FROM generate_series(1, 10) AS i;
CREATE TABLE staging AS SELECT id, name, CASE WHEN id < 4 THEN -qty ELSE qty END AS qty FROM remote WHERE id < 9 UNION ALL VALUES (11, 'new', 11), (12, 'new', NULL);
CREATE TABLE first AS TABLE remote;

-- the key has to be named; nothing is written by a run that is not to, or that a guard stops
SELECT deltaetl_sync('staging', 'target');
:counts, deletes => 'delete', dry_run => true);
SELECT deltaetl_sync('staging', 'target', '{id}', deletes => 'delete', max_delete_rows => 1);
SELECT deltaetl_sync('staging', 'target', '{id}', deletes => 'delete', max_update_pct => 10);
SELECT deltaetl_sync('staging', 'target', '{id}', lock_mode => 'row');
SELECT action, key, changed_columns, new_row FROM deltaetl_diff('staging', 'target', '{id}') ORDER BY action, key;
SELECT count(*) FROM (TABLE remote EXCEPT ALL TABLE first) AS changed;

-- logged, and taken back
:counts, deletes => 'delete', log_changes => 'rows');
:differ;
SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_changes('target') WHERE run_id = (SELECT max(run_id) FROM deltaetl_run_entry) ORDER BY action, key;
SELECT inserted, updated, deleted, skipped FROM deltaetl_revert((SELECT max(run_id) FROM deltaetl_run_entry));
SELECT count(*) FROM (TABLE remote EXCEPT ALL TABLE first) AS changed;
:counts, deletes => 'delete', log_changes => 'keys');
:differ;
SELECT action, key, changed_columns FROM deltaetl_changes('target') WHERE run_id = (SELECT max(run_id) FROM deltaetl_run_entry) ORDER BY action, key;
SELECT line FROM deltaetl_explain('staging', 'target', '{id}', deletes => 'delete', log_changes => 'keys') AS line WHERE line ~ '^    (Delete|Update|Insert)';

-- a part of the rows
UPDATE staging SET qty = 100;
:counts, deletes => 'delete', scope => 'id < 3');
SELECT * FROM remote WHERE qty = 100 ORDER BY id;
INSERT INTO remote VALUES (50, 'there', 1);
INSERT INTO staging VALUES (50, 'here', 100);
SELECT deltaetl_sync('staging', 'target', '{id}', scope => 'name <> $$there$$');
DELETE FROM staging WHERE id = 50;

-- the whole run is taken back, on the other server as well
BEGIN;
:counts, deletes => 'delete');
SELECT count(*) FROM target WHERE qty = 100;
ROLLBACK;
SELECT count(*) FROM remote WHERE qty = 100;
ALTER TABLE remote ADD CHECK (id <> 12 OR qty IS NULL);
\set VERBOSITY terse
SELECT deltaetl_sync('staging', 'target', '{id}', deletes => 'delete');
\set VERBOSITY default
SELECT count(*) FROM remote WHERE qty = 100;
ALTER TABLE remote DROP CONSTRAINT remote_check;
:counts, deletes => 'delete');
:differ;

-- triggers there: rows that they keep from being written are counted as they are
CREATE FUNCTION keep_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep_row BEFORE UPDATE OR DELETE ON remote FOR EACH ROW WHEN (old.id = 3) EXECUTE FUNCTION keep_row();
UPDATE staging SET qty = 200 WHERE id < 6;
:counts);
DELETE FROM staging WHERE id < 4;
:counts, deletes => 'delete');
DROP TRIGGER keep_row ON remote;
:counts, deletes => 'delete');
:differ;
-- triggers here see each row, those of a statement each statement
CREATE FUNCTION say_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE WARNING '% % %: % -> %', tg_when, tg_op, tg_level, old.qty, new.qty;
  RETURN COALESCE(new, old);
END $$;
CREATE TRIGGER row_before BEFORE UPDATE ON target FOR EACH ROW EXECUTE FUNCTION say_it();
CREATE TRIGGER row_after AFTER INSERT OR DELETE ON target FOR EACH ROW EXECUTE FUNCTION say_it();
CREATE TRIGGER statement AFTER DELETE ON target EXECUTE FUNCTION say_it();
UPDATE staging SET qty = 300 WHERE id < 6;
DELETE FROM staging WHERE id BETWEEN 6 AND 8;
INSERT INTO staging VALUES (1, 'again', 1);
:ways;
:counts, deletes => 'delete');
:differ;
DROP FOREIGN TABLE target;

-- columns that are not written: a default and what is generated are of the foreign table
CREATE FOREIGN TABLE target (id int NOT NULL, name text, qty int DEFAULT 7, twice int GENERATED ALWAYS AS (qty * 2) STORED) SERVER loop_back OPTIONS (table_name 'remote');
ALTER TABLE remote ADD twice int GENERATED ALWAYS AS (qty * 2) STORED, ALTER qty SET DEFAULT 8;
INSERT INTO staging VALUES (20, 'default', 0);
SELECT inserted, updated FROM deltaetl_sync('staging', 'target', '{id}', exclude_columns => '{qty}');
SELECT * FROM remote WHERE id = 20;
:ways;
:counts, deletes => 'delete');
SELECT * FROM remote WHERE id = 20;
DROP FOREIGN TABLE target;
-- in the keys of the other server there are doubles
ALTER TABLE remote DROP CONSTRAINT remote_pkey, ALTER id DROP NOT NULL, DROP twice;
CREATE FOREIGN TABLE target (id int, name text, qty int) SERVER loop_back OPTIONS (table_name 'remote');
INSERT INTO remote VALUES (20, 'twice', 1), (NULL, 'none', 1);
SELECT deltaetl_sync('staging', 'target', '{id}');
DELETE FROM remote WHERE id IS NULL;
SELECT deltaetl_sync('staging', 'target', '{id}');

-- not to be written to
ALTER FOREIGN TABLE target OPTIONS (ADD updatable 'false');
SELECT deltaetl_sync('staging', 'target', '{id}', dry_run => true);
\echo :SQLSTATE
SELECT deltaetl_track('target');
DROP TABLE remote, staging, first;
DROP FUNCTION keep_row, say_it CASCADE;
DROP EXTENSION postgres_fdw CASCADE;
