-- Who may do what with a job, and what is checked when it is made.
CREATE ROLE deltaetl_loader;
CREATE ROLE deltaetl_reader;
CREATE ROLE deltaetl_member IN ROLE deltaetl_loader;
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric);
CREATE TABLE staging (id int, name text, price numeric);
INSERT INTO staging VALUES (1, 'one', 1), (2, 'two', 2);
CREATE SCHEMA "The shop" AUTHORIZATION deltaetl_loader;
CREATE TABLE "The shop"."My sales" (LIKE products INCLUDING ALL);
ALTER TABLE "The shop"."My sales" OWNER TO deltaetl_loader;

-- options are those of deltaetl_sync(), and two more
SELECT deltaetl_create_job('all', 'staging', '"The shop"."My sales"', '{"key_columns": ["id"],
	"columns": ["name"], "exclude_columns": [], "deletes": "delete", "scope": "id < 10",
	"allow_empty_source": true, "max_delete_pct": 2.5, "dry_run": false, "source_hash_column": null,
	"log_changes": "keys", "if_running": "skip", "max_delete_rows": 5, "max_update_pct": null,
	"retries": 3, "lock_timeout": "1min"}');
SELECT name, source, target, options FROM deltaetl_job;
CALL deltaetl_run_job('all');
SELECT * FROM "The shop"."My sales" ORDER BY id;
SELECT options = (SELECT options FROM deltaetl_job) AS logged
FROM deltaetl_run_entry ORDER BY run_id DESC LIMIT 1;
SHOW lock_timeout;
SELECT deltaetl_drop_job('all');

-- all else is refused, before anything is written
CREATE FUNCTION try(options jsonb, source regclass DEFAULT 'staging', target regclass DEFAULT 'products',
	name text DEFAULT 'a job') RETURNS void
BEGIN ATOMIC SELECT deltaetl_create_job(name, source, target, options); END;
\set VERBOSITY terse
SELECT try('[]');
SELECT try('"deletes"');
SELECT try(NULL);
SELECT try('{"Deletes": "delete"}');
SELECT try('{"source": "other"}');
SELECT try('{"force": true}');
SELECT try('{"deletes": "remove"}');
SELECT try('{"deletes": true}');
SELECT try('{"max_delete_pct": 101}');
SELECT try('{"columns": "name"}');
SELECT try('{"columns": ["nmae"]}');
SELECT try('{"key_columns": []}');
SELECT try('{"scope": "id >"}');
SELECT try('{"scope": "id > 1; DROP TABLE products"}');
SELECT try('{"scope": "nmae > 1"}');
SELECT try('{"scope": "price"}');
SELECT try('{"retries": -1}');
SELECT try('{"retries": 101}');
SELECT try('{"retries": 1.5}');
SELECT try('{"retries": "1"}');
SELECT try('{"retries": [1]}');
SELECT try('{"lock_timeout": "soon"}');
SELECT try('{"lock_timeout": true}');
SELECT try('{"dry_run": "true"}');
SELECT try('{"allow_empty_source": 1}');
SELECT try('{"max_delete_pct": "2.5"}');
SELECT try('{"max_delete_rows": 1.5}');
SELECT try('{"max_delete_rows": false}');
SELECT try('{"source_hash_column": 1}');
SELECT try('{"source_hash_column": "hash"}');
SELECT try('{"key_columns": [1]}');
\set VERBOSITY default
SELECT try('{"max_deletes": 5}');
SELECT try('{"retries": "often"}');
SELECT try('{"lock_timeout": {}}');
\set VERBOSITY terse
SELECT try('{}', source => NULL);
SELECT try('{}', target => NULL);
SELECT try('{}', source => 'products');
SELECT try('{}', source => 'products', target => 'staging');
SELECT try('{}', target => 'pg_class');
SELECT try('{}', name => NULL);
SELECT try('{}', name => '');
SELECT try('{}', name => repeat('x', 64));
SELECT try('{}', name => repeat('é', 32));
CREATE TEMPORARY TABLE short_lived (LIKE products INCLUDING ALL);
SELECT try('{}', source => 'short_lived');
\set VERBOSITY default
SELECT try('{}', target => 'short_lived');
DROP TABLE short_lived;
-- a schedule takes pg_cron; nothing is left behind
SELECT deltaetl_create_job('often', 'staging', 'products', schedule => '* * * * *');
SELECT count(*) FROM deltaetl_job_entry;

-- names are as free as those of tables
SELECT try('{}', name => $$it's a \ "job"$$);
SELECT try('{}', name => repeat('é', 31));
CALL deltaetl_run_job($$it's a \ "job"$$);
\set VERBOSITY terse
SELECT try('{}', name => $$it's a \ "job"$$);
SELECT deltaetl_alter_job($$it's a \ "job"$$, options => '{"retries": 1, "dry_run": true}', schedule => '');
SELECT deltaetl_alter_job($$it's a \ "job"$$, options => '{"retries": -1}');
SELECT deltaetl_alter_job($$it's a \ "job"$$, target => 'staging');
SELECT deltaetl_alter_job($$it's a \ "job"$$, schedule => '* * * * *');
SELECT name, target, options, last_status FROM deltaetl_job ORDER BY name COLLATE "C";
SELECT deltaetl_drop_job(name) FROM deltaetl_job;

-- who makes a job needs the rights that its runs need, then and later
SET ROLE deltaetl_loader;
SELECT try('{}', target => '"The shop"."My sales"');
RESET ROLE; GRANT SELECT ON staging TO deltaetl_loader; SET ROLE deltaetl_loader;
SELECT deltaetl_create_job('sales', 'staging', '"The shop"."My sales"', '{"scope": "id > 0"}');
CALL deltaetl_run_job('sales');
RESET ROLE; REVOKE SELECT ON staging FROM deltaetl_loader; SET ROLE deltaetl_loader;
CALL deltaetl_run_job('sales');
RESET ROLE; GRANT SELECT ON staging TO deltaetl_loader;
SELECT role, status, sqlstate FROM deltaetl_run_entry WHERE job = 'sales' ORDER BY run_id;

-- it is run and changed by that role alone: superusers and members become it
\set VERBOSITY default
CALL deltaetl_run_job('sales');
\set VERBOSITY terse
SELECT deltaetl_alter_job('sales', options => '{"scope": "true"}');
SET ROLE deltaetl_member;
CALL deltaetl_run_job('sales');
SELECT deltaetl_drop_job('sales');
-- of others' jobs no names are suggested
CALL deltaetl_run_job('sale');
-- seen by members, by who may read the target, by superusers
SELECT name, owner, last_status FROM deltaetl_job;
SET ROLE deltaetl_reader;
SELECT name FROM deltaetl_job;
SELECT * FROM deltaetl_job_entry;
INSERT INTO deltaetl_job SELECT * FROM deltaetl_job;
RESET ROLE; GRANT SELECT (id) ON "The shop"."My sales" TO deltaetl_reader; SET ROLE deltaetl_reader;
SELECT name FROM deltaetl_job;
RESET ROLE; GRANT USAGE ON SCHEMA "The shop" TO deltaetl_reader; SET ROLE deltaetl_reader;
SELECT name, source, target, options FROM deltaetl_job;
RESET ROLE;

-- nothing breaks when the role has gone, and a superuser can clean up
DROP SCHEMA "The shop" CASCADE;
REVOKE ALL ON staging FROM deltaetl_loader;
DROP ROLE deltaetl_loader;
SELECT name, source, target, owner FROM deltaetl_job;
SET ROLE deltaetl_member;
SELECT name FROM deltaetl_job;
RESET ROLE;
SELECT deltaetl_drop_job('sales');
SELECT count(*) FROM deltaetl_job_entry;

DROP FUNCTION try;
DROP TABLE products, staging;
DROP ROLE deltaetl_reader, deltaetl_member;
