-- The delta is written by ordinary statements.
CREATE TABLE products (id int PRIMARY KEY, name text, qty int,
	stamp text DEFAULT 'default');
CREATE TABLE staging (id int, name text, qty int);
INSERT INTO products VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3), (4, 'four', 4);
INSERT INTO staging VALUES (2, 'TWO', 2), (3, 'three', 3), (4, 'FOUR', 4), (5, 'five', 5);

-- triggers of each kind see what they see of DML by hand
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% % % %: % -> %', TG_NAME, TG_WHEN, TG_LEVEL, TG_OP, OLD, NEW;
	RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE FUNCTION tell_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% % rows: %', TG_OP, TG_LEVEL, (SELECT array_agg(id ORDER BY id) FROM changed);
	RETURN NULL;
END $$;
CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON products FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON products EXECUTE FUNCTION tell();
CREATE TRIGGER c BEFORE UPDATE OF qty ON products FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER d AFTER INSERT ON products REFERENCING NEW TABLE AS changed EXECUTE FUNCTION tell_rows();
CREATE TRIGGER e AFTER UPDATE ON products REFERENCING NEW TABLE AS changed EXECUTE FUNCTION tell_rows();
CREATE TRIGGER f AFTER DELETE ON products REFERENCING OLD TABLE AS changed EXECUTE FUNCTION tell_rows();
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT * FROM products ORDER BY id;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
DROP FUNCTION tell, tell_rows CASCADE;

-- a BEFORE trigger that says no: counted as what happened, and said so
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN coalesce(NEW.id, OLD.id) % 2 = 0 THEN NULL
		WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON products
	FOR EACH ROW EXECUTE FUNCTION refuse();
TRUNCATE staging;
INSERT INTO staging VALUES (4, 'vier', 4), (5, 'fünf', 5), (6, 'sechs', 6), (7, 'sieben', 7);
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT id, name FROM products ORDER BY id;
DROP FUNCTION refuse CASCADE;
-- without it, the rest follows
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT id, name, qty FROM products EXCEPT ALL SELECT * FROM staging;

-- a unique value given up by a deleted row is free for the others
ALTER TABLE products ADD UNIQUE (name);
TRUNCATE staging;
INSERT INTO staging VALUES (5, 'vier', 5), (6, 'sechs', 6), (8, 'sieben', 8);
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT id, name, qty FROM products EXCEPT ALL SELECT * FROM staging;
-- two rows swapping a value need a deferrable constraint, as by hand
UPDATE staging SET name = CASE id WHEN 5 THEN 'sechs' WHEN 6 THEN 'vier' ELSE name END;
\set VERBOSITY terse
SELECT deltaetl_sync('staging', 'products');
\set VERBOSITY default
ALTER TABLE products DROP CONSTRAINT products_name_key, ADD UNIQUE (name) DEFERRABLE;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');
SELECT id, name, qty FROM products EXCEPT ALL SELECT * FROM staging;
DROP TABLE products, staging;

-- foreign keys: of others on the target, of the target on itself
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE SET NULL, name text);
CREATE TABLE leaves (id int PRIMARY KEY, tree int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE new_tree (LIKE tree);
INSERT INTO tree VALUES (1, NULL, 'root'), (2, 1, 'left'), (3, 1, 'right'), (4, 2, 'moves');
INSERT INTO leaves VALUES (10, 2), (11, 3);
INSERT INTO new_tree VALUES (6, 1, 'child first'), (1, NULL, 'root'), (3, 1, 'right'), (4, 3, 'moves');
-- deleting 2 sets the parent of 4 to NULL before 4 is updated
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('new_tree', 'tree', deletes => 'delete');
SELECT * FROM tree EXCEPT ALL SELECT * FROM new_tree;
SELECT * FROM new_tree EXCEPT ALL SELECT * FROM tree;
SELECT * FROM leaves ORDER BY id;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('new_tree', 'tree', deletes => 'delete');
-- nor does a cascade take a row along that has another parent by then
ALTER TABLE tree DROP CONSTRAINT tree_parent_fkey,
	ADD FOREIGN KEY (parent) REFERENCES tree ON DELETE CASCADE;
DELETE FROM new_tree WHERE id = 3;
UPDATE new_tree SET parent = 6 WHERE id = 4;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('new_tree', 'tree', deletes => 'delete');
SELECT * FROM tree EXCEPT ALL SELECT * FROM new_tree;
SELECT * FROM new_tree EXCEPT ALL SELECT * FROM tree;
-- and all of the new parents may be new
ALTER TABLE tree DROP CONSTRAINT tree_parent_fkey, ADD FOREIGN KEY (parent) REFERENCES tree;
UPDATE new_tree SET id = id + 100, parent = parent + 100;
UPDATE new_tree SET id = 4, parent = 106 WHERE id = 104;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('new_tree', 'tree', deletes => 'delete');
SELECT * FROM tree EXCEPT ALL SELECT * FROM new_tree;
SELECT * FROM new_tree EXCEPT ALL SELECT * FROM tree;
INSERT INTO new_tree VALUES (7, 99, 'orphan');
\set VERBOSITY terse
SELECT deltaetl_sync('new_tree', 'tree', deletes => 'delete');
\set VERBOSITY default
DROP TABLE leaves, tree, new_tree;

-- deferred and exclusion constraints
CREATE TABLE bookings (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, during int4range,
	EXCLUDE USING gist (during WITH &&));
CREATE TABLE new_bookings (id int, during int4range);
INSERT INTO bookings VALUES (1, '[1,5)'), (2, '[5,9)');
INSERT INTO new_bookings VALUES (2, '[1,5)'), (3, '[5,9)');
\set VERBOSITY terse
SELECT deltaetl_sync('new_bookings', 'bookings');
\set VERBOSITY default
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('new_bookings', 'bookings', deletes => 'delete');
SELECT * FROM bookings EXCEPT ALL SELECT * FROM new_bookings;
-- while a deferred primary key is not yet checked, keys may occur twice
BEGIN;
INSERT INTO bookings VALUES (2, '[20,21)');
SELECT deltaetl_sync('new_bookings', 'bookings');
ROLLBACK;
DROP TABLE bookings, new_bookings;
