# Copyright (c) 2026, deltaetl maintainers

# Random types, and values for them.
#
# A type is a hash:
#   sql        its name
#   of         what DeltaetlEncode calls it; undef if it does not know it
#   values     literals, among them ones that differ barely; or a function that
#              makes one
#   equality   'b' if it can be sorted, 'h' if it can be hashed, both, or ''
#   collatable whether a column of it takes a collation
#   base       the name of the scalar type that it comes from
# Types that have to be created first put their DDL into the list that
# random_type() is given.

package DeltaetlFuzz::Types;

use strict;
use warnings FATAL => 'all';
use utf8;

use DeltaetlFuzz::Random qw(below between chance pick sample shuffled);
use Exporter qw(import);

our @EXPORT_OK =
  qw(random_type random_value scalar_type source_type key_type);

my @strings = (
	'', ' ', 'a', 'A', 'á', 'ab', 'b', 'a ', ' a', 'NULL', 'null', '"', '\\', ',', '{}', '()', "a'b",
	"tab\tnewline\n", 'ß', 'é', '1', '1.0');
my @wide_strings = ("e\x{301}", '日本', '😀', 'ﬁ', "\x{ffff}");

# Long enough to be stored out of line, or compressed
sub long_string
{
	return pick('x', 'ab') x between(100, 6000) if chance(50);
	return join '', map { chr between(33, 126) } 1 .. between(100, 5000);
}

sub random_string
{
	return long_string() if chance(1);
	return pick(@strings, @wide_strings);
}

# name, its kinds of equality, values
my @scalars = (
	[ bool => 'bh', 't', 'f' ],
	[ '"char"' => 'bh', 'a', 'A', '', ' ', '"', '\\' ],
	[ int2 => 'bh', 0, 1, -1, 256, 32767, -32768 ],
	[ int4 => 'bh', 0, 1, -1, 2, 3, 7, 65536, 2147483647, -2147483648 ],
	[ int8 => 'bh', 0, 1, -1, 4294967296, '9223372036854775807', '-9223372036854775808' ],
	[ oid => 'bh', 0, 1, 2147483648, 4294967295 ],
	[ xid => 'h', 0, 3, 4294967295 ],
	[ cid => 'h', 0, 3, 4294967295 ],
	[ xid8 => 'bh', 0, 3, 4294967296, '18446744073709551615' ],
	[ pg_lsn => 'bh', '0/0', '16/B374D848', 'FFFFFFFF/FFFFFFFF' ],
	[ money => 'b', 0, '1.5', '-0.01', '1234567.89' ],
	[ float4 => 'bh', 0, '-0', 1, '1.5', '0.1', 'NaN', 'Infinity', '-Infinity', '1e-45', '3.4028235e38', '16777216' ],
	[ float8 => 'bh', 0, '-0', 1, '1.5', '0.1', '0.30000000000000004', 'NaN', 'Infinity', '-Infinity', '5e-324', '1e23' ],
	[ numeric => 'bh', 0, '0.0', '0.00', 1, '1.0', '1.00', '-1', '1.5', '1.50', '1e20', '1e-20', 'NaN', 'Infinity', '-Infinity', '12345678901234567890.123456789' ],
	[ 'numeric(10,2)' => 'bh', 0, 1, '1.5', '1.005', '-99.99', 'NaN' ],
	[ 'numeric(6,-2)' => 'bh', 0, 100, 149, 150, 'NaN' ],
	[ date => 'bh', '2026-01-01', '2000-02-29', '0044-03-15 BC', 'infinity', '-infinity' ],
	[ time => 'bh', '00:00', '24:00', '12:34:56.789', '12:34:56.789001' ],
	[ timetz => 'bh', '12:00+00', '13:00+01', '12:00-08', '24:00+05:30' ],
	[ timestamp => 'bh', '2026-01-01', '2026-01-01 00:00:00.000001', 'infinity', '-infinity', '0044-03-15 12:00 BC' ],
	[ 'timestamp(3)' => 'bh', '2026-01-01', '2026-01-01 00:00:00.0004', '2026-01-01 00:00:00.0006', 'infinity' ],
	[ timestamptz => 'bh', '2026-01-01 00:00+00', '2026-01-01 01:00+02', '2026-07-01 12:00+00', 'infinity', '-infinity' ],
	[ interval => 'bh', '1 day', '24:00', '1 mon', '30 days', '-1 mon', '0', '1 year 2 mons -3 days 04:05:06.789' ],
	[ uuid => 'bh', '00000000-0000-0000-0000-000000000000', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'ffffffff-ffff-ffff-ffff-ffffffffffff' ],
	[ macaddr => 'bh', '08:00:2b:01:02:03', '00:00:00:00:00:00' ],
	[ macaddr8 => 'bh', '08:00:2b:01:02:03:04:05', '08:00:2b:01:02:03' ],
	[ tid => 'bh', '(0,0)', '(0,1)', '(4294967294,65535)' ],
	[ text => 'bh', \&random_string ],
	[ varchar => 'bh', \&random_string ],
	[ 'varchar(5)' => 'bh', '', ' ', 'a', 'A', 'a ', 'á', 'abcde', 'ßé' ],
	[ bpchar => 'bh', '', ' ', 'a', 'a ', 'a  ', 'A', 'á' ],
	[ 'char(4)' => 'bh', '', 'a', 'A', 'á', 'abcd', "a\tb" ],
	[ name => 'bh', '', 'a', 'A', 'Two Words', 'x' x 63, 'é' ],
	[ json => '', '{}', '{ }', '{"a": 1.0}', '{"a": 1.00}', '{"a":1, "a":2}', 'null', '"é"', '[1,2]', '1' ],
	[ jsonb => 'bh', '{}', '[]', 'null', '"null"', '""', '1.0', '1.00', '{"a": 1.0}', '{"a": 1.00}', '{"b": [1, null, {"é": "ß"}], "aa": 2}', 'true' ],
	[ jsonpath => '', '$', '$.a', '$.a[*] ? (@.b > 1.50)', 'strict $."é"' ],
	[ xml => '', '', '<a/>', '<a></a>', '<a b="é">ß</a>', 'text' ],
	[ bytea => 'bh', '', '\x00', '\x0000', '\x01ff5c27', 'abc', sub { '\x' . '00ff' x below(3000) } ],
	[ inet => 'bh', '10.0.0.1', '10.0.0.1/8', '10.0.0.0/8', '::1', '::ffff:1.2.3.4' ],
	[ cidr => 'bh', '10.0.0.1', '10.0.0.0/8', '10.0.0.0/16', '::/0', '2001:db8::/32' ],
	[ 'bit(5)' => 'b', '00000', '10110', '11111' ],
	[ varbit => 'b', '', '0', '00', '1', '10110011101' ],
	[ point => '', '(0,0)', '(-0,0)', '(1.5,-2)', '(NaN,Infinity)' ],
	[ line => '', '{1,2,3}', '{-1.5,0,1e-300}' ],
	[ lseg => '', '[(1,2),(3,4)]', '[(3,4),(1,2)]', '[(-0,0.1),(Infinity,1e-10)]' ],
	[ box => '', '(1,2),(3,4)', '(3,2),(1,4)', '(0,0),(2,2)', '(0,0),(1,4)' ],
	[ path => '', '((1,2),(3,4))', '[(1,2),(3,4)]', '[(0,0)]', '((5,6),(7,8))' ],
	[ polygon => '', '((1,2),(3,4),(5,6.5))', '((0,0))', '((-0,1e-300),(Infinity,1))' ],
	[ circle => '', '<(1,2),3>', '<(2,1),3>', '<(0.1,-0),0>', '<(1,1),Infinity>' ],
	[ int2vector => 'bh', '1 2 -3', '1', '' ],
	[ oidvector => 'bh', '1 2 4294967295', '1', '' ],
	[ regclass => 'bh', 'pg_class', 'pg_catalog.pg_type', '-', '4294967295' ],
	[ regtype => 'bh', 'int4', 'text[]', '-' ],
	[ regproc => 'bh', 'now', 'int4pl', '-' ],
	[ regprocedure => 'bh', 'now()', 'abs(numeric)', '-' ],
	[ regnamespace => 'bh', 'public', 'pg_catalog', '-' ],
	[ regcollation => 'bh', '"C"', '"default"', '-' ],
	[ regconfig => 'bh', 'english', 'simple' ],
	[ regoperator => 'bh', '+(int4,int4)', '-(NONE,int8)', '0' ],
	[ tsvector => 'b', '', 'fat cat', 'fat:2,4A cat:1B', 'fat:2,4A cat:1C', q('it''s' 'a\\\\b') ],
	[ tsquery => 'b', '', 'fat', 'fat & rat', '!fat', 'fat | rat', 'fat <-> rat', 'fat <2> rat', 'fat:*A' ],
	[ pg_snapshot => '', '1:1:', '10:20:10,14,15' ],
	[ txid_snapshot => '', '1:1:', '10:20:10,14,15' ],
	[ aclitem => 'h', '=r/postgres', 'postgres=r*w/postgres' ],
	[ refcursor => '', '', 'a cursor', 'é' ],
	[ int4range => 'bh', '[1,5)', '[1,4]', 'empty', '(,3)', '(,)', '[1,5]' ],
	[ int8range => 'bh', '[1,5)', 'empty', '(4294967296,)' ],
	[ numrange => 'bh', '[1.0,2]', '[1.00,2]', '(1,2)', '[1,2)', 'empty', '(,)' ],
	[ daterange => 'bh', '[2026-01-01,2026-02-01]', '(,2026-01-01)', 'empty', '[-infinity,infinity)' ],
	[ tsrange => 'bh', '[2026-01-01,2026-01-02)', '["2026-01-01 12:00",)', 'empty' ],
	[ tstzrange => 'bh', '["2026-01-01 12:00+03","2026-01-02 00:00+00")', '(,)' ],
	[ int4multirange => 'bh', '{}', '{[1,2),[5,9)}', '{[1,9)}', '{(,)}' ],
	[ nummultirange => 'bh', '{}', '{[1.0,2],[3,4)}', '{[1.00,2],[3,4)}' ],
	[ tstzmultirange => 'bh', '{}', '{["2026-01-01 12:00+03","2026-01-02 00:00+00")}' ],);

# Of extensions, if the server has them
my @contrib = (
	[ citext => 'bh', '', 'a', 'A', 'É', 'é' ],
	[ hstore => 'bh', '', 'a=>1', 'a=>NULL', '"a b"=>"", c=>d' ],
	[ ltree => 'b', '', 'a', 'a.b', 'a.b.c' ],
	[ cube => 'b', '(1)', '(0.1,0.30000000000000004)', '(1,2),(3,4)', '(1,2),(1,2)' ],
	[ seg => 'b', '1.5', '1.50', '1.5 .. 2.5', '<3' ],);

my %known_as = (
	'"char"' => 'char',
	int4range => [ range => 'int4' ],
	int8range => [ range => 'int8' ],
	numrange => [ range => 'numeric' ],
	daterange => [ range => 'date' ],
	tsrange => [ range => 'timestamp' ],
	tstzrange => [ range => 'timestamptz' ],
	int4multirange => [ multirange => 'int4' ],
	nummultirange => [ multirange => 'numeric' ],
	tstzmultirange => [ multirange => 'timestamptz' ],
	'bit(5)' => 'bit',
	'char(4)' => 'bpchar',
	(map { $_ => undef } qw(hstore ltree cube seg)),);

# Not name: its hash takes no notice of the collation.
my %collatable =
  map { $_ => 1 } qw(text varchar varchar(5) bpchar char(4));

my %scalar;
foreach (@scalars, @contrib)
{
	my ($name, $equality, @values) = @$_;
	my $plain = $name =~ s/\([-0-9,]+\)$//r;

	$scalar{$name} = {
		sql => $name,
		base => $name,
		of => exists $known_as{$name} ? $known_as{$name} : $plain,
		values => \@values,
		equality => $equality,
		collatable => $collatable{$name},
		$name eq 'box' ? (delimiter => ';') : (),
	};
}
my @names = map { $_->[0] } @scalars;

# What may be assigned to a type, by the names of the scalar types
my %assignable = (
	int2 => [qw(int4 int8 numeric float8)],
	int4 => [qw(int2 int8 numeric float4)],
	int8 => [qw(int2 int4 numeric float8)],
	oid => [qw(int4 int8 regclass)],
	float4 => [qw(float8 numeric int4)],
	float8 => [qw(float4 numeric int8)],
	numeric => [ qw(int4 float8 float4 money), 'numeric(10,2)' ],
	'numeric(10,2)' => [qw(numeric float8 int4)],
	'numeric(6,-2)' => [ qw(numeric int4), 'numeric(10,2)' ],
	money => [qw(numeric int4)],
	date => [qw(timestamp timestamptz)],
	time => [qw(timestamp interval)],
	timestamp => [qw(date timestamptz)],
	'timestamp(3)' => [qw(timestamp timestamptz date)],
	timestamptz => [ qw(date timestamp), 'timestamp(3)' ],
	interval => [qw(time)],
	macaddr8 => [qw(macaddr)],
	text => [ @names, 'citext' ],
	varchar => [ @names ],
	'varchar(5)' => [ qw(text varchar int4 numeric bool name date), 'char(4)' ],
	bpchar => [ qw(text varchar name int4 bool) ],
	'char(4)' => [ qw(text varchar bpchar name int2), 'varchar(5)' ],
	name => [qw(text varchar bpchar)],
	citext => [qw(text varchar bpchar)],
	json => [qw(jsonb)],
	jsonb => [qw(json)],
	inet => [qw(cidr)],
	cidr => [qw(inet)],
	varbit => ['bit(5)'],
	'bit(5)' => [qw(varbit)],
	regclass => [qw(oid int4 text)],);

sub scalar_type
{
	my ($name) = @_;

	return $scalar{$name} // die "no type $name";
}

# A value as the input function of the type takes it
sub random_value
{
	my ($type) = @_;
	my $values = $type->{values};
	my $value = ref $values eq 'CODE' ? $values->() : pick(@$values);

	return ref $value ? $value->() : $value;
}

# Put a statement that creates TYPE_NAME where the others are; the name.
sub create
{
	my ($ddl, $statement) = @_;
	my $name = 'type_' . (1 + @$ddl);

	push @$ddl, $statement =~ s/TYPE_NAME/$name/gr;
	return $name;
}

sub common_equality
{
	my @types = @_;

	return join '', grep
	{
		my $kind = $_;
		!grep { $_->{equality} !~ $kind } @types
	} qw(b h);
}

# ---------- array ----------

sub quote_element
{
	my ($text) = @_;

	return 'NULL' if !defined $text;
	return '"' . $text =~ s/(["\\])/\\$1/gr . '"';
}

sub array_level
{
	my ($type, @lengths) = @_;
	my $length = shift @lengths;
	my $delimiter = $type->{delimiter} // ',';

	return '{'
	  . join($delimiter,
		map {
			@lengths ? array_level($type, @lengths) :
			  quote_element(chance(15) ? undef : random_value($type))
		} 1 .. $length)
	  . '}';
}

sub array_value
{
	my ($type) = @_;
	my @lengths = map { between(1, 3) } 1 .. pick(1, 1, 1, 2, 3);

	return '{}' if chance(15);
	my $bounds =
	  chance(15)
	  ? join('', map { my $low = between(-2, 3); "[$low:" . ($low + $_ - 1) . ']' } @lengths)
	  . '='
	  : '';
	return $bounds . array_level($type, @lengths);
}

# A few values, so that rows are alike often enough
sub few
{
	my ($make, $type) = @_;

	return [ map { $make->($type) } 1 .. 5 ];
}

sub array_of
{
	my ($type) = @_;

	return {
		sql => "$type->{sql}\[]",
		of => $type->{of} && [ array => $type->{of} ],
		values => few(\&array_value, $type),
		equality => $type->{equality},
		collatable => $type->{collatable},
		delimiter => $type->{delimiter},
		base => 'array',
	};
}

# ---------- composite ----------

sub quote_attribute
{
	my ($text) = @_;

	return '' if !defined $text;
	return '"' . $text =~ s/(["\\])/$1$1/gr . '"';
}

sub composite_value
{
	my ($type) = @_;

	return '('
	  . join(',',
		map { quote_attribute(chance(15) ? undef : random_value($_)) }
		  @{ $type->{parts} })
	  . ')';
}

sub composite_of
{
	my ($ddl, @parts) = @_;
	my $gone = chance(25) ? below(@parts + 1) : -1;
	my @list = map { "a$_ $parts[$_]{sql}" } 0 .. $#parts;

	splice @list, $gone, 0, 'gone int' if $gone >= 0;
	my $name =
	  create($ddl, 'CREATE TYPE TYPE_NAME AS (' . join(', ', @list) . ')');
	push @$ddl, "ALTER TYPE $name DROP ATTRIBUTE gone" if $gone >= 0;
	my $type = {
		sql => $name,
		of => (grep { !$_->{of} } @parts)
		? undef
		: [ composite => map { $_->{of} } @parts ],
		parts => \@parts,
		equality => common_equality(@parts),
		base => 'composite',
	};
	$type->{values} = few(\&composite_value, $type);
	return $type;
}

# ---------- domain, enum, range ----------

sub domain_of
{
	my ($ddl, $type) = @_;
	my $check = '';

	$check = q{ CHECK (length(format('%s', VALUE)) < 300)} if chance(30);
	$check .= ' NOT NULL' if chance(25);
	my $name = create($ddl, "CREATE DOMAIN TYPE_NAME AS $type->{sql}$check");
	return {
		%$type,
		sql => $name,
		base => 'domain',
		under => $type,
		not_null => $check =~ /NOT NULL/ || $type->{not_null},
	};
}

my @labels = ('sad', 'ok', 'très content', '', "l'été", 'OK');

sub enum_type
{
	my ($ddl) = @_;
	my @some = shuffled(@labels);
	my $list = join ', ', map { "'" . s/'/''/gr . "'" } @some;

	return {
		sql => create($ddl, "CREATE TYPE TYPE_NAME AS ENUM ($list)"),
		of => 'enum',
		values => \@some,
		equality => 'bh',
		base => 'enum',
	};
}

my @ranges = (
	[ text => 'text, collation = "C"', '["a b",é]', '[a,a]', '(,b)', 'empty', '["",)' ],
	[ float8 => 'float8', '[-0,1]', '[0,1]', '(NaN,)', 'empty', '[1,Infinity]' ],
	[ 'numeric(10,2)' => 'numeric', '[1.5,2]', '[1.50,2]', 'empty' ],);

sub range_type
{
	my ($ddl) = @_;
	my ($under, $definition, @values) = @{ pick(@ranges) };
	my $name =
	  create($ddl, "CREATE TYPE TYPE_NAME AS RANGE (subtype = $definition, multirange_type_name = TYPE_NAME_many)");

	if (chance(30))
	{
		return {
			sql => "${name}_many",
			of => [ multirange => $scalar{$under}{of} ],
			values => [ '{}', map { "{$_}" } grep { !/[()]NaN/ } @values ],
			equality => 'bh',
			base => 'multirange',
		};
	}
	return {
		sql => $name,
		of => [ range => $scalar{$under}{of} ],
		values => \@values,
		equality => 'bh',
		base => 'range',
	};
}

# ---------- any ----------

# Any type: scalar, or built from others up to a depth; contrib has the names
# of extensions that are there
sub random_type
{
	my ($ddl, $depth, $contrib) = @_;
	my $kind = $depth > 0 ? below(100) : 0;

	if ($kind < 55)
	{
		return scalar_type(pick(@names, sample(50, @$contrib)));
	}
	return enum_type($ddl) if $kind < 62;
	return range_type($ddl) if $kind < 67;
	my $part = random_type($ddl, $depth - 1, $contrib);
	return array_of($part) if $kind < 82 && $part->{base} ne 'array';
	return domain_of($ddl, $part) if $kind < 90;
	return composite_of($ddl, $part,
		map { random_type($ddl, $depth - 1, $contrib) } 1 .. below(3));
}

# A type of which rows of two tables may have the same value
sub key_type
{
	my ($ddl, $contrib, $kinds) = @_;

	while (1)
	{
		my $type =
		  chance(55)
		  ? scalar_type(pick(qw(int4 int8 text numeric float8 date char(4) uuid)))
		  : random_type($ddl, 1, $contrib);
		next if $kinds && $type->{equality} !~ $kinds;
		return $type;
	}
}

# A type that can be assigned to that one, itself mostly
sub source_type
{
	my ($type, $contrib) = @_;

	return $type->{under} if $type->{under} && chance(40);
	my $names = $assignable{ $type->{base} } or return $type;
	my @there = grep
	{
		my $name = $_;
		!(grep { $_->[0] eq $name } @contrib) || grep { $_ eq $name } @$contrib
	} @$names;
	return @there ? scalar_type(pick(@there)) : $type;
}

1;
