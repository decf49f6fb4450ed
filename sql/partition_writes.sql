-- Partitioned targets and sources: rows are written in the partition they lie
-- in, or by statements where that would not be the same.

\set VERBOSITY terse
CREATE FUNCTION differing() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT count(*) FROM ((TABLE source EXCEPT ALL TABLE target) UNION ALL (TABLE target EXCEPT ALL TABLE source)) AS d);
END
$$;

-- Sync everything back and forth: one row deleted, updated and inserted in each partition.
CREATE FUNCTION synced(arguments text DEFAULT '') RETURNS TABLE (i bigint, u bigint, d bigint, differing bigint, logged bigint)
LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	EXECUTE format('SELECT run_id, inserted, updated, deleted FROM deltaetl_sync(''source'', ''target'', deletes => ''delete'', log_changes => ''rows'' %s)', arguments)
		INTO run, i, u, d;
	SELECT differing(), count(*) INTO differing, logged FROM deltaetl_changes('target', run - 1);
	RETURN NEXT;
END
$$;

-- Ranges of the key, with a default partition, a partition of partitions, and
-- NULL where a partition takes it.
CREATE TABLE target (id int NOT NULL, part int, v text, twice text GENERATED ALWAYS AS (v || v) STORED, CHECK (v <> 'bad'), UNIQUE NULLS NOT DISTINCT (id, part)) PARTITION BY LIST (part);
CREATE TABLE target_1 PARTITION OF target FOR VALUES IN (1, NULL);
CREATE TABLE target_2 PARTITION OF target FOR VALUES IN (2) PARTITION BY RANGE (id);
CREATE TABLE target_2_low PARTITION OF target_2 FOR VALUES FROM (MINVALUE) TO (50);
CREATE TABLE target_2_high PARTITION OF target_2 FOR VALUES FROM (50) TO (MAXVALUE);
CREATE TABLE target_rest PARTITION OF target DEFAULT;
CREATE INDEX ON target (v);
CREATE TABLE source (id int NOT NULL, part int, v text, twice text GENERATED ALWAYS AS (v || v) STORED) PARTITION BY HASH (id);
CREATE TABLE source_0 PARTITION OF source FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE source_1 PARTITION OF source FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE source_2 PARTITION OF source FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO source SELECT i, nullif(i % 4, 0), 'v' || i FROM generate_series(1, 100) AS i;
SELECT * FROM synced($$, key_columns => '{id,part}'$$);
UPDATE source SET v = 'new' WHERE id % 10 IN (1, 2, 3, 4);
DELETE FROM source WHERE id % 10 IN (5, 6, 7, 8);
INSERT INTO source SELECT i, nullif(i % 4, 0), repeat('long ', 1000) FROM generate_series(101, 108) AS i;
SELECT * FROM synced($$, key_columns => '{id,part}'$$);
SELECT * FROM synced($$, key_columns => '{id,part}'$$);

-- How it is done; where an update could move a row it is not.
SELECT e AS line FROM deltaetl_explain('source', 'target', key_columns => '{id,part}', deletes => 'delete') AS e WHERE e ~ '^ +(Update|Delete|Insert, by|No statement)';
SELECT e AS line FROM deltaetl_explain('source', 'target', key_columns => '{id}') AS e WHERE e ~ '^ +Update.*because';

-- Rows whose partition key is not of the key of the run move, from and to NULL too.
UPDATE source SET part = nullif((coalesce(part, 0) + 1) % 4, 0) WHERE id % 4 = 0;
SELECT * FROM synced($$, key_columns => '{id}'$$);
SELECT tableoid::regclass, count(*) FROM target GROUP BY 1 ORDER BY 1;

-- A key that is there twice, in two partitions.
INSERT INTO target VALUES (1, 2, 'twice');
SELECT * FROM synced($$, key_columns => '{id}'$$);
DELETE FROM target WHERE v = 'twice';
INSERT INTO source VALUES (1, 2, 'twice');
SELECT * FROM synced($$, key_columns => '{id}'$$);
DELETE FROM source WHERE v = 'twice';

-- Constraints hold; no row out of scope is looked at.
UPDATE source SET v = 'bad' WHERE id = 2;
SELECT * FROM synced($$, key_columns => '{id,part}'$$);
SELECT * FROM synced($$, key_columns => '{id,part}', scope => 'id = 3'$$);
UPDATE source SET v = 'good' WHERE id = 2;
SELECT * FROM synced($$, key_columns => '{id,part}', scope => 'part = 3'$$);
SELECT * FROM synced($$, key_columns => '{id,part}'$$);

-- A foreign key to the target, which a deleted row may take with it.
CREATE TABLE reference (target_id int, part int, FOREIGN KEY (target_id, part) REFERENCES target (id, part) ON DELETE CASCADE);
INSERT INTO reference SELECT id, part FROM target;
DELETE FROM source WHERE id < 10;
SELECT * FROM synced($$, key_columns => '{id,part}'$$);
SELECT count(*) FROM reference WHERE target_id < 10;
DROP TABLE reference;

-- A partition with its columns in other places, attached, with a hole.
CREATE TABLE target_4 (v text, gone int, part int, id int NOT NULL);
ALTER TABLE target_4 DROP COLUMN gone, ADD COLUMN twice text GENERATED ALWAYS AS (v || v) STORED, ADD CONSTRAINT target_v_check CHECK (v <> 'bad');
ALTER TABLE target ATTACH PARTITION target_4 FOR VALUES IN (4);
INSERT INTO source SELECT i, 4, 'attached' FROM generate_series(201, 205) AS i;
SELECT * FROM synced($$, key_columns => '{id,part}'$$);
UPDATE source SET v = 'changed' WHERE part = 4 AND id < 204;
DELETE FROM source WHERE part = 4 AND id > 204;
SELECT * FROM synced($$, key_columns => '{id,part}'$$);

-- And one of the source's.
ALTER TABLE target DETACH PARTITION target_4;
DELETE FROM source WHERE part = 4;
ALTER TABLE source DETACH PARTITION source_2;
CREATE TABLE source_other (v text, part int, id int NOT NULL, twice text GENERATED ALWAYS AS (v || v) STORED);
INSERT INTO source_other (id, part, v) SELECT id, part, v || '!' FROM source_2;
ALTER TABLE source ATTACH PARTITION source_other FOR VALUES WITH (MODULUS 3, REMAINDER 2);
SELECT i, u > 0 AS u, d, differing FROM synced($$, key_columns => '{id,part}'$$);

-- A trigger of one partition moves and suppresses rows.
CREATE FUNCTION interfere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF tg_op = 'DELETE' THEN RETURN NULL; END IF;
	new.v := upper(new.v);
	RETURN new;
END
$$;
CREATE TRIGGER interfere BEFORE UPDATE OR DELETE ON target_2_low FOR EACH ROW EXECUTE FUNCTION interfere();
UPDATE source SET v = 'low' WHERE id IN (10, 30);
DELETE FROM source WHERE id = 14;
SELECT i, u, d, differing FROM synced($$, key_columns => '{id,part}'$$);
SELECT id, v FROM target WHERE id IN (10, 14, 30) ORDER BY id;
DROP TRIGGER interfere ON target_2_low;
SELECT i, u, d, differing FROM synced($$, key_columns => '{id,part}'$$);

-- Partitions by an expression, whose columns are compared or not.
CREATE TABLE by_expression (id int PRIMARY KEY, v text);
INSERT INTO by_expression SELECT id, v FROM source;
DROP TABLE target, source;
CREATE TABLE target (id int NOT NULL, v text) PARTITION BY LIST (left(v, 1));
CREATE TABLE target_a PARTITION OF target FOR VALUES IN ('a', 'b');
CREATE TABLE target_rest PARTITION OF target DEFAULT;
CREATE TABLE source (id int PRIMARY KEY, v text);
INSERT INTO source TABLE by_expression;
SELECT i > 0 AS i, u, d, differing FROM synced($$, key_columns => '{id}'$$);
UPDATE source SET v = 'a' || v WHERE id % 2 = 0;
SELECT i, u > 0 AS u, d, differing FROM synced($$, key_columns => '{id}'$$);
UPDATE source SET v = 'c' || v WHERE id % 4 = 0;
SELECT i, u > 0 AS u, d, differing FROM synced($$, key_columns => '{id}'$$);

SELECT e AS line FROM deltaetl_explain('source', 'target', key_columns => '{id}') AS e WHERE e ~ '^ +Update.*because';

-- The rights are those on the partitioned table.
CREATE ROLE deltaetl_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON target, source TO deltaetl_writer;
DELETE FROM source WHERE id % 3 = 0;
UPDATE source SET v = 'changed' WHERE id % 3 = 1;
SET ROLE deltaetl_writer;
SELECT inserted, updated > 0 AS u, deleted > 0 AS d FROM deltaetl_sync('source', 'target', key_columns => '{id}', deletes => 'delete');
RESET ROLE;
SELECT differing();

DROP TABLE target, source, by_expression, target_4, source_2;
DROP FUNCTION interfere, synced, differing;
DROP ROLE deltaetl_writer;
