-- A job runs as its owner, and what it calls cannot be anybody else; the CALL
-- commits nothing that was not the job's.
\set VERBOSITY terse
CREATE ROLE regress_deltaetl_maker;
GRANT CREATE, USAGE ON SCHEMA public TO regress_deltaetl_maker;
SELECT deltaetl_prune_log('0') >= 0 AS pruned;
SET ROLE regress_deltaetl_maker;
CREATE TABLE products (id int PRIMARY KEY);
CREATE TABLE staging (LIKE products);
INSERT INTO staging VALUES (1);
CREATE FUNCTION tell() RETURNS boolean LANGUAGE sql AS
$$ SELECT current_user = 'regress_deltaetl_maker' $$;
CREATE FUNCTION escape() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'RESET ROLE';
	RETURN true;
END $$;
CREATE FUNCTION escape_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM escape();
	RETURN NULL;
END $$;
SELECT deltaetl_create_job('tell', 'staging', 'products', '{"scope": "tell()", "deletes": "delete"}');
SELECT deltaetl_create_job('escape', 'staging', 'products', '{"scope": "escape()"}');
SELECT deltaetl_create_job('plain', 'staging', 'products', '{"retries": 1}');

-- a role that ends with the caller's transaction is none
RESET ROLE;
DO $$
BEGIN
	SET LOCAL ROLE regress_deltaetl_maker;
	CALL deltaetl_run_job('tell');
END $$;
SELECT count(*) FROM products;
SELECT count(*) FROM deltaetl_run_log;

-- who has set the role is not who the owner's code becomes: at once, in a trigger, or in one that waits for the end
SET ROLE regress_deltaetl_maker;
CALL deltaetl_run_job('tell');
CALL deltaetl_run_job('escape');
SELECT current_user;
INSERT INTO staging VALUES (2);
CREATE CONSTRAINT TRIGGER escape AFTER INSERT ON products DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION escape_later();
CALL deltaetl_run_job('plain');
SELECT count(*) FROM products;
DROP TRIGGER escape ON products;
RESET ROLE;
-- the same if it is the user of the session that was set
SET SESSION AUTHORIZATION regress_deltaetl_maker;
CALL deltaetl_run_job('escape');
CREATE OR REPLACE FUNCTION escape() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'RESET SESSION AUTHORIZATION';
	RETURN true;
END $$;
CALL deltaetl_run_job('escape');
RESET SESSION AUTHORIZATION;
SELECT job, status, role, sqlstate FROM deltaetl_run_log ORDER BY run_id;
SELECT name, owner, last_status FROM deltaetl_job ORDER BY name COLLATE "C";
SELECT deltaetl_prune_log('0');

-- work of the caller's own is neither committed nor taken for the job's
SET ROLE regress_deltaetl_maker;
DO $$
BEGIN
	INSERT INTO staging VALUES (3);
	CALL deltaetl_run_job('plain');
END $$;
SELECT count(*) FROM staging;
DO $$
BEGIN
	INSERT INTO staging VALUES (3);
	COMMIT;
	CALL deltaetl_run_job('plain');
END $$;
SELECT count(*) FROM products;
SELECT job, status FROM deltaetl_run_log ORDER BY run_id;
RESET ROLE;

-- what is deferred waits for the end, as it does for a sync in a transaction
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE items (id int PRIMARY KEY);
CREATE FUNCTION add_family() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO children VALUES (NEW.id);
	INSERT INTO parents VALUES (NEW.id);
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER add_family AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION add_family();
SELECT deltaetl_create_job('family', 'staging', 'items');
CALL deltaetl_run_job('family');
SELECT count(*) FROM children;
SELECT status, inserted FROM deltaetl_run_log WHERE job = 'family';
SELECT deltaetl_drop_job('family');
DROP TABLE items, children, parents;
DROP FUNCTION add_family;

SET ROLE regress_deltaetl_maker;
SELECT deltaetl_drop_job(name) FROM deltaetl_job;
DROP TABLE products, staging;
DROP FUNCTION tell, escape, escape_later;
RESET ROLE;
REVOKE ALL ON SCHEMA public FROM regress_deltaetl_maker;
DROP ROLE regress_deltaetl_maker;
