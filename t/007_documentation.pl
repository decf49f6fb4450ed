# Copyright (c) 2026, deltaetl maintainers

# The examples in README.md and doc/ do what they show.  Each document is one
# session of psql in a database of its own; DeltaetlDocument.pm says how a
# document marks its examples, and what may differ from what it shows.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use DeltaetlDocument qw(parse_document examine_output layout_faults links anchors);
use Encode qw(decode_utf8);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/..";
my $failed = qr/^(?:psql:\S* )?(?:error|ERROR|FATAL|PANIC):|^invalid command |^server closed the connection/m;

my $node = PostgreSQL::Test::Cluster->new('documentation');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);

# PostgreSQL 15 and 16 show progress only then
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'deltaetl'");
$node->start;


# ---------- the comparison ----------

# How two texts differ, for people; nothing if they do not.
sub difference
{
	my ($wanted, $got) = @_;
	my %file = map { $_ => "$PostgreSQL::Test::Utils::tmp_check/$_" } qw(wanted got);

	return '' if $wanted eq $got;
	append_to_file($file{wanted}, $wanted);
	append_to_file($file{got}, $got);
	run_log([ 'diff', '-U', '100', '-L', 'the document', '-L', 'the server', $file{wanted}, $file{got} ],
		'>', \my $difference);
	unlink values %file;
	return $difference;
}

sub is_shown
{
	my ($shown, $output, $started) = @_;
	my ($wanted, $got) = examine_output($shown, $output, $started);

	return $wanted eq $got;
}

# A comparison that cannot fail proves nothing.
my $now = time();
my ($hour, $minute, $second) = (gmtime $now)[ 2, 1, 0 ];
my $today = sprintf '%04d-%02d-%02d', (gmtime $now)[5] + 1900, (gmtime $now)[4] + 1, (gmtime $now)[3];
my $clock = sprintf '%02d:%02d:%02d', $hour, $minute, $second;

my $table = <<'END';
 run_id | pid |     elapsed     |          started_at
--------+-----+-----------------+-------------------------------
      7 |  12 | 00:00:00.000427 | 2026-01-01 03:04:05.678901+00
(1 row)
END
my $same = <<"END";
 run_id |  pid  |    elapsed     |         started_at
--------+-------+----------------+----------------------------
      7 | 12345 | 00:00:00.00042 | $today $clock.6789+00
(1 row)
END
ok(is_shown($table, $table, $now), 'equal output is equal');
ok(is_shown($table, $same, $now), 'times and process ids may differ, and widths because of them');
foreach my $case (
	[ 'another value', 's/  7/  8/' ],
	[ 'another name', 's/run_id/run id/' ],
	[ 'a row less', 's/^ +7.*\n//m' ],
	[ 'a row more', 's/^( +7.*\n)/$1$1/m' ],
	[ 'a column less', 's/^ \w+ \||^-+\+|^ +7 \|//mg' ],
	[ 'another footer', 's/1 row/2 rows/' ],
	[ 'NULL', 's/12345/     /' ],
	[ 'a time of another day', "s/$today/2020-01-01/" ],
	[ 'a time of another form', 's/\+00/   /' ],
	[ 'a duration longer than the test', 's/00:00:00/11:00:00/' ],
	[ 'a negative duration', 's/00:00:00/-0:00:00/' ],
	[ 'an error after it', 's/$/ERROR:  no/' ])
{
	my ($what, $edit) = @$case;
	my $other = $same;

	eval "\$other =~ $edit; 1" or die $@;
	isnt($other, $same, "$what is an edit");
	ok(!is_shown($table, $other, $now), "$what is noticed");
}

my $error = "ERROR:  cannot sync \"a\" in 00:00:01\nHINT:  Try again.\n";
ok(is_shown($error, $error =~ s/00:00:01/00:00:00.5/r, $now), 'durations in messages may differ');
ok(!is_shown($error, $error =~ s/again/later/r, $now), 'another message is noticed');
ok(!is_shown($error, $error =~ s/HINT/DETAIL/r, $now), 'another kind of message is noticed');
my $plan = "   plan\n-----------\n a\n   b\n     c\n(3 rows)\n";
ok(!is_shown($plan, $plan =~ s/   b/ b/r, $now), 'another indentation is noticed');
my $record = "-[ RECORD 1 ]----\nrun_id | 1\nxid    | 740\n";
ok(is_shown($record, $record =~ s/740/8/r, $now), 'records have columns, too');
ok(!is_shown($record, $record =~ s/1$/2/mr, $now), 'another value in a record is noticed');
is_deeply([ layout_faults($table) ], [], 'a table that is laid out well');
is(scalar layout_faults($table =~ s/      7/ 7/r), 1, 'and one that is not');

# What a document may do wrong.
foreach my $case (
	[ 'output without statements', "```sql\nSELECT 1;\n```\n\nand\n\n```text\n1\n```\n" ],
	[ 'statements without an end', "```sql\nSELECT 1\n```\n" ],
	[ 'statements in a block that is not run', "So:\n\n    SELECT 1;\n" ],
	[ 'a block in no language', "```\nSELECT 1;\n```\n" ],
	[ 'a block that does not end', "```sql\nSELECT 1;\n" ],
	[ 'a comment that does not end', "<!-- run: SELECT 1;\n" ],
	[ 'a comment of half a statement', "<!-- run: SELECT 1 -->\n" ],
	[ 'a mark that marks nothing', "<!-- not run -->\nand\n\n```sql\nSELECT 1;\n```\n" ])
{
	my ($what, $text) = @$case;
	my ($items, $problems) = parse_document($text);

	is(scalar @$problems, 1, "$what is a problem");
}


# ---------- the documents ----------

# The output of each item of a document, undef for those it did not get to.
sub run_document
{
	my ($database, @items) = @_;
	my $script = '';
	my ($output, @outputs);

	foreach my $i (0 .. $#items)
	{
		$script .= "$items[$i]{sql}\n\\echo ---- end of item $i ----\n";
	}
	local $ENV{PGTZ} = 'UTC';
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	run_log([ 'psql', '-X', '-d', $node->connstr($database) ], '<', \$script, '>&', \$output);
	foreach my $i (0 .. $#items)
	{
		push @outputs, decode_utf8($1) if $output =~ s/\A(.*?)^---- end of item $i ----\n//ms;
	}
	return @outputs;
}

sub check_item
{
	my ($name, $item, $output, $started) = @_;

	if (!defined $output)
	{
		fail("$name: the session got there");
	}
	elsif (!defined $item->{output})
	{
		ok($output !~ $failed, "$name: " . ($item->{kind} eq 'setup' ? 'is set up' : 'runs')) or diag($output);
	}
	else
	{
		my $difference = difference(examine_output($item->{output}, $output, $started));

		is_deeply([ layout_faults($item->{output}) ], [], "$name: columns are below each other");
		ok($difference eq '', "$name: shows what it says") or diag($difference);
	}
}

# The links that lead nowhere.  Of what is not a document, a copy to test may not
# have all.
sub broken_links
{
	my ($path, $text) = @_;
	my @broken;

	foreach my $link (links($text))
	{
		my ($file, $anchor) = $link =~ /^([^#]*)#?(.*)$/;
		my $target = $file eq '' ? $path : dirname($path) . "/$file";

		next if $file !~ /^$|\.(?:md|json)$/ || $file =~ m{^(?:\.\./)?(?:bench/|CHANGELOG)};
		push @broken, $link
		  if !-e $target || $anchor ne '' && !grep { $_ eq $anchor } anchors(decode_utf8(slurp_file($target)));
	}
	return @broken;
}

foreach my $path ("$root/README.md", glob "$root/doc/*.md")
{
	my ($name) = $path =~ m{([^/]+)$};
	my $text = decode_utf8(slurp_file($path));
	my ($items, $problems) = parse_document($text);
	my @run = grep { defined $_->{sql} } @$items;
	my @examples = grep { $_->{kind} eq 'example' } @run;
	my $started = time();

	$node->safe_psql('postgres', qq(CREATE DATABASE "$name"));
	my @outputs = run_document($name, @run);

	is_deeply($problems, [], "$name: is marked as it should be");
	is_deeply([ broken_links($path, $text) ], [], "$name: links lead somewhere");
	foreach my $i (0 .. $#run)
	{
		check_item("$name, line $run[$i]{line}", $run[$i], $outputs[$i], $started);
	}
	diag(sprintf '%s: %d examples, %d with output; not run: %d marked, %d in other languages, %d indented',
		$name, scalar @examples,
		scalar(grep { defined $_->{output} } @examples),
		scalar(grep { $_->{kind} eq 'unrun' && $_->{language} =~ /^(?:sql|text)$/ } @$items),
		scalar(grep { $_->{kind} eq 'unrun' && $_->{language} !~ /^(?:sql|text)$/ } @$items),
		scalar(grep { $_->{kind} eq 'indented' } @$items));
}

$node->stop;

done_testing();
