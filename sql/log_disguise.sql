-- What has been logged of a table is not shown through another relation that
-- takes its name, nor through a schema that is closed.
CREATE ROLE regress_deltaetl_owner;
CREATE ROLE regress_deltaetl_other;
GRANT CREATE, USAGE ON SCHEMA public TO regress_deltaetl_owner, regress_deltaetl_other;
DELETE FROM deltaetl_total_entry;
SELECT deltaetl_prune_log('0') >= 0 AS pruned;
CREATE FUNCTION seen(OUT runs bigint, OUT scopes bigint, OUT messages bigint, OUT changes bigint, OUT stats bigint)
LANGUAGE sql AS $$
SELECT (SELECT count(*) FROM deltaetl_run_log), (SELECT count(*) FROM deltaetl_run_log WHERE options ? 'scope'),
	(SELECT count(coalesce(message, detail)) FROM deltaetl_run_log), (SELECT count(*) FROM deltaetl_change_log),
	(SELECT count(*) FROM deltaetl_stats)
$$;

SET ROLE regress_deltaetl_owner;
CREATE TABLE pay (id int PRIMARY KEY, name text, salary int);
CREATE TABLE new_pay (LIKE pay);
INSERT INTO new_pay VALUES (1, 'Bob', 99999);
SELECT run_id AS run FROM deltaetl_sync('new_pay', 'pay', log_changes => 'rows', scope => 'salary <> 12345') \gset
RESET ROLE;
UPDATE deltaetl_run_entry SET message = 'Key (salary)=(99999)', detail = 'a row' WHERE run_id = :run;
SET ROLE regress_deltaetl_owner;
SELECT * FROM seen();

-- a part of the columns shows that there was a run, and nothing of the rows
GRANT SELECT (id) ON pay TO regress_deltaetl_other;
SET ROLE regress_deltaetl_other;
SELECT * FROM seen();
RESET ROLE;
REVOKE SELECT (id) ON pay FROM regress_deltaetl_other;

-- a view that masks the table which it replaces
SET ROLE regress_deltaetl_owner;
ALTER TABLE pay RENAME TO pay_all;
CREATE VIEW pay AS SELECT id, name FROM pay_all;
GRANT SELECT ON pay TO PUBLIC;
SET ROLE regress_deltaetl_other;
SELECT * FROM seen();
SELECT count(*) FROM deltaetl_changes('pay');
\set VERBOSITY sqlstate
SELECT * FROM deltaetl_revert(:run);
\set VERBOSITY default
SET ROLE regress_deltaetl_owner;
DROP VIEW pay;

-- a table, or a sequence, of somebody else
SET ROLE regress_deltaetl_other;
CREATE TABLE pay (id int PRIMARY KEY, name text, salary int);
SELECT * FROM seen();
SELECT count(*) FROM deltaetl_changes('pay');
\set VERBOSITY sqlstate
SELECT * FROM deltaetl_revert(:run);
\set VERBOSITY default
-- not even a superuser takes its changes for those of the new table
RESET ROLE;
SELECT count(*) FROM deltaetl_change_log;
SELECT count(*) FROM deltaetl_changes('pay');
\set VERBOSITY sqlstate
SELECT * FROM deltaetl_revert(:run);
\set VERBOSITY default
DROP TABLE pay;
SET ROLE regress_deltaetl_other;
CREATE SEQUENCE pay;
SELECT * FROM seen();
DROP SEQUENCE pay;

-- a schema that is closed
RESET ROLE;
CREATE SCHEMA closed AUTHORIZATION regress_deltaetl_owner;
SET ROLE regress_deltaetl_owner;
ALTER TABLE pay_all SET SCHEMA closed;
ALTER TABLE closed.pay_all RENAME TO pay;
GRANT SELECT ON closed.pay TO PUBLIC;
SELECT 'closed.pay'::regclass::oid AS pay \gset
SELECT run_id AS closed_run FROM deltaetl_sync('new_pay', 'closed.pay', log_changes => 'rows') \gset
UPDATE new_pay SET salary = 1;
SELECT run_id AS closed_run FROM deltaetl_sync('new_pay', 'closed.pay', log_changes => 'rows') \gset
SET ROLE regress_deltaetl_other;
SELECT * FROM seen();
SELECT count(*) FROM deltaetl_changes(:pay);
\set VERBOSITY sqlstate
SELECT * FROM deltaetl_revert(:closed_run);
\set VERBOSITY default
RESET ROLE;
GRANT USAGE ON SCHEMA closed TO regress_deltaetl_other;
SET ROLE regress_deltaetl_other;
SELECT * FROM seen();
SELECT count(*) FROM deltaetl_changes(:pay);

-- a run is that of the role that began it, whatever triggers set
RESET ROLE;
GRANT regress_deltaetl_other TO regress_deltaetl_owner;
CREATE FUNCTION become_other() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ROLE regress_deltaetl_other;
	RETURN NULL;
END $$;
SET SESSION AUTHORIZATION regress_deltaetl_owner;
CREATE TRIGGER become_other AFTER UPDATE ON closed.pay EXECUTE FUNCTION become_other();
UPDATE new_pay SET salary = 2;
BEGIN;
SELECT run_id AS run FROM deltaetl_sync('new_pay', 'closed.pay') \gset
SELECT current_user;
COMMIT;
SELECT role FROM deltaetl_run_log WHERE run_id = :run;
RESET SESSION AUTHORIZATION;

-- settings do not change what comes back
CREATE TABLE lists (id int PRIMARY KEY, list text[], numbers int[]);
CREATE TABLE new_lists (LIKE lists);
CREATE TYPE boxed AS (list text[], n int);
ALTER TABLE lists ADD boxed boxed;
ALTER TABLE new_lists ADD boxed boxed;
INSERT INTO lists VALUES (1, '{a,NULL,"NULL"}', '{1,NULL}', ROW('{NULL}', 1));
INSERT INTO new_lists VALUES (1, '{}', '{}');
SELECT run_id AS run FROM deltaetl_sync('new_lists', 'lists', log_changes => 'rows') \gset
SET array_nulls = off;
SELECT updated FROM deltaetl_revert(:run);
RESET array_nulls;
SELECT list, list[2] IS NULL AS list_null, numbers, (boxed).list[1] IS NULL AS boxed_null FROM lists;

DROP TABLE lists, new_lists, new_pay, closed.pay;
DROP TYPE boxed;
DROP FUNCTION seen, become_other;
DROP SCHEMA closed;
DROP OWNED BY regress_deltaetl_owner, regress_deltaetl_other;
DROP ROLE regress_deltaetl_owner, regress_deltaetl_other;
