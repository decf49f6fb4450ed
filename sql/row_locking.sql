-- lock_mode => 'row', by itself: it does what lock_mode => 'table' does, and
-- says where it cannot.  What others do meanwhile is in specs/row_locks.spec.

CREATE TABLE products (id numeric PRIMARY KEY, name text, price numeric(10,2), doubled numeric GENERATED ALWAYS AS (price * 2) STORED);
CREATE TABLE staging (id numeric, name text, price numeric);
INSERT INTO products SELECT i, 'product ' || i, i FROM generate_series(1, 200) AS i;
INSERT INTO staging SELECT i, 'product ' || i + (i % 7 = 0)::int, i FROM generate_series(21, 260) AS i;
UPDATE staging SET id = 21.0 WHERE id = 21;

-- values
SELECT deltaetl_sync('staging', 'products', lock_mode => 'rows');
SELECT deltaetl_sync('staging', 'products', lock_mode => NULL);
SELECT deltaetl_create_job('nightly', 'staging', 'products', '{"lock_mode": "page"}');

-- the same as with a lock on the table, counts and log and all
CREATE FUNCTION compare(target regclass, VARIADIC args text[])
RETURNS TABLE (mode text, inserted bigint, updated bigint, deleted bigint, unchanged bigint, changes bigint, digest text)
LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	FOREACH mode IN ARRAY ARRAY['table', 'row'] LOOP
		BEGIN
			EXECUTE format('SELECT run_id, inserted, updated, deleted, unchanged FROM deltaetl_sync(''staging'', %L, %s, log_changes => ''rows'', lock_mode => %L)',
				target, array_to_string(args, ', '), mode)
				INTO run, inserted, updated, deleted, unchanged;
			SELECT count(*) INTO changes FROM deltaetl_change_log AS l WHERE l.run_id = run;
			EXECUTE format('SELECT md5(string_agg(t::text, '','' ORDER BY t::text)) FROM %s AS t', target) INTO digest;
			RAISE EXCEPTION 'undo' USING ERRCODE = 'UD000';
		EXCEPTION WHEN SQLSTATE 'UD000' THEN
			NULL;
		END;
		RETURN NEXT;
	END LOOP;
END $$;

SELECT mode, inserted, updated, deleted, unchanged, changes, digest = lag(digest, 1, digest) OVER () AS same
FROM compare('products', $$deletes => 'delete'$$);
SELECT mode, inserted, updated, deleted, unchanged, changes, digest = lag(digest, 1, digest) OVER () AS same
FROM compare('products', $$deletes => 'delete'$$, $$scope => 'id < 100 -- and so on'$$);
SELECT mode, inserted, updated, deleted, unchanged, changes, digest = lag(digest, 1, digest) OVER () AS same
FROM compare('products', $$columns => '{name}'$$);
SELECT mode, inserted, updated, deleted, unchanged, changes, digest = lag(digest, 1, digest) OVER () AS same
FROM compare('products', $$dry_run => true$$, $$deletes => 'delete'$$);

-- partitions, defaults and triggers that change, refuse and move rows
CREATE TABLE parts (price numeric, id numeric PRIMARY KEY, gone int, name text, at int DEFAULT 7) PARTITION BY RANGE (id);
ALTER TABLE parts DROP gone;
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (50);
CREATE TABLE parts_2 (name text, id numeric NOT NULL, at int, price numeric);
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (50) TO (1000);
INSERT INTO parts (id, name, price) SELECT id, name, price FROM products;
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		RETURN OLD;
	ELSIF NEW.id = 77 OR NEW.id = 201 THEN
		RETURN NULL;
	ELSIF NEW.id = 202 THEN
		NEW.id := 1202 - 1000 + 0.5;
	END IF;
	RETURN NEW;
END $$;
SELECT mode, inserted, updated, deleted, unchanged, changes, digest = lag(digest, 1, digest) OVER () AS same
FROM compare('parts', $$deletes => 'delete'$$);
CREATE TRIGGER meddle BEFORE INSERT OR UPDATE OR DELETE ON parts FOR EACH ROW EXECUTE FUNCTION meddle();
SELECT mode, inserted, updated, deleted, unchanged, changes, digest = lag(digest, 1, digest) OVER () AS same
FROM compare('parts', $$deletes => 'delete'$$);
TRUNCATE parts;
DROP TRIGGER meddle ON parts;
SELECT mode, inserted, updated, deleted, unchanged, changes, digest = lag(digest, 1, digest) OVER () AS same
FROM compare('parts', $$deletes => 'delete'$$);

-- the run itself, one without changes, and back
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', deletes => 'delete', lock_mode => 'row', log_changes => 'rows');
SELECT count(*) FROM ((SELECT id::text, name, price FROM products EXCEPT ALL SELECT id::text, name, price FROM staging) UNION ALL
	(SELECT id::text, name, price FROM staging EXCEPT ALL SELECT id::text, name, price FROM products)) AS d;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', deletes => 'delete', lock_mode => 'row');
SELECT options FROM deltaetl_run_log ORDER BY run_id DESC LIMIT 1;
SELECT inserted, updated, deleted FROM deltaetl_revert((SELECT max(run_id) FROM deltaetl_run_log WHERE updated > 0));
SELECT count(*) = 200 AND bool_and(name = 'product ' || id AND price = id) AS is_back FROM products;
SELECT mode FROM pg_locks WHERE relation = 'products'::regclass AND granted AND mode LIKE 'Share%';
BEGIN;
SELECT updated FROM deltaetl_sync('staging', 'products', lock_mode => 'row');
SELECT mode FROM pg_locks WHERE relation = 'products'::regclass AND granted AND mode LIKE 'Share%';
ROLLBACK;

-- what it takes
CREATE TABLE lists (id int, name text);
CREATE UNIQUE INDEX ON lists (id) WHERE name <> '';
SELECT deltaetl_sync('staging', 'lists', '{id}', lock_mode => 'row');
CREATE UNIQUE INDEX ON lists (id);
ALTER TABLE lists ALTER id SET NOT NULL;
SELECT deltaetl_sync('staging', 'lists', '{id,name}', lock_mode => 'row');
CREATE TABLE late (id int PRIMARY KEY DEFERRABLE, name text);
SELECT deltaetl_sync('staging', 'late', lock_mode => 'row');
CREATE TABLE twice (id numeric PRIMARY KEY, name text, UNIQUE (id) DEFERRABLE);
CREATE TABLE indexed (id numeric NOT NULL, name text COLLATE "C" NOT NULL, price numeric);
CREATE UNIQUE INDEX ON indexed (name, id);
SELECT inserted, updated FROM deltaetl_sync('staging', 'twice', lock_mode => 'row');
SELECT inserted, updated FROM deltaetl_sync('staging', 'indexed', '{id,name}', lock_mode => 'row');
CREATE TABLE child () INHERITS (lists);
SELECT deltaetl_sync('staging', 'lists', '{id}', lock_mode => 'row');
SELECT line FROM deltaetl_explain('staging', 'products', deletes => 'delete', lock_mode => 'row') AS line
WHERE line ~ 'Lock|can read|locked before|ON CONFLICT|by a statement|deltaetl_(insert|known)';

-- a source that writes to the target
CREATE FUNCTION spoil(numeric) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
	UPDATE products SET name = 'spoiled' WHERE id = 28 AND $1 = 28;
	RETURN $1;
END $$;
CREATE VIEW spoiler AS SELECT spoil(id) AS id, name, price FROM staging;
SELECT deltaetl_sync('spoiler', 'products', lock_mode => 'row');

-- a row that is never seen, but always there
CREATE ROLE regress_deltaetl_clerk;
GRANT ALL ON products TO regress_deltaetl_clerk;
GRANT SELECT ON staging TO regress_deltaetl_clerk;
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON products USING (id <> 33) WITH CHECK (true);
SET ROLE regress_deltaetl_clerk;
SELECT deltaetl_sync('staging', 'products', lock_mode => 'row');
RESET ROLE;
ALTER TABLE products ADD hidden bool DEFAULT false;
UPDATE products SET hidden = true WHERE id = 33;
DROP POLICY visible ON products;
CREATE POLICY visible ON products USING (NOT hidden) WITH CHECK (true);
SET ROLE regress_deltaetl_clerk;
SELECT deltaetl_sync('staging', 'products', lock_mode => 'row');
RESET ROLE;
SELECT count(*) FROM products WHERE name = 'product ' || id;

DROP VIEW spoiler;
DROP TABLE products, staging, parts, lists, child, late, twice, indexed;
DROP FUNCTION compare, meddle, spoil;
DROP ROLE regress_deltaetl_clerk;
