# Detection at volume: in parallel, within its memory, interruptible.  And what
# outlives the server.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', qq(
shared_preload_libraries = 'auto_explain'
max_parallel_workers_per_gather = 2
min_parallel_table_scan_size = 0
log_temp_files = 0
autovacuum = off
));
$node->start;

$node->safe_psql(
	'postgres', q(
CREATE EXTENSION deltaetl CASCADE;
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(10,2), made timestamptz);
CREATE TABLE staging (LIKE products);
INSERT INTO staging
SELECT i, 'product ' || md5(i::text), i / 100.0, timestamptz '2026-01-01' + i * interval '1 minute'
FROM generate_series(1, 200000) AS i;
INSERT INTO products SELECT * FROM staging WHERE id % 1000 <> 0;
UPDATE products SET price = price + 1 WHERE id % 100 = 1;
INSERT INTO products SELECT -i, 'gone', 0, NULL FROM generate_series(1, 100) AS i;
VACUUM ANALYZE products, staging;
));

sub counts
{
	my ($arguments, @settings) = @_;
	return $node->safe_psql('postgres',
		join('', map { "SET $_;" } @settings)
		  . "SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', $arguments)");
}

sub differing_rows
{
	return $node->safe_psql('postgres',
		'SELECT count(*) FROM ((TABLE products EXCEPT ALL TABLE staging)'
		  . ' UNION ALL (TABLE staging EXCEPT ALL TABLE products)) AS d');
}

# The log of what a piece of code did.
sub log_of
{
	my ($code) = @_;
	my $offset = -s $node->logfile;
	$code->();
	return substr(slurp_file($node->logfile), $offset);
}

my @explain = (
	'auto_explain.log_min_duration = 0',
	'auto_explain.log_nested_statements = on',
	'auto_explain.log_analyze = on',
	"work_mem = '64MB'");

# Parallel workers, without any setting that forces them; both ways of detection.
my $log = log_of(
	sub {
		is(counts('dry_run => true', @explain), '200|2000|0|197800', 'dry run');
	});
foreach my $side ('staging', 'products')
{
	my ($plan) =
	  grep { /FROM public\.$side / } $log =~ /(Query Text: SELECT r\.n, .*?)LOG:/sg;
	like($plan, qr/Workers Launched: [12].*Parallel Seq Scan on $side /s,
		"fingerprints of $side are read in parallel");
}
$log = log_of(
	sub {
		is(counts('dry_run => true', @explain, 'deltaetl.detection = join'),
			'200|2000|0|197800', 'dry run by join');
	});
my ($plan) = $log =~ /(Query Text: SELECT s\.present.*?)LOG:/s;
like($plan, qr/Workers Launched: [12].*Parallel Hash (?:Left|Right) Join/s, 'the join is parallel');

# The same delta whoever finds it, and how.
foreach my $case (
	[ 'serial', 'max_parallel_workers_per_gather = 0' ],
	[ 'merge join', 'enable_hashjoin = off', 'max_parallel_workers_per_gather = 0' ],
	[ 'least memory', 'work_mem = 64', 'hash_mem_multiplier = 1' ],
	[ 'no workers left', 'max_parallel_workers = 0' ],
	[ 'all by a worker', ($node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query') . ' = on' ])
{
	my ($name, @settings) = @$case;
	foreach my $method ('auto', 'join')
	{
		is(counts("deletes => 'delete', dry_run => true", @settings, "deltaetl.detection = $method"),
			'200|2000|100|197800', "delta: $name, $method");
	}
}
counts("deletes => 'ignore'");
is(counts("deletes => 'delete'"), '0|0|100|200000', 'deletes');
is(differing_rows(), '0', 'target has the content of source');

# A few updates find their rows by position, not by reading the tables again;
# where a trigger wants to know of them, too, and they are updated by SQL.
$node->safe_psql('postgres', q(
	UPDATE staging SET price = price + 1 WHERE id % 20000 = 0;
	CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
	CREATE TRIGGER see BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION see();
));
$log = log_of(sub { counts("deletes => 'ignore'", @explain) });
($plan) = $log =~ /(Query Text: UPDATE .*?)LOG:/s;
like($plan, qr/Tid Scan on products/, 'rows to update are found by ctid');
like($plan, qr/Tid Scan on staging/, 'and so are those of the source');
$node->safe_psql('postgres', q(
	DROP FUNCTION see CASCADE;
	UPDATE staging SET price = price + 1 WHERE id % 20000 = 0;
));
$log = log_of(sub { is(counts("deletes => 'ignore'", @explain), '0|10|0|199990', 'without a trigger') });
unlike($log, qr/Query Text: UPDATE /, 'there is no need for a statement');

# A first load whose delta is far larger than work_mem goes to temporary files.
$node->safe_psql('postgres', 'TRUNCATE products');
$log = log_of(
	sub {
		is(counts("deletes => 'delete'", 'work_mem = 64'),
			'200000|0|0|0', 'first load with least work_mem');
	});
like($log, qr/temporary file: path "base\/pgsql_tmp/, 'fingerprints and delta were spilled');
is(differing_rows(), '0', 'and is complete');
$node->safe_psql('postgres', 'UPDATE staging SET price = price + 1');
is(counts("deletes => 'delete'", 'work_mem = 64'),
	'0|200000|0|0', 'every row changed with least work_mem');
is(differing_rows(), '0', 'and is complete');
my ($ret, $stdout, $stderr) = $node->psql('postgres',
	"SET work_mem = 64; SET temp_file_limit = '1MB'; UPDATE staging SET price = 0;"
	  . "SELECT deltaetl_sync('staging', 'products')");
like($stderr, qr/temporary file size exceeds "?temp_file_limit/, 'temp_file_limit is respected');

# Millions of rows, with the least memory there is, each way.
$node->safe_psql(
	'postgres', q(
CREATE TABLE many (id int PRIMARY KEY, v int);
CREATE TABLE many_more (LIKE many);
INSERT INTO many SELECT i, i % 7 FROM generate_series(1, 3000000) AS i;
INSERT INTO many_more SELECT id, CASE WHEN id % 1000 = 0 THEN v + 1 ELSE v END
FROM many WHERE id % 100000 <> 1;
INSERT INTO many_more SELECT -i, i FROM generate_series(1, 50) AS i;
ANALYZE many, many_more;
));
foreach my $method ('auto', 'encoded')
{
	$log = log_of(
		sub {
			is( $node->safe_psql('postgres',
					"SET work_mem = 64; SET hash_mem_multiplier = 1; SET deltaetl.detection = $method;"
					  . "SELECT inserted, updated, deleted, unchanged"
					  . " FROM deltaetl_sync('many_more', 'many', deletes => 'delete', dry_run => true)"),
				'50|3000|30|2996970',
				"three million rows with least work_mem, $method");
		});
	like($log, qr/temporary file: path "base\/pgsql_tmp/, 'from temporary files');
}
$node->safe_psql('postgres', "SELECT deltaetl_sync('many_more', 'many', deletes => 'delete')");
is( $node->safe_psql('postgres',
		'SELECT count(*) FROM ((TABLE many EXCEPT ALL TABLE many_more)'
		  . ' UNION ALL (TABLE many_more EXCEPT ALL TABLE many)) AS d'),
	'0',
	'and the right ones');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), '0', 'no file is left behind');
($ret, $stdout, $stderr) = $node->psql('postgres',
	"SET work_mem = 64; SET temp_file_limit = '10MB'; SELECT deltaetl_diff('many_more', 'many')");
like($stderr, qr/temporary file size exceeds "?temp_file_limit/, 'temp_file_limit holds for fingerprints');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), '0', 'and no file is left behind');

# A run that is interrupted has done nothing.
$node->safe_psql('postgres', 'UPDATE staging SET price = price + 1');
my $before = $node->safe_psql('postgres', 'SELECT sum(price) FROM products');
($ret, $stdout, $stderr) = $node->psql('postgres',
	"SET statement_timeout = '50ms'; SELECT deltaetl_sync('staging', 'products')");
like($stderr, qr/canceling statement due to statement timeout/, 'timeout');
is($node->safe_psql('postgres', 'SELECT sum(price) FROM products'),
	$before, 'the target is as it was');

# A crash in the middle of a run leaves it as it was, too.
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN');
$session->query_safe("SELECT deltaetl_sync('staging', 'products')");
$node->stop('immediate');
eval { $session->quit };
$node->start;
is($node->safe_psql('postgres', 'SELECT sum(price) FROM products'),
	$before, 'after a crash the target is as it was');
is(counts("deletes => 'delete'"), '0|200000|0|0', 'and can be synced');
is(differing_rows(), '0', 'to the end');

# Dump and restore: numbers of runs go on, hashes are the same.
my $last = $node->safe_psql('postgres', "SELECT run_id FROM deltaetl_sync('staging', 'products')");
my $hashes = q(SELECT md5(string_agg(row_hash::text, '' ORDER BY key)) FROM deltaetl_hashes('products'));
my $hash = $node->safe_psql('postgres', $hashes);
my $dump = $node->basedir . '/dump.sql';
$node->safe_psql('postgres', 'DELETE FROM products WHERE id % 10 <> 0; DELETE FROM staging WHERE id % 10 <> 0');
$hash = $node->safe_psql('postgres', $hashes);
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ],
	'restore');
is($node->safe_psql('restored', $hashes), $hash, 'hashes survive');
cmp_ok($node->safe_psql('restored', "SELECT run_id FROM deltaetl_sync('staging', 'products')"),
	'>', $last, 'numbers of runs go on');

unlike(slurp_file($node->logfile), qr/\bleak|PANIC|TRAP|terminated by signal/,
	'nothing was forgotten and nothing crashed');

$node->stop;
done_testing();
