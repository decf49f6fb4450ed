# Copyright (c) 2026, deltaetl maintainers

# Real input: the package index of the machine the test runs on, tens of
# thousands of rows with a composite key.  The base suite is synced into an
# empty table, then the same with its updates laid over it, then that again.
# Each time the counts are those that plain SQL has found before, and the target
# ends as the source.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# tools/check has written the tables, see tools/packages-tsv
my $dir = $ENV{DELTAETL_PACKAGES}
  or plan skip_all => 'no apt on this machine';

my $node = PostgreSQL::Test::Cluster->new('packages');
$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;

my $columns = <<'END';
package text, architecture text, version text NOT NULL,
section text, priority text, installed_size bigint, size bigint,
maintainer text, depends text, description text, homepage text
END

$node->safe_psql('postgres', <<"END");
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;
CREATE TABLE packages ($columns, PRIMARY KEY (package, architecture));
CREATE TABLE incoming ($columns);
END

sub load
{
	my ($file) = @_;

	$node->safe_psql('postgres', <<"END");
TRUNCATE incoming;
COPY incoming FROM '$dir/$file';
ANALYZE incoming;
END
}

# Inserted, updated, deleted and unchanged, without the extension.
sub expected_counts
{
	return $node->safe_psql('postgres', <<'END');
SELECT (SELECT count(*) FROM incoming i
		 WHERE NOT EXISTS (SELECT FROM packages p
							WHERE p.package = i.package
							  AND p.architecture = i.architecture)),
	   count(*) FILTER (WHERE i IS DISTINCT FROM p),
	   (SELECT count(*) FROM packages p
		 WHERE NOT EXISTS (SELECT FROM incoming i
							WHERE p.package = i.package
							  AND p.architecture = i.architecture)),
	   count(*) FILTER (WHERE i IS NOT DISTINCT FROM p)
  FROM (SELECT * FROM incoming) AS i
  JOIN (SELECT * FROM packages) AS p USING (package, architecture)
END
}

sub diff_counts
{
	return $node->safe_psql('postgres', <<'END');
SELECT count(*) FILTER (WHERE action = 'insert'),
	   count(*) FILTER (WHERE action = 'update'),
	   count(*) FILTER (WHERE action = 'delete')
  FROM deltaetl_diff('incoming', 'packages')
END
}

sub sync_counts
{
	return $node->safe_psql('postgres', <<'END');
SELECT inserted, updated, deleted, unchanged
  FROM deltaetl_sync('incoming', 'packages', deletes => 'delete')
END
}

# The rows in one side and not in the other.
sub oracle
{
	return $node->safe_psql('postgres', <<'END');
SELECT (SELECT count(*) FROM (TABLE incoming EXCEPT ALL TABLE packages) AS d),
	   (SELECT count(*) FROM (TABLE packages EXCEPT ALL TABLE incoming) AS d)
END
}

# Where each row lies, and who wrote it: no write leaves this as it was.
sub physical_state
{
	return $node->safe_psql('postgres', <<'END');
SELECT md5(string_agg(ctid || ' ' || xmin || ' ' || xmax, ',' ORDER BY ctid))
  FROM packages
END
}

sub sync_as_expected
{
	my ($what) = @_;
	my $expected = expected_counts();
	my $changes = $expected =~ s/\|\d+$//r;

	note "$what: inserted|updated|deleted|unchanged $expected";
	is(diff_counts(), $changes, "$what: diff finds what plain SQL finds");
	is(sync_counts(), $expected, "$what: sync counts the same");
	is(oracle(), '0|0', "$what: the target is the source");
}

load('base.tsv');
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM incoming');
cmp_ok($rows, '>', 0, 'the base suite has packages');
is(expected_counts(), "$rows|0|0|0", 'at first, all of them are to be inserted');
sync_as_expected('base suite');

load('current.tsv');
sync_as_expected('with its updates');

my $before = physical_state();
$rows = $node->safe_psql('postgres', 'SELECT count(*) FROM incoming');
is(sync_counts(), "0|0|0|$rows", 'the same again: all rows are unchanged');
is(physical_state(), $before, 'the same again: no row was written');

load('base.tsv');
sync_as_expected('back to the base suite');

$node->stop;

done_testing();
