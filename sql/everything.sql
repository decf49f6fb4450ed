-- Each function once, on a handful of rows: also for servers so slow that no
-- other test can run on them.
SET client_min_messages = warning;
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, tags text[], details jsonb);
CREATE TABLE staging (LIKE products INCLUDING ALL);
INSERT INTO products VALUES (1, 'one', '{a,b}', '{"x": 1}'), (2, 'two', NULL, 'null'), (3, 'three', '{}', '[]');
INSERT INTO staging VALUES (1, 'one', '{a,b}', '{"x": 1}'), (2, 'TWO', '{c}', 'true'), (4, 'four', NULL, NULL);

-- a delta, before and after it is applied
CREATE VIEW differences AS (TABLE staging EXCEPT ALL TABLE products) UNION ALL (TABLE products EXCEPT ALL TABLE staging);
SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_diff('staging', 'products') ORDER BY key;
SELECT count(*) > 10 AS explained FROM deltaetl_explain('staging', 'products', deletes => 'delete');
SELECT run_id AS run, inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows') \gset
\echo :inserted :updated :deleted :unchanged
SELECT count(*) FROM differences;

-- what was logged of it, and back
SELECT action, key, old_row FROM deltaetl_changes('products') ORDER BY key;
SELECT inserted, updated, deleted FROM deltaetl_revert(:run);
TABLE products ORDER BY id;

-- hashes, computed and stored
SELECT key, row_hash = deltaetl_row_hash(p.id, p.details, p.name, p.tags) AS same
FROM deltaetl_hashes('products') JOIN products AS p ON p.id = (key ->> 'id')::int ORDER BY key;
SELECT deltaetl_digest('products') = (SELECT (count(*), deltaetl_digest_agg(deltaetl_row_hash(details, id, name, tags))) FROM products) AS same;
SELECT sha256(deltaetl_encode(1, 'one')) = deltaetl_row_hash(1, 'one') AS same;
SELECT deltaetl_track('products');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', deletes => 'delete', scope => 'id < 4');
SELECT * FROM deltaetl_verify('products');
SELECT deltaetl_untrack('products');

-- a job
SELECT deltaetl_create_job('tiny', 'staging', 'products', options => '{"deletes": "delete"}');
CALL deltaetl_run_job('tiny');
SELECT count(*) FROM differences;
SELECT deltaetl_drop_job('tiny');
SELECT count(*) FROM deltaetl_progress;
SELECT deltaetl_prune_log('0') >= 3 AS pruned;
DROP TABLE staging, products CASCADE;
