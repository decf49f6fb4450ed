-- Who may revert a run: who may read its rows, with the rights of the DML.
CREATE ROLE regress_deltaetl_owner;
CREATE ROLE regress_deltaetl_runner;
CREATE ROLE regress_deltaetl_reader;
CREATE TABLE products (id int PRIMARY KEY, name text, qty int, secret text);
CREATE TABLE staging (LIKE products);
ALTER TABLE products OWNER TO regress_deltaetl_owner;
INSERT INTO products VALUES (1, 'one', 1, 's1'), (2, 'two', 2, 's2'), (3, 'three', 3, 's3');
INSERT INTO staging VALUES (1, 'one', 10, 's1'), (2, 'two', 2, 's2'), (3, 'three', 3, 's3');
SELECT run_id AS updates FROM deltaetl_sync('staging', 'products', log_changes => 'rows') \gset
INSERT INTO staging VALUES (4, 'four', 4, 's4');
SELECT run_id AS inserts FROM deltaetl_sync('staging', 'products', log_changes => 'rows') \gset
DELETE FROM staging WHERE id = 3;
SELECT run_id AS deletes FROM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows') \gset
SELECT set_config('test.' || k, v, false) IS NULL AS set FROM (VALUES ('updates', :'updates'), ('inserts', :'inserts'), ('deletes', :'deletes')) AS v (k, v);
-- what becomes of a revert, which is not kept
CREATE FUNCTION try_revert(run text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	number bigint = current_setting('test.' || run);
	message text; detail text;
BEGIN
	PERFORM deltaetl_revert(number);
	RAISE EXCEPTION 'it works' USING DETAIL = '';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN run || ': ' || replace(message, number::text, 'N') || ' ' || detail;
END $$;
\set try 'SELECT current_user, try_revert(run) FROM unnest(ARRAY[\'updates\', \'inserts\', \'deletes\']) AS run'

-- to see the run is not enough
GRANT SELECT (id, name, qty), INSERT, UPDATE, DELETE ON products TO regress_deltaetl_reader;
SET ROLE regress_deltaetl_reader;
:try;
RESET ROLE;
-- INSERT for what was deleted, UPDATE of what was changed, DELETE for what was inserted
GRANT SELECT ON products TO regress_deltaetl_runner;
SET ROLE regress_deltaetl_runner;
:try;
RESET ROLE;
GRANT UPDATE (qty) ON products TO regress_deltaetl_runner;
SET ROLE regress_deltaetl_runner;
:try;
RESET ROLE;
GRANT DELETE ON products TO regress_deltaetl_runner;
GRANT INSERT (id, name, qty) ON products TO regress_deltaetl_runner;
SET ROLE regress_deltaetl_runner;
:try;
RESET ROLE;
GRANT INSERT ON products TO regress_deltaetl_runner;
REVOKE DELETE ON products FROM regress_deltaetl_runner;
SET ROLE regress_deltaetl_runner;
SELECT try_revert('deletes');
SELECT inserted, updated, deleted, skipped FROM deltaetl_revert(:deletes);
RESET ROLE;
SELECT role, target_owner, inserted FROM deltaetl_run_entry WHERE options->'reverts' = to_jsonb(:deletes);
SELECT * FROM products ORDER BY id;

-- row security hides rows, also of the log; owner and superuser see all
GRANT DELETE ON products TO regress_deltaetl_runner;
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON products USING (true);
SET ROLE regress_deltaetl_runner;
:try;
SET ROLE regress_deltaetl_owner;
SELECT try_revert('updates');
ALTER TABLE products FORCE ROW LEVEL SECURITY;
SELECT try_revert('updates');
RESET ROLE;
SELECT try_revert('updates');
ALTER TABLE products DISABLE ROW LEVEL SECURITY;

-- a table of another owner may be another table
ALTER TABLE products OWNER TO regress_deltaetl_reader;
SET ROLE regress_deltaetl_reader;
:try;
RESET ROLE;
SELECT try_revert('updates');

-- that the target is gone is told to who ran it
ALTER TABLE products RENAME TO goods;
UPDATE deltaetl_run_entry SET role = 'regress_deltaetl_runner' WHERE run_id = :updates;
SET ROLE regress_deltaetl_runner;
SELECT try_revert('updates');
SELECT try_revert('inserts');
RESET ROLE;
SELECT try_revert('inserts');
ALTER TABLE goods RENAME TO products;

-- code of a type or a domain runs with the rights of the caller
CREATE FUNCTION whoami(int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'checked by %', current_user;
	RETURN true;
END $$;
CREATE DOMAIN checked AS int CHECK (whoami(VALUE));
ALTER TABLE products ALTER qty TYPE checked, OWNER TO regress_deltaetl_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON products TO regress_deltaetl_runner;
SET ROLE regress_deltaetl_runner;
SELECT try_revert('updates');
RESET ROLE;

DROP FUNCTION try_revert;
DROP TABLE products, staging;
DROP DOMAIN checked;
DROP FUNCTION whoami;
DROP ROLE regress_deltaetl_owner, regress_deltaetl_runner, regress_deltaetl_reader;
