# Many partitions: what a run reads of each, and how many it can take.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
# as many locks as a server has that nobody has set up
$node->append_conf('postgresql.conf', "autovacuum = off\nmax_connections = 100\nmax_locks_per_transaction = 64\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION deltaetl CASCADE');

sub psql
{
	my ($sql, @settings) = @_;
	return $node->safe_psql('postgres', join('', map { "SET $_;" } @settings) . $sql);
}

sub sync
{
	my ($arguments, @settings) = @_;
	return psql("SELECT inserted, updated, deleted FROM deltaetl_sync('staging', 'products'"
		  . ($arguments ? ", $arguments" : '') . ')', @settings);
}

sub differing_rows
{
	my $columns = 'id, day, v';
	return psql("SELECT count(*) FROM ((SELECT $columns FROM products EXCEPT ALL SELECT $columns FROM staging)"
		  . " UNION ALL (SELECT $columns FROM staging EXCEPT ALL SELECT $columns FROM products)) AS d");
}

# Make source and target with so many partitions of so many rows, by day.
sub create_tables
{
	my ($partitions, $rows, $columns) = @_;
	my $create = 'CREATE UNLOGGED TABLE';
	my $days = "generate_series(1, $partitions) AS i";
	psql('DROP TABLE IF EXISTS products, staging');
	foreach my $table ('products', 'staging')
	{
		psql("CREATE TABLE $table (id int, day int, v text$columns, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)");
		psql("SELECT format('$create ${table}_%s PARTITION OF $table FOR VALUES FROM (%s) TO (%s)', i, i, i + 1) FROM $days \\gexec");
		psql("INSERT INTO $table SELECT n, i, 'v' || n FROM $days, generate_series(1, $rows) AS n");
	}
	psql('VACUUM ANALYZE products; VACUUM ANALYZE staging');
}

# What a session has read is known when it has ended, which psql does not wait for.
sub wait_for_sessions
{
	$node->poll_query_until('postgres',
		q(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid())))
	  or die 'a session does not end';
}

# The partitions of which pages are read while a piece of code runs, with how
# many times as many as they have.
sub partitions_read
{
	my ($code) = @_;
	wait_for_sessions();
	psql('SELECT pg_stat_reset()');
	$code->();
	wait_for_sessions();
	return psql(q(
		SELECT string_agg(format('%s*%s', relname, ceil((heap_blks_hit + heap_blks_read)::numeric / greatest(pg_relation_size(relid) / 8192, 1))), ' ' ORDER BY relname COLLATE "C")
		FROM pg_statio_user_tables WHERE heap_blks_hit + heap_blks_read > 0 AND relname ~ '^(products|staging)'));
}

# ---------- a scope that prunes ----------

my $scoped = "scope => 'day = 7', deletes => 'delete'";
my $only_one = qr/^products_7\*\d+ staging_7\*\d+$/;

foreach my $columns ('', q(, row_hash bytea GENERATED ALWAYS AS (deltaetl_row_hash(id, day, v)) STORED))
{
	my $kind = $columns ? 'tracked' : 'plain';
	create_tables(20, 500, $columns);
	foreach my $detection ('auto', 'encoded', 'join')
	{
		my @settings = ("deltaetl.detection = $detection");
		my $case = "$kind, $detection";
		my $result;

		like(partitions_read(sub { $result = sync("$scoped, dry_run => true, max_delete_pct => 1", @settings) }),
			$only_one, "$case: nothing changed, one partition is read");
		is($result, '0|0|0', "$case: and nothing is to do");

		psql(q(UPDATE staging SET v = v || '!' WHERE id % 50 = 1;
			DELETE FROM staging WHERE id % 50 = 2;
			INSERT INTO staging SELECT 1000 + i, day, 'new' FROM generate_series(1, 20) AS day, generate_series(1, 10) AS i));
		like(partitions_read(sub { $result = sync("$scoped, max_delete_pct => 50, log_changes => 'rows'", @settings) }),
			$detection eq 'join' ? qr/products_7.*staging_7/ : $only_one, "$case: something of all, one partition is read");
		is($result, '10|10|10', "$case: and written");
		is(differing_rows(), 19 * 40, "$case: but no other");
		sync("deletes => 'delete'");
		is(differing_rows(), 0, "$case: until all are synced");
		psql('DELETE FROM staging WHERE id > 500; INSERT INTO staging SELECT n, i, \'v\' || n FROM generate_series(1, 20) AS i, generate_series(1, 500) AS n ON CONFLICT DO NOTHING');
		sync("deletes => 'delete'");
	}

	# a whole day is new, as it is each day
	psql('DELETE FROM products WHERE day = 7; VACUUM products');
	my $result;
	like(partitions_read(sub { $result = sync($scoped) }), $only_one, "$kind: a day is new, one partition is read");
	is($result, '500|0|0', "$kind: and filled");
}

# Where the scope is on more than the key, a key could be out of scope.
psql("UPDATE staging SET v = 'elsewhere' WHERE id = 1 AND day = 7");
my ($ret, $stdout, $stderr) = $node->psql('postgres',
	"SELECT deltaetl_sync('staging', 'products', scope => \$\$day = 7 AND v = 'elsewhere'\$\$)");
like($stderr, qr/has keys in scope that target "products" has out of scope/, 'which is an error');
like(psql("SELECT string_agg(line, E'\\n') FROM deltaetl_explain('staging', 'products', scope => 'day = 7') AS e(line)"),
	qr/New keys are not looked up in public.products, because/, 'and explained');
sync('');

# ---------- writing ----------

# Each partition is read once to find what differs, and only those are read
# again that have rows to write.
psql(q(UPDATE staging SET v = v || '!' WHERE day = 3 AND id < 10;
	DELETE FROM staging WHERE day = 4 AND id < 10;
	INSERT INTO staging SELECT 2000 + i, 5, 'new' FROM generate_series(1, 10) AS i));
my $result;
my $read = partitions_read(sub { $result = sync("deletes => 'delete'") });
is($result, '10|9|9', 'rows in three partitions');
my %times = $read =~ /(\w+)\*(\d+)/g;
# a page counts twice: when the scan comes to it, and when its rows are hashed;
# the first partition has another look, at whether the target is empty
my @others = map { $times{"products_$_"}, $times{"staging_$_"} } 2, 6 .. 20;
is("@others", join(' ', (2) x @others), 'the others are read once, all of them');
is(differing_rows(), 0, 'and the result is exact');

# ---------- 1,000 partitions ----------

create_tables(1000, 10, '');
psql(q(UPDATE staging SET v = v || '!' WHERE id = 1;
	DELETE FROM staging WHERE id = 2 AND day % 2 = 0;
	INSERT INTO staging SELECT 11, i, 'new' FROM generate_series(1, 1000) AS i WHERE i % 10 = 0));
is(sync("deletes => 'delete', dry_run => true"), '100|1000|500', '1,000 partitions: what differs');
is(sync("deletes => 'delete', log_changes => 'keys'"), '100|1000|500', 'and is written');
is(differing_rows(), 0, 'exactly');
is(sync("deletes => 'delete'"), '0|0|0', 'once');
is(sync("scope => 'day = 500'"), '0|0|0', 'or one of them');
psql('UPDATE staging SET v = 1');
is(sync(''), scalar(psql('SELECT 0, count(*), 0 FROM staging')), 'every row of all');
is(differing_rows(), 0, 'exactly');
psql('TRUNCATE products');
is(sync(''), scalar(psql('SELECT count(*), 0, 0 FROM staging')), 'a first load');
is(differing_rows(), 0, 'exactly');

# A row pins its buffer, and of temporary tables there may be more than buffers.
my $temporary = 'SET temp_buffers = 100;';
foreach my $table ('day_target', 'day_source')
{
	$temporary .= "CREATE TEMP TABLE $table (id int, day int, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);";
	$temporary .= "CREATE TEMP TABLE ${table}_$_ PARTITION OF $table FOR VALUES FROM ($_) TO ($_ + 1);" for 1 .. 120;
}
is(psql($temporary . q(
	INSERT INTO day_target SELECT n, i, 'old' FROM generate_series(1, 120) AS i, generate_series(1, 3) AS n;
	INSERT INTO day_source SELECT n, i, CASE n WHEN 1 THEN 'new' ELSE 'old' END FROM generate_series(1, 120) AS i, generate_series(1, 2) AS n;
	SELECT inserted, updated, deleted FROM deltaetl_sync('day_source', 'day_target', deletes => 'delete');
	SELECT count(*) FROM (SELECT * FROM day_target EXCEPT ALL SELECT * FROM day_source) AS d)),
	"0|120|120\n0", 'more partitions than buffers');

# With fewer locks than it takes nothing is written, and the error says what to set.
$node->append_conf('postgresql.conf', "max_connections = 10\nmax_locks_per_transaction = 10\n");
$node->restart;
psql('UPDATE staging_1 SET v = 2');
($ret, $stdout, $stderr) = $node->psql('postgres', "SELECT deltaetl_sync('staging', 'products')");
like($stderr, qr/out of shared memory.*max_locks_per_transaction/s, 'too few locks');
is(psql("SELECT count(*) FROM products_1 WHERE v = '2'"), 0, 'nothing is written');
is(psql("SELECT updated FROM deltaetl_sync('staging_1', 'products_1')") > 0, 1, 'single partitions can be synced all the same');

done_testing();
