# Copyright (c) 2026, deltaetl maintainers

# The dashboard and the metrics of doc/ against a history of runs that is known,
# jobs whose runs they are, and runs that are held while they are looked at:
# each query of doc/grafana.json, with its macros replaced as Grafana does it,
# and each of the Prometheus collector in doc/monitoring.md.  All of them run as
# the role that the document makes for it, which may read little.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use DeltaetlDocument qw(parse_document);
use Encode qw(decode_utf8);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $doc = "$FindBin::RealBin/../doc";

my $node = PostgreSQL::Test::Cluster->new('monitoring');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf(
	'postgresql.conf', qq(
timezone = 'UTC'
shared_preload_libraries = 'deltaetl'
));
$node->start;

# Runs from 10:00 to 13:30 of one day; the dashboard is looked at for 10:00 to 13:00.
my ($from, $to, $interval) = ('2026-03-01T10:00:00Z', '2026-03-01T13:00:00Z', '1h');
$node->safe_psql(
	'postgres', q(
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE orders (LIKE products INCLUDING ALL);
CREATE TABLE "it's" (LIKE products INCLUDING ALL);
CREATE TABLE secrets (LIKE products INCLUDING ALL);
CREATE TABLE staging AS SELECT i AS id, 'a' AS name FROM generate_series(1, 4) AS i;
CREATE ROLE monitor LOGIN;
GRANT pg_monitor TO monitor;
GRANT SELECT (id) ON products, "it's" TO monitor;
GRANT SELECT ON orders TO monitor;

CREATE TABLE history (run_id bigint, job text, target text, started time, seconds int, waited int, status text,
	inserted int, updated int, deleted int, unchanged int, sqlstate text, message text);
INSERT INTO history VALUES
(1, 'p', 'products', '09:59:58', 4,  0,  'succeeded', 100, 0, 0, 0, NULL, NULL),
(2, NULL, 'orders',  '10:05', 60, 30, 'succeeded', 5, 5, 5, 90, NULL, NULL),
(3, 'p', 'products', '10:20', 6,  0,  'failed', NULL, NULL, NULL, NULL, '23502', 'null value in column "name"'),
(4, 'p', 'products', '11:00', 2,  0,  'skipped', 0, 0, 0, 0, NULL, NULL),
(5, 'p', 'products', '11:30', 5,  1,  'succeeded', 1, 2, 3, 97, NULL, NULL),
(6, NULL, 'orders',  '11:40', 20, 0,  'dry run', 1, 1, 1, 95, NULL, NULL),
(7, NULL, 'it''s',   '11:45', 1,  0,  'succeeded', 0, 0, 0, 3, NULL, NULL),
(8, NULL, 'orders',  '12:00', 8,  0,  'failed', NULL, NULL, NULL, NULL, '40001', 'could not serialize access'),
(9, NULL, 'secrets', '12:30', 99, 0,  'succeeded', 1000, 0, 0, 0, NULL, NULL),
(10, 'p', 'products', '13:30', 7, 0,  'succeeded', 0, 50, 0, 50, NULL, NULL),
(11, 'fails', 'orders', '09:00', 3, 0, 'failed', NULL, NULL, NULL, NULL, '23502', 'null value in column "name"'),
(12, 'looks', 'products', '09:30', 3, 0, 'dry run', 0, 0, 0, 100, NULL, NULL);
INSERT INTO deltaetl_run_entry (run_id, job, source_schema, source_name, target_schema, target_name, target_owner, role,
	started_at, finished_at, status, inserted, updated, deleted, unchanged,
	resolve_time, lock_time, detect_time, apply_time, rows_read, bytes_read, options, sqlstate, message)
SELECT run_id, job, 'public', 'staging', 'public', target, 'postgres', 'postgres',
	date '2026-03-01' + started, date '2026-03-01' + started + seconds * interval '1 second',
	status, inserted, updated, deleted, unchanged,
	'0', waited * interval '1 second', (seconds - waited) * interval '0.75 seconds', (seconds - waited) * interval '0.25 seconds',
	200, 8192, '{}', sqlstate, message
FROM history;
INSERT INTO deltaetl_job_entry (name, source_schema, source_name, target_schema, target_name, schedule, owner, options)
SELECT name, 'public', 'staging', 'public', target, schedule, 'postgres', '{}'
FROM (VALUES ('p', 'products', '15,45 9-14 1 3 0'), ('by hand', 'it''s', NULL), ('new', 'it''s', '0 0 1 4 0'),
	('fails', 'orders', NULL), ('looks', 'products', NULL), ('hidden', 'secrets', '0 0 1 4 0')) AS j (name, target, schedule);
));

sub as_monitor
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', "SET ROLE monitor; $sql");
}

# The columns of a query with their types: references to [name, type].
sub columns
{
	my ($sql) = @_;
	return map { [ split /\|/ ] } split /\n/, as_monitor("$sql\n\\gdesc");
}

# Compare rows with lines in which an asterisk stands for anything.
sub rows_are
{
	my ($got, $wanted, $name) = @_;
	my $pattern = join "\n", map { join '.*', map { quotemeta } split /\*/, $_, -1 } @$wanted;

	like($got, qr/\A$pattern\z/, $name);
}


# ---------- Grafana ----------

my $dashboard = decode_json(slurp_file("$doc/grafana.json"));
my @panels = @{ $dashboard->{panels} };
my @variables = @{ $dashboard->{templating}{list} };

# What its PostgreSQL data source does with a query: variables first, then the
# interval, then macros, whose arguments end at the first parenthesis, and of
# which it has to know each.
sub expand
{
	my ($sql, %value) = @_;
	my %seconds = (s => 1, m => 60, h => 3600);

	$sql =~ s/\$\{(\w+):sqlstring\}/sql_strings(@{ $value{$1} })/ge;
	$sql =~ s/\$__interval/$interval/g;
	$sql =~ s{\$(\w+)\(([^)]*)\)}{
		my ($macro, @arguments) = ($1, map { s/^ +| +$//gr } split /,/, $2, -1);
		expand_macro($macro, \%seconds, @arguments)}ge;
	return $sql;
}

sub expand_macro
{
	my ($macro, $seconds, @arguments) = @_;

	return "$arguments[0] BETWEEN '$from' AND '$to'" if $macro eq '__timeFilter';
	if ($macro eq '__timeGroupAlias' && $arguments[1] =~ /^'?(\d+)([smh])'?$/)
	{
		my $width = $1 * $seconds->{$2};
		return "floor(extract(epoch from $arguments[0])/$width)*$width AS \"time\"";
	}
	die "macro $macro(@arguments) is not known";
}

sub sql_strings
{
	return join ',', map { "'" . s/'/''/gr . "'" } @_;
}

cmp_ok($dashboard->{schemaVersion}, '>=', 41, 'the dashboard has the format of a current Grafana');
is_deeply([ map { $_->{name} } @variables ], [ 'datasource', 'target' ], 'it has two variables');
is($variables[0]{query}, 'grafana-postgresql-datasource', 'one chooses the data source');
my @targets = split /\n/, as_monitor($variables[1]{query});
is_deeply(
	\@targets,
	[ q(public."it's"), 'public.orders', 'public.products' ],
	'the other among the targets that one may see');

my (%ids, %cells);
foreach my $panel (@panels)
{
	my $title = $panel->{title};
	my %grid = %{ $panel->{gridPos} };

	ok(!$ids{ $panel->{id} }++, "$title: the id is its own");
	cmp_ok(scalar @{ $panel->{targets} }, '>', 0, "$title: has a query");
	ok(!(grep { $_->{rawSql} !~ /\S/ || !$_->{rawQuery} } @{ $panel->{targets} }), "$title: is of SQL");
	is($_->{datasource}{uid}, '${datasource}', "$title: of the chosen data source") foreach $panel, @{ $panel->{targets} };
	cmp_ok($grid{x} + $grid{w}, '<=', 24, "$title: fits into the grid");

	my $overlaps = grep { $_ } map {
		my $x = $_;
		map { $cells{"$x,$_"}++ } $grid{y} .. $grid{y} + $grid{h} - 1
	} $grid{x} .. $grid{x} + $grid{w} - 1;
	is($overlaps, 0, "$title: lies over no other panel");
}

# The start of each hour, as Grafana gets it.
my ($ten, $eleven, $twelve) = map { 1772359200 + $_ * 3600 } 0 .. 2;
is($node->safe_psql('postgres', "SELECT extract(epoch FROM timestamptz '$from')::bigint"), $ten, 'ten is ten');

my %shown = (
	'Runs' => ['6'],
	'Failed' => ['2'],
	'Rows changed' => ['121'],
	'Size of the logs' => ['*'],
	'Running now' => [],
	'Runs by status' => [
		"$ten|failed|1", "$ten|succeeded|2", "$eleven|dry run|1", "$eleven|skipped|1",
		"$eleven|succeeded|2", "$twelve|failed|1"
	],
	'Rows by action' => [ "$ten|105|5|5", "$eleven|1|2|3" ],
	'Run time' => [
		"$ten|public.orders|60", "$ten|public.products|6",
		"$eleven|public.\"it's\"|1", "$eleven|public.products|5", "$twelve|public.orders|8"
	],
	'Where the time goes' => [ "$ten|0|30|30|10", "$eleven|0|1|3.75|1.25", "$twelve|0|0|6|2" ],
	'Jobs' => [
		q(by hand|public."it's"|||||||public.staging|postgres),
		'fails|public.orders||failed|2026-03-01 09:00:00+00|||11|public.staging|postgres',
		q(new|public."it's"|0 0 1 4 0||||||public.staging|postgres),
		'looks|public.products||dry run|2026-03-01 09:30:00+00|2026-03-01 09:30:00+00|*|12|public.staging|postgres',
		'p|public.products|15,45 9-14 1 3 0|succeeded|2026-03-01 13:30:00+00|2026-03-01 13:30:00+00|*|10|public.staging|postgres'
	],
	'Targets' => [
		'public.orders|failed|2026-03-01 10:05:00+00|*|3|2|0|5|5|5|23.667',
		q(public."it's"|succeeded|2026-03-01 11:45:00+00|*|1|0|0|0|0|0|1),
		'public.products|succeeded|2026-03-01 13:30:00+00|*|4|1|1|101|52|3|5.5'
	],
	'Failures' => [
		'2026-03-01 12:00:08+00|8||public.orders|postgres|40001|could not serialize access',
		'2026-03-01 10:20:06+00|3|p|public.products|postgres|23502|'
	]);
is_deeply([ sort map { $_->{title} } @panels ], [ sort keys %shown ], 'each panel is tried here');

foreach my $panel (@panels)
{
	my ($title, $query) = ($panel->{title}, $panel->{targets}[0]);
	my $sql = expand($query->{rawSql}, target => \@targets);
	my @columns = columns($sql);

	rows_are(as_monitor($sql), $shown{$title} // [], "$title: shows the runs");
	ok(!(grep { $_->[1] =~ /interval|numeric\[|name|reg/ } @columns), "$title: has types that Grafana takes")
	  if $title ne 'Failures';
	cmp_ok(as_monitor($sql), '>=', 8192, "$title: there is something in them") if $title eq 'Size of the logs';
	next if $query->{format} ne 'time_series';

	my ($time, @values) = map { $_->[0] } @columns;
	is($time, 'time', "$title: is over time");
	ok(!(grep { $_->[0] ne 'metric' && $_->[1] !~ /^(?:bigint|numeric|double precision)$/ } @columns),
		"$title: values are numbers");
}

# One target of all, and names that need quotes.
my ($runs) = grep { $_->{title} eq 'Runs' } @panels;
foreach my $case ([ 'public.products', 3 ], [ q(public."it's"), 1 ], [ 'public.secrets', 0 ])
{
	my ($target, $count) = @$case;
	is(as_monitor(expand($runs->{targets}[0]{rawSql}, target => [$target])), $count, "runs on $target alone");
}


# ---------- Prometheus ----------

my ($items) = parse_document(decode_utf8(slurp_file("$doc/monitoring.md")));
my ($collector, $rules) = map { $_->{body} } grep { $_->{kind} eq 'unrun' && $_->{language} eq 'yaml' } @$items;

# The little YAML of the collector: scalars, lists of scalars, and text.
sub read_entries
{
	my ($yaml, $section) = @_;
	my ($body) = $yaml =~ /^$section:\n(.*?)(?=^\w|\z)/ms;
	my @entries;

	foreach my $entry (split /^  - /m, $body)
	{
		my %fields;
		while ($entry =~ /^ {0,4}(\w+): ?(.*)\n((?: {6}.*\n?)*)/mg)
		{
			my ($name, $value, $below) = ($1, $2, $3);
			$below =~ s/^ {6}//mg;
			$fields{$name} = $value eq '' ? [ $below =~ /^- (\w+)$/mg ] : $value eq '|' ? $below : $value;
		}
		push @entries, \%fields if %fields;
	}
	return @entries;
}

my @metrics = read_entries($collector, 'metrics');
my %query = map { $_->{query_name} => $_->{query} } read_entries($collector, 'queries');

# The samples of a metric, as an exporter makes them: a row gives one for each
# value that is not NULL.
sub samples
{
	my ($metric) = @_;
	my @names = map { $_->[0] } columns($query{ $metric->{query_ref} });
	my %samples;

	foreach my $line (split /\n/, as_monitor($query{ $metric->{query_ref} }))
	{
		my %row;
		@row{@names} = split /\|/, $line, -1;
		foreach my $value (@{ $metric->{values} })
		{
			my @labels = map { "$_=$row{$_}" } @{ $metric->{key_labels} // [] };
			push @labels, "$metric->{value_label}=$value" if $metric->{value_label};
			$samples{ join ',', @labels } = 0 + $row{$value} if $row{$value} ne '';
		}
	}
	return \%samples;
}

# Samples of the jobs that the role sees, in this order.
sub by_job
{
	my @values = @_;
	my @jobs = map { "job_name=$_" } 'p', 'by hand', 'new', 'fails', 'looks';
	return { map { defined $values[$_] ? ($jobs[$_] => $values[$_]) : () } 0 .. $#jobs };
}

my ($orders, $products, $its) = map { "target=public.$_" } 'orders', 'products', q("it's");
my %exported = (
	deltaetl_runs_total => { $orders => 3, $products => 4, $its => 1 },
	deltaetl_failures_total => { $orders => 2, $products => 1, $its => 0 },
	deltaetl_skipped_total => { $orders => 0, $products => 1, $its => 0 },
	deltaetl_rows_total => {
		"$orders,action=inserted" => 5, "$products,action=inserted" => 101, "$its,action=inserted" => 0,
		"$orders,action=updated" => 5, "$products,action=updated" => 52, "$its,action=updated" => 0,
		"$orders,action=deleted" => 5, "$products,action=deleted" => 3, "$its,action=deleted" => 0,
		"$orders,action=unchanged" => 90, "$products,action=unchanged" => 147, "$its,action=unchanged" => 3
	},
	deltaetl_run_seconds_total => { $orders => 71, $products => 22, $its => 1 },
	deltaetl_last_success_timestamp_seconds =>
	  { $orders => $ten + 5 * 60, $products => $ten + 210 * 60, $its => $ten + 105 * 60 },
	deltaetl_last_run_failed => { $orders => 1, $products => 0, $its => 0 },
	deltaetl_last_run_seconds => { $orders => 60, $products => 7, $its => 1 },
	deltaetl_last_run_rows => {
		"$orders,action=inserted" => 5, "$products,action=inserted" => 0, "$its,action=inserted" => 0,
		"$orders,action=updated" => 5, "$products,action=updated" => 50, "$its,action=updated" => 0,
		"$orders,action=deleted" => 5, "$products,action=deleted" => 0, "$its,action=deleted" => 0
	},
	deltaetl_job_scheduled => by_job(1, 0, 1, 0, 0),
	deltaetl_job_last_run_failed => by_job(0, 0, 0, 1, 0),
	deltaetl_job_last_success_timestamp_seconds => by_job($ten + 210 * 60, undef, undef, undef, $ten - 30 * 60),
	deltaetl_job_period_seconds => by_job(1800, (86400) x 4),
	deltaetl_running => {},
	deltaetl_running_seconds => {},
	deltaetl_running_rows => {},
	deltaetl_waiting_seconds => { '' => 0 });

foreach my $metric (@metrics)
{
	my $name = $metric->{metric_name};

	ok($metric->{help} && $metric->{type} =~ /^(?:counter|gauge)$/, "$name: has a type and help");
	is($metric->{type} eq 'counter', $name =~ /_total$/ ? 1 : '', "$name: is called what it is");
	next if $name eq 'deltaetl_log_bytes';
	is_deeply(samples($metric), $exported{$name}, "$name: says what the runs were");
}
my ($bytes) = map { samples($_) } grep { $_->{metric_name} eq 'deltaetl_log_bytes' } @metrics;
cmp_ok($bytes->{'table=deltaetl_run_entry'}, '>=', 8192, 'the size of the log is seen');
is_deeply(
	[ sort map { $_->{metric_name} } @metrics ],
	[ sort keys %exported, 'deltaetl_log_bytes' ],
	'each metric is tried here');
is_deeply([ sort keys %query ],
	[ sort keys %{ { map { $_->{query_ref} => 1 } @metrics } } ],
	'each query is used');

my %known = map { $_->{metric_name} => 1 } @metrics;
is_deeply([ grep { !$known{$_} } $rules =~ /\b(deltaetl_\w+)/g ], [], 'the rules use metrics that there are');


# ---------- runs that go on ----------

# The queries of the document for what lasts a minute, for any time.
sub query_for_any_time
{
	my ($pattern) = @_;
	my ($sql) = map { $_->{sql} } grep { $_->{kind} eq 'example' && $_->{sql} =~ $pattern } @$items;

	ok($sql =~ s/> interval '1 minute'/>= interval '0'/, "the document has a query for $pattern");
	return $sql;
}
my $waiting = query_for_any_time(qr/waitstart/);
my $slow = query_for_any_time(qr/deltaetl_progress/);
my %metric = map { $_->{metric_name} => $_ } @metrics;
my ($running) = map { expand($_->{targets}[0]{rawSql}) } grep { $_->{title} eq 'Running now' } @panels;

# Rows are not written while somebody has the advisory lock.
$node->safe_psql(
	'postgres', q(
CREATE FUNCTION hold_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(1);
	RETURN new;
END $$;
CREATE TRIGGER hold_row BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION hold_row();
));
my $writer = $node->background_psql('postgres');
my $writer_pid = $writer->query_safe('SELECT pg_backend_pid()');
$writer->query_safe('SELECT pg_advisory_lock(1)');
$writer->query_safe('BEGIN; INSERT INTO orders VALUES (7)');
my $runner = $node->background_psql('postgres', on_error_stop => 0);
my $runner_pid = $runner->query_safe('SELECT pg_backend_pid()');
$runner->query_until(qr/started/, "\\echo started\nSELECT deltaetl_sync('staging', 'orders');\n");
ok( $node->poll_query_until(
		'postgres', q(SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass)),
	'a run waits for a writer');
like(as_monitor($waiting), qr/^\d+\|orders\|.*\|idle in transaction\|INSERT INTO orders/,
	'it is seen, and for whom it waits');
cmp_ok(samples($metric{deltaetl_waiting_seconds})->{''}, '>', 0, 'and how long');
rows_are(as_monitor($running), ["public.orders|lock||||*|$writer_pid|0|*+00|staging||$runner_pid"],
	'Running now: a run that waits');
rows_are(as_monitor($slow), ["$runner_pid|orders|lock||00:00:*||{$writer_pid}"], 'it is among those to look at');
is_deeply(samples($metric{deltaetl_running}), { "$orders,phase=lock" => 1 }, 'deltaetl_running: a run that waits');
is_deeply(samples($metric{deltaetl_running_rows}), {}, 'deltaetl_running_rows: none yet');

$writer->query_safe('COMMIT');
ok( $node->poll_query_until(
		'postgres', q(SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory')),
	'it has the lock, and is held while it writes');
is(as_monitor($waiting), '', 'it no longer waits');
rows_are(as_monitor($running), ["public.orders|apply|25|1|4|*|$writer_pid|0|*+00|staging|*|$runner_pid"],
	'Running now: a run that writes');
ok(!(grep { $_->[1] =~ /interval|numeric|name|reg/ } columns($running)), 'Running now: has types that Grafana takes');
is_deeply(samples($metric{deltaetl_running}), { "$orders,phase=apply" => 1 }, 'deltaetl_running: a run that writes');
is_deeply(samples($metric{deltaetl_running_rows}), { "$orders,phase=apply" => 1 }, 'deltaetl_running_rows: the first');
like(samples($metric{deltaetl_running_seconds})->{"$orders,phase=apply"}, qr/^\d+$/, 'deltaetl_running_seconds: seconds');

# By its time alone it is unusual where others have taken less.
$slow =~ s/cardinality\(.*?\) > 0 OR// or die 'there is no condition on who blocks';
is(as_monitor($slow), '', 'nobody knows how long it usually takes');
$node->safe_psql('postgres',
	q(UPDATE deltaetl_run_entry SET started_at = now(), finished_at = now() WHERE run_id = 2));
ok($node->poll_query_until('postgres', q(SELECT elapsed > '0' FROM deltaetl_progress)), 'it takes longer than another');
rows_are(as_monitor($slow), ["$runner_pid|orders|apply|25.0|00:00:*|00:00:00|{$writer_pid}"], 'so it is shown');

$writer->query_safe('SELECT pg_advisory_unlock(1)');
$runner->quit;
$writer->quit;
is(as_monitor($running), '', 'it is gone when it has ended');

$node->stop;

done_testing();
