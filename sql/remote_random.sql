-- Random tables on either side of a server, of keys of every kind that digests
-- can take: each difference is held against that of the tables themselves.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
RESET client_min_messages;
DO $$
BEGIN
  EXECUTE format('CREATE SERVER loop_back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L, extensions ''deltaetl'')',
                 trim(split_part(current_setting('unix_socket_directories'), ',', 1)), current_setting('port'), current_database());
  EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER loop_back OPTIONS (user %L)', current_user);
END $$;
CREATE SCHEMA there;
CREATE SCHEMA here;

-- one of the rows that a key of each kind is made of
CREATE TABLE kinds (kind text, definition text, keys text, value text);
INSERT INTO kinds VALUES
	('int4', 'k int', 'k', '%s'),
	('int8', 'k bigint', 'k', '%s * 10000000000'),
	('text', 'k text', 'k', '''key '' || %s'),
	('collated', 'k text COLLATE "C"', 'k', '''Key '' || %s'),
	('varchar', 'k varchar(20)', 'k', '''ä'' || %s'),
	('char', 'k char(9)', 'k', '''c'' || %s'),
	('numeric', 'k numeric(12,2)', 'k', '%s / 4.0'),
	('uuid', 'k uuid', 'k', 'md5((%s)::text)::uuid'),
	('date', 'k date', 'k', 'date ''2000-01-01'' + %s'),
	('timestamptz', 'k timestamptz', 'k', 'timestamptz ''2000-01-01 UTC'' + %s * interval ''1 min'''),
	('bytea', 'k bytea', 'k', 'decode(md5((%s)::text), ''hex'')'),
	('two', 'k int, k2 text', 'k,k2', '%s / 10, ''x'' || %1$s');

CREATE FUNCTION make(kind kinds, rows int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	width int := 1 + (random() ^ 3 * 6000)::int;
BEGIN
	EXECUTE format('CREATE TABLE here.s (%s, "a.b" text, n numeric, f float8, t timestamp, c text[], PRIMARY KEY (%s))', kind.definition, kind.keys);
	EXECUTE 'CREATE TABLE there.t (LIKE here.s INCLUDING ALL)';
	EXECUTE format('INSERT INTO here.s SELECT %s, repeat(''v'', %s), i / 3.0, i / 7.0, ''epoch'', ARRAY[NULL, ''e''] FROM generate_series(1, %s) AS i',
		replace(replace(kind.value, '%s', 'i'), '%1$s', 'i'), width, rows);
	INSERT INTO there.t SELECT * FROM here.s;
END $$;

-- changes, fewer or more
CREATE FUNCTION change(share float8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE there.t SET n = n + 1 WHERE random() < share / 2;
	UPDATE there.t SET n = (n::text || '0')::numeric, c = NULL WHERE random() < share / 4;
	DELETE FROM there.t WHERE random() < share / 4;
	DELETE FROM here.s WHERE random() < share / 4;
END $$;

CREATE FUNCTION link() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IMPORT FOREIGN SCHEMA here FROM SERVER loop_back INTO there;
	IMPORT FOREIGN SCHEMA there LIMIT TO (t) FROM SERVER loop_back INTO here;
END $$;

-- every way there is to look at the same difference
CREATE FUNCTION differs(keys name[], condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	pair text[];
	wrong text := '';
BEGIN
	CREATE TEMPORARY TABLE expected ON COMMIT DROP AS
	SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_diff('here.s', 'there.t', keys, scope => condition);
	FOREACH pair SLICE 1 IN ARRAY ARRAY[['there.s', 'there.t'], ['here.s', 'here.t'], ['there.s', 'here.t']] LOOP
		IF current_setting('deltaetl.detection') <> 'join' AND EXISTS (SELECT FROM deltaetl_explain(pair[1], pair[2], keys, scope => condition) AS line WHERE line LIKE '%Not by digests%') THEN
			wrong := wrong || ' not by digests';
		END IF;
		CREATE TEMPORARY TABLE found AS
		SELECT action, key, changed_columns, old_row, new_row FROM deltaetl_diff(pair[1], pair[2], keys, scope => condition);
		IF EXISTS (TABLE expected EXCEPT ALL TABLE found) OR EXISTS (TABLE found EXCEPT ALL TABLE expected) THEN
			wrong := wrong || ' ' || pair::text;
		END IF;
		DROP TABLE found;
	END LOOP;
	RETURN wrong;
END $$;

CREATE PROCEDURE try_all(rounds int) LANGUAGE plpgsql AS $$
DECLARE
	kind kinds;
	condition text;
BEGIN
	FOR i IN 1..rounds LOOP
		FOR kind IN SELECT * FROM kinds LOOP
			PERFORM make(kind, (random() ^ 3 * 3000)::int);
			PERFORM change((ARRAY[0, 0.001, 0.02, 0.5]::float8[])[1 + (random() * 3)::int]);
			COMMIT;
			PERFORM link();
			IF random() < 0.5 THEN ANALYZE here.s; ANALYZE there.s; END IF;
			condition := (ARRAY[NULL, 'n > 50 AND "a.b" LIKE ''v%'''])[1 + (random())::int];
			INSERT INTO results SELECT kind.kind, (SELECT count(*) FROM there.t), differs(string_to_array(kind.keys, ','), condition);
			COMMIT;
			DROP FOREIGN TABLE here.t, there.s;
			DROP TABLE here.s, there.t;
			COMMIT;
		END LOOP;
	END LOOP;
END $$;

CREATE TABLE results (kind text, rows bigint, wrong text);
CALL try_all(2);
SELECT DISTINCT kind, wrong FROM results WHERE wrong <> '' ORDER BY 1, 2;
SELECT count(*), sum(rows) > 1000 AS rows FROM results;

DROP PROCEDURE try_all;
DROP FUNCTION make, change, link, differs;
DROP TABLE kinds, results;
DROP SCHEMA here, there;
DROP USER MAPPING FOR CURRENT_USER SERVER loop_back;
DROP SERVER loop_back;
DROP EXTENSION postgres_fdw;
