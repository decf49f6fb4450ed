# Copyright (c) 2026, deltaetl maintainers

# A case as a script for psql: makes the tables, asks plain SQL what a sync of
# them comes to, syncs them, and prints both, line by line: @word result...

package DeltaetlFuzz::Script;

use strict;
use warnings FATAL => 'all';
use utf8;

use DeltaetlFuzz::Case qw(compared_columns literal quoted);
use DeltaetlFuzz::Tables qw(create_tables create_trigger load_tables names_of target_columns);
use Exporter qw(import);

our @EXPORT_OK = qw(script);

my $preamble = <<'END';
\set QUIET on
\pset tuples_only on
\pset format unaligned
\pset fieldsep ' '
\set VERBOSITY verbose
\set SHOW_CONTEXT never
DISCARD ALL;
SET client_min_messages = error;
SET statement_timeout = '5min';
SET TimeZone = 'UTC';
SET extra_float_digits = 1;
DROP SCHEMA IF EXISTS f CASCADE;
CREATE SCHEMA f;
SET search_path = f, public;
END

my @odd_settings = (
	[ DateStyle => 'SQL, DMY', TimeZone => 'Asia/Kolkata', IntervalStyle => 'iso_8601', bytea_output => 'escape' ],
	[ DateStyle => 'German', TimeZone => 'America/St_Johns', IntervalStyle => 'sql_standard', extra_float_digits => -15 ],
	[ work_mem => '64kB', enable_hashjoin => 'off', xmlbinary => 'hex', quote_all_identifiers => 'on' ],);

my @parallel = (
	min_parallel_table_scan_size => 0, parallel_setup_cost => 0,
	parallel_tuple_cost => 0, max_parallel_workers_per_gather => 2);

sub list
{
	return join ', ', @_;
}

sub all_of
{
	return join(' AND ', @_) || 'true';
}

# "a" and "o" are what the source would be in the target, and the target, once
# more; both are plain tables.
sub columns_of
{
	my ($alias, @columns) = @_;

	return map { "$alias." . quoted($_->{name}) } @columns;
}

# The text of a row shows every difference.
sub text_of
{
	my ($alias, @columns) = @_;

	return 'ROW(' . list(columns_of($alias, @columns)) . ')::text COLLATE "C"';
}

sub json_of
{
	my ($alias, @columns) = @_;

	return '(SELECT to_jsonb(x) FROM (SELECT '
	  . list(columns_of($alias, @columns)) . ') AS x)';
}

sub keys_match
{
	my ($case, $target) = @_;
	my $operator =
	  $case->{flags}{key} eq 'nulls' ? 'IS NOT DISTINCT FROM' : '=';

	return all_of(
		map { "a.$_ $operator $target.$_" }
		map { quoted($_->{name}) } grep { $_->{key} } @{ $case->{columns} });
}


# ---------- what is expected ----------

sub common_columns
{
	my ($case) = @_;

	return grep { $_->{side} eq 'both' } @{ $case->{columns} };
}

sub count_of
{
	my ($word, @queries) = @_;

	return "SELECT '\@$word', "
	  . list(map { "(SELECT count(*) FROM $_)" } @queries) . ';';
}

# The source's rows as they would be stored, and the target's, in scope or not
sub copy_rows
{
	my ($case) = @_;
	my @names = map { quoted($_->{name}) } common_columns($case);
	my @compared = map { quoted($_->{name}) } compared_columns($case);
	my $scope = $case->{flags}{scope} // 'true';
	my $all = list(map { quoted($_->{name}) } grep { !$_->{generated} }
		  target_columns($case));

	return
	  "INSERT INTO a (@{[list(@names)]}) SELECT @{[list(@names)]} FROM $case->{source};",
	  '\echo @assign :SQLSTATE',
	  "DELETE FROM a WHERE ($scope) IS NOT TRUE;",
	  "INSERT INTO o ($all) OVERRIDING SYSTEM VALUE SELECT $all FROM $case->{target};",
	  "CREATE TABLE oi AS SELECT * FROM o WHERE $scope;",
	  "CREATE TABLE oo AS SELECT * FROM o WHERE ($scope) IS NOT TRUE;",
	  'CREATE TABLE b AS SELECT tableoid AS part, ctid AS tid, xmin::text AS xid, '
	  . text_of('t', visible_columns($case))
	  . " AS row FROM $case->{target} AS t;";
}

# What makes a run fail
sub count_reasons
{
	my ($case) = @_;
	my @keys = grep { $_->{key} } compared_columns($case);
	my $keys = list(map { quoted($_->{name}) } @keys);
	my @always = grep { ($_->{identity} // '') eq 'ALWAYS' } compared_columns($case);
	my $match = keys_match($case, 'oi');

	return
	  count_of('rows', 'a', 'oi'),
	  count_of('duplicates',
		map { "(SELECT FROM $_ GROUP BY $keys HAVING count(*) > 1) AS x" }
		  qw(a oi o)),
	  count_of('nulls', map { "$_ WHERE num_nulls($keys) > 0" } qw(a oi o)),
	  count_of('outside',
		'a JOIN oo ON ' . keys_match($case, 'oo') . " WHERE NOT EXISTS (SELECT FROM oi WHERE $match)",
		'a JOIN oo ON ' . keys_match($case, 'oo')),
	  (@always
		? count_of('always', "a JOIN oi ON $match WHERE "
			  . text_of('a', @always) . ' <> ' . text_of('oi', @always))
		: ());
}

# The rows that deltaetl_diff() has to give
sub expect_difference
{
	my ($case) = @_;
	my @compared = compared_columns($case);
	my @keys = grep { $_->{key} } @compared;
	my $match = keys_match($case, 'oi');
	my ($new, $old) = (json_of('a', @compared), json_of('oi', @compared));
	my $changed = 'array_remove(ARRAY[' . list(
		map {
				'CASE WHEN '
			  . text_of('a', $_) . ' <> ' . text_of('oi', $_)
			  . ' THEN ' . literal($_->{name}) . ' END'
		} @compared)
	  . ']::name[], NULL)';

	return
	  'CREATE TABLE d (method text, action text, key jsonb, changed name[], old jsonb, new jsonb);',
	  "INSERT INTO d SELECT 'oracle', 'insert', @{[json_of('a', @keys)]}, NULL, NULL, $new"
	  . " FROM a WHERE NOT EXISTS (SELECT FROM oi WHERE $match);",
	  "INSERT INTO d SELECT 'oracle', 'update', @{[json_of('a', @keys)]}, $changed, $old, $new"
	  . " FROM a JOIN oi ON $match WHERE "
	  . text_of('a', @compared) . ' <> ' . text_of('oi', @compared) . ';',
	  "INSERT INTO d SELECT 'oracle', 'delete', @{[json_of('oi', @keys)]}, NULL, $old, NULL"
	  . " FROM oi WHERE NOT EXISTS (SELECT FROM a WHERE $match);",
	  count_of('expected',
		(map { "d WHERE action = '$_'" } qw(insert update delete)));
}

# The same in plain SQL, to a copy of the target
sub write_copy
{
	my ($case) = @_;
	my @compared = compared_columns($case);
	my @set = grep { ($_->{identity} // '') ne 'ALWAYS' } @compared;
	my $names = list(map { quoted($_->{name}) } @compared);
	my $match = keys_match($case, 'o');
	my $scope = $case->{flags}{scope} // 'true';
	my @statements = (
		[
			delete => $case->{flags}{deletes}
			? "DELETE FROM o WHERE ($scope) AND NOT EXISTS (SELECT FROM a WHERE $match)"
			: 'DELETE FROM o WHERE false'
		],
		[
				update => 'UPDATE o SET '
			  . list(map { quoted($_->{name}) . ' = a.' . quoted($_->{name}) } @set)
			  . " FROM a WHERE $match AND "
			  . text_of('a', @compared) . ' <> ' . text_of('o', @compared)
			  . " AND o.ctid IN (SELECT ctid FROM o WHERE $scope)"
		],
		[
				insert => "INSERT INTO o ($names) OVERRIDING SYSTEM VALUE SELECT $names FROM a"
			  . " WHERE NOT EXISTS (SELECT FROM oi AS o WHERE $match)"
		]);

	return 'BEGIN;',
	  (map { ("$_->[1];", "\\echo \@$_->[0] :SQLSTATE :ROW_COUNT") } @statements),
	  'COMMIT;';
}


# ---------- what deltaetl does ----------

sub text_array
{
	my ($names) = @_;

	return 'ARRAY[' . list(map { literal($_) } @$names) . ']::name[]';
}

sub arguments
{
	my ($case, %more) = @_;
	my $flags = $case->{flags};
	my @keys = map { $_->{name} } grep { $_->{key} } compared_columns($case);
	my @arguments = (literal($case->{source}), literal($case->{target}));

	push @arguments, 'key_columns => ' . text_array(\@keys)
	  if $flags->{key} eq 'given';
	foreach (qw(exclude columns))
	{
		my $name = $_ eq 'exclude' ? 'exclude_columns' : $_;
		push @arguments, "$name => " . text_array($flags->{$_}) if $flags->{$_};
	}
	push @arguments, 'scope => ' . literal($flags->{scope})
	  if defined $flags->{scope};
	push @arguments, map { "$_ => $more{$_}" } sort keys %more;
	return list(@arguments);
}

sub sync_arguments
{
	my ($case, %more) = @_;
	my $flags = $case->{flags};

	$more{deletes} = q('delete') if $flags->{deletes};
	$more{lock_mode} = q('row') if $flags->{row_locks};
	$more{allow_empty_source} = 'true' if $flags->{allow_empty};
	foreach (qw(max_delete_pct max_update_pct))
	{
		$more{$_} = $flags->{$_} if defined $flags->{$_};
	}
	return arguments($case, %more);
}

# Statements under settings, and as another role
sub under
{
	my ($case, $method, $odd, @statements) = @_;
	my $flags = $case->{flags};
	my @settings = ('deltaetl.detection' => $method // 'auto');
	my @names;

	push @settings, @{ $odd_settings[$odd] } if defined $odd;
	push @settings, @parallel if $flags->{parallel};
	@names = grep { !($_ % 2) } 0 .. $#settings;
	return
	  (map { "SET $settings[$_] = " . literal($settings[ $_ + 1 ]) . ';' } @names),
	  ($flags->{limited} ? 'SET ROLE fuzz_limited;' : ()),
	  @statements,
	  ($flags->{limited} ? 'RESET ROLE;' : ()),
	  (map { "RESET $settings[$_];" } @names),
	  "SET TimeZone = 'UTC'; SET extra_float_digits = 1;";
}

my @results = qw(run_id inserted updated deleted unchanged);

sub call
{
	my ($word, $function) = @_;

	return
	  (map { "\\unset x_$_" } @results),
	  "SELECT * FROM $function \\gset x_",
	  "\\echo \@$word :SQLSTATE " . join ' ', map { ":x_$_" } @results;
}

sub in_transaction
{
	my ($case, @statements) = @_;
	my $level = $case->{flags}{isolation} or return @statements;

	return "BEGIN ISOLATION LEVEL $level;", @statements, 'COMMIT;';
}

sub sync
{
	my ($case, $word, $method, %more) = @_;

	return under($case, $method, $case->{flags}{settings},
		in_transaction($case,
			call($word, 'deltaetl_sync(' . sync_arguments($case, %more) . ')')));
}

# Rows of the target that another table lacks, and the other way round; and how
# many are where they were before.
sub compare
{
	my ($case, $word, $other) = @_;
	my $rows = 'SELECT ' . text_of('t', visible_columns($case)) . " AS row FROM $case->{target} AS t";

	return count_of($word,
		"($rows EXCEPT ALL $other) AS x",
		"($other EXCEPT ALL $rows) AS x",
		"b JOIN $case->{target} AS t ON (t.tableoid, t.ctid, t.xmin::text) = (b.part, b.tid, b.xid)",
		'b', $case->{target}, ($case->{flags}{trigger} // '') eq 'statement' ? 'fired' : 'b WHERE false');
}

# Columns of the target whose values do not depend on the order of the rows
sub visible_columns
{
	my ($case) = @_;
	my %compared = map { $_->{name} => 1 } compared_columns($case);

	return grep { !$_->{identity} || $compared{ $_->{name} } } target_columns($case);
}

sub compare_with_copy
{
	my ($case, $word) = @_;

	return compare($case, $word,
		'SELECT ' . text_of('o', visible_columns($case)) . ' AS row FROM o');
}

sub remember_positions
{
	my ($case) = @_;

	return 'TRUNCATE b;',
	  'INSERT INTO b SELECT tableoid, ctid, xmin::text, '
	  . text_of('t', visible_columns($case)) . " FROM $case->{target} AS t;";
}

sub difference
{
	my ($case, $method) = @_;
	my $columns = 'action, key, (SELECT array_agg(c ORDER BY c) FROM unnest(changed) AS c), old, new';
	my $own = "SELECT $columns FROM d WHERE method = '$method'";
	my $oracle = "SELECT $columns FROM d WHERE method = 'oracle'";

	return
	  under($case, $method, undef,
		'INSERT INTO d SELECT ' . literal($method) . ', * FROM deltaetl_diff(' . arguments($case) . ');',
		"\\echo \@diff $method :SQLSTATE"),
	  count_of("differences $method", "($own EXCEPT ALL $oracle) AS x",
		"($oracle EXCEPT ALL $own) AS x");
}

# Hashes are the same under any settings, and those of deltaetl_hashes().
sub hashes
{
	my ($case) = @_;
	my @compared = compared_columns($case);
	my @keys = grep { $_->{key} } @compared;
	my @rest = sort { $a->{name} cmp $b->{name} } grep { !$_->{key} } @compared;
	my $rows = 'SELECT deltaetl_row_hash(' . list(columns_of('t', @keys, @rest)) . ") AS hash FROM $case->{target} AS t";
	my $own = 'SELECT row_hash FROM deltaetl_hashes('
	  . literal($case->{target}) . ', key_columns => '
	  . text_array([ map { $_->{name} } @keys ])
	  . ', columns => '
	  . text_array([ map { $_->{name} } @rest ]) . ')';

	return
	  count_of('hashes', "($own EXCEPT ALL $rows) AS x", "($rows EXCEPT ALL $own) AS x"),
	  (map {
		my @settings = @$_;
		my @names = grep { !($_ % 2) } 0 .. $#settings;
		(map { "SET $settings[$_] = " . literal($settings[ $_ + 1 ]) . ';' } @names),
		"SELECT '\@settings', md5(string_agg(hash, '' ORDER BY hash))"
		. " FROM (SELECT encode(hash, 'hex') AS hash FROM ($rows) AS x) AS x;",
		(map { "RESET $settings[$_];" } @names)
	  } [], @odd_settings),
	  "SET TimeZone = 'UTC'; SET extra_float_digits = 1;";
}

# The columns that are compared, and no others
sub grants
{
	my ($case) = @_;
	my $names = list(map { quoted($_->{name}) } compared_columns($case));
	my $scope = list(map { quoted($_->{name}) } common_columns($case));

	return
	  'GRANT USAGE ON SCHEMA f TO fuzz_limited;',
	  "GRANT SELECT ($scope) ON $case->{source} TO fuzz_limited;",
	  "GRANT SELECT ($scope), INSERT ($names), UPDATE ($names), DELETE ON $case->{target} TO fuzz_limited;",
	  'GRANT INSERT ON d TO fuzz_limited;';
}

sub runs
{
	my ($case) = @_;
	my $flags = $case->{flags};
	my $log = $flags->{log} // '';
	my $revert = $log eq 'rows';

	return
	  (map { difference($case, $_) } qw(auto encoded join)),
	  under($case, 'auto', $flags->{settings},
		'SELECT count(*) AS x FROM deltaetl_explain(' . sync_arguments($case) . ') \gset x_',
		'\echo @explain :SQLSTATE :x_x'),
	  sync($case, 'dry', $flags->{first}, dry_run => 'true'),
	  compare($case, 'after_dry', 'SELECT row FROM b'),
	  ($log
		? (sync($case, 'logged', $flags->{first}, log_changes => literal($log)),
			"SELECT '\@changes', (SELECT count(*) FROM deltaetl_change_log WHERE run_id::text = :'x_run_id');",
			compare_with_copy($case, 'after_logged'))
		: ()),
	  ($revert
		? ('\set logged :x_run_id',
			call('revert', 'deltaetl_revert(:logged)'),
			compare($case, 'after_revert', 'SELECT row FROM b'),
			remember_positions($case))
		: ()),
	  ($log && !$revert ? () :
		(sync($case, 'sync', $flags->{second}), compare_with_copy($case, 'after_sync'))),
	  remember_positions($case),
	  (($flags->{trigger} // '') eq 'statement' ? 'TRUNCATE fired;' : ()),
	  sync($case, 'again', $flags->{first}),
	  compare_with_copy($case, 'after_again'),
	  hashes($case),
	  ($flags->{tracked} ? count_of('verify', "deltaetl_verify(" . literal($case->{target}) . ')') : ());
}

sub script
{
	my ($case) = @_;

	srand $case->{shuffle};
	names_of($case);
	return join "\n", $preamble, create_tables($case), load_tables($case),
	  copy_rows($case), create_trigger($case), count_reasons($case), expect_difference($case),
	  write_copy($case),
	  ($case->{flags}{limited} ? grants($case) : ()),
	  runs($case), '\echo @end', '';
}

1;
