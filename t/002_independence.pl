# Copyright (c) 2026, deltaetl maintainers

# What the encoding must not depend on: settings, client and database encoding,
# parallel workers, the order and storage of columns, OIDs, dump and restore.
# One table with a column of every kind of type is hashed column by column, as
# records and as a relation, then again with each thing changed, one at a time.

use strict;
use warnings FATAL => 'all';
use utf8;

use Digest::SHA qw(sha256_hex);
use Encode qw(encode_utf8);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('origin');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;

sub sql
{
	my ($database, $sql, $on) = @_;
	$on //= $node;

	return $on->safe_psql($database, $sql);
}

# The same with text that is not ASCII
sub sql_utf8
{
	my ($database, $sql, $on) = @_;

	return sql($database, encode_utf8("SET client_encoding = 'UTF8';\n$sql"),
		$on);
}


# ---------- the data ----------

my %has = map { $_ => 1 } split /\n/,
  sql('postgres', 'SELECT name FROM pg_available_extensions');
my @contrib = grep { $has{$_} } qw(citext cube hstore ltree seg);

# Name and type of a column, and what is in it, in two rows.  All of it can be
# said in LATIN1.
my @columns = (
	[ flag => 'bool', 'true', 'false' ],
	[ one_byte => '"char"', q{'a'}, q{(-23)::int4::"char"} ],
	[ small => 'int2', -1, 300 ],
	[ integer => 'int4', 70000, -1 ],
	[ big => 'int8', 5000000000, -1 ],
	[ object => 'oid', 1, 4294967295 ],
	[ number => 'numeric', '1.50', q{'-Infinity'} ],
	[ real => 'float4', 0.1, q{'NaN'} ],
	[ double => 'float8', '0.1::float8 + 0.2', q{'-0'} ],
	[ money => 'money', '1234.56::numeric::money', '(-0.05)::numeric::money' ],
	[ day => 'date', q{'2003-02-01'}, q{'0044-03-15 BC'} ],
	[ clock => 'time', q{'12:34:56.789'}, q{'24:00'} ],
	[ clock_zone => 'timetz', q{'12:34:56.789+05:30'}, q{'00:00-08'} ],
	[ moment => 'timestamp', q{'2003-02-01 12:34:56.789'}, q{'infinity'} ],
	[ moment_zone => 'timestamptz', q{'2003-02-01 12:34:56.789+03'}, q{'0044-03-15 12:00+00 BC'} ],
	[ span => 'interval', q{'1 year 2 mons -3 days 04:05:06.789'}, q{'-1 mon -0.5 seconds'} ],
	[ uid => 'uuid', q{'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'}, 'NULL' ],
	[ bytes => 'bytea', q{'\x00ff5c27'}, q{''} ],
	[ letters => 'text', q{'é''"\ß'}, q{''} ],
	[ limited => 'varchar(20)', q{'Ünï'}, q{'NULL'} ],
	[ padded => 'char(5)', q{'é'}, q{''} ],
	[ name => 'name', q{'Nämé'}, q{repeat('é', 31)} ],
	[ mood => 'mood', q{'très content'}, q{'sad'} ],
	[ mood_domain => 'mood_domain', q{'très content'}, q{'sad'} ],
	[ price => 'price', 1.005, 2 ],
	[ json => 'json', q{'{"é" : 1,  "a": "ß"}'}, q{'[]'} ],
	[
		jsonb => 'jsonb',
		q{'{"é": "ß", "ab": 1, "zz": [{"çç": 1.50, "abc": 2, "ü": {"ö": 1, "oo": 2}}]}'}, q{'"é"'}
	],
	[ path_json => 'jsonpath', q{'$."é" ? (@.b > 1.50 && @ like_regex "^ü")'}, q{'strict $[*]'} ],
	[ xml => 'xml', q{'<a b="é">ß</a>'}, q{'<?xml version="1.0" encoding="ISO-8859-1"?><é/>'} ],
	[ words => 'tsvector', q{'é:1A zz:2 ab ''ü ''''ß'''}, q{''} ],
	[ search => 'tsquery', q{'é:*A & !( zz | ''ü ß'' <2> ab )'}, q{''} ],
	[ network => 'inet', q{'192.168.1.5/24'}, q{'::1'} ],
	[ mac => 'macaddr8', q{'08:00:2b:01:02:03:04:05'}, 'NULL' ],
	[ bits => 'varbit', q{B'10110011101'}, q{B''} ],
	[ point => 'point', q{'(0.1,-0)'}, q{'(Infinity,1e-300)'} ],
	[ box => 'box', q{'(1.1,2),(3,4)'}, 'NULL' ],
	[ polygon => 'polygon', q{'((1.1,2),(3,4),(5,6))'}, 'NULL' ],
	[ lsn => 'pg_lsn', q{'16/B374D848'}, 'NULL' ],
	[ snapshot => 'pg_snapshot', q{'10:20:10,14'}, 'NULL' ],
	[ acl => 'aclitem', q{'=r/deltaetl_owner'}, q{'deltaetl_owner=a*w/deltaetl_owner'} ],
	[ vector => 'int2vector', q{'1 2 3'}, q{'4'} ],
	[ ints => 'int4[]', q{'[0:1][5:6]={{1,2},{3,NULL}}'}, q{'{}'} ],
	[ texts => 'text[]', q{'{é,NULL,"NULL","a\"b\\c"}'}, q{'{ß}'} ],
	[ moods => 'mood[]', q{'{très content,sad,NULL}'}, q{'{}'} ],
	[ mood_domains => 'mood_domain[]', q{'{très content,sad}'}, q{'{}'} ],
	[ moments => 'timestamptz[]', q{'{2003-02-01 12:34:56+03}'}, q{'{infinity}'} ],
	[ bytes_array => 'bytea[]', q{ARRAY['\x00ff'::bytea, '']}, q{'{}'} ],
	[ doubles => 'float8[]', q{'{0.1,-0,NaN}'}, q{ARRAY[0.1::float8 + 0.2]} ],
	[ jsonbs => 'jsonb[]', q{ARRAY['{"é": 1, "ab": 2}'::jsonb]}, q{'{}'} ],
	[ pair => 'pair', q{ROW('2003-02-01', 'très content', 'é')}, q{ROW(NULL, NULL, NULL)} ],
	[
		pairs => 'pair[]', q{ARRAY[ROW('2003-02-01', 'sad', 'é')::pair, NULL]},
		q{ARRAY[ROW(NULL, NULL, NULL)::pair]}
	],
	[
		nest => 'nest',
		q{ROW(ROW('2003-02-01', 'sad', 'é'), ARRAY[ROW(NULL, 'très content', '')::pair], '[é,é]', 1.5)},
		q{ROW(NULL, NULL, NULL, NULL)}
	],
	[ int_range => 'int4range', q{'[1,4]'}, q{'empty'} ],
	[ day_range => 'daterange', q{'[2003-02-01,2004-03-02]'}, q{'(,)'} ],
	[ moment_range => 'tstzrange', q{'[2003-02-01 12:00+03,2003-02-01 12:00:00.5+03)'}, q{'(,)'} ],
	[ text_range => 'textrange', q{'["a b",é]'}, q{'[ß,)'} ],
	[ mood_range => 'moodrange', q{'[sad,très content]'}, q{'empty'} ],
	[ moments_many => 'tstzmultirange', q{'{[2003-02-01 12:00+03,2003-02-02),[2004-01-01,)}'}, q{'{}'} ],
	[ text_many => 'textmultirange', q{'{[a,b],["é,",éé]}'}, q{'{}'} ],
	[ class => 'regclass', q{'"Odd Schéma"."Tâble"'}, q{'pg_class'} ],
	[ class_public => 'regclass', q{'sample'}, q{'"select"'} ],
	[ coll => 'regcollation', q{'"Odd Schéma"."Côll"'}, q{'"C"'} ],
	[ config => 'regconfig', q{'"Odd Schéma"."Cônf"'}, q{'english'} ],
	[ dictionary => 'regdictionary', q{'"Odd Schéma"."Dîct"'}, q{'simple'} ],
	[ namespace => 'regnamespace', q{'"Odd Schéma"'}, q{'public'} ],
	[ oper => 'regoper', q{'"Odd Schéma".@+@'}, q{'|/'} ],
	[ operator => 'regoperator', q{'"Odd Schéma".@+@(int4,mood[])'}, q{'+(int4,int4)'} ],
	[ proc => 'regproc', q{'"Odd Schéma".f'}, q{'now'} ],
	[ procedure => 'regprocedure', q{'"Odd Schéma".f(int4,mood[])'}, q{'now()'} ],
	[ role => 'regrole', q{'deltaetl_owner'}, q{'0'} ],
	[ type => 'regtype', q{'mood[]'}, q{'int4'} ],
	[ classes => 'regclass[]', q{'{sample,pg_class}'}, q{'{}'} ],);

my %contrib_column = (
	citext => [ q{'É'}, q{''} ],
	cube => [ q{'(0.1,0.30000000000000004),(3,4)'}, q{'(1)'} ],
	hstore => [ q{'e=>s, ab=>NULL, zz=>"", cc=>1, abc=>2'}, q{''} ],
	ltree => [ q{'a.b.c'}, q{''} ],
	seg => [ q{'1.5 .. 2.50'}, q{'<3'} ],);
push @columns, [ "its_$_" => $_, @{ $contrib_column{$_} } ] foreach @contrib;

my @names = map { $_->[0] } @columns;
my $schema = join '', (map { "CREATE EXTENSION $_;\n" } @contrib), <<'END';
CREATE EXTENSION deltaetl CASCADE;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'très content');
CREATE DOMAIN mood_domain AS mood;
CREATE DOMAIN price AS numeric(10, 2);
CREATE TYPE pair AS (d date, m mood, t text);
CREATE TYPE textrange AS RANGE (subtype = text, collation = "C");
CREATE TYPE moodrange AS RANGE (subtype = mood);
CREATE TYPE nest AS (p pair, gone int, q pair[], r textrange, price price);
ALTER TYPE nest DROP ATTRIBUTE gone;
CREATE TABLE "select" (i int);
CREATE SCHEMA "Odd Schéma";
CREATE TABLE "Odd Schéma"."Tâble" (i int);
CREATE FUNCTION "Odd Schéma".f(int, mood[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE OPERATOR "Odd Schéma".@+@ (FUNCTION = "Odd Schéma".f, LEFTARG = int, RIGHTARG = mood[]);
CREATE COLLATION "Odd Schéma"."Côll" (LOCALE = 'C');
CREATE TEXT SEARCH CONFIGURATION "Odd Schéma"."Cônf" (COPY = english);
CREATE TEXT SEARCH DICTIONARY "Odd Schéma"."Dîct" (TEMPLATE = simple);
END
my $definitions = join ",\n", 'id int PRIMARY KEY',
  map { "$_->[0] $_->[1]" } @columns;
$schema =~ s/(?=CREATE TABLE "select")/CREATE TABLE sample ();\n/;

sub new_database
{
	my ($name, $encoding, $on) = @_;

	sql('postgres', <<"END", $on);
CREATE DATABASE $name TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'
END
}

# A database with all this in it.  TimeZone is for times without one.
sub create_database
{
	my ($name, $encoding, $before) = @_;
	my $alter = join ', ', map { "ADD $_" } split /,\n/, $definitions;
	my @rows = map {
		my $row = $_;
		join ', ', $row, map { $_->[ $row + 1 ] } @columns
	} 1, 2;

	new_database($name, $encoding);
	sql_utf8($name, <<"END");
SET client_min_messages = warning;
SET TimeZone = 'UTC';
@{[$before // '']};
$schema;
ALTER TABLE sample $alter;
INSERT INTO sample VALUES ($rows[0]);
INSERT INTO sample VALUES ($rows[1]);
INSERT INTO sample VALUES (3);
END
}

# Of a table with an id: the hash of each value, of each row as a record, and of
# each row of the relation, under the name of what it is the hash of.
#
# table, columns: of sample if missing; node: where, if not on the first
sub hashes
{
	my ($database, $settings, %options) = @_;
	my $table = $options{table} // 'public.sample';
	my @columns = @{ $options{columns} // \@names };
	my @what = (@columns, 'record');
	my $columns = join ',', @columns;
	my $hashes = join ', ',
	  (map { "encode(public.deltaetl_row_hash($_), 'hex')" } @columns),
	  "encode(public.deltaetl_record_hash(r), 'hex')";
	my %hashes;

	# An error is one more way to differ.
	my ($status, $out, $error) =
	  ($options{node} // $node)->psql($database, <<"END");
$settings;
SELECT id, $hashes FROM (SELECT id, $columns FROM $table) AS r;
SELECT 'relation', key->>'id', encode(row_hash, 'hex')
  FROM public.deltaetl_hashes('$table', '{id}', '{$columns}');
END
	return { error => $error } if $status;
	foreach my $line (split /\n/, $out)
	{
		my ($id, @values) = split /\|/, $line;

		if ($id eq 'relation')
		{
			$hashes{"$id $values[0]"} = $values[1];
		}
		else
		{
			@hashes{ map { "$id $_" } @what } = @values;
		}
	}
	return \%hashes;
}

# Names what differs; an error does, even from itself.
sub same_hashes
{
	my ($got, $expected, $name) = @_;
	my @differ =
	  grep { $_ eq 'error' || ($got->{$_} // '') ne ($expected->{$_} // '') }
	  sort keys %{ { %$got, %$expected } };

	is(join(', ', @differ), '', $name);
	diag $got->{error} if $got->{error};
}

# What a client sees of the table
sub shown
{
	my ($settings) = @_;

	return sql('utf8', <<"END");
$settings;
SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM public.sample AS s
END
}

sql('postgres', 'CREATE ROLE deltaetl_owner');
create_database('utf8', 'UTF8');
my $plain = hashes('utf8', '');
is(scalar keys %$plain, 3 * (@columns + 2), 'every value is hashed');
my %distinct = reverse map { $_ => $plain->{$_} } grep { /^1 / } keys %$plain;
cmp_ok(
	scalar keys %distinct,
	'>',
	0.9 * @columns,
	'and few have a hash in common');


# ---------- settings ----------

my $shown = shown('');

# those that change what a client sees
foreach (
	[ DateStyle => 'German, DMY' ],
	[ DateStyle => 'SQL, DMY' ],
	[ DateStyle => 'SQL, MDY' ],
	[ DateStyle => 'Postgres, YMD' ],
	[ TimeZone => 'America/New_York' ],
	[ TimeZone => 'Asia/Kolkata' ],
	[ IntervalStyle => 'sql_standard' ],
	[ IntervalStyle => 'postgres_verbose' ],
	[ IntervalStyle => 'iso_8601' ],
	[ extra_float_digits => -15 ],
	[ extra_float_digits => 0 ],
	[ bytea_output => 'escape' ],
	[ quote_all_identifiers => 'on' ],
	[ search_path => '' ],
	[ search_path => '"Odd Schéma", public' ],
	[ search_path => 'pg_temp, information_schema' ],)
{
	my ($name, $value) = @$_;
	my $quoted = $name eq 'search_path' && $value ne '' ? $value : "'$value'";
	my $set =
	  encode_utf8("SET client_encoding = 'UTF8'; SET $name = $quoted");
	my $what = encode_utf8("$name = '$value'");

	isnt(shown($set), $shown, "$what shows");
	same_hashes(hashes('utf8', $set), $plain, "$what makes no difference");
}

# those that do not, or not always
my @locales = grep { /utf-?8/i } split /\n/, qx(locale -a 2>/dev/null);
foreach (
	[ xmlbinary => 'hex' ],
	[ xmlbinary => 'base64' ],
	[ xmloption => 'document' ],
	[ array_nulls => 'off' ],
	[ backslash_quote => 'off' ],
	# until PostgreSQL 18
	($node->pg_version->major < 19
		? ([ standard_conforming_strings => 'off' ], [ escape_string_warning => 'off' ])
		: ()),
	[ transform_null_equals => 'on' ],
	[ default_text_search_config => 'pg_catalog.simple' ],
	[ default_toast_compression => 'pglz' ],
	[ timezone_abbreviations => 'India' ],
	[ row_security => 'off' ],
	[ work_mem => '64kB' ],
	map {
		my $locale = $_;
		map { [ $_ => $locale ] }
		  qw(lc_messages lc_monetary lc_numeric lc_time)
	} splice @locales,
	0,
	5)
{
	my ($name, $value) = @$_;

	same_hashes(hashes('utf8', "SET $name = '$value'"),
		$plain, "$name = '$value' makes no difference");
}

# names in another schema that hide those that are meant
sql('utf8', <<'END');
CREATE SCHEMA hiding;
CREATE TABLE hiding.sample (i int);
CREATE TABLE hiding.pg_class (i int);
CREATE TYPE hiding.mood AS ENUM ('another');
CREATE DOMAIN hiding.int4 AS text;
CREATE FUNCTION hiding.now() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION hiding.deltaetl_row_hash(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION hiding.digest(bytea, text) RETURNS bytea LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION hiding.same(int4, int4) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR hiding.= (
	FUNCTION = hiding.same, LEFTARG = pg_catalog.int4, RIGHTARG = pg_catalog.int4);
END
same_hashes(hashes('utf8', 'SET search_path = hiding, pg_catalog, public'),
	$plain, 'names that hide others make no difference');

# What is set to print a name or a type is set back.
my $set = <<'END';
SET search_path = information_schema, public;
SET DateStyle = 'German';
SET IntervalStyle = 'iso_8601';
SET TimeZone = 'Asia/Kolkata';
SET extra_float_digits = -3;
SET bytea_output = 'escape';
SET quote_all_identifiers = on;
SET client_encoding = 'LATIN1';
END
my $show = join '', map { "SHOW $_;\n" } $set =~ /^SET (\w+)/mg;
my $use =
  'CREATE TEMP TABLE h AS SELECT deltaetl_record_hash(s) FROM sample AS s;';
is( sql('utf8', $set . $use . $show),
	sql('utf8', $set . $show),
	'settings are as they were afterwards');


# ---------- client encodings, parallel workers ----------

create_database('latin1', 'LATIN1');
same_hashes(hashes('latin1', ''),
	$plain, 'a LATIN1 database makes no difference');

my $debug_parallel = sql('utf8',
	q{SELECT name FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode')}
);
my $in_worker = "SET $debug_parallel = on";
like(
	sql('utf8',
		"$in_worker; EXPLAIN SELECT deltaetl_record_hash(s) FROM sample AS s"
	),
	qr/Gather.*Single Copy: true/s,
	'a query can be made to run in a worker');

foreach my $database (qw(utf8 latin1))
{
	my @encodings = split /\n/, sql($database, <<'END');
SELECT DISTINCT pg_encoding_to_char(contoencoding)
  FROM pg_conversion
 WHERE condefault AND conforencoding = (SELECT encoding FROM pg_database WHERE datname = current_database())
 UNION SELECT 'SQL_ASCII'
 ORDER BY 1
END

	my $expected = hashes($database, '');
	cmp_ok(
		scalar @encodings,
		'>=',
		$database eq 'utf8' ? 30 : 2,
		"$database: there are client encodings");
	foreach my $encoding (@encodings)
	{
		my $set = "SET client_encoding = '$encoding'";

		same_hashes(hashes($database, $set),
			$expected,
			"$database: client_encoding = $encoding makes no difference");
		same_hashes(hashes($database, "$set; $in_worker"),
			$expected, "$database: client_encoding = $encoding in a worker")
		  if $encoding =~ /^(LATIN1|UTF8|SJIS|KOI8R|SQL_ASCII)$/;
	}

	# a table that is scanned in parallel
	sql($database, <<'END');
CREATE TABLE bulk AS
SELECT i * 3 + s.id AS id, s.letters || i AS letters, mood, moods, jsonb, jsonbs, xml, words, search,
	   name, class, procedure, acl, pair, nest, text_range
  FROM sample AS s, generate_series(1, 1000) AS i;
ALTER TABLE bulk ADD PRIMARY KEY (id);
ANALYZE bulk;
END
	my $query = <<'END';
SELECT md5(string_agg(h::text, ',' ORDER BY id))
  FROM (SELECT id, deltaetl_record_hash(b) AS h FROM bulk AS b) AS h;
SELECT md5(string_agg(row_hash::text, ',' ORDER BY (key->>'id')::int))
  FROM deltaetl_hashes('bulk');
END
	my $serial =
	  sql($database, "SET max_parallel_workers_per_gather = 0; $query");
	my $parallel = <<'END';
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
END
	like(
		sql($database,
			"$parallel; EXPLAIN SELECT id, deltaetl_record_hash(b) AS h FROM bulk AS b"
		),
		qr/Workers Planned/,
		"$database: a query can be made to run in parallel");
	foreach my $encoding (qw(LATIN1 UTF8), $database eq 'utf8' ? 'KOI8R' : ())
	{
		is( sql($database,
				"SET client_encoding = '$encoding'; $parallel; $query"),
			$serial,
			"$database: parallel workers make no difference, client_encoding = $encoding"
		);
	}
}


# ---------- database encodings ----------

# The same words in databases of two encodings, as values and as names
foreach (
	[ LATIN1 => qw(é zz ab ßü àà z) ],
	[ KOI8R => qw(я ю а zz ц abc) ],
	[ EUC_JP => qw(日本 あ zz カ abcd 語) ],
	[ WIN1251 => qw(ё я zz ab Ђ) ])
{
	my ($encoding, @words) = @$_;
	my @hash;

	foreach my $server ($encoding, 'UTF8')
	{
		my $database = 'words_' . lc "${encoding}_$server";
		my $word = $words[0];
		my $columns = join ', ', map { qq("$_" text) } @words;
		my $keys = join ', ',
		  map { qq("$_": {"$_": 1, "$words[1]": 2, "$words[2]": 3}) } @words;
		my $lexemes = join ' ', @words;
		my $query = join ' & ', @words;

		# hstore sends lengths, and sorts, by the bytes of the server's encoding
		my $pairs = join ', ', map { qq("k$_"=>"$_") } 0 .. $#words;
		my $labels = join ', ', map { qq('$_') } @words;
		my $hstore = $has{hstore} ? 'hstore' : 'text';

		new_database($database, $server);
		sql_utf8($database, <<"END");
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;
@{[$has{hstore} ? 'CREATE EXTENSION hstore;' : '']}
CREATE TYPE label AS ENUM ($labels);
CREATE TABLE words (
	id int PRIMARY KEY, texts text, names name, chars char(10), labels label, label_array label[], jsons json,
	jsonbs jsonb, paths jsonpath, vectors tsvector, queries tsquery, xmls xml, arrays text[],
	vector_array tsvector[], pairs $hstore, class regclass, $columns);
CREATE TABLE "$word" (id int);
INSERT INTO words VALUES (
	1, '$lexemes', '$word', '$word', '$word', '{$word,NULL}', '{$keys}',
	'{$keys}', '\$."$word"', '$lexemes', '$query', '<$word/>', ARRAY[$labels],
	ARRAY['$lexemes'::tsvector], '$pairs', '"$word"', $labels);
END
		push @hash, hashes(
			$database,
			'',
			table => 'words',
			columns => [
				qw(texts names chars labels label_array jsons jsonbs paths vectors queries xmls
				  arrays vector_array pairs class)
			]);
		my $quoted = join ',', @words;
		$hash[-1]->{names} = sql_utf8($database, <<"END");
SELECT encode(row_hash, 'hex') FROM deltaetl_hashes('words', '{id}', '{$quoted}')
END
	}
	same_hashes(@hash, "a $encoding database and an UTF8 one");
}

# Bytes that mean nothing are taken as they are.
my $bytes = "\xff\xc3\x28\x80";
my $escaped = join '', map { sprintf '\\x%02x', ord } split //, $bytes;

sub row_of
{
	my (@fields) = @_;

	return pack 'C (C l>/a)*', 1, map { (1, $_) } @fields;
}

new_database('ascii', 'SQL_ASCII');
sql('ascii', <<"END");
SET client_min_messages = warning;
CREATE EXTENSION deltaetl CASCADE;
CREATE TYPE odd AS ENUM ('\xff\xfe');
CREATE TABLE "\xe9\xff" (id int PRIMARY KEY, "\x80" text);
INSERT INTO "\xe9\xff" VALUES (1, '\xc3');
CREATE VIEW odd_table AS
SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relname !~ '[a-z]';
END
foreach my $client (qw(SQL_ASCII UTF8 LATIN1))
{
	foreach (
		(map { [ $_ => $escaped, $bytes ] } qw(text varchar bpchar name)),
		(map { [ $_ => qq(["$escaped"]), qq(["$bytes"]) ] } qw(json jsonb)),
		[ tsvector => "''$escaped''", pack 'l>a*xn', 1, $bytes, 0 ],
		[ jsonpath => qq(\$."$escaped"), qq(\x01\$."$bytes") ],
		[ odd => '\xff\xfe', "\xff\xfe" ],
		[ regclass => qq("\\xe9\\xff"), qq(public."\xe9\xff") ])
	{
		my ($type, $literal, $value) = @$_;
		my $got = sql('ascii', <<"END");
SET client_encoding = '$client';
SELECT encode(deltaetl_encode(E'$literal'::$type), 'hex');
END
		is( $got,
			unpack('H*', row_of($value)),
			"SQL_ASCII database, client $client: $type");
	}

	my $got = sql('ascii', <<"END");
SET client_encoding = '$client';
SELECT encode(row_hash, 'hex') FROM odd_table, deltaetl_hashes(oid);
END
	is( $got,
		sha256_hex(row_of("\0\0\0\1", "\xc3")),
		"SQL_ASCII database, client $client: relation");
}


# ---------- columns ----------

my $reversed = join ', ', map { "$_->[0] $_->[1], gone_$_->[0] text" }
  reverse @columns[ 3 .. $#columns ];
my $added = join ', ', map { "ADD $_->[0] $_->[1]" } @columns[ 0 .. 2 ];
my $dropped = join ', ',
  map { "DROP gone_$_->[0]" } @columns[ 3 .. $#columns ];
sql('utf8', <<"END");
CREATE TABLE moved (gone int, $reversed, id int PRIMARY KEY);
ALTER TABLE moved DROP gone, $dropped, $added;
INSERT INTO moved (id, @{[join ', ', @names]}) SELECT id, @{[join ', ', @names]} FROM sample;
END
same_hashes(hashes('utf8', '', table => 'moved'),
	$plain, 'dropped columns and another order make no difference');

sql('utf8', <<'END');
CREATE TABLE narrow (id int PRIMARY KEY, b text, a int);
CREATE TABLE gaps (id int PRIMARY KEY, x int, b text, y text, a int, z int);
INSERT INTO narrow SELECT i, 'text ' || i, i FROM generate_series(1, 10) AS i;
INSERT INTO gaps SELECT id, 7, b, 'y', a, 8 FROM narrow;
ALTER TABLE gaps DROP x, DROP y, DROP z;
END

sub is_same
{
	my ($one, $other, $name) = @_;
	my ($got, $expected) = map { sql('utf8', $_) } $one, $other;

	isnt($expected, '', "$name: there is something to compare");
	is($got, $expected, $name);
}

foreach my $function (qw(deltaetl_record_hash deltaetl_row_hash))
{
	is_same(
		"SELECT $function(t) FROM gaps AS t ORDER BY id",
		"SELECT $function(t) FROM narrow AS t ORDER BY id",
		"dropped columns, $function");
}

# a default that rows do not store
sql_utf8('utf8', <<'END');
ALTER TABLE gaps ADD c text DEFAULT 'dé', ADD d int[] DEFAULT '{1,2}', ADD e int;
ALTER TABLE narrow ADD c text, ADD d int[], ADD e int;
UPDATE narrow SET c = 'dé', d = '{1,2}';
END
my $three =
  'SELECT deltaetl_record_hash(t), deltaetl_row_hash(t), deltaetl_row_hash(c, d, e) FROM';
is_same(
	"$three gaps AS t ORDER BY id",
	"$three narrow AS t ORDER BY id",
	'columns that were added to rows that are there');
is_same(
	q{SELECT row_hash FROM deltaetl_hashes('gaps') ORDER BY (key->>'id')::int},
	q{SELECT row_hash FROM deltaetl_hashes('narrow') ORDER BY (key->>'id')::int},
	'relations of such columns');

# an attribute that stored values do not have yet, and one that they no longer have
sql('utf8', <<'END');
CREATE TYPE growing AS (x int, a int, b text);
CREATE TYPE grown AS (a int, b text, c int);
CREATE TABLE grows (g growing);
INSERT INTO grows VALUES (ROW(7, 1, 'b'));
ALTER TYPE growing DROP ATTRIBUTE x;
ALTER TYPE growing ADD ATTRIBUTE c int;
END
$three =
  'SELECT deltaetl_row_hash(g), deltaetl_record_hash(g), deltaetl_row_hash(ARRAY[g]) FROM';
is_same(
	"$three grows",
	"$three (SELECT ROW(1, 'b', NULL)::grown) AS g(g)",
	'attributes of a composite type that were dropped and added');


# ---------- storage ----------

# Values of three sizes, computed from nothing: a few bytes, what fits in a page
# uncompressed, and what does not.  The last row does not compress.
sql_utf8('utf8', <<'END');
CREATE VIEW big_source AS
SELECT id, t AS text, t::bytea AS bytes, t::char(200000) AS padded, to_json(t) AS json,
	   jsonb_build_object(t, t, 'é', ARRAY[t, t]) AS jsonb, ('1' || repeat('7', n) || '.50')::numeric AS number,
	   repeat('10110', n)::varbit AS bits, ARRAY(SELECT i FROM generate_series(1, n) AS i) AS ints,
	   ARRAY[t, NULL, t] AS texts, ROW('2003-02-01', 'très content', t)::pair AS pair,
	   ARRAY[ROW(NULL, 'sad', t)::pair, NULL] AS pairs, textrange(t, t, '[]') AS range,
	   textmultirange(textrange(t, t || 'x'), textrange(t || 'y', NULL)) AS ranges, xmlparse(content t) AS xml,
	   ('[' || repeat('(1,2),', n) || '(3,4)]')::path AS path,
	   (SELECT string_agg('word' || i || ':' || i, ' ') FROM generate_series(1, n / 8 + 1) AS i)::tsvector AS words
  FROM (VALUES (1, 3, 'é'), (2, 100, repeat('é long ', 100)), (3, 20000, repeat('é long ', 20000)),
		(4, 16000, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) AS i))) AS v(id, n, t);
END
my @big = split /\n/,
  sql('utf8',
	q{SELECT attname FROM pg_attribute WHERE attrelid = 'big_source'::regclass AND attnum > 1 ORDER BY attnum}
  );
my $computed = hashes('utf8', '', table => 'big_source', columns => \@big);
is( scalar keys %$computed,
	4 * (@big + 2),
	'large values: every one is hashed');

my @methods = ('pglz');
push @methods,
  'lz4'
  if sql('utf8',
	q{SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'}
  ) eq 't';
foreach (
	(map { [ extended => $_, 't', 't' ], [ main => $_, 't', 't' ] } @methods),
	[ external => 'pglz', 'f', 't' ],
	[ plain => 'pglz', 'f', 'f' ])
{
	my ($storage, $method, $compresses, $toasts) = @$_;
	my $what = "storage $storage, $method";
	my $alter = join ', ', map {
		("ALTER $_ SET STORAGE $storage", "ALTER $_ SET COMPRESSION $method")
	} @big;

	# only the small ones fit in without TOAST
	my $where = $storage eq 'plain' ? 'id = 1' : 'true';
	$alter .= ', ALTER padded TYPE char(200), ALTER padded SET STORAGE plain'
	  if $storage eq 'plain';
	sql('utf8', <<"END");
DROP TABLE IF EXISTS big;
CREATE TABLE big AS SELECT * FROM big_source WITH NO DATA;
ALTER TABLE big ADD PRIMARY KEY (id);
ALTER TABLE big $alter;
INSERT INTO big SELECT * FROM big_source WHERE $where;
END
	is( sql('utf8',
			"SELECT bool_or(pg_column_compression(text) = '$method') IS TRUE FROM big"
		),
		$compresses,
		"$what: compressed or not");
	is( sql('utf8',
			q{SELECT pg_relation_size(reltoastrelid) > 0 FROM pg_class WHERE oid = 'big'::regclass}
		  )
		  || 'f',
		$toasts,
		"$what: out of line or not");

	my @compared = grep { $_ ne 'padded' || $storage ne 'plain' } @big;
	my $expected =
	  hashes('utf8', '', table => 'big_source', columns => \@compared);
	delete @{$expected}{ grep { !/^1 |^relation 1$/ } keys %$expected }
	  if $storage eq 'plain';
	same_hashes(hashes('utf8', '', table => 'big', columns => \@compared),
		$expected, "$what makes no difference");

	my $built =
		'SELECT deltaetl_row_hash(ROW('
	  . join(', ', @compared)
	  . ')), deltaetl_row_hash(ARRAY[text], ARRAY[pair], ARRAY[pairs[1]]) FROM';
	is_same(
		"$built big ORDER BY id",
		"$built big_source WHERE $where ORDER BY id",
		"$what, in a record and an array");
}

# values in the form that PL/pgSQL has them in
sql_utf8('utf8', <<'END');
CREATE FUNCTION expanded(ints int[], nested nest, OUT a bytea, OUT b bytea, OUT c bytea)
LANGUAGE plpgsql AS '
BEGIN
	ints[2] := 7;
	nested.price := 2.5;
	a := deltaetl_row_hash(ints);
	b := deltaetl_row_hash(nested);
	c := deltaetl_record_hash(nested);
END';
END
is_same(
	q{SELECT * FROM expanded('{1,2,NULL}', '(,,"[a,b]",)')},
	q{SELECT deltaetl_row_hash('{1,7,NULL}'::int[]), deltaetl_row_hash(n), deltaetl_record_hash(n)
		FROM (SELECT '(,,"[a,b]",2.5)'::nest) AS n(n)},
	'expanded arrays and records');


# ---------- NaN ----------

foreach my $type (qw(float4 float8))
{
	my $computed = "'inf'::$type - 'inf'::$type";

	foreach my $value ('X', 'ARRAY[X]', 'ROW(X)')
	{
		is_same(
			'SELECT deltaetl_row_hash(' . $value =~ s/X/$computed/r . ')',
			'SELECT deltaetl_row_hash(' . $value =~ s/X/'NaN'::$type/r . ')',
			"NaN that is computed, $type: $value");
	}
}
is_same(
	q{SELECT deltaetl_row_hash(point('inf'::float8 - 'inf'::float8, 1))},
	q{SELECT deltaetl_row_hash('(NaN,1)'::point)},
	'NaN that is computed, in a point');


# ---------- OIDs, dump and restore ----------

create_database('oids', 'UTF8', join '',
	map { "CREATE TYPE other$_ AS ENUM ('a');" } 1 .. 20);
my $oids =
  q{SELECT string_agg(oid::text, ',' ORDER BY typname COLLATE "C") FROM pg_type
	WHERE typname IN ('mood', '_mood', 'pair', '_pair', 'nest', 'textrange', 'moodrange', 'price')};
isnt(
	sql('oids', $oids),
	sql('utf8', $oids),
	'the types of another database have other OIDs');
same_hashes(hashes('oids', ''), $plain, 'other OIDs make no difference');

# values that are not stored as they are dumped
sql('utf8', <<'END');
CREATE TABLE hard (
	id int PRIMARY KEY, xml xml, point point, array_oid oid[], nan float8, array_int int[]);
INSERT INTO hard VALUES
	(1, '<?xml version="1.0"?><a/>', '(1,2)', '{}', 'inf'::float8 - 'inf'::float8, '{}'),
	(2, '<?xml version="1.0" encoding="UTF-8"?><a/>', point('inf'::float8 - 'inf'::float8, 1),
	 ''::oidvector, -'NaN'::float8, (ARRAY[1])[2:1]),
	(3, '<?xml version="1.1" encoding="UTF-8" standalone="yes"?><a/>', '(NaN,1)',
	 '1 2'::oidvector, '-0', '[0:0]={1}');
END
my @hard = qw(xml point array_oid nan array_int);
my $hard = hashes('utf8', '', table => 'hard', columns => \@hard);

my $other = PostgreSQL::Test::Cluster->new('elsewhere');
$other->init(extra => [ '--encoding=LATIN1', '--locale=C' ]);
$other->start;
sql('postgres', 'CREATE ROLE deltaetl_owner', $other);

my $dump = $node->basedir . '/utf8.sql';
$node->command_ok(
	[
		'pg_dump', '--no-sync',
		'--exclude-schema=hiding', '--file',
		$dump, 'utf8'
	],
	'dump');

foreach my $encoding (qw(UTF8 LATIN1))
{
	my $database = 'restored_' . lc $encoding;

	new_database($database, $encoding, $other);
	$other->command_ok(
		[
			'psql', '-X', '-q', '-v',
			'ON_ERROR_STOP=1', '-o', $dump . '.out', '-f',
			$dump, $database
		],
		'restore');
	isnt(
		sql($database, $oids, $other),
		sql('utf8', $oids),
		"restored, $encoding: OIDs differ");
	same_hashes(hashes($database, '', node => $other),
		$plain, "restored, $encoding: the same");
	same_hashes(hashes($database, '', node => $other, table => 'moved'),
		$plain, "restored, $encoding: the same with dropped columns");
	same_hashes(
		hashes(
			$database, '',
			node => $other,
			table => 'hard',
			columns => \@hard),
		$hard,
		"restored, $encoding: the same where a dump changes how a value is stored"
	);
}

$other->stop;
$node->stop;

done_testing();
