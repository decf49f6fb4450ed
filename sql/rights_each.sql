-- A run takes the rights that the same statements written by hand take: with
-- all of them it works, and without any one of them neither does.
CREATE ROLE regress_deltaetl_loader;
CREATE SCHEMA store;
CREATE SCHEMA parts;
CREATE FUNCTION parts.positive(int) RETURNS boolean IMMUTABLE RETURN $1 > 0;
CREATE FUNCTION parts.valid(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
CREATE DOMAIN parts.label AS text CHECK (parts.valid(VALUE));
CREATE SEQUENCE parts.numbers;
CREATE TABLE store.kinds (kind int PRIMARY KEY);
INSERT INTO store.kinds VALUES (1), (2);
CREATE TABLE store.products (id int PRIMARY KEY, name parts.label, kind int REFERENCES store.kinds,
	CHECK (parts.positive(id)));
CREATE INDEX ON store.products (parts.positive(kind));
CREATE TABLE store.staging (id int, name text, kind int);
INSERT INTO store.staging VALUES (2, 'b', 1), (3, 'C', 2), (4, 'd', 2);
REVOKE ALL ON FUNCTION parts.positive, parts.valid FROM PUBLIC;

-- what becomes of one and the other, which are not kept
CREATE FUNCTION outcome() RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(format('%s %s %s', id, name, kind), ', ' ORDER BY id) FROM store.products $$;
CREATE FUNCTION by_hand() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM store.products AS t WHERE NOT EXISTS (SELECT FROM store.staging AS s WHERE s.id = t.id);
	UPDATE store.products AS t SET name = s.name, kind = s.kind FROM store.staging AS s
	WHERE s.id = t.id AND (s.name, s.kind) IS DISTINCT FROM (t.name, t.kind);
	INSERT INTO store.products (id, name, kind) SELECT id, name, kind FROM store.staging AS s
	WHERE NOT EXISTS (SELECT FROM store.products AS t WHERE s.id = t.id);
	RAISE EXCEPTION USING MESSAGE = outcome(), ERRCODE = '00001';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION by_sync() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM deltaetl_sync('store.staging', 'store.products', deletes => 'delete');
	RAISE EXCEPTION USING MESSAGE = outcome(), ERRCODE = '00001';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || ' ' || detail;
END $$;

-- the rights, and whether on the whole table or on each column
CREATE TABLE rights (number int, whole boolean, what text);
INSERT INTO rights VALUES (1, NULL, 'USAGE ON SCHEMA store'),
	(2, NULL, 'EXECUTE ON FUNCTION parts.positive'), (3, NULL, 'EXECUTE ON FUNCTION parts.valid'),
	(4, NULL, 'DELETE ON store.products'),
	(5, true, 'SELECT ON store.staging'), (6, true, 'SELECT ON store.products'),
	(7, true, 'INSERT ON store.products'), (8, true, 'UPDATE ON store.products'),
	(9, false, 'SELECT (id) ON store.staging'), (10, false, 'SELECT (name) ON store.staging'),
	(11, false, 'SELECT (kind) ON store.staging'), (12, false, 'SELECT (id) ON store.products'),
	(13, false, 'SELECT (name) ON store.products'), (14, false, 'SELECT (kind) ON store.products'),
	(15, false, 'INSERT (id) ON store.products'), (16, false, 'INSERT (name) ON store.products'),
	(17, false, 'INSERT (kind) ON store.products'), (18, false, 'UPDATE (name) ON store.products'),
	(19, false, 'UPDATE (kind) ON store.products'), (20, NULL, 'USAGE ON SEQUENCE parts.numbers');

-- both with all rights of a kind but one
CREATE FUNCTION try(missing int, whole_table boolean, OUT without text, OUT same boolean, OUT sync text) LANGUAGE plpgsql AS $$
DECLARE
	hand text;
	granted text[] = ARRAY(SELECT what FROM rights WHERE COALESCE(whole = whole_table, true) AND number <> missing);
	one text;
BEGIN
	FOREACH one IN ARRAY granted LOOP
		EXECUTE format('GRANT %s TO regress_deltaetl_loader', one);
	END LOOP;
	SET LOCAL ROLE regress_deltaetl_loader;
	hand = by_hand();
	sync = by_sync();
	RESET ROLE;
	FOREACH one IN ARRAY granted LOOP
		EXECUTE format('REVOKE %s FROM regress_deltaetl_loader', one);
	END LOOP;
	same = left(hand, 5) = left(sync, 5) AND (hand LIKE '42501%' OR hand || ' ' = sync);
	SELECT what INTO without FROM rights WHERE number = missing;
END $$;
\set try_each 'SELECT without, same, sync FROM (VALUES (true), (false)) AS w (whole_table) CROSS JOIN LATERAL (SELECT number FROM rights WHERE COALESCE(whole = whole_table, true) UNION ALL SELECT 0) AS r CROSS JOIN LATERAL try(number, whole_table) ORDER BY whole_table DESC, number'

-- rows are written without a plan
INSERT INTO store.products VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 1);
:try_each;

-- by statements, with defaults and generated columns
ALTER TABLE store.products ADD number int DEFAULT nextval('parts.numbers'),
	ADD double boolean GENERATED ALWAYS AS (parts.positive(id)) STORED;
:try_each;
SELECT outcome();

-- who knows the OID of a table has no right to its schema
GRANT SELECT, INSERT, UPDATE ON store.products, store.staging TO regress_deltaetl_loader;
SELECT 'store.products'::regclass::oid AS target, 'store.staging'::regclass::oid AS source \gset
SET ROLE regress_deltaetl_loader;
SELECT deltaetl_explain(:source, :target);
SELECT deltaetl_create_job('load', :source, :target);
SELECT deltaetl_hashes(:target);
RESET ROLE;
-- nor to a hash that the run is to believe
GRANT USAGE ON SCHEMA store TO regress_deltaetl_loader;
REVOKE SELECT ON store.staging FROM regress_deltaetl_loader;
GRANT SELECT (id, name, kind) ON store.staging TO regress_deltaetl_loader;
ALTER TABLE store.staging ADD hash bytea;
SET ROLE regress_deltaetl_loader;
SELECT deltaetl_sync('store.staging', 'store.products', source_hash_column => 'hash');
RESET ROLE;

DROP TABLE rights;
DROP FUNCTION try, by_hand, by_sync, outcome;
SET client_min_messages = warning;
DROP SCHEMA store, parts CASCADE;
DROP ROLE regress_deltaetl_loader;
