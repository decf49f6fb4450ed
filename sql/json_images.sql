-- json that jsonb cannot hold, in the log of changes: shown where jsonb takes
-- it, kept as text where not, and the same when it comes back.
SET client_min_messages = warning;
CREATE TABLE products (id int PRIMARY KEY, doc json);
CREATE TABLE staging (id int PRIMARY KEY, doc json);
INSERT INTO products SELECT row_number() OVER (), doc::json FROM unnest(ARRAY[
	-- characters: plain, 0, a pair of surrogates, and what is left of one
	'"\u0041"', '"\u00e4"', '"\u0000"', '"a\u0000b"', '"\ud83d\ude00"', '"\uD83D\uDE00 and \u0041"', '"\ud83d"', '"\ud83d and more"',
	'"\ud83d\n"', '"\ude00"', '"\ude00\ud83d"', '"\ud83d\ud83d"', '"\ud83d\u0041"', '{"\ud83d": 1}', '{"\ud83d\ude00": 1}', '["a", {"b": "\u0000"}]',
	'"\\u0000"', '"\\\\u0000"', '"\\\u0000"', '"\"\u0000"', '"\"u0000"',
	-- numbers
	'0', '-0', '-1.5', '1e3', '1E+3', '1e-3', '1e1000', '1e-1000', '1e1001', '1e-1001', '1e131072', '1e99999999999999999999',
	repeat('9', 1000), repeat('9', 1001), '[1, 2e9, -3]',
	-- and the rest
	'null', 'true', 'false', '""', '{}', '[]', ' { "b" : 1, "a" : 2, "b" : 3 } ', '[null, true, [false], {"a": {}}]']) AS doc;
INSERT INTO products VALUES
	(101, (repeat('[', 500) || repeat(']', 500))::json), (102, (repeat('[', 501) || repeat(']', 501))::json),
	(103, (repeat('{"a":', 501) || '1' || repeat('}', 501))::json), (104, ('[' || repeat('[],', 600) || '{}]')::json),
	(105, ('"' || repeat('x', 2000000) || '"')::json);
CREATE TABLE original AS SELECT id, doc::text FROM products;

SELECT run_id AS run, deleted = (SELECT count(*) FROM original) AS deleted
FROM deltaetl_sync('staging', 'products', deletes => 'delete', allow_empty_source => true, log_changes => 'rows') \gset
\echo :deleted

-- what jsonb takes, jsonb shows, except where it is not worth the risk
CREATE FUNCTION as_jsonb(doc text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN doc::jsonb;
EXCEPTION WHEN OTHERS THEN
	RETURN NULL;
END $$;
CREATE VIEW images AS
SELECT o.id, o.doc, as_jsonb(o.doc) AS taken, c.old_row->'doc' AS shown, c.old_text->>'doc' AS text
FROM original AS o JOIN deltaetl_change_entry AS c ON c.run_id = (SELECT max(run_id) FROM deltaetl_change_entry) AND (c.key->>'id')::int = o.id;
SELECT count(*) FILTER (WHERE taken IS NULL) AS refused, count(*) FILTER (WHERE shown = taken) AS shown,
	count(*) FILTER (WHERE taken IS NULL AND text IS DISTINCT FROM doc) AS lost
FROM images;
SELECT id, left(doc, 30) AS doc, left(shown::text, 30) AS shown, text IS NOT DISTINCT FROM doc AS kept
FROM images WHERE taken IS NULL OR shown IS DISTINCT FROM taken ORDER BY id;

-- all of it comes back as it was
SELECT inserted = (SELECT count(*) FROM original) AS inserted, skipped FROM deltaetl_revert(:run);
SELECT count(*) FROM ((SELECT id, doc::text FROM products EXCEPT ALL TABLE original)
	UNION ALL (TABLE original EXCEPT ALL SELECT id, doc::text FROM products)) AS differences;
DROP TABLE products, staging, original CASCADE;
DROP FUNCTION as_jsonb;
