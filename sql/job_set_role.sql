-- A job that is run after SET ROLE or SET SESSION AUTHORIZATION: code of its
-- owner becomes nobody else, neither at once nor later, in whatever way.
\set VERBOSITY terse
CREATE ROLE regress_deltaetl_maker;
CREATE SCHEMA made AUTHORIZATION regress_deltaetl_maker;
SELECT deltaetl_prune_log('0') >= 0 AS pruned;
SET ROLE regress_deltaetl_maker;
CREATE TABLE made.products (id int PRIMARY KEY, attack text, outcome text);
CREATE TABLE made.staging (LIKE made.products);
CREATE TABLE made.bait (id int);

-- it says who it is, once it has tried to be somebody else
CREATE FUNCTION made.escape() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE 'RESET ROLE';
	EXCEPTION WHEN OTHERS THEN NULL;
	END;
	BEGIN
		EXECUTE 'RESET SESSION AUTHORIZATION';
	EXCEPTION WHEN OTHERS THEN NULL;
	END;
	RAISE NOTICE 'escape: %', current_user;
	RETURN current_user;
END $$;
CREATE FUNCTION made.escape_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM made.escape();
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER escape AFTER INSERT ON made.bait DEFERRABLE
	FOR EACH ROW EXECUTE FUNCTION made.escape_later();
CREATE FUNCTION made.attack() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE NEW.attack;
	NEW.outcome = 'done';
	RETURN NEW;
EXCEPTION WHEN OTHERS THEN
	NEW.outcome = SQLERRM;
	RETURN NEW;
END $$;
CREATE TRIGGER attack BEFORE INSERT ON made.products FOR EACH ROW EXECUTE FUNCTION made.attack();
INSERT INTO made.staging (id, attack) VALUES
	(1, 'SELECT made.escape()'),
	(2, 'DECLARE held CURSOR WITH HOLD FOR SELECT made.escape()'),
	(3, 'SET CONSTRAINTS ALL DEFERRED; INSERT INTO made.bait VALUES (1)'),
	(4, 'CREATE TEMP TABLE left_behind (id int)'),
	(5, 'PREPARE left_behind AS SELECT made.escape()'),
	(6, 'LISTEN left_behind'),
	(7, 'SET search_path = made'),
	(8, 'SET ROLE regress_deltaetl_maker'),
	(9, 'SET SESSION AUTHORIZATION DEFAULT'),
	(10, 'SELECT set_config(''role'', ''none'', true)');
SELECT deltaetl_create_job('attack', 'made.staging', 'made.products', '{"columns": ["attack"]}');

CALL deltaetl_run_job('attack');
SELECT id, outcome FROM made.products ORDER BY id;
SELECT current_user, count(*) AS bait, current_setting('search_path') AS search_path FROM made.bait;
\set left_behind 'SELECT name FROM pg_cursors WHERE is_holdable UNION ALL SELECT name FROM pg_prepared_statements UNION ALL SELECT pg_listening_channels() UNION ALL SELECT relname FROM pg_class WHERE relname = \'left_behind\''
:left_behind;
RESET ROLE;
SET SESSION AUTHORIZATION regress_deltaetl_maker;
TRUNCATE made.products;
CALL deltaetl_run_job('attack');
SELECT count(*), count(*) FILTER (WHERE outcome = 'done') AS done FROM made.products;
SELECT current_user, session_user, count(*) AS bait FROM made.bait;
:left_behind;
RESET SESSION AUTHORIZATION;

-- what is deferrable is checked as the run ends, not with each of its statements
SET ROLE regress_deltaetl_maker;
CREATE TABLE made.nodes (id int PRIMARY KEY, parent int REFERENCES made.nodes DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE made.new_nodes (LIKE made.nodes);
INSERT INTO made.nodes VALUES (1, 1), (2, 1);
INSERT INTO made.new_nodes VALUES (2, 3), (3, 2);
SELECT deltaetl_create_job('nodes', 'made.new_nodes', 'made.nodes', '{"deletes": "delete"}');
CALL deltaetl_run_job('nodes');
SELECT * FROM made.nodes ORDER BY id;
INSERT INTO made.new_nodes VALUES (4, 5);
CALL deltaetl_run_job('nodes');
SELECT status, inserted, updated, deleted, message FROM deltaetl_run_log WHERE job = 'nodes' ORDER BY run_id;

SELECT deltaetl_drop_job(name) FROM deltaetl_job;
RESET ROLE;
SELECT deltaetl_prune_log('0');
SET client_min_messages = warning;
DROP SCHEMA made CASCADE;
DROP ROLE regress_deltaetl_maker;
