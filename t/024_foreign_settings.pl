# Copyright (c) 2026, deltaetl maintainers

# A foreign table as source and as target, on a server whose databases differ from
# ours in what changes how values are written and compared: encoding, TimeZone,
# DateStyle, IntervalStyle, extra_float_digits, bytea_output, lc_monetary and
# collations.  What comes out is held against an oracle that reads both sides
# through one connection, and against digests that each side computes by itself.

use strict;
use warnings FATAL => 'all';
use utf8;

use Encode qw(encode_utf8);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = PostgreSQL::Test::Cluster->new('here');
my $there = PostgreSQL::Test::Cluster->new('there');
foreach my $node ($here, $there)
{
	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->start;
}

sub sql
{
	my ($node, $database, $sql) = @_;
	return $node->safe_psql($database, encode_utf8("SET client_encoding = 'UTF8'; SET client_min_messages = warning;\n$sql"));
}

# A locale with other signs for money, if there is one.
my ($german) = grep { /^de_DE\.?utf-?8$/i } split /\n/, `locale -a`;
note $german ? "lc_monetary is $german there" : 'no German locale: lc_monetary is C on both sides';

my $has_icu = sql($here, 'postgres', q(SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu')) > 0;
my $text = $has_icu ? 'text COLLATE "de-x-icu"' : 'text';
my $columns = "id int NOT NULL, word $text NOT NULL, name varchar(30), code char(5), flags bit(3), price numeric(12,2), ratio float8, small float4,
	day date, at timestamptz, local timestamp, clock timetz, span interval, data bytea, amount money, doc jsonb, key uuid, address inet, numbers int[],
	words text[], period tstzrange, spans daterange";
my $values = q(
SELECT i, 'Größe ' || i, CASE i %% 3 WHEN 0 THEN NULL WHEN 1 THEN 'é"\{},' || i ELSE '' END, 'ü' || i %% 100, (i %% 8)::bit(3),
	i / 7.0, CASE i %% 5 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' ELSE i / 3.0 END::float8, 0.1::float4 * i,
	date '2026-03-04' + i, timestamptz '2026-10-25 00:30:00 UTC' + i * interval '1 hour', timestamp '0044-03-15 01:02:03.456789 BC',
	'12:34:56.7-03:30'::timetz, make_interval(years => i %% 3, days => -i, secs => i / 10.0), decode(md5(i::text), 'hex'), (i / 100.0 + 1234)::numeric::money,
	jsonb_build_object('ß', ARRAY[i, NULL]), md5(i::text)::uuid, '::1'::inet + i, ARRAY[i, NULL, 3], ARRAY['a"b', NULL, '', 'NULL', 'ö'],
	tstzrange('2026-01-01 UTC', '2026-01-02 03:04 UTC'), daterange('2026-02-03', NULL)
FROM generate_series(%d, %d) AS i);

# What of the rows differs: in all of it, and in the key.
my $change = q(UPDATE %1$s SET name = 'geändert', price = -price, ratio = ratio / 3, at = at + interval '1 us', span = span * 2, data = '\x00ff', amount = amount * -1,
	words = '{}', doc = '[]', local = 'infinity', clock = '01:02:03+05', day = '-infinity' WHERE id %% 7 = 0; DELETE FROM %1$s WHERE id %% 11 = 0);

my %settings = (
	TimeZone => 'Asia/Kathmandu',
	DateStyle => 'SQL, DMY',
	IntervalStyle => 'sql_standard',
	extra_float_digits => -3,
	bytea_output => 'escape',
	xmloption => 'document',
	quote_all_identifiers => 'on',
	standard_conforming_strings => 'on'
);

# ---------- databases ----------

sub create_here
{
	my ($name, $encoding) = @_;
	sql($here, 'postgres', "CREATE DATABASE $name TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'");
	sql($here, $name, 'CREATE EXTENSION deltaetl CASCADE; CREATE EXTENSION postgres_fdw');
	sql($here, 'postgres', "ALTER DATABASE $name SET TimeZone = 'America/New_York'; ALTER DATABASE $name SET DateStyle = 'Postgres, MDY';"
		  . "ALTER DATABASE $name SET IntervalStyle = 'iso_8601'; ALTER DATABASE $name SET lc_monetary = 'C'");
}

sub create_there
{
	my ($name, $encoding) = @_;
	sql($there, 'postgres', "CREATE DATABASE $name TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'");
	foreach my $setting (sort keys %settings)
	{
		my $value = $setting eq 'DateStyle' ? $settings{$setting} : "'$settings{$setting}'";
		sql($there, 'postgres', "ALTER DATABASE $name SET $setting = $value");
	}
	sql($there, 'postgres', "ALTER DATABASE $name SET lc_monetary = '$german'") if $german && $encoding eq 'UTF8';
	sql($there, $name, 'CREATE EXTENSION deltaetl CASCADE');
}

# A server for a database, with what it takes to compute there, or without.
sub connect_to
{
	my ($from, $database, $with_extension) = @_;
	my ($host, $port) = ($there->host, $there->port);
	my $extensions = $with_extension ? ", extensions 'deltaetl'" : '';

	sql($here, $from, qq(
DROP SERVER IF EXISTS there CASCADE;
CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '$host', port '$port', dbname '$database', batch_size '20', options '-c lc_monetary=C'$extensions);
CREATE USER MAPPING FOR CURRENT_USER SERVER there;
CREATE FOREIGN TABLE far ($columns) SERVER there OPTIONS (table_name 'near')));
}

# ---------- what has to hold ----------

sub is_same
{
	my ($from, $database, $name) = @_;
	my $digest = q(SELECT rows, encode(digest, 'hex') FROM deltaetl_digest('near'));

	is(sql($here, $from, 'SELECT (SELECT count(*) FROM near), count(*) FROM far, near WHERE far.id = near.id AND ROW(far.*) IS NOT DISTINCT FROM ROW(near.*)')
		  =~ s/^(\d+)\|\1$/same/r, 'same', "$name: an oracle says that both sides are the same");
	is(sql($there, $database, $digest), sql($here, $from, $digest), "$name: so say their digests");
}

sub check_sync
{
	my ($from, $database, $key, $name) = @_;
	my $call = "SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('%s', '%s', '$key', deletes => 'delete'%s)";

	# without these, rows are updated many at a time
	my $no_arrays = q(, exclude_columns => '{numbers, words}');

	foreach my $direction ([ 'near', 'far' ], [ 'far', 'near' ])
	{
		my ($source, $target) = @$direction;
		my $way = "$name, key $key, " . ($target eq 'far' ? 'target there' : 'source there');

		foreach my $side ([ $here, $from ], [ $there, $database ])
		{
			sql(@$side, "DROP TABLE IF EXISTS near; CREATE TABLE near ($columns, PRIMARY KEY (id), UNIQUE (word)); INSERT INTO near " . sprintf($values, 1, 300));
		}
		is(sql($here, $from, sprintf($call, $source, $target, '')), '0|0|0|300', "$way: at first both are the same");
		sql($source eq 'near' ? ($here, $from) : ($there, $database), sprintf($change, 'near') . '; INSERT INTO near ' . sprintf($values, 301, 350));
		is(sql($here, $from, sprintf($call, $source, $target, $no_arrays)), '50|39|27|234', "$way: what differs is written");
		is(sql($here, $from, sprintf($call, $source, $target, '')), '0|89|0|234', "$way: and arrays");
		is(sql($here, $from, sprintf($call, $source, $target, '')), '0|0|0|323', "$way: and then nothing");
		is_same($from, $database, $way);
	}
}

create_here('utf8', 'UTF8');
create_here('latin1', 'LATIN1');
create_there('far_utf8', 'UTF8');
create_there('far_latin1', 'LATIN1');

foreach my $pair ([ 'utf8', 'far_latin1' ], [ 'latin1', 'far_utf8' ], [ 'latin1', 'far_latin1' ], [ 'utf8', 'far_utf8' ])
{
	foreach my $with_extension (1, 0)
	{
		connect_to(@$pair, $with_extension);
		check_sync(@$pair, $_, "$pair->[0] to $pair->[1], deltaetl " . ($with_extension ? 'there' : 'not there')) foreach '{id}', '{word}';
	}
}

like(sql($here, 'utf8', q(SELECT string_agg(line, E'\n') FROM deltaetl_explain('near', 'far', '{id}', exclude_columns => '{numbers, words}') AS line)),
	qr/by the other server, up to 100 rows/, 'updates are left to the other server, lengths and collations notwithstanding');
connect_to('utf8', 'far_latin1', 1);
like(sql($here, 'utf8', q(SELECT string_agg(line, E'\n') FROM deltaetl_explain('near', 'far', '{id}') AS line)),
	qr/computed on its server/, 'and so are digests');

# ---------- what cannot be said ----------

# A key and a text alone.
sub make_texts
{
	my ($from, $database, $with_extension) = @_;

	connect_to($from, $database, $with_extension);
	sql($here, $from, "DROP TABLE IF EXISTS texts; CREATE TABLE texts (id int PRIMARY KEY, name text);"
		  . "CREATE FOREIGN TABLE far_texts (id int NOT NULL, name text) SERVER there OPTIONS (table_name 'texts')");
	sql($there, $database, 'DROP TABLE IF EXISTS texts; CREATE TABLE texts (id int PRIMARY KEY, name text)');
}

sub check_untranslatable
{
	my ($source, $target, $name) = @_;

	sql(@$source, q(INSERT INTO texts VALUES (1, 'a'), (2, 'Ł'), (3, 'c')));
	sql(@$target, q(INSERT INTO texts VALUES (1, 'x'), (2, 'y')));
	my ($from, $to) = $source->[0] == $here ? ('texts', 'far_texts') : ('far_texts', 'texts');
	my ($code, $out, $err) = $here->psql($source->[0] == $here ? $source->[1] : $target->[1], "SELECT deltaetl_sync('$from', '$to', '{id}')");
	isnt($code, 0, "$name: a character that the target's encoding lacks is an error");
	like($err, qr/has no equivalent in encoding "LATIN1"/, "$name: which says so");
	is(sql(@$target, q(SELECT string_agg(name, ',' ORDER BY id) FROM texts)), 'x,y', "$name: and nothing is written");
}

foreach my $with_extension (1, 0)
{
	my $how = $with_extension ? 'deltaetl there' : 'deltaetl not there';
	make_texts('utf8', 'far_latin1', $with_extension);
	check_untranslatable([ $here, 'utf8' ], [ $there, 'far_latin1' ], "target there, $how");
	make_texts('latin1', 'far_utf8', $with_extension);
	check_untranslatable([ $there, 'far_utf8' ], [ $here, 'latin1' ], "source there, $how");
}

# ---------- what the other server may take for something else ----------

# NULLs in arrays are strings to a server with array_nulls = off.
sql($there, 'postgres', q(ALTER DATABASE far_utf8 SET array_nulls = off));
make_texts('utf8', 'far_utf8', 1);
sql($there, 'far_utf8', q(INSERT INTO texts SELECT i, 'old' FROM generate_series(1, 10) AS i));
sql($here, 'utf8', q(INSERT INTO texts SELECT i, (ARRAY[NULL, 'NULL', 'null', '', '"NULL"'])[i % 5 + 1] FROM generate_series(1, 10) AS i));
is(sql($here, 'utf8', q(SELECT updated FROM deltaetl_sync('texts', 'far_texts', '{id}'))), '10', 'NULLs: rows are updated');
is(sql($there, 'far_utf8', q(SELECT string_agg(COALESCE(quote_literal(name), '-'), ' ' ORDER BY id) FROM texts)),
	sql($here, 'utf8', q(SELECT string_agg(COALESCE(quote_literal(name), '-'), ' ' ORDER BY id) FROM texts)), 'NULLs: with what they have here');

# Nobody knows the encoding of an SQL_ASCII database.
create_there('far_ascii', 'SQL_ASCII');
foreach my $with_extension (1, 0)
{
	my $how = $with_extension ? 'deltaetl there' : 'deltaetl not there';
	my $bytes = q(SELECT string_agg(encode(convert_to(name, getdatabaseencoding()), 'hex'), ' ' ORDER BY id) FROM texts);

	make_texts('utf8', 'far_ascii', $with_extension);
	sql($here, 'utf8', q(INSERT INTO texts VALUES (1, 'plain'), (2, 'Größe'), (3, '€')));
	is(sql($here, 'utf8', q(SELECT inserted FROM deltaetl_sync('texts', 'far_texts', '{id}'))), '3', "SQL_ASCII, $how: rows are inserted there");
	is(sql($there, 'far_ascii', $bytes), sql($here, 'utf8', $bytes), "SQL_ASCII, $how: byte by byte");
	is(sql($here, 'utf8', q(SELECT inserted + updated FROM deltaetl_sync('far_texts', 'texts', '{id}'))), '0', "SQL_ASCII, $how: and read as they are");
	$there->safe_psql('far_ascii', q(SET client_encoding = 'SQL_ASCII'; INSERT INTO texts VALUES (4, E'\xff\xfe')));
	my ($code, $out, $err) = $here->psql('utf8', q(SELECT * FROM deltaetl_sync('far_texts', 'texts', '{id}')));
	isnt($code, 0, "SQL_ASCII, $how: bytes that are no characters here are an error");
	like($err, qr/invalid byte sequence for encoding "UTF8": 0xff/, "SQL_ASCII, $how: which says so");
}

done_testing();
