-- What a target without triggers has after rows were written without a plan:
-- indexes, values out of line, keys with other bytes; and which targets that is.
\set SHOW_CONTEXT never
SET max_parallel_workers_per_gather = 0;
CREATE FUNCTION do_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';

-- Sync new_stock to stock and take it back: counts, rows really written, and
-- the content; or the error.
CREATE FUNCTION try_sync(arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	run record;
	content text;
	detail text;
	written bigint[] := ARRAY[pg_stat_get_xact_tuples_inserted('stock'::regclass),
		pg_stat_get_xact_tuples_updated('stock'::regclass), pg_stat_get_xact_tuples_deleted('stock'::regclass)];
BEGIN
	EXECUTE format('SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync(''new_stock'', ''stock'', %s)', arguments) INTO run;
	SET CONSTRAINTS ALL IMMEDIATE;
	SELECT string_agg(regexp_replace(s::text, '(\w)\1{99,}', '\1...', 'g'), ' ' ORDER BY s::text COLLATE "C") INTO content FROM stock s;
	written := ARRAY[pg_stat_get_xact_tuples_inserted('stock'::regclass) - written[1],
		pg_stat_get_xact_tuples_updated('stock'::regclass) - written[2], pg_stat_get_xact_tuples_deleted('stock'::regclass) - written[3]];
	RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = format('%s %s: %s', run, written, content);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN CASE WHEN SQLSTATE = 'ZZ000' THEN SQLERRM ELSE format('%s %s. %s', SQLSTATE, SQLERRM, detail) END;
END $$;
-- Both ways; one line, if they agree.
CREATE FUNCTION both_ways(arguments text DEFAULT 'deletes => ''delete''') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	direct text := try_sync(arguments);
	by_statements text;
BEGIN
	CREATE TRIGGER do_nothing AFTER INSERT OR UPDATE OR DELETE ON stock FOR EACH ROW EXECUTE FUNCTION do_nothing();
	by_statements := try_sync(arguments);
	DROP TRIGGER do_nothing ON stock;
	RETURN NEXT direct;
	IF direct IS DISTINCT FROM by_statements THEN
		RETURN NEXT 'by statements: ' || by_statements;
	END IF;
END $$;

-- expression and partial indexes find the rows that were written
CREATE TABLE stock (id int PRIMARY KEY, name text, qty int);
CREATE TABLE new_stock (qty int, name text, id int);
INSERT INTO stock SELECT i, 'Name ' || i, i FROM generate_series(1, 1000) AS i;
CREATE INDEX stock_lower ON stock (lower(name));
CREATE UNIQUE INDEX stock_few ON stock (qty) WHERE qty < 50;
CREATE INDEX stock_hash ON stock USING hash (name);
INSERT INTO new_stock SELECT qty, name, id FROM stock WHERE id > 10;
UPDATE new_stock SET name = 'New ' || id WHERE id % 4 = 0;
UPDATE new_stock SET qty = qty + 60 WHERE id % 3 = 0 AND id BETWEEN 10 AND 60;
UPDATE new_stock SET qty = id - 990 WHERE id > 990;
INSERT INTO new_stock SELECT i, 'New ' || i, i FROM generate_series(1001, 3500) AS i;
SELECT split_part(both_ways, ':', 1) FROM both_ways();
UPDATE new_stock SET qty = 11 WHERE id = 12;
SELECT split_part(both_ways, ':', 1) FROM both_ways();
UPDATE new_stock SET qty = 72 WHERE id = 12;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_stock', 'stock', deletes => 'delete');
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM stock WHERE lower(name) = 'x';
EXPLAIN (COSTS OFF) SELECT id FROM stock WHERE qty < 50 ORDER BY qty;
SELECT count(*), count(found.id) AS found FROM new_stock AS n
LEFT JOIN LATERAL (SELECT id FROM stock WHERE lower(name) = lower(n.name) OFFSET 0) AS found ON found.id = n.id;
SELECT count(*), count(found.id) AS found FROM new_stock AS n
LEFT JOIN LATERAL (SELECT id FROM stock WHERE name = n.name OFFSET 0) AS found ON found.id = n.id;
SELECT (SELECT array_agg(id ORDER BY qty) FROM stock WHERE qty < 50) = array_agg(id ORDER BY qty) AS found FROM new_stock WHERE qty < 50;
SELECT count(*) AS old_names FROM stock WHERE lower(name) = 'name 12';
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP TABLE stock, new_stock;

-- values out of line: new ones, others beside them, and none any more
CREATE TABLE stock (id int PRIMARY KEY, big text, name text, other text, size int GENERATED ALWAYS AS (length(big)) STORED);
ALTER TABLE stock ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;
CREATE TABLE new_stock (LIKE stock INCLUDING STORAGE INCLUDING GENERATED);
INSERT INTO stock SELECT i, repeat(chr(96 + i), 6000), 'n' || i, repeat('o', 5000) FROM generate_series(1, 8) AS i;
INSERT INTO new_stock SELECT id, big, name, other FROM stock;
UPDATE new_stock SET name = 'beside' WHERE id = 2;
UPDATE new_stock SET big = repeat('x', 6001) WHERE id = 3;
UPDATE new_stock SET big = NULL WHERE id = 4;
UPDATE new_stock SET big = 'short', other = repeat('p', 5000) WHERE id = 5;
UPDATE stock SET big = NULL, other = '' WHERE id = 6;
ALTER TABLE new_stock ALTER big SET STORAGE EXTENDED;
UPDATE new_stock SET big = big || '' WHERE id = 7;
INSERT INTO new_stock SELECT i, repeat('y', 7000), 'new', repeat('z', i * 100) FROM generate_series(10, 30, 10) AS i;
DELETE FROM new_stock WHERE id = 8;
SELECT * FROM both_ways();
SELECT * FROM both_ways('columns => ''{other}''');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_stock', 'stock', deletes => 'delete');
DROP TABLE new_stock;
SELECT id, left(big, 2) AS big, name, left(other, 2) AS other, size FROM stock ORDER BY id;
DROP TABLE stock;

-- keys whose bytes change, that are referenced
CREATE TABLE stock (k numeric PRIMARY KEY, name text);
CREATE TABLE sold (k numeric REFERENCES stock);
CREATE TABLE new_stock (LIKE stock);
INSERT INTO stock VALUES (1.0, 'a'), (2, 'b'), (3, 'c');
INSERT INTO sold VALUES (1), (2);
INSERT INTO new_stock VALUES (1.00, 'a'), (2, 'b'), (3.000, 'C'), (4.0, 'd');
SELECT * FROM both_ways();
DROP TABLE sold, stock, new_stock;

-- a partition, with a row trigger of the whole; rows of another are refused
CREATE TABLE whole (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
CREATE TABLE stock (name text, gone int, id int NOT NULL);
ALTER TABLE stock DROP gone;
ALTER TABLE whole ATTACH PARTITION stock FOR VALUES FROM (0) TO (10);
CREATE TABLE new_stock (id int, name text);
INSERT INTO whole VALUES (1, 'one'), (2, 'two');
INSERT INTO new_stock VALUES (1, 'one'), (2, 'TWO'), (3, 'three');
SELECT * FROM both_ways();
INSERT INTO new_stock VALUES (10, 'ten');
SELECT * FROM both_ways();
DELETE FROM new_stock WHERE id = 10;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''% % on %: %'', TG_OP, TG_LEVEL, TG_TABLE_NAME, NEW; RETURN NULL; END';
CREATE TRIGGER tell AFTER INSERT OR UPDATE ON whole FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER tell_whole AFTER INSERT OR UPDATE ON whole EXECUTE FUNCTION tell();
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_stock', 'stock');
DROP TABLE whole;

-- statement triggers fire once, and only for what has rows
CREATE UNLOGGED TABLE stock (id int PRIMARY KEY, name text);
INSERT INTO stock VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four');
SELECT * FROM both_ways();
CREATE FUNCTION tell_rows() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''% %'', TG_OP, (SELECT count(*) FROM changed); RETURN NULL; END';
CREATE TRIGGER a AFTER UPDATE ON stock REFERENCING NEW TABLE AS changed EXECUTE FUNCTION tell_rows();
CREATE TRIGGER b AFTER DELETE ON stock REFERENCING OLD TABLE AS changed EXECUTE FUNCTION tell_rows();
CREATE TRIGGER c BEFORE INSERT OR UPDATE OR DELETE ON stock EXECUTE FUNCTION tell();
UPDATE new_stock SET name = upper(name) WHERE id IN (1, 3);
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_stock', 'stock');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_stock', 'stock', deletes => 'delete');
DROP TABLE stock;

-- temporary tables
CREATE TEMPORARY TABLE stock (id int PRIMARY KEY, name text, n int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO stock VALUES (1, 'ONE'), (2, 'two'), (5, 'five');
SELECT * FROM both_ways();
DROP TABLE stock, new_stock;
DROP FUNCTION try_sync, both_ways, do_nothing, tell, tell_rows;
