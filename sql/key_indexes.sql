-- Which unique indexes make a key: those that tell rows apart as = does.
CREATE TYPE pair AS (a numeric, b text);
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE staging (id int, name text, both_parts pair, old int);
INSERT INTO staging VALUES (1, 'one', '(1.0,x)', 7), (2, 'two', '(2,y)', 8);

-- one table for each index; what a sync says of it, what it does where it can
CREATE FUNCTION try(index text, options text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
	said text;
	done text;
BEGIN
	CREATE TABLE products (id int NOT NULL, name text NOT NULL, both_parts pair NOT NULL, old int);
	EXECUTE replace(index, 'INDEX ON', 'INDEX an_index ON');
	BEGIN
		EXECUTE format('SELECT inserted || '' inserted'' FROM deltaetl_sync(''staging'', ''products'' %s)', options) INTO done;
		IF EXISTS ((TABLE staging EXCEPT ALL TABLE products) UNION ALL (TABLE products EXCEPT ALL TABLE staging)) THEN
			done := done || ', but the target is not the source';
		END IF;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
		done := SQLSTATE || ' ' || SQLERRM || ': ' || said;
	END;
	DROP TABLE products;
	RETURN done;
END $$;
SELECT try('CREATE UNIQUE INDEX ON products (id)');
SELECT try('CREATE UNIQUE INDEX ON products (id) INCLUDE (name)');
SELECT try('CREATE UNIQUE INDEX ON products (id, name)');
SELECT try('CREATE UNIQUE INDEX ON products (both_parts)');
SELECT try('CREATE UNIQUE INDEX ON products (name text_pattern_ops)');
SELECT try('CREATE UNIQUE INDEX ON products (name COLLATE "C")');

-- not these: expressions, conditions, NULLs, another =, and what is checked late
SELECT try('CREATE UNIQUE INDEX ON products ((id + 1))');
SELECT try('CREATE UNIQUE INDEX ON products (id, (lower(name)))');
SELECT try('CREATE UNIQUE INDEX ON products (id) WHERE id > 0');
SELECT try('CREATE UNIQUE INDEX ON products (old)');
SELECT try('CREATE UNIQUE INDEX ON products (old) NULLS NOT DISTINCT');
SELECT try('CREATE UNIQUE INDEX ON products (both_parts record_image_ops)');
SELECT try('CREATE INDEX ON products (id)');
SELECT try('ALTER TABLE products ADD UNIQUE (id) DEFERRABLE');
SELECT try('ALTER TABLE products ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED');

-- two that are the same key are one, two others are too many; the primary key wins
SELECT try('CREATE UNIQUE INDEX ON products (id); CREATE UNIQUE INDEX other ON products (id) INCLUDE (old)');
SELECT try('CREATE UNIQUE INDEX ON products (id, name); CREATE UNIQUE INDEX other ON products (name, id)');
SELECT try('CREATE UNIQUE INDEX ON products (name); CREATE UNIQUE INDEX other ON products (name COLLATE folded)');
SELECT try('CREATE UNIQUE INDEX ON products (id); CREATE UNIQUE INDEX other ON products (name)');
SELECT try('ALTER TABLE products ADD PRIMARY KEY (id); CREATE UNIQUE INDEX other ON products (name)');
SELECT try('CREATE UNIQUE INDEX ON products (id); CREATE UNIQUE INDEX other ON products (name)', ', key_columns => ''{name}''');

-- one whose columns have another collation finds "One" where = finds "one"
SELECT try('CREATE UNIQUE INDEX ON products (name COLLATE folded)');
SELECT try('CREATE UNIQUE INDEX ON products (name COLLATE folded)', ', key_columns => ''{name}''');
SELECT try('CREATE UNIQUE INDEX ON products (both_parts record_image_ops)', ', key_columns => ''{both_parts}''');

DROP FUNCTION try;
DROP TABLE staging;
DROP TYPE pair;
DROP COLLATION folded;
