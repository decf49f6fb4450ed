-- Installation, and what the extension puts into a database.
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;
RESET client_min_messages;

SELECT extname, extrelocatable FROM pg_extension
WHERE extname IN ('deltaetl', 'pgcrypto') ORDER BY extname COLLATE "C";

-- every function says what it promises, and has a comment
\pset format unaligned
SELECT p.oid::regprocedure AS function, provolatile AS volatile,
	proparallel AS parallel, proisstrict AS strict, prosecdef AS definer,
	obj_description(p.oid, 'pg_proc') IS NOT NULL AS described
FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid
	AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'deltaetl'
ORDER BY proname COLLATE "C";

-- so have its relations; users see views, and none of its tables
SELECT c.oid::regclass AS relation, relkind AS kind, relacl IS NULL AS closed,
	reloptions AS options, obj_description(c.oid, 'pg_class') IS NOT NULL AS described
FROM pg_class c JOIN pg_depend d ON d.objid = c.oid
	AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'deltaetl'
ORDER BY relname COLLATE "C";
\pset format aligned

-- it works in a schema that is not in the search_path, and can be moved
CREATE SCHEMA tools;
CREATE SCHEMA "More tools";
ALTER EXTENSION deltaetl SET SCHEMA tools;
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging AS SELECT 1 AS id, 'Laptop' AS name;
SELECT inserted, updated, deleted, unchanged FROM tools.deltaetl_sync('staging', 'products');
ALTER EXTENSION deltaetl SET SCHEMA "More tools";
UPDATE staging SET name = 'Notebook';
SELECT inserted, updated, deleted, unchanged
FROM "More tools".deltaetl_sync('staging', 'products');
SELECT action, key, changed_columns FROM "More tools".deltaetl_diff('staging', 'products');
SELECT * FROM products;

ALTER EXTENSION deltaetl SET SCHEMA public;
DROP SCHEMA tools, "More tools";
DROP TABLE products, staging;

-- settings under the extension's prefix that do not exist are refused
LOAD 'deltaetl';
SET deltaetl.no_such_setting = 1;
