-- What a run has changed, row by row.
SELECT deltaetl_prune_log('0') >= 0 AS pruned;
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(10,2), tags text[]);
CREATE TABLE staging (LIKE products);
INSERT INTO products VALUES (1, 'one', 1.00, NULL), (2, 'two', 2.00, '{a,b}'), (3, 'three', NULL, '{}'), (4, 'four', 4.00, '{d}');
INSERT INTO staging VALUES (1, 'one', 1.00, NULL), (2, 'TWO', 2.50, '{a,b}'), (3, NULL, 3.00, '{}'), (5, 'five', 5.00, '{e}');
CREATE TABLE old AS TABLE products;
CREATE TABLE told AS SELECT * FROM deltaetl_diff('staging', 'products');
SELECT coalesce(max(run_id), 0) AS before FROM deltaetl_run_log \gset

-- nothing is logged unless asked for, nor by a run that only looks
BEGIN;
SELECT inserted, updated, deleted FROM deltaetl_sync('staging', 'products');
SELECT inserted, updated, deleted FROM deltaetl_sync('staging', 'products', log_changes => 'none');
ROLLBACK;
SELECT inserted, updated, deleted FROM deltaetl_sync('staging', 'products', log_changes => 'rows', dry_run => true);
SELECT count(*) FROM deltaetl_changes('products');

-- keys alone
BEGIN;
SELECT inserted, updated, deleted, run_id
FROM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'keys') \gset sync_
SELECT target, action, key, changed_columns, old_row, new_row FROM deltaetl_change_log
WHERE run_id = :sync_run_id ORDER BY action, key;
ROLLBACK;
-- a run that is rolled back leaves no entries, in a subtransaction neither
SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id;
BEGIN;
SAVEPOINT a;
SELECT inserted, updated FROM deltaetl_sync('staging', 'products', log_changes => 'rows');
ROLLBACK TO a;
SELECT count(*) FROM deltaetl_changes('products');
COMMIT;

-- whole rows, which the next statement of the transaction sees
BEGIN;
SELECT inserted, updated, deleted, run_id
FROM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows') \gset sync_
SELECT count(*) FROM deltaetl_changes('products');
COMMIT;
SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_changes('products') ORDER BY key;
-- they are what deltaetl_diff() had foretold
SELECT action, key, changed_columns, old_row, new_row FROM told
EXCEPT ALL
SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_change_log WHERE run_id = :sync_run_id;
SELECT (SELECT count(*) FROM told) = (SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id) AS as_many;
-- replayed over a copy of the old table they make the new one
DELETE FROM old USING deltaetl_changes('products') AS c
WHERE c.action IN ('delete', 'update') AND old = jsonb_populate_record(NULL::old, c.old_row);
INSERT INTO old SELECT (jsonb_populate_record(NULL::old, new_row)).*
FROM deltaetl_changes('products') WHERE action IN ('insert', 'update');
TABLE old EXCEPT ALL TABLE products;
TABLE products EXCEPT ALL TABLE old;
-- deletes come first, then updates, then inserts
SELECT string_agg(action, ' ' ORDER BY position) AS actions,
	min(position), max(position) = count(*) AS without_gaps
FROM deltaetl_change_entry WHERE run_id = :sync_run_id;

-- a second run changes nothing, and logs nothing
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', log_changes => 'rows');
SELECT count(*) FROM deltaetl_changes('products');

-- a feed: what is new since the last run that one has seen, in order
UPDATE staging SET price = price + 1 WHERE id IN (2, 3);
SELECT run_id FROM deltaetl_sync('staging', 'products', log_changes => 'keys') \gset second_
UPDATE staging SET tags = '{z}' WHERE id = 1;
SELECT run_id FROM deltaetl_sync('staging', 'products', log_changes => 'rows') \gset third_
SELECT run_id = :third_run_id AS third, action, key, changed_columns, old_row, new_row
FROM deltaetl_changes('products', :sync_run_id) ORDER BY third, key;
SELECT array_agg(run_id) = array_agg(run_id ORDER BY run_id) AS in_order, count(*) FROM deltaetl_changes('products');
SELECT action, key FROM deltaetl_changes('products', :second_run_id);
SELECT count(*) FROM deltaetl_changes('products', :third_run_id);
-- other tables have their own
CREATE TABLE other (LIKE products INCLUDING ALL);
SELECT inserted FROM deltaetl_sync('staging', 'other', log_changes => 'keys');
SELECT action, count(*) FROM deltaetl_changes('other') GROUP BY action;
SELECT target, count(*) FROM deltaetl_change_log WHERE run_id > :before GROUP BY target ORDER BY target COLLATE "C";

-- a schema and names that need quotes
CREATE SCHEMA "My schema";
CREATE TABLE "My schema"."Target" ("the Key" int PRIMARY KEY, "t.a" text, o int);
CREATE TABLE "My schema"."Source" (o int, "the Key" int, "t.a" text);
INSERT INTO "My schema"."Target" VALUES (1, 'a', 1), (2, 'b', 2);
INSERT INTO "My schema"."Source" VALUES (1, 1, 'A'), (3, 3, 'c');
SELECT run_id FROM deltaetl_sync('"My schema"."Source"', '"My schema"."Target"', deletes => 'delete', log_changes => 'rows') \gset sync_
SELECT target, action, key, changed_columns, old_row, new_row
FROM deltaetl_change_log WHERE run_id = :sync_run_id ORDER BY key;
DROP SCHEMA "My schema" CASCADE;
-- the changes of a table that is gone are still there for a superuser
SELECT count(*) FROM deltaetl_change_log WHERE run_id = :sync_run_id;
-- and go with their run, here with all runs
SELECT deltaetl_prune_log('0') > 0 AS pruned;
SELECT count(*) FROM deltaetl_change_log;

-- what is not a target has no changes
CREATE VIEW products_view AS TABLE products;
SELECT deltaetl_changes('products_view');
SELECT deltaetl_changes('no_such_table');
SELECT deltaetl_changes(NULL);
SELECT deltaetl_changes('products', NULL);
CREATE TABLE gone ();
SELECT 'gone'::regclass::oid AS gone_oid \gset
DROP TABLE gone;
\set VERBOSITY sqlstate
SELECT deltaetl_changes(:gone_oid::regclass);
\set VERBOSITY default
DROP VIEW products_view;
DROP TABLE products, staging, old, told, other;
