-- Row security: what a policy hides from the caller is not there for the run,
-- neither in the source nor in the target, and what it forbids is an error.
CREATE ROLE regress_deltaetl_owner;
CREATE ROLE regress_deltaetl_red;
CREATE ROLE regress_deltaetl_free BYPASSRLS;
GRANT CREATE ON SCHEMA public TO regress_deltaetl_owner, regress_deltaetl_red;
CREATE TABLE products (id int PRIMARY KEY, name text, who text);
CREATE TABLE staging (id int, name text, who text);
INSERT INTO products SELECT i, 'old ' || i, (ARRAY['red', 'blue'])[1 + i % 2] FROM generate_series(1, 8) AS i;
INSERT INTO staging SELECT i, 'new ' || i, (ARRAY['red', 'blue'])[1 + i % 2] FROM generate_series(5, 12) AS i;
CREATE TABLE before AS TABLE products;
ALTER TABLE products OWNER TO regress_deltaetl_owner;
ALTER TABLE staging OWNER TO regress_deltaetl_owner;
GRANT ALL ON products, staging TO regress_deltaetl_red, regress_deltaetl_free;
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
ALTER TABLE staging ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON products USING ('regress_deltaetl_' || who = current_user);
CREATE POLICY own ON staging USING ('regress_deltaetl_' || who = current_user);
\set sync 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(\'staging\', \'products\', deletes => \'delete\')'
-- what the rows that are visible should be, and the others
\set oracle 'SELECT count(*) AS differ FROM ((TABLE products EXCEPT ALL (SELECT * FROM staging WHERE who = \'red\' UNION ALL SELECT * FROM before WHERE who <> \'red\')) UNION ALL ((SELECT * FROM staging WHERE who = \'red\' UNION ALL SELECT * FROM before WHERE who <> \'red\') EXCEPT ALL TABLE products)) AS d'

SET ROLE regress_deltaetl_red;
SELECT action, key FROM deltaetl_diff('staging', 'products') ORDER BY key;
SELECT key FROM deltaetl_hashes('products') ORDER BY key;
-- a function in scope, however cheap, sees no others
CREATE FUNCTION tell(int) RETURNS boolean LANGUAGE plpgsql STABLE COST 0.0001 AS $$
BEGIN
	IF $1 % 2 <> 0 THEN
		RAISE WARNING 'saw %', $1;
	END IF;
	RETURN true;
END $$;
SELECT count(*) FROM deltaetl_diff('staging', 'products', scope => 'tell(id)');
BEGIN;
:sync;
RESET ROLE;
:oracle;
ROLLBACK;

-- a key that a hidden row has: an error that does not show the row
RESET ROLE;
INSERT INTO staging VALUES (3, 'mine', 'red'), (NULL, 'hidden', 'blue'), (7, 'hidden', 'blue');
SET ROLE regress_deltaetl_red;
\set VERBOSITY terse
:sync;
\set VERBOSITY default
RESET ROLE;
DELETE FROM staging WHERE id = 3;

-- those who are not subject to policies meet all rows
SET ROLE regress_deltaetl_owner;
:sync;
SET ROLE regress_deltaetl_free;
:sync;
RESET ROLE;
DELETE FROM staging WHERE id IS NULL OR name = 'hidden';
SET ROLE regress_deltaetl_free;
SELECT count(*) FROM deltaetl_diff('staging', 'products');
SET ROLE regress_deltaetl_owner;
SELECT count(*) FROM deltaetl_diff('staging', 'products');
ALTER TABLE products FORCE ROW LEVEL SECURITY;
ALTER TABLE staging FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM deltaetl_diff('staging', 'products');
SELECT deltaetl_sync('staging', 'products', deletes => 'delete');
SET ROLE regress_deltaetl_free;
SELECT count(*) FROM deltaetl_diff('staging', 'products');
-- who would rather have an error than miss rows has one, before anything is locked
SET ROLE regress_deltaetl_red;
SET row_security = off;
SELECT deltaetl_diff('staging', 'products');
SELECT deltaetl_sync('staging', 'products');
SELECT deltaetl_explain('staging', 'products');
SELECT deltaetl_hashes('products');
RESET row_security;

-- a view reads with the rights and policies of its owner, or of who asks
SET ROLE regress_deltaetl_owner;
ALTER TABLE staging NO FORCE ROW LEVEL SECURITY;
CREATE VIEW definer AS TABLE staging;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM staging WHERE who = 'red';
CREATE VIEW invoker WITH (security_invoker) AS TABLE staging;
GRANT SELECT ON definer, barrier, invoker TO regress_deltaetl_red;
REVOKE ALL ON staging FROM regress_deltaetl_red;
SET ROLE regress_deltaetl_red;
SELECT count(*), count(*) FILTER (WHERE action = 'insert') AS inserts FROM deltaetl_diff('definer', 'products');
SELECT count(*) FROM deltaetl_diff('barrier', 'products', scope => 'tell(id)');
\set VERBOSITY terse
SELECT deltaetl_diff('invoker', 'products');
\set VERBOSITY default
RESET ROLE;
GRANT SELECT ON staging TO regress_deltaetl_red;
SET ROLE regress_deltaetl_red;
SELECT count(*) FROM deltaetl_diff('invoker', 'products');
BEGIN;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('barrier', 'products', deletes => 'delete');
RESET ROLE;
:oracle;
ROLLBACK;
RESET ROLE;

-- rows that may be seen but not written: kept from it, or an error
CREATE POLICY keep ON products AS RESTRICTIVE FOR UPDATE USING (id <> 6);
CREATE POLICY old ON products AS RESTRICTIVE FOR INSERT WITH CHECK (id < 12);
SET ROLE regress_deltaetl_red;
\set VERBOSITY terse
:sync;
RESET ROLE;
DROP POLICY old ON products;
SET ROLE regress_deltaetl_red;
:sync;
SELECT action, key FROM deltaetl_diff('staging', 'products');
RESET ROLE;

SET client_min_messages = warning;
DROP TABLE products, staging, before CASCADE;
DROP FUNCTION tell;
REVOKE ALL ON SCHEMA public FROM regress_deltaetl_owner, regress_deltaetl_red;
DROP ROLE regress_deltaetl_owner, regress_deltaetl_red, regress_deltaetl_free;
