-- The first part of "make demo": the pipeline in three runs.

\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;

\echo
\echo '  deltaetl: bring a table to the content of another, touching only what differs'
\echo '  ============================================================================='
\echo
\echo '1. A pipeline, three runs'
\echo
\echo '"products" is the table people query.  A job loads what the shop says into'
\echo '"staging"; one call then brings products to the same content.'
\echo

\set ECHO queries
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric, stock int, category text);
CREATE TABLE staging (LIKE products);
\set ECHO none

\echo
\echo 'First run.  Three products, and nothing in the target yet:'
\echo

\set ECHO queries
INSERT INTO staging VALUES
	(1, 'Laptop', 1200.0, 50, 'Electronics'),
	(2, 'Mouse', 25.0, 200, 'Electronics'),
	(3, 'Keyboard', 45.0, 150, 'Electronics');
SELECT * FROM deltaetl_sync('staging', 'products');
\set ECHO none

\echo 'Second run.  The mouse got dearer, ten keyboards were sold, and there is a'
\echo 'monitor now.  The job knows nothing of that: it loads everything again.'
\echo

\set ECHO queries
TRUNCATE staging;
INSERT INTO staging VALUES
	(1, 'Laptop', 1200.0, 50, 'Electronics'),
	(2, 'Mouse', 30.0, 200, 'Electronics'),
	(3, 'Keyboard', 45.0, 140, 'Electronics'),
	(4, 'Monitor', 300.0, 40, 'Electronics');
\set ECHO none

\echo
\echo 'What would a sync do?  Ask before you leap:'
\echo

\set ECHO queries
SELECT action, key, changed_columns, old_row, new_row
  FROM deltaetl_diff('staging', 'products') ORDER BY key
\gx
\set ECHO none

\echo
\echo 'And do it:'
\echo

\set ECHO queries
SELECT * FROM deltaetl_sync('staging', 'products', log_changes => 'rows');
SELECT * FROM products ORDER BY id;
\set ECHO none
SELECT max(run_id) AS second FROM deltaetl_run_log \gset

\echo 'Third run.  Nothing changed since, so nothing is written to the table: what the'
\echo 'statistics say was ever written, and what the run log says of the three runs:'
\echo

\set ECHO queries
SELECT * FROM deltaetl_sync('staging', 'products');
\set ECHO none
DO 'BEGIN PERFORM pg_stat_force_next_flush(); END';

SELECT n_tup_ins AS "rows inserted, ever",
	   n_tup_upd AS "updated, ever",
	   n_tup_del AS "deleted, ever"
  FROM pg_stat_user_tables WHERE relname = 'products';

\set ECHO queries
SELECT run_id, target, status, inserted, updated, deleted, unchanged FROM deltaetl_run_log ORDER BY run_id;
\set ECHO none

\echo 'The second run was a mistake?  It has logged the rows that it changed:'
\echo

\set ECHO queries
SELECT action, key, changed_columns FROM deltaetl_changes('products');
SELECT run_id, inserted, updated, deleted, skipped FROM deltaetl_revert(:second);
SELECT * FROM products ORDER BY id;
\set ECHO none

DROP TABLE products, staging;
