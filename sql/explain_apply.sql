-- The statements that deltaetl_explain() shows are those that run: they are
-- made to fail, and what the error calls them is looked up in what it said.
\set SHOW_CONTEXT never
\pset format unaligned
SET deltaetl.detection = auto;

-- an action fails in a trigger or a constraint if explain.action names it
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF lower(TG_OP) = current_setting('explain.action') THEN
		RAISE EXCEPTION 'stopped';
	END IF;
	RETURN coalesce(NEW, OLD);
END $$;
CREATE FUNCTION may_be(name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF name = current_setting('explain.action') THEN
		RAISE EXCEPTION 'stopped';
	END IF;
	RETURN true;
END $$;

-- The statement in which a sync fails, which leaves all as it was.
CREATE FUNCTION failing_statement(arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	context text;
BEGIN
	EXECUTE format('SELECT inserted FROM deltaetl_sync(''staging'', ''products'', %s)', arguments);
	RAISE division_by_zero;
EXCEPTION
	WHEN division_by_zero THEN
		RETURN 'it does not fail';
	WHEN raise_exception THEN
		GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
		context := split_part(split_part(context, 'SQL statement "', 2), E'"\n', 1);
		RETURN CASE WHEN context ~ '^(DELETE|UPDATE|INSERT) ' THEN context
			ELSE 'No statement: rows are written as logical replication and COPY do it' END;
END $$;

-- When that is run, as the explanation says: the line above it.  Spaces and line
-- breaks do not count.
CREATE FUNCTION explained(action text, statement text, arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	explanation text;
BEGIN
	EXECUTE format('SELECT string_agg(line, E''\n'') FROM deltaetl_explain(''staging'', ''products'', %s) AS line', arguments) INTO explanation;
	RETURN coalesce(string_agg(part[1], ' | '), 'not explained: ' || statement)
	FROM regexp_matches(explanation, '^    (\w+[^\n]*:)\n((?:      [^\n]*\n?)+)', 'gn') AS part
	WHERE part[1] LIKE initcap(action) || '%'
		AND regexp_replace(part[2], '\s+', '', 'g') = regexp_replace(statement, '\s+', '', 'g');
END $$;

-- For each set of actions that have rows, and each of them: how it is explained.
CREATE FUNCTION explained_cases(arguments text DEFAULT 'deletes => ''delete''')
RETURNS TABLE (rows_to text, action text, explanation text) LANGUAGE plpgsql AS $$
BEGIN
	FOR rows_to IN VALUES ('delete'), ('update'), ('insert'), ('delete, update'), ('delete, insert'), ('update, insert'),
		('delete, update, insert'), ('insert many'), ('update, insert many'), ('delete, insert many'),
		('delete, update, insert many'), ('insert all')
	LOOP
		TRUNCATE staging, products;
		PERFORM set_config('explain.action', '', false);
		INSERT INTO products (id, name) SELECT i, 'same' FROM generate_series(1, CASE rows_to WHEN 'insert all' THEN 0 ELSE 3 END) AS i;
		INSERT INTO staging (id, name) SELECT products.id, products.name FROM products;
		UPDATE staging SET name = 'update' WHERE id = 3 AND rows_to LIKE '%update%';
		INSERT INTO products (id, name) SELECT 0, 'delete' WHERE rows_to LIKE '%delete%';
		INSERT INTO staging (id, name) SELECT 100 + i, 'insert'
		FROM generate_series(1, CASE WHEN rows_to ~ 'many|all' THEN 20 WHEN rows_to LIKE '%insert%' THEN 1 ELSE 0 END) AS i;
		FOREACH action IN ARRAY ARRAY['delete', 'update', 'insert']
		LOOP
			CONTINUE WHEN rows_to NOT LIKE '%' || action || '%';
			PERFORM set_config('explain.action', action, false);
			explanation := explained(action, failing_statement(arguments), arguments);
			RETURN NEXT;
		END LOOP;
	END LOOP;
END $$;

-- triggers could write to either side
CREATE TABLE products (id int PRIMARY KEY, name text, added text DEFAULT 'x');
CREATE TABLE staging (id int, name text);
CREATE TRIGGER stop BEFORE INSERT OR UPDATE OR DELETE ON products FOR EACH ROW EXECUTE FUNCTION stop();
SELECT * FROM explained_cases($$deletes => 'delete', log_changes => 'rows'$$);
SELECT * FROM explained_cases($$deletes => 'ignore', scope => 'id < 1000'$$) WHERE action = 'insert';
DROP TRIGGER stop ON products;

-- without them, into a table; then with a column that does not come from the source
ALTER TABLE products ADD CHECK (may_be(name)), DROP added;
SELECT * FROM explained_cases() WHERE action <> 'delete';
ALTER TABLE products ADD added text DEFAULT 'x';
SELECT * FROM explained_cases() WHERE action = 'insert' AND rows_to LIKE '%insert %';
SELECT * FROM explained_cases($$deletes => 'delete', scope => 'id < 1000'$$) WHERE action <> 'delete';
DROP TABLE products;

-- keys that are found without fingerprints of their own, in a partitioned table
CREATE TABLE products (id numeric, name text CHECK (may_be(name))) PARTITION BY HASH (id);
CREATE TABLE products_1 PARTITION OF products FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT * FROM explained_cases($$key_columns => '{id}'$$) WHERE action <> 'delete' AND rows_to NOT LIKE '%delete%';

-- rows that a join has found, by their key
CREATE ROLE deltaetl_reader;
GRANT SELECT ON staging TO deltaetl_reader;
GRANT SELECT (id, name), INSERT, UPDATE, DELETE, TRUNCATE ON products TO deltaetl_reader;
GRANT ALL ON staging TO deltaetl_reader;
SET ROLE deltaetl_reader;
SELECT * FROM explained_cases($$key_columns => '{id}', deletes => 'delete', log_changes => 'keys'$$) WHERE action <> 'delete' AND rows_to NOT LIKE '%many%';
RESET ROLE;
DROP TABLE products, staging;
DROP FUNCTION explained_cases, explained, failing_statement, stop, may_be;
DROP ROLE deltaetl_reader;
