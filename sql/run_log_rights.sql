-- Who sees a run: who may read its target.  Nobody can write to the log.
CREATE ROLE regress_deltaetl_runner;
CREATE ROLE regress_deltaetl_reader;
CREATE ROLE regress_deltaetl_stranger;
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (LIKE products);
INSERT INTO staging VALUES (1, 'Laptop');
GRANT SELECT, INSERT, UPDATE ON products TO regress_deltaetl_runner;
GRANT SELECT ON staging TO regress_deltaetl_runner;
GRANT SELECT (id) ON products TO regress_deltaetl_reader;
SELECT deltaetl_prune_log('0') >= 0 AS pruned;
DELETE FROM deltaetl_total_entry;

SET ROLE regress_deltaetl_runner;
SELECT inserted FROM deltaetl_sync('staging', 'products');
SELECT current_user, target, role, inserted FROM deltaetl_run_log;
SELECT count(*) FROM deltaetl_recent_runs;
SELECT runs, inserted FROM deltaetl_stats;
SET ROLE regress_deltaetl_reader;
SELECT current_user, target, role, inserted FROM deltaetl_run_log;
SELECT runs, inserted FROM deltaetl_stats;
SET ROLE regress_deltaetl_stranger;
SELECT count(*) FROM deltaetl_run_log;
SELECT count(*) FROM deltaetl_recent_runs;
SELECT count(*) FROM deltaetl_stats;
-- a function in a condition is not shown what the caller may not see
CREATE FUNCTION pg_temp.peep(target text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	RAISE NOTICE '%', target;
	RETURN true;
END $$;
SELECT count(*) FROM deltaetl_run_log WHERE pg_temp.peep(target);

-- neither forged nor changed, by nobody
SET ROLE regress_deltaetl_runner;
SELECT count(*) FROM deltaetl_run_entry;
INSERT INTO deltaetl_run_entry (run_id) VALUES (0);
INSERT INTO deltaetl_run_log (run_id) VALUES (0);
UPDATE deltaetl_run_log SET inserted = 7;
DELETE FROM deltaetl_run_log;
DELETE FROM deltaetl_total_entry;
SELECT count(*) FROM deltaetl_change_entry;
SELECT nextval('deltaetl_run_id_seq');
SELECT deltaetl_prune_log('0');
RESET ROLE;

-- messages may quote rows
UPDATE deltaetl_run_entry SET status = 'failed', sqlstate = '22P02', message = 'bad "secret"', detail = 'of a row',
	role = current_user;
SET ROLE regress_deltaetl_reader;
SELECT status, sqlstate, message, detail FROM deltaetl_run_log;
SET ROLE regress_deltaetl_runner;
SELECT status, sqlstate, message, detail FROM deltaetl_run_log;
RESET ROLE;
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
SET ROLE regress_deltaetl_runner;
SELECT status, sqlstate, message, detail FROM deltaetl_run_log;
RESET ROLE;
ALTER TABLE products DISABLE ROW LEVEL SECURITY;

-- a schema that one may not use, a table that is gone, a role that is gone
UPDATE deltaetl_run_entry SET role = 'regress_deltaetl_stranger';
CREATE SCHEMA closed;
ALTER TABLE products SET SCHEMA closed;
UPDATE deltaetl_run_entry SET target_schema = 'closed';
SET ROLE regress_deltaetl_stranger;
SELECT count(*) FROM deltaetl_run_log;
RESET ROLE;
DROP TABLE closed.products;
SET ROLE regress_deltaetl_stranger;
SELECT target, role FROM deltaetl_run_log;
SET ROLE regress_deltaetl_runner;
SELECT count(*) FROM deltaetl_run_log;
RESET ROLE;
DROP SCHEMA closed;
DROP OWNED BY regress_deltaetl_runner, regress_deltaetl_reader, regress_deltaetl_stranger;
DROP ROLE regress_deltaetl_runner, regress_deltaetl_reader, regress_deltaetl_stranger;
SELECT target, role FROM deltaetl_run_log;
SELECT deltaetl_prune_log('0');
DROP TABLE staging;
