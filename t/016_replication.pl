# Copyright (c) 2026, deltaetl maintainers

# Runs and what follows from them elsewhere: a subscriber of the target ends as
# the target, whatever its replica identity; a table that is subscribed is a
# source like any other; a standby reads, says that it cannot write, and does
# when it has been promoted; and a server that is restored to the moment before
# or after a run is there, its run log included.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 'logical', has_archiving => 1);
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;

my $products = 'CREATE TABLE products (id int PRIMARY KEY, code text NOT NULL UNIQUE, name text, price numeric(8,2))';
$node->safe_psql(
	'postgres', qq(
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;
$products;
CREATE TABLE staging (id bigint, code text, name text, price numeric);
INSERT INTO staging SELECT i, 'c' || i, repeat(md5(i::text), 100), i / 7.0 FROM generate_series(1, 500) AS i;));
my $count = 'count(*), md5(string_agg(p::text, E\'\n\' ORDER BY id))';
my $contents = "SELECT $count FROM products AS p";
my $sync = q(SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', key_columns => '{code}', deletes => 'delete', log_changes => 'rows'));
my $oracle = q(SELECT count(*) FROM ((SELECT id::bigint, code, name, price FROM products
	EXCEPT ALL SELECT id, code, name, price::numeric(8,2) FROM staging)
	UNION ALL (SELECT id, code, name, price::numeric(8,2) FROM staging
	EXCEPT ALL SELECT id, code, name, price FROM products)) AS d);

# Rows to insert, update and delete, and rows whose primary key changes, which is
# not the key that they are synced by.
sub change_source
{
	$node->safe_psql(
		'postgres', q(
DELETE FROM staging WHERE id % 10 = 3;
UPDATE staging SET name = name || '!' WHERE id % 10 = 4;
UPDATE staging SET price = NULL WHERE id % 10 = 5;
UPDATE staging SET id = id + 100000 WHERE id % 10 = 6 AND id < 100000;
INSERT INTO staging SELECT m + i, 'c' || m + i, 'new', i FROM (SELECT max(id) AS m FROM staging) AS s, generate_series(1, 50) AS i;));
}

# ---------- subscribers ----------

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->append_conf('postgresql.conf', 'autovacuum = off');
$subscriber->start;
$subscriber->safe_psql('postgres',
	"SET client_min_messages = warning; CREATE EXTENSION deltaetl CASCADE; $products; CREATE TABLE mirror (LIKE products INCLUDING ALL)");
$node->safe_psql('postgres', 'CREATE PUBLICATION products FOR TABLE products');
$subscriber->safe_psql('postgres',
	'CREATE SUBSCRIPTION products CONNECTION \'' . $node->connstr . ' dbname=postgres\' PUBLICATION products');
$subscriber->wait_for_subscription_sync($node, 'products');

# What the subscriber has it has from the log alone.
my %identities = (
	default => 'DEFAULT',
	full => 'FULL',
	index => 'USING INDEX products_code_key',
	'by a statement' => 'DEFAULT');
$node->safe_psql('postgres',
	q(CREATE FUNCTION do_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN COALESCE(new, old); END'));
is($node->safe_psql('postgres', $sync), '500|0|0|0', 'a first load');
foreach my $name (sort keys %identities)
{
	$_->safe_psql('postgres', "ALTER TABLE products REPLICA IDENTITY $identities{$name}") foreach $subscriber, $node;
	$node->safe_psql('postgres',
		'CREATE TRIGGER nothing BEFORE INSERT OR UPDATE OR DELETE ON products FOR EACH ROW EXECUTE FUNCTION do_nothing()')
	  if $name eq 'by a statement';
	change_source();
	like($node->safe_psql('postgres', $sync), qr/^[1-9]\d*\|[1-9]\d*\|[1-9]\d*\|[1-9]\d*$/,
		"replica identity $name: rows are inserted, updated and deleted");
	is($node->safe_psql('postgres', $oracle), '0', "replica identity $name: the target is the source");
	$node->wait_for_catchup('products');
	is($subscriber->safe_psql('postgres', $contents),
		$node->safe_psql('postgres', $contents),
		"replica identity $name: the subscriber has the same");

	# a run that changes nothing sends nothing
	my $lsn = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	$node->safe_psql('postgres', $sync);
	my $pages = $node->safe_psql('postgres', "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn')");
	cmp_ok($pages, '<', 100000, "replica identity $name: nothing is written for nothing");
}
$node->safe_psql('postgres', 'DROP TRIGGER nothing ON products');

# Without one it is PostgreSQL that refuses, whichever way rows are written.
$node->safe_psql('postgres', 'ALTER TABLE products REPLICA IDENTITY NOTHING');
foreach (
	[ 'update', q(UPDATE staging SET name = 'changed' WHERE code = 'c1') ],
	[ 'delete', q(UPDATE staging SET name = (SELECT p.name FROM products AS p WHERE p.code = 'c1') WHERE code = 'c1';
		DELETE FROM staging WHERE code = 'c2') ])
{
	my ($action, $change) = @$_;
	my $before = $node->safe_psql('postgres', $contents);

	$node->safe_psql('postgres', $change);
	my ($status, $out, $error) = $node->psql('postgres', $sync);
	like(
		$error,
		qr/cannot (update|delete from) table "products" because it does not have a replica identity and publishes/,
		"without a replica identity: the error of an $action");
	is($node->safe_psql('postgres', $contents), $before, "and nothing has been done by the $action");
}
is( $node->safe_psql('postgres', q(SELECT inserted FROM deltaetl_sync('staging', 'products', key_columns => '{code}', scope => 'id < 0'))),
	'0', 'a run without changes works');
$node->safe_psql('postgres',
	q(INSERT INTO staging VALUES (-1, 'only new', 'x', 1)));
is( $node->safe_psql('postgres', q(SELECT inserted FROM deltaetl_sync('staging', 'products', key_columns => '{code}', scope => 'id < 0'))),
	'1', 'so does one that inserts');
$_->safe_psql('postgres', 'ALTER TABLE products REPLICA IDENTITY DEFAULT') foreach $subscriber, $node;
$node->safe_psql('postgres', $sync);

# The subscriber's table as a source, while more comes in.
my $mirror = q(SELECT inserted + updated + deleted FROM deltaetl_sync('products', 'mirror', deletes => 'delete'));
$node->wait_for_catchup('products');
cmp_ok($subscriber->safe_psql('postgres', $mirror), '>', 0, 'a table that is subscribed is a source');
foreach (1 .. 5)
{
	change_source();
	$node->safe_psql('postgres', $sync);
	$subscriber->safe_psql('postgres', $mirror);
}
$node->wait_for_catchup('products');
$subscriber->safe_psql('postgres', $mirror);
is( $subscriber->safe_psql('postgres', "SELECT $count FROM mirror AS p"),
	$node->safe_psql('postgres', $contents),
	'and the end is the same in all three');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION products');
$subscriber->stop;

# ---------- a standby ----------

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
change_source();
$node->safe_psql('postgres', "UPDATE staging SET code = 'c9' WHERE code = 'c9'");
$node->wait_for_catchup($standby);

my $diff = q(SELECT action, key, changed_columns FROM deltaetl_diff('staging', 'products', key_columns => '{code}') ORDER BY 1, 2);
is($standby->safe_psql('postgres', $diff), $node->safe_psql('postgres', $diff), 'a standby finds the same differences');
is( $standby->safe_psql('postgres', q(SELECT count(*) FROM deltaetl_hashes('products'))),
	$node->safe_psql('postgres', 'SELECT count(*) FROM products'),
	'and hashes');
foreach (
	[ sync => "$sync" ],
	[ revert => 'SELECT deltaetl_revert(1)' ],
	[ run_job => q(CALL deltaetl_run_job('any')) ],
	[ track => q(SELECT deltaetl_track('products')) ],
	[ create_job => q(SELECT deltaetl_create_job('any', 'staging', 'products')) ],
	[ prune_log => q(SELECT deltaetl_prune_log('1 day')) ])
{
	my ($function, $call) = @$_;
	my ($status, $out, $error) = $standby->psql('postgres', $call);

	like($error, qr/cannot execute (deltaetl_$function\(\)|[A-Z ]+) (in a read-only transaction|during recovery)/,
		"deltaetl_$function() says why it does nothing");
}
$node->safe_psql('postgres', q(INSERT INTO staging VALUES (5000000000, 'too large', 'x', 1)));
$node->wait_for_catchup($standby);
my ($status, $out, $error) = $standby->psql('postgres', $diff);
like($error, qr/integer out of range.*column "id" of "staging", row \(code\)=\(too large\)/s,
	'a value that cannot be assigned is named there, too');
$node->safe_psql('postgres', q(DELETE FROM staging WHERE id = 5000000000));
$node->wait_for_catchup($standby);

# ---------- point in time ----------

my $before = $node->safe_psql('postgres', $contents);
$node->safe_psql('postgres', q(SELECT pg_create_restore_point('before')));
$node->safe_psql('postgres', $sync);
$node->safe_psql('postgres', q(SELECT pg_create_restore_point('after')));
my $after = $node->safe_psql('postgres', $contents);
isnt($after, $before, 'the run has changed something');
my $runs = 'SELECT run_id, inserted, updated, deleted FROM deltaetl_run_log ORDER BY run_id';
my $all_runs = $node->safe_psql('postgres', $runs);
$node->safe_psql('postgres', 'DELETE FROM products; SELECT pg_switch_wal()');
$node->poll_query_until('postgres',
	q(SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver))
  or die 'the log is not archived';

foreach my $point ('before', 'after')
{
	my $restored = PostgreSQL::Test::Cluster->new("restored_$point");
	my $expected_runs = $point eq 'after' ? $all_runs : $all_runs =~ s/\n[^\n]*\z//r;

	$restored->init_from_backup($node, 'backup', has_restoring => 1, standby => 0);
	$restored->append_conf('postgresql.conf', "recovery_target_name = '$point'\nrecovery_target_action = 'promote'\n"
		  . "recovery_target_timeline = 'current'\narchive_mode = off");
	$restored->start;
	$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
	is($restored->safe_psql('postgres', $contents), $point eq 'after' ? $after : $before, "restored to $point the run: the target");
	is($restored->safe_psql('postgres', $runs), $expected_runs, "restored to $point the run: the run log");
	$restored->safe_psql('postgres', $sync);
	is($restored->safe_psql('postgres', $oracle), '0', "restored to $point the run: the next one does all");
	is( $restored->safe_psql('postgres', 'SELECT count(*) = count(DISTINCT run_id) FROM deltaetl_run_log'),
		't', "restored to $point the run: no number is given twice");
	$restored->stop;
}

# ---------- promotion ----------

$node->stop;
$standby->promote;
$standby->safe_psql('postgres', $sync);
is($standby->safe_psql('postgres', $oracle), '0', 'a standby that has been promoted syncs');
$standby->stop;

done_testing();
