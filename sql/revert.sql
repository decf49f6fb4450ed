-- Taking a run back.
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(10,2),
	twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE staging (id int, name text, price numeric);
INSERT INTO products SELECT i, 'p' || i, i * 1.10 FROM generate_series(1, 10) AS i;
INSERT INTO staging SELECT i, 'p' || i, i * 1.10 FROM generate_series(3, 12) AS i;
UPDATE staging SET name = upper(name) WHERE id <= 5;
UPDATE staging SET price = NULL WHERE id = 5;
CREATE TABLE before AS TABLE products;
\set counts 'inserted, updated, deleted, skipped'
\set as_before '(TABLE before EXCEPT ALL TABLE products) UNION ALL (TABLE products EXCEPT ALL TABLE before)'
\set as_after '(TABLE after EXCEPT ALL TABLE products) UNION ALL (TABLE products EXCEPT ALL TABLE after)'

SELECT run_id AS run, inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows') \gset
CREATE TABLE after AS TABLE products;
SELECT count(*) FROM (:as_before) AS d;
SELECT run_id AS back, :counts, elapsed >= '0' AS timed FROM deltaetl_revert(:run) \gset
\echo :inserted :updated :deleted :skipped :timed
:as_before;
SELECT :back > :run AS numbered, source_schema, source_name, target_schema, target_name,
	status, inserted, updated, deleted, unchanged, key_columns,
	options->'reverts' = to_jsonb(:run) AS reverts, options->>'on_conflict' AS on_conflict
FROM deltaetl_run_entry WHERE run_id = :back;
-- only what has changed was set
SELECT action, key, changed_columns FROM deltaetl_change_entry
WHERE run_id = :back AND action = 'update' ORDER BY key;

-- a revert can be reverted, and that again
SELECT run_id AS again, :counts FROM deltaetl_revert(:back) \gset
:as_after;
SELECT :counts FROM deltaetl_revert(run_id => :again);
:as_before;
SELECT :counts FROM deltaetl_revert(:again, 'skip');
:as_before;

-- in the same transaction, and more than one at once, the last first
BEGIN;
SELECT run_id AS first FROM deltaetl_sync('staging', 'products', log_changes => 'rows') \gset
UPDATE staging SET price = 0;
SELECT run_id AS second FROM deltaetl_sync('staging', 'products', log_changes => 'rows') \gset
SELECT (r).inserted, (r).updated, (r).deleted, (s).inserted, (s).updated, (s).deleted
FROM (SELECT deltaetl_revert(:second) AS r, deltaetl_revert(:first) AS s OFFSET 0) AS both_reverts;
COMMIT;
:as_before;
SELECT run_id AS undone FROM deltaetl_sync('staging', 'products', log_changes => 'rows') \gset
BEGIN;
SELECT :counts FROM deltaetl_revert(:undone);
ROLLBACK;
SELECT count(*) FROM deltaetl_run_entry WHERE options->'reverts' = to_jsonb(:undone);
SELECT :counts FROM deltaetl_revert(:undone);
:as_before;

-- a run over some of the columns, or some of the rows
SELECT run_id AS run FROM deltaetl_sync('staging', 'products', columns => '{price}',
	scope => 'id < 6', deletes => 'delete', log_changes => 'rows') \gset
SELECT :counts FROM deltaetl_revert(:run);
:as_before;

-- a run that has found nothing to do
SELECT run_id AS run FROM deltaetl_sync('before', 'products', log_changes => 'rows') \gset
SELECT :counts FROM deltaetl_revert(:run);

-- what cannot be reverted
-- why a revert is refused, without the number of the run
CREATE FUNCTION refused(run bigint, on_conflict text DEFAULT 'error')
RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deltaetl_revert(run, on_conflict);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	message := replace(message, run::text, 'N');
	RETURN NEXT;
END $$;
\x on
SELECT refused.* FROM deltaetl_sync('staging', 'products') AS s, refused(s.run_id);
SELECT refused.* FROM deltaetl_sync('before', 'products', log_changes => 'keys') AS s, refused(s.run_id);
SELECT refused.* FROM deltaetl_sync('staging', 'products', log_changes => 'rows',
	dry_run => true) AS s, refused(s.run_id);
SELECT * FROM refused(0);
SELECT * FROM refused(1, 'ignore');
SELECT * FROM refused(1, NULL);
-- changes that are no longer in the log
SELECT run_id AS run FROM deltaetl_sync('staging', 'products', log_changes => 'rows') \gset
DELETE FROM deltaetl_change_entry WHERE run_id = :run AND position > 1;
SELECT * FROM refused(:run);
\x off
BEGIN READ ONLY;
SELECT deltaetl_revert(0);
ROLLBACK;
SELECT deltaetl_revert(NULL);

DROP FUNCTION refused;
DROP TABLE products, staging, before, after;
