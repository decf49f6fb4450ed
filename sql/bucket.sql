-- Buckets of keys, and the check that lets another server compute them.

-- buckets of more bits lie within those of fewer
SELECT bool_and(deltaetl_bucket(m, i, 'x') >> (m - n) = deltaetl_bucket(n, i, 'x')) AS nested
FROM generate_series(1, 50) AS i, unnest(ARRAY[0, 1, 9, 31, 32, 62]) AS n, unnest(ARRAY[9, 32, 62, 63]) AS m
WHERE n <= m;

-- and keys are spread over them
SELECT count(*) AS buckets, min(n) > 100 AND max(n) < 220 AS even
FROM (SELECT deltaetl_bucket(6, i) AS bucket, count(*) AS n FROM generate_series(1, 10000) AS i GROUP BY 1) AS b;
SELECT count(DISTINCT deltaetl_bucket(63, i)) FROM generate_series(1, 10000) AS i;

-- the same on every server, for ever
SELECT deltaetl_bucket(63, 1), deltaetl_bucket(63, 'ab', 'c'), deltaetl_bucket(63, 'a', 'bc'),
	deltaetl_bucket(63, NULL), deltaetl_bucket(0, 1);
SELECT deltaetl_bucket(63, VARIADIC ARRAY['ab', 'c']) = deltaetl_bucket(63, 'ab', 'c') AS variadic;

SELECT deltaetl_bucket(64, 1);
SELECT deltaetl_bucket(-1, 1);
SELECT deltaetl_bucket(NULL, 1);

-- types are named with their schema, domains by what they are based on
CREATE SCHEMA types;
CREATE DOMAIN types.price AS numeric(10,2);
CREATE TYPE types.mood AS ENUM ('good', 'bad');
CREATE TABLE typed (id int, name varchar(10), price types.price, mood types.mood, tags text[]);
INSERT INTO typed DEFAULT VALUES;
INSERT INTO typed DEFAULT VALUES;
SELECT count(*) FROM typed
WHERE deltaetl_check_types(convert_to(E'encoding 1\npg_catalog.int4\tid\npg_catalog.varchar(10)\tname\npg_catalog.numeric(10,2)\tprice\ntypes.mood\tmood\npg_catalog._text\ttags\n', 'UTF8'), id, name, price, mood, tags);

-- any length will do where none is expected, but not the other way round
SELECT count(*) FROM typed WHERE deltaetl_check_types(convert_to(E'encoding 1\npg_catalog.varchar\tname\npg_catalog.numeric\tprice\n', 'UTF8'), name, price);
SELECT count(*) FROM typed WHERE deltaetl_check_types(convert_to(E'encoding 1\npg_catalog.varchar(1)\tname\n', 'UTF8'), name);
SELECT count(*) FROM typed WHERE deltaetl_check_types(convert_to(E'encoding 1\npg_catalog.varchar(100)\tname\n', 'UTF8'), name);
SELECT count(*) FROM typed WHERE deltaetl_check_types(convert_to(E'encoding 1\npg_catalog.int4\tid\npg_catalog.int8\tid\n', 'UTF8'), id, id);
SELECT count(*) FROM typed WHERE deltaetl_check_types(convert_to(E'encoding 1\npg_catalog.int4\tid\n', 'UTF8'), id, id);
SELECT count(*) FROM typed WHERE deltaetl_check_types(convert_to(E'encoding 1\npg_catalog.int4\tid\npg_catalog.int4\tid\n', 'UTF8'), id);
SELECT count(*) FROM typed WHERE deltaetl_check_types(convert_to(E'encoding 12\npg_catalog.int4\tid\n', 'UTF8'), id);
SELECT count(*) FROM typed WHERE deltaetl_check_types(convert_to(E'encoding 1\npg_catalog.int4', 'UTF8'), id);
SELECT count(*) FROM typed WHERE deltaetl_check_types('', id);
SELECT count(*) FROM typed WHERE deltaetl_check_types(NULL, id);

DROP TABLE typed;
DROP DOMAIN types.price;
DROP TYPE types.mood;
DROP SCHEMA types;
