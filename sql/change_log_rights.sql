-- Who may log changes, and who sees them.
CREATE ROLE deltaetl_loader;
CREATE ROLE deltaetl_reader;
CREATE ROLE deltaetl_owner;
CREATE TABLE products (id int PRIMARY KEY, name text, qty int, secret text DEFAULT 's');
CREATE TABLE staging (id int, name text, qty int);
ALTER TABLE products OWNER TO deltaetl_owner;
INSERT INTO products VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
INSERT INTO staging VALUES (1, 'ONE', 1), (2, 'two', 2), (4, 'four', 4);
GRANT SELECT ON staging TO deltaetl_loader;
GRANT SELECT (id, name, qty), INSERT (id, name, qty), UPDATE (id, name, qty), DELETE ON products TO deltaetl_loader;

-- keys take no right that the run does not need anyway; whole rows take all columns
SET ROLE deltaetl_loader;
SELECT deltaetl_sync('staging', 'products', log_changes => 'rows');
SELECT deltaetl_sync('staging', 'products', log_changes => 'rows', dry_run => true);
BEGIN;
SELECT inserted, updated, deleted FROM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'keys');
RESET ROLE;
SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_changes('products') ORDER BY key;
ROLLBACK;
RESET ROLE;
-- with a right on each column rows are found by their keys
GRANT SELECT (secret) ON products TO deltaetl_loader;
SET ROLE deltaetl_loader;
SELECT inserted, updated, deleted, run_id
FROM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows') \gset sync_
-- who logs changes need not be able to see the log
SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id;
SELECT deltaetl_changes('products');
RESET ROLE;
SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_changes('products') ORDER BY key;

-- the log cannot be read or written but through the extension
SET ROLE deltaetl_reader;
SELECT count(*) FROM deltaetl_change_entry;
DELETE FROM deltaetl_change_entry;
\set VERBOSITY terse
DELETE FROM deltaetl_change_log;
INSERT INTO deltaetl_change_log (run_id) VALUES (1);
\set VERBOSITY default

-- it is seen by who may read the whole table
SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id;
SELECT deltaetl_changes('products');
RESET ROLE; GRANT SELECT (id, name) ON products TO deltaetl_reader; SET ROLE deltaetl_reader;
SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id;
SELECT deltaetl_changes('products');
RESET ROLE; GRANT SELECT ON products TO deltaetl_reader; SET ROLE deltaetl_reader;
SELECT target, count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id GROUP BY target;
SELECT count(*) FROM deltaetl_changes('products');
-- a function in a query does not see the rows that the view hides
CREATE FUNCTION pg_temp.leak(jsonb) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN RAISE NOTICE 'leaked %', $1; RETURN true; END $$;
RESET ROLE; REVOKE SELECT ON products FROM deltaetl_reader; SET ROLE deltaetl_reader;
SELECT count(*) FROM deltaetl_change_log WHERE pg_temp.leak(new_row) AND run_id = :sync_run_id;
DROP FUNCTION pg_temp.leak;
RESET ROLE; GRANT SELECT ON products TO deltaetl_reader;

-- nobody to whom policies of the table apply: the log does not know them
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON products USING (qty < 100);
SET ROLE deltaetl_reader;
SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id;
SELECT deltaetl_changes('products');
SET ROLE deltaetl_owner;
SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id;
SELECT count(*) FROM deltaetl_changes('products');
-- rows that they hide are not logged, as they are not touched
RESET ROLE;
INSERT INTO products VALUES (100, 'hidden', 100);
INSERT INTO staging VALUES (5, 'five', 5);
UPDATE staging SET qty = 11 WHERE id = 1;
GRANT SELECT ON products TO deltaetl_loader;
SET ROLE deltaetl_loader;
SELECT inserted, updated, deleted FROM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows');
RESET ROLE;
SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_changes('products', :sync_run_id) ORDER BY key;
-- nor can a row be logged that its writer may write but not read
DROP POLICY small ON products;
CREATE POLICY reading ON products FOR SELECT USING (qty < 100);
CREATE POLICY writing ON products FOR INSERT WITH CHECK (true);
INSERT INTO staging VALUES (6, 'six', 600);
SET ROLE deltaetl_loader;
\set VERBOSITY terse
SELECT deltaetl_sync('staging', 'products', log_changes => 'rows');
\set VERBOSITY default
SELECT inserted FROM deltaetl_sync('staging', 'products');
RESET ROLE;
ALTER TABLE products DISABLE ROW LEVEL SECURITY;

-- who makes a new table of the name does not see the rows of the old one
SELECT count(*) > 0 AS some FROM deltaetl_changes('products');
ALTER TABLE products OWNER TO deltaetl_reader;
SET ROLE deltaetl_reader;
SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id;
SELECT count(*) FROM deltaetl_changes('products');
RESET ROLE;
SELECT count(*) > 0 AS some FROM deltaetl_changes('products');
DROP TABLE products;
SET ROLE deltaetl_reader;
SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id;
RESET ROLE;
DROP TABLE staging;
DROP ROLE deltaetl_loader, deltaetl_reader, deltaetl_owner;
