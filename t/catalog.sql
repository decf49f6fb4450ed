/*
 * All that the catalogs say of an extension, one fact a row, without the OIDs
 * and whatever else differs between two databases that have the same.  Two
 * installations are the same if they give the same rows.
 *
 *   psql -XqAt -f t/catalog.sql -c "SELECT * FROM pg_temp.describe_extension('deltaetl')"
 *
 * Columns of catalogs are not listed here but those that are left out: what a
 * later release of PostgreSQL adds is compared as well.
 */

-- The extension, what belongs to it, and what belongs to that, as the columns of
-- a table and the rule of a view do.
CREATE FUNCTION pg_temp.members(extension name)
RETURNS TABLE (classid oid, objid oid)
LANGUAGE sql STABLE AS $$
WITH RECURSIVE member AS (
	SELECT 'pg_extension'::regclass::oid AS classid, e.oid AS objid
	FROM pg_extension e WHERE extname = extension
UNION
	SELECT d.classid, d.objid
	FROM member m JOIN pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid
	WHERE d.deptype = CASE WHEN m.classid = 'pg_extension'::regclass THEN 'e' ELSE d.deptype END
	AND d.deptype IN ('e', 'a', 'i')
)
SELECT m.classid, m.objid FROM member m
WHERE NOT EXISTS (SELECT FROM pg_class c
	WHERE m.classid = 'pg_class'::regclass AND c.oid = m.objid
	AND c.relnamespace = 'pg_toast'::regnamespace)
$$;

-- What tells whose row it is in catalogs that have no OIDs, or none that
-- pg_depend knows, as an expression for classid, objid and objsubid.
CREATE TEMPORARY TABLE row_owner AS
SELECT * FROM (VALUES
	('pg_attribute', '''pg_class''::regclass, attrelid, attnum'),
	('pg_index', '''pg_class''::regclass, indexrelid, 0'),
	('pg_sequence', '''pg_class''::regclass, seqrelid, 0'),
	('pg_inherits', '''pg_class''::regclass, inhrelid, 0'),
	('pg_partitioned_table', '''pg_class''::regclass, partrelid, 0'),
	('pg_aggregate', '''pg_proc''::regclass, aggfnoid, 0'),
	('pg_enum', '''pg_type''::regclass, enumtypid, 0'),
	('pg_range', '''pg_type''::regclass, rngtypid, 0'),
	('pg_description', 'classoid, objoid, objsubid'),
	('pg_seclabel', 'classoid, objoid, objsubid'),
	('pg_init_privs', 'classoid, objoid, objsubid')) AS v (catalog, owner);

-- Expressions and definitions, which catalogs hold as trees.
CREATE TEMPORARY TABLE definition AS
SELECT * FROM (VALUES
	('pg_proc', 'CASE WHEN prokind <> ''a'' THEN pg_get_functiondef(c.oid) END'),
	('pg_class', 'CASE WHEN relkind IN (''i'', ''I'') THEN pg_get_indexdef(c.oid)
		WHEN relkind IN (''v'', ''m'') THEN pg_get_viewdef(c.oid)
		WHEN relkind = ''p'' THEN pg_get_partkeydef(c.oid) || coalesce(pg_get_expr(relpartbound, c.oid), '''')
		ELSE pg_get_expr(relpartbound, c.oid) END'),
	('pg_constraint', 'pg_get_constraintdef(c.oid)'),
	('pg_trigger', 'pg_get_triggerdef(c.oid)'),
	('pg_rewrite', 'pg_get_ruledef(c.oid)'),
	('pg_attrdef', 'pg_get_expr(adbin, adrelid)'),
	('pg_policy', 'concat_ws('' CHECK '', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))'),
	('pg_statistic_ext', 'pg_get_statisticsobjdef(c.oid)')) AS v (catalog, expression);

-- Numbers of columns, which a column that was dropped shifts, are in definitions
-- by name; the extension's tables with data have rows of their own.  All others
-- say where something is stored, or how much of it there is.
CREATE TEMPORARY TABLE left_out AS
SELECT unnest('{oid,classoid,objoid,objsubid,attrelid,attnum,indexrelid,seqrelid,inhrelid,partrelid,aggfnoid,
	relnatts,conkey,confkey,indkey,tgattr,stxkeys,partattrs,attcacheoff,attmissingval,atthasmissing,
	extconfig,extcondition,relfilenode,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,
	reltoastrelid,relhasindex,relhasrules,relhastriggers,indcheckxmin,enumsortorder}'::name[]) AS name;

-- One column of a catalog, with names for OIDs.  Some servers mark each column
-- with a place in the WAL, as an option of its own, pg_attver.
CREATE FUNCTION pg_temp.column_expression(catalog regclass, name name, type oid)
RETURNS text
LANGUAGE sql STABLE AS $$
SELECT coalesce(
	(SELECT format(CASE WHEN is_array
			THEN '(SELECT array_agg(pg_describe_object(%L::regclass, o, 0) ORDER BY n)
				FROM unnest(c.%I::oid[]) WITH ORDINALITY AS u (o, n))'
			ELSE 'pg_describe_object(%L::regclass, nullif(c.%I, 0), 0)' END, pktable, name)
	FROM pg_get_catalog_foreign_keys() WHERE fktable = catalog AND fkcols = ARRAY[name::text]),
	CASE WHEN type = 'aclitem[]'::regtype
		THEN format('(SELECT array_agg(a::text ORDER BY a::text) FROM unnest(c.%I) AS u (a))', name) END,
	CASE WHEN name = 'attoptions'
		THEN '(SELECT array_agg(a ORDER BY a) FROM unnest(c.attoptions) AS u (a) WHERE a NOT LIKE ''pg\_%'')' END,
	format('c.%I', name))
$$;

-- The rows of one catalog: whose row, and the row.
CREATE FUNCTION pg_temp.catalog_query(catalog name)
RETURNS text
LANGUAGE sql STABLE AS $$
SELECT format('SELECT pg_describe_object(m.classid, m.objid, o.subid), jsonb_build_object(%s)
	FROM pg_catalog.%I AS c
	CROSS JOIN LATERAL (SELECT %s) AS o (class, id, subid)
	JOIN pg_temp.members($1) AS m ON m.classid = o.class AND m.objid = o.id',
	string_agg(format('%L, %s', a.attname,
		pg_temp.column_expression(a.attrelid, a.attname, a.atttypid)), ', ' ORDER BY attnum)
	|| coalesce((SELECT ', ''definition'', ' || d.expression FROM pg_temp.definition d
		WHERE d.catalog = catalog_query.catalog), ''),
	catalog,
	coalesce((SELECT r.owner FROM pg_temp.row_owner r WHERE r.catalog = catalog_query.catalog),
		format('%L::regclass, oid, 0', 'pg_catalog.' || catalog)))
	|| CASE catalog WHEN 'pg_attribute' THEN ' WHERE NOT attisdropped AND attnum > 0' ELSE '' END
FROM pg_attribute a
WHERE attrelid = ('pg_catalog.' || catalog)::regclass AND attnum > 0
AND atttypid <> 'pg_node_tree'::regtype
AND attname NOT IN (SELECT name FROM pg_temp.left_out)
$$;

CREATE FUNCTION pg_temp.describe_extension(extension name)
RETURNS SETOF text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	catalog name;
	owner text;
	properties jsonb;
BEGIN
	FOR catalog IN SELECT relname FROM pg_class
		WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'
		AND (relname IN (SELECT r.catalog FROM pg_temp.row_owner r)
			OR oid IN (SELECT classid FROM pg_temp.members(extension)))
	LOOP
		FOR owner, properties IN EXECUTE pg_temp.catalog_query(catalog) USING extension
		LOOP
			-- names that are made of OIDs
			RETURN QUERY SELECT regexp_replace(format('%s: %s.%s = %s', owner, catalog, key, value),
				'(pg_toast_|RI_ConstraintTrigger_[ac]_)\d+', '\1N', 'g')
				FROM jsonb_each(properties) AS p (key, value);
		END LOOP;
	END LOOP;

	RETURN QUERY SELECT format('table %s: columns %s', c.oid::regclass,
		(SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped))
		FROM pg_temp.members(extension) m JOIN pg_class c ON c.oid = m.objid
		WHERE m.classid = 'pg_class'::regclass AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c');
	RETURN QUERY SELECT format('%s: dumped %s', c.oid::regclass, coalesce(nullif(condition, ''), 'as a whole'))
		FROM pg_extension e, unnest(extconfig, extcondition) AS u (config, condition)
		JOIN pg_class c ON c.oid = config
		WHERE extname = extension;
	RETURN QUERY SELECT format('extension %s: requires %s', extension, x.extname)
		FROM pg_extension e JOIN pg_depend d ON d.classid = 'pg_extension'::regclass AND d.objid = e.oid
		JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = x.oid
		WHERE e.extname = extension;
END
$$;
