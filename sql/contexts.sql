-- Where and when a sync may be called, and what it must not be confused by.
\set SHOW_CONTEXT never
\set differ 'SELECT count(*) AS differ FROM ((SELECT t::text FROM items t EXCEPT ALL SELECT s::text FROM new_items s) UNION ALL (SELECT s::text FROM new_items s EXCEPT ALL SELECT t::text FROM items t)) AS d'
\set sync 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''new_items'', ''items'', deletes => ''delete'')'
CREATE TABLE items (id int PRIMARY KEY, name text, qty int);
CREATE TABLE new_items (LIKE items);
INSERT INTO items SELECT i, 'name ' || i, i FROM generate_series(1, 300) AS i;
INSERT INTO new_items SELECT * FROM items;

-- a trigger of the source
CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '%: %', TG_OP, (SELECT ROW(inserted, updated, deleted, unchanged) FROM deltaetl_sync('new_items', 'items', deletes => 'delete'));
	RETURN NULL;
END $$;
CREATE TRIGGER pass_on AFTER INSERT OR UPDATE OR DELETE ON new_items EXECUTE FUNCTION pass_on();
INSERT INTO new_items VALUES (301, 'trigger', 1), (302, 'trigger', 2);
UPDATE new_items SET qty = -1 WHERE id < 4;
DELETE FROM new_items WHERE id > 301;
:differ;
CREATE TRIGGER pass_on_rows AFTER UPDATE ON new_items FOR EACH ROW EXECUTE FUNCTION pass_on();
UPDATE new_items SET qty = -2 WHERE id < 3;
:differ;
SET client_min_messages = warning;
DROP FUNCTION pass_on CASCADE;
RESET client_min_messages;

-- an SQL function, once for each row of a query
CREATE FUNCTION sync_part(part int) RETURNS text LANGUAGE sql AS $$
SELECT concat_ws(' ', inserted, updated, deleted, unchanged) FROM deltaetl_sync('new_items', 'items', scope => format('id %% 3 = %s', part))
$$;
UPDATE new_items SET qty = id WHERE id % 50 = 0 OR id < 4;
UPDATE new_items SET qty = qty + 1 WHERE id % 50 = 0;
SELECT part, sync_part(part), sync_part(part) AS again FROM generate_series(0, 2) AS part;
SELECT sync_part(id % 3) FROM items WHERE id < 3 ORDER BY id;
:differ;
DROP FUNCTION sync_part;

-- a procedure that commits in between, and a subtransaction that does not
CREATE PROCEDURE sync_twice() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 2 LOOP
		UPDATE new_items SET qty = qty + i WHERE id % 100 = i;
		RAISE NOTICE '%', (SELECT ROW(inserted, updated, deleted, unchanged) FROM deltaetl_sync('new_items', 'items'));
		COMMIT;
	END LOOP;
	UPDATE new_items SET qty = qty + 1;
	BEGIN
		PERFORM deltaetl_sync('new_items', 'items');
		UPDATE items SET qty = 1 / (qty - qty);
	EXCEPTION WHEN division_by_zero THEN
		RAISE NOTICE 'rolled back: %', (SELECT count(*) FROM items JOIN new_items USING (id, qty));
	END;
	RAISE NOTICE '%', (SELECT ROW(inserted, updated, deleted, unchanged) FROM deltaetl_sync('new_items', 'items'));
END $$;
CALL sync_twice();
:differ;
DROP PROCEDURE sync_twice;
-- after changes of the same transaction, on both sides, some taken back
BEGIN;
INSERT INTO items VALUES (1000, 'mine', 1), (1001, 'mine', 2);
DELETE FROM items WHERE id < 3;
UPDATE items SET name = 'mine' WHERE id BETWEEN 3 AND 5;
SAVEPOINT more;
UPDATE items SET name = 'lost';
DELETE FROM new_items;
ROLLBACK TO more;
UPDATE new_items SET name = 'new' WHERE id IN (4, 6);
INSERT INTO new_items VALUES (1001, 'new', 3);
:sync;
:differ;
:sync;
ROLLBACK;
:sync;

-- transactions with one snapshot
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE new_items SET name = 'repeatable' WHERE id = 7;
DELETE FROM items WHERE id = 8;
:sync;
:differ;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM items;
DELETE FROM new_items WHERE id = 9;
:sync;
:sync;
COMMIT;
:differ;
-- a cursor sees the rows that were there when it was opened; so does a loop
BEGIN;
DECLARE before CURSOR FOR SELECT id, name FROM items WHERE id < 5 ORDER BY name;
FETCH 1 FROM before;
UPDATE new_items SET name = 'cursor' WHERE id > 2;
DELETE FROM new_items WHERE id = 2;
:sync;
FETCH ALL FROM before;
SELECT id, name FROM items WHERE id < 5 ORDER BY id;
COMMIT;
DO $$
DECLARE
	sum_before bigint := sum(qty) FROM items;
	sum_seen bigint := 0;
	one items;
BEGIN
	FOR one IN SELECT * FROM items LOOP
		sum_seen := sum_seen + one.qty;
		UPDATE new_items SET qty = qty + 1 WHERE id = one.id AND id % 40 = 0;
		IF FOUND THEN
			PERFORM deltaetl_sync('new_items', 'items');
		END IF;
	END LOOP;
	RAISE NOTICE 'seen as before: %, % more now', sum_seen = sum_before, (SELECT sum(qty) FROM items) - sum_before;
END $$;
:differ;

-- a sync within a sync, by a trigger of the target
CREATE TABLE copies (LIKE items INCLUDING ALL);
CREATE FUNCTION copy_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% of items: %', TG_OP, (SELECT ROW(inserted, updated, deleted, unchanged) FROM deltaetl_sync('items', 'copies', deletes => 'delete'));
	RETURN NULL;
END $$;
CREATE TRIGGER copy_items AFTER INSERT OR UPDATE OR DELETE ON items EXECUTE FUNCTION copy_items();
INSERT INTO new_items VALUES (2, 'again', 2);
UPDATE new_items SET name = 'nested' WHERE id % 100 = 0;
DELETE FROM new_items WHERE id = 5;
:sync;
:differ;
SELECT count(*) FROM (SELECT * FROM items EXCEPT SELECT * FROM copies) AS d;
SET client_min_messages = warning;
DROP FUNCTION copy_items CASCADE;
RESET client_min_messages;
DROP TABLE items, new_items, copies;
