# Copyright (c) 2026, deltaetl maintainers

# Tables of many rows, little memory and parallel workers: the set of
# fingerprints has to go to files, and to come back whole.

package DeltaetlFuzz::Volume;

use strict;
use warnings FATAL => 'all';

use DeltaetlFuzz::Random qw(between chance pick);
use Exporter qw(import);

our @EXPORT_OK = qw(random_volume volume_script judge_volume);

# Columns of the key, and what they are in row i
my @keys = (
	[ 'k int8', 'i' ],
	[ 'k int8', 'hashint8extended(i, 7)' ],
	[ 'k text', "'key ' || i" ],
	[ 'k uuid', "md5(i::text)::uuid" ],
	[ 'k1 int, k2 text', "(i / 100)::int, 'key ' || i % 100" ],
	[ 'k numeric', 'i + 0.50' ],
	[ 'k1 date, k2 int8, k3 bool', "date '2026-01-01' + (i % 50)::int, i / 100, i % 100 < 50" ],);

sub random_volume
{
	my ($seed, $rows) = @_;

	srand $seed;
	return {
		seed => $seed,
		rows => between($rows / 4, $rows),
		key => pick(@keys),
		new => pick(0, 1, 1, 10, 50),
		gone => pick(0, 1, 1, 10, 50),
		changed => pick(0, 1, 1, 10, 100),
		duplicate => pick('', '', '', 's', 't'),
		index => chance(60),
		workers => pick(0, 1, 2),
		detection => pick(qw(auto auto encoded join)),
		deletes => chance(70),
	};
}

# Whether row i is one of this share in percent
sub share
{
	my ($case, $percent, $salt) = @_;

	return "abs(hashint8extended(i, $case->{seed} + $salt) % 100) < $percent";
}

sub volume_script
{
	my ($case) = @_;
	my ($columns, $values) = @{ $case->{key} };
	my $names = join ', ', $columns =~ /\bk\d?\b/g;
	my $indexed = $case->{index} && $case->{duplicate} ne 't';
	my ($new, $gone, $changed) =
	  map { share($case, $case->{ $_->[0] }, $_->[1]) }
	  ([ new => 1 ], [ gone => 2 ], [ changed => 3 ]);
	my $arguments = "'s', 't', key_columns => '{$names}'"
	  . ($case->{deletes} ? ", deletes => 'delete'" : '');
	my $run = "SELECT * FROM deltaetl_sync($arguments) \\gset x_";
	my $print = ':SQLSTATE :x_inserted :x_updated :x_deleted :x_unchanged';

	# of the rows, the share that is new is in s only, that is gone in t only
	return <<"END";
\\set QUIET on
\\pset tuples_only on
\\pset format unaligned
\\pset fieldsep ' '
\\set VERBOSITY verbose
DISCARD ALL;
SET client_min_messages = error;
DROP SCHEMA IF EXISTS f CASCADE;
CREATE SCHEMA f;
SET search_path = f, public;
CREATE TABLE s ($columns, a int8, b text);
CREATE TABLE t (LIKE s);
INSERT INTO s SELECT $values, i, 'row ' || i FROM generate_series(1, $case->{rows}::int8) AS i
WHERE NOT ($gone);
INSERT INTO t SELECT $values, CASE WHEN $changed THEN -i ELSE i END, 'row ' || i
FROM generate_series(1, $case->{rows}::int8) AS i WHERE NOT ($new);
@{[$case->{duplicate} ? "INSERT INTO $case->{duplicate} SELECT * FROM $case->{duplicate} LIMIT 1;" : '']}
@{[$indexed ? "CREATE UNIQUE INDEX ON t ($names);" : '']}
ANALYZE s, t;
SELECT '\@expected', count(*) FILTER (WHERE t.a IS NULL), count(*) FILTER (WHERE s.a <> t.a),
	count(*) FILTER (WHERE s.a IS NULL AND '$case->{deletes}' = '1'), count(*) FILTER (WHERE s.a = t.a)
FROM s FULL JOIN t USING ($names);
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = $case->{workers};
SET deltaetl.detection = '$case->{detection}';
$run
\\echo \@first $print
$run
\\echo \@second $print
RESET work_mem;
SELECT '\@after', (SELECT count(*) FROM (TABLE s EXCEPT ALL TABLE t) AS x),
	(SELECT count(*) FROM (TABLE t EXCEPT ALL TABLE s) AS x);
DROP TABLE s, t;
\\echo \@end
END
}

sub judge_volume
{
	my ($case, $output) = @_;
	my %got = $output =~ /^\@(\w+) ?(.*)$/mg;
	my @failures = map { "accident: $_" }
	  grep { /ERROR:  (XX|53|57)|TRAP:|server closed/ } split /\n/, $output;

	return ([ @failures, 'the script did not end' ], 'lost')
	  if grep { !exists $got{$_} } qw(expected first second after end);
	my ($state) = $got{first} =~ /^(\w+)/;
	if ($case->{duplicate})
	{
		push @failures, "duplicate key: $got{first}" if $state ne '21000';
		return (\@failures, $state);
	}
	my ($inserts, $updates, $deletes, $unchanged) = split / /, $got{expected};
	my $all = $inserts + $updates + $unchanged;

	push @failures, "run: $got{expected} expected, $got{first} found"
	  if $got{first} ne "00000 $got{expected}";
	push @failures, "second run: $got{second}"
	  if $got{second} ne "00000 0 0 0 $all";
	push @failures, "after run: $got{after} rows differ"
	  if $got{after} !~ /^0 / || $case->{deletes} && $got{after} ne '0 0';
	return (\@failures, $state);
}

1;
