-- Which columns are stored hashes, and whether they are right.
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE people (name text, id int, shop text, mood mood, PRIMARY KEY (shop, id));
INSERT INTO people VALUES ('one', 1, 'a', 'sad'), ('two', 2, 'a', 'happy'), ('three', 1, 'b', NULL);
SELECT deltaetl_track('people');
SELECT * FROM deltaetl_verify('people');
-- the new name of a label is not a write
ALTER TYPE mood RENAME VALUE 'sad' TO 'unhappy';
SELECT key, stored_hash = deltaetl_row_hash('a'::text, 1, 'sad'::text, 'one'::text) AS stored,
	row_hash = deltaetl_row_hash('a'::text, 1, 'unhappy'::text, 'one'::text) AS row_hash
FROM deltaetl_verify('people');
SELECT count(*) FROM deltaetl_verify('people', 'row_hash');
-- and this makes it good
UPDATE people p SET shop = p.shop FROM deltaetl_verify('people') v
WHERE (p.shop, p.id) = (v.key->>'shop', (v.key->>'id')::int);
SELECT count(*) FROM deltaetl_verify('people');

-- a column that somebody else fills: by the expression of the tracked table
ALTER TABLE people ADD loaded bytea;
UPDATE people SET loaded = row_hash;
SELECT count(*) FROM deltaetl_verify('people', 'loaded');
UPDATE people SET loaded = CASE id WHEN 1 THEN '\x00' END::bytea WHERE shop = 'a';
SELECT key, stored_hash, row_hash = deltaetl_row_hash(key->>'shop', (key->>'id')::int,
	(SELECT mood FROM people WHERE name = CASE key->>'id' WHEN '1' THEN 'one' ELSE 'two' END),
	CASE key->>'id' WHEN '1' THEN 'one' ELSE 'two' END) AS good
FROM deltaetl_verify('people', 'loaded') ORDER BY key;
SELECT count(*) FROM deltaetl_verify('people');
-- without one, by the hash that deltaetl_hashes() returns for the other columns
SELECT deltaetl_untrack('people');
UPDATE people SET loaded = deltaetl_row_hash(shop, id, mood, name);
SELECT count(*) FROM deltaetl_verify('people', 'loaded');
UPDATE people SET name = 'new' WHERE id = 2;
SELECT key, stored_hash = deltaetl_row_hash('a'::text, 2, 'happy'::text, 'two'::text) AS stored,
	row_hash = h.row_hash AS good
FROM deltaetl_verify('people', 'loaded') v
JOIN deltaetl_hashes('people', columns => '{mood,name}') h USING (key, row_hash);
SELECT deltaetl_verify('people');
\echo :SQLSTATE
-- one that is generated, but not by our functions, is such a column as well
ALTER TABLE people ADD other bytea GENERATED ALWAYS AS (sha256(deltaetl_encode(shop, id, loaded, mood, name))) STORED;
SELECT count(*) FROM deltaetl_verify('people', 'other');
SELECT deltaetl_untrack('people');
DROP TABLE people;

-- which expressions are stored hashes, made by hand
CREATE TABLE t (id int PRIMARY KEY, name text, len int);
INSERT INTO t VALUES (1, 'md5', 3);
CREATE FUNCTION is_tracked(expression text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE t ADD h bytea GENERATED ALWAYS AS (%s) STORED', expression);
	BEGIN
		PERFORM deltaetl_untrack('t');
		RETURN true;
	EXCEPTION WHEN object_not_in_prerequisite_state THEN
		ALTER TABLE t DROP h;
		RETURN false;
	END;
END $$;
SELECT expression, is_tracked(expression) FROM unnest(ARRAY[
	'deltaetl_row_hash(id)',
	'deltaetl_row_hash(len, name, id, id)',
	'deltaetl_record_hash(ROW(id, name))',
	$$digest(deltaetl_encode(name, id), 'sha256')$$,
	$$digest(deltaetl_record_encode(ROW(id)), 'SHA1')$$,
	-- not a plain column, or of columns that are not of the row
	'deltaetl_row_hash(id + 1)',
	'deltaetl_row_hash(len::oid)',
	'deltaetl_row_hash(id, 1)',
	'deltaetl_row_hash(tableoid, id)',
	'deltaetl_row_hash(VARIADIC ARRAY[id, len])',
	'deltaetl_row_hash(ROW(id, name))',
	'deltaetl_record_hash(ROW())',
	'deltaetl_record_hash(ROW(id, upper(name)))',
	'deltaetl_record_hash(CASE WHEN id > 0 THEN ROW(id) END)',
	$$digest(deltaetl_encode(id), name)$$,
	$$digest(deltaetl_encode(id), 'md' || '5')$$,
	$$digest(name, 'md5')$$,
	$$digest(digest(deltaetl_encode(id), 'md5'), 'md5')$$,
	-- other functions
	'deltaetl_encode(id)',
	'sha256(deltaetl_encode(id))',
	$$hmac(deltaetl_encode(id), 'key', 'md5')$$,
	'deltaetl_row_hash(id) || deltaetl_row_hash(name)',
	$$'\x00'::bytea$$]) expression;
-- nor are columns of other kinds
ALTER TABLE t ADD d bytea DEFAULT deltaetl_row_hash(1);
SELECT deltaetl_untrack('t');
CREATE DOMAIN bytes AS bytea CHECK (length(VALUE) > 0);
ALTER TABLE t ADD b bytes GENERATED ALWAYS AS (deltaetl_row_hash(id)) STORED;
SELECT deltaetl_untrack('t');

-- of several, the one named, else row_hash, else the first; all are dropped
ALTER TABLE t DROP d, DROP b,
	ADD h1 bytea GENERATED ALWAYS AS (deltaetl_row_hash(id)) STORED,
	ADD h2 bytea GENERATED ALWAYS AS (deltaetl_row_hash(id, name)) STORED,
	ADD loaded bytea;
UPDATE t SET loaded = deltaetl_row_hash(id);
SELECT count(*) FROM deltaetl_verify('t', 'loaded');
ALTER TABLE t RENAME h2 TO row_hash;
SELECT count(*) FROM deltaetl_verify('t', 'loaded');
SELECT count(*) FROM deltaetl_verify('t', 'h1');
SELECT deltaetl_untrack('t');
SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
DROP TABLE t;
DROP FUNCTION is_tracked(text);
DROP DOMAIN bytes;
DROP TYPE mood;
