# Copyright (c) 2026, deltaetl maintainers

# Tables on two servers: what crosses the wire, as a proxy between them counts
# it, is digests and the rows that differ, and what is found is right.  Where the
# other server has no extension, or has it elsewhere, tables are read, and
# nothing else changes.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;
use DeltaetlProxy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 20000;
my $near = PostgreSQL::Test::Cluster->new('near');
my $far = PostgreSQL::Test::Cluster->new('far');

foreach my $node ($near, $far)
{
	$node->init;
	$node->append_conf('postgresql.conf', 'autovacuum = off');
	$node->start;
	$node->safe_psql(
		'postgres', qq(
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2), made timestamptz, details text);
INSERT INTO products SELECT i, 'product ' || i, i / 100.0, timestamptz '2026-01-01 UTC' + i * interval '1 minute',
	repeat(md5(i::text), 6) FROM generate_series(1, $rows) AS i;
ANALYZE products;));
}

my $proxy = DeltaetlProxy->new($far->host, $far->port,
	"$PostgreSQL::Test::Utils::tmp_check/wire");
my $user = $near->safe_psql('postgres', 'SELECT current_user');
$near->safe_psql(
	'postgres', qq(
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '127.0.0.1', port '@{[$proxy->port]}', dbname 'postgres', extensions 'deltaetl');
CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user '$user');
CREATE SCHEMA far;
IMPORT FOREIGN SCHEMA public LIMIT TO (products) FROM SERVER far INTO far;
CREATE TABLE expected (LIKE products);));

my $table_bytes = $near->safe_psql('postgres',
	'SELECT sum(octet_length(p::text)) FROM products AS p');

# What a query returns, and the bytes that take, to connect included.
sub counted
{
	my ($query) = @_;
	my $result;

	$proxy->reset;
	$result = $near->safe_psql('postgres', $query);
	return ($result, $proxy->bytes);
}

sub sync
{
	my ($source, $target) = @_;

	return counted(qq(
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('$source', '$target', '{id}', deletes => 'delete')));
}

sub differences
{
	my ($source, $target) = @_;

	return counted(qq(
SELECT action, count(*), sum((key->>'id')::int), min(array_to_string(changed_columns, ' '))
FROM deltaetl_diff('$source', '$target', '{id}') GROUP BY 1 ORDER BY 1));
}

sub detection
{
	my ($source, $target) = @_;

	return $near->safe_psql('postgres', qq(
SELECT trim(line) FROM deltaetl_explain('$source', '$target', '{id}') AS line WHERE line ~ 'by digests'));
}

# Where each row lies, and who has written it.
my $places = q(SELECT md5(string_agg(format('%s %s', ctid, xmin), ' ' ORDER BY id)) FROM products);

# ---------- nothing has changed ----------

like(detection('far.products', 'products'), qr/^Detection: by digests/, 'by digests');
my $before = $near->safe_psql('postgres', $places);
my ($counts, $bytes) = sync('far.products', 'products');
is($counts, "0|0|0|$rows", 'nothing has changed');
cmp_ok($bytes, '<', 100_000, "nothing changed: $bytes bytes on the wire of a table of $table_bytes");
cmp_ok($bytes, '>', 1_000, 'the proxy counts');
is($near->safe_psql('postgres', $places), $before, 'nothing is written');

# ---------- few rows have changed ----------

$far->safe_psql(
	'postgres', q(
UPDATE products SET price = -1 WHERE id IN (17, 1017, 10017, 19017);
DELETE FROM products WHERE id IN (18, 10018);
INSERT INTO products VALUES (-5, 'new', NULL, NULL, NULL), (-6, 'new', 1, 'epoch', 'x');));
my $few = "delete|2|10036|\ninsert|2|-11|\nupdate|4|30068|price";
my $limit = $table_bytes / 20;

(my $found, $bytes) = differences('far.products', 'products');
is($found, $few, 'few changes are found, source elsewhere');
cmp_ok($bytes, '<', $limit, "few changes: $bytes bytes on the wire");
($found, $bytes) = differences('products', 'far.products');
is($found, "delete|2|-11|\ninsert|2|10036|\nupdate|4|30068|price", 'target elsewhere');
cmp_ok($bytes, '<', 2 * $limit, "few changes, target elsewhere: $bytes bytes on the wire");
($counts, $bytes) = sync('far.products', 'products');
is($counts, '2|4|2|' . ($rows - 6), 'few changes are written');
cmp_ok($bytes, '<', $limit, "few changes written: $bytes bytes on the wire");
my $differ = q(SELECT count(*) FROM ((TABLE products EXCEPT ALL TABLE far.products)
	UNION ALL (TABLE far.products EXCEPT ALL TABLE products)) AS d);
is($near->safe_psql('postgres', $differ), 0, 'both sides are the same');

# ---------- most rows have ----------

$far->safe_psql('postgres', q(UPDATE products SET name = name || '!' WHERE id % 10 < 8));
($counts, $bytes) = sync('far.products', 'products');
is($counts, '0|16002|0|3998', 'most rows are written');
cmp_ok($bytes, '<', $table_bytes * 1.6, "most rows changed: $bytes bytes on the wire");
is($near->safe_psql('postgres', $differ), 0, 'both sides are the same');

# ---------- the other server cannot ----------

$far->safe_psql('postgres', 'CREATE SCHEMA tools; ALTER EXTENSION deltaetl SET SCHEMA tools');
like(detection('far.products', 'products'),
	qr/^Not by digests, because asking for the types of far.products fails: function public.deltaetl_check_types\(.*\) does not exist/,
	'in another schema there');
($counts, $bytes) = sync('far.products', 'products');
is($counts, "0|0|0|$rows", 'nothing has changed');
cmp_ok($bytes, '>', $table_bytes / 2, "read whole: $bytes bytes on the wire");

$far->safe_psql('postgres', 'DROP EXTENSION deltaetl');
$far->safe_psql('postgres', 'UPDATE products SET price = 3 WHERE id = 4');
is((sync('far.products', 'products'))[0], '0|1|0|' . ($rows - 1), 'no extension there');

# ---------- the other server is not there ----------

$far->stop;
like(detection('far.products', 'products'),
	qr/^Not by digests, because asking for the types of far.products fails: /, 'no server there');
my ($status, undef, $stderr) = $near->psql('postgres',
	"SELECT deltaetl_sync('far.products', 'products')");
isnt($status, 0, 'nothing to be read');
like($stderr, qr/could not connect to server "far"/, 'which is said');

$proxy->stop;
done_testing();
