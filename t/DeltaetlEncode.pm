# Copyright (c) 2026, deltaetl maintainers

=pod

=head1 NAME

DeltaetlEncode - the encoding of deltaetl, outside the server

=head1 SYNOPSIS

  use DeltaetlEncode qw(encode_row row_hash @SETTINGS);

  # deltaetl_row_hash(7, 'ab', NULL::text, ARRAY[1.50])
  my $hash = row_hash(
      [ 'int4', 'text', 'text', [ array => 'numeric' ] ],
      [ '7', 'ab', undef, '{1.50}' ]);

=head1 DESCRIPTION

A second implementation of F<doc/encoding.md>, written from that page alone.
It takes values as a client sees them: in the text that PostgreSQL gives for
them under C<@SETTINGS>, decoded to characters, undef for NULL.

A type is described by

=over

=item the name of a scalar type as in pg_type, C<'int4'> or C<'bpchar'>

=item C<'enum'> for any enum

=item C<[ array =E<gt> $type ]>

=item C<[ composite =E<gt> @types ]>, the types of its columns

=item C<[ range =E<gt> $type ]> and C<[ multirange =E<gt> $type ]>

=back

and a domain by what its base type is described by.

Three things do not show in the text.  An xml value is wanted as C<xml_out(value)>
gives it, not as C<value::text> does; a "char" above 127 in the octal form it has
since PostgreSQL 16; and a tsquery is taken to be grouped from left to right
where operators of one kind follow each other.

Perl has to have integers of 64 bits.

=cut

package DeltaetlEncode;

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256);
use Encode qw(encode_utf8);
use Exporter qw(import);
use Math::BigFloat;
use POSIX qw(floor);
use Socket qw(inet_pton AF_INET AF_INET6);

our @EXPORT_OK = qw(encode_row encode_value row_hash @SETTINGS);

# What the text of a value has to be made under.
our @SETTINGS = (
	[ bytea_output => 'hex' ],
	[ DateStyle => 'ISO, YMD' ],
	[ extra_float_digits => '3' ],
	[ IntervalStyle => 'iso_8601' ],
	[ lc_monetary => 'C' ],
	[ quote_all_identifiers => 'off' ],
	[ search_path => 'pg_catalog, pg_temp' ],
	[ TimeZone => 'UTC' ],);

# Each scalar type, and what makes bytes of its text.
my %scalar = (
	# fixed width
	bool => sub { pack 'C', $_[0] eq 't' ? 1 : 0 },
	char => \&encode_char,
	int2 => sub { pack 's>', $_[0] },
	int4 => sub { pack 'l>', $_[0] },
	int8 => sub { pack 'q>', $_[0] },
	oid => sub { pack 'L>', $_[0] },
	xid => sub { pack 'L>', $_[0] },
	cid => sub { pack 'L>', $_[0] },
	xid8 => sub { pack 'Q>', $_[0] },
	oid8 => sub { pack 'Q>', $_[0] },
	pg_lsn => sub { pack 'L>2', map(hex, split m{/}, $_[0]) },
	money => sub { pack 'q>', $_[0] =~ tr/-0-9//cdr },
	float4 => \&encode_float4,
	float8 => \&encode_float8,
	date => \&encode_date,
	time => sub { pack 'q>', microseconds($_[0]) },
	timetz => \&encode_timetz,
	timestamp => \&encode_timestamp,
	timestamptz => \&encode_timestamp,
	interval => \&encode_interval,
	uuid => \&encode_hex,
	macaddr => \&encode_hex,
	macaddr8 => \&encode_hex,
	tid => sub { pack 'L>S>', $_[0] =~ /\d+/g },

	# strings
	(map { $_ => \&encode_utf8 }
		  qw(text varchar bpchar name citext json xml refcursor unknown
		  pg_node_tree enum jsonb)),
	bytea => \&encode_hex,

	numeric => \&encode_numeric,

	# network, bits, geometry
	inet => sub { encode_network(0, @_) },
	cidr => sub { encode_network(1, @_) },
	bit => \&encode_bits,
	varbit => \&encode_bits,
	(map { $_ => \&encode_floats } qw(point line lseg box circle)),
	path => sub { pack('C', $_[0] =~ /^\(/ ? 1 : 0) . encode_points(@_) },
	polygon => \&encode_points,

	# arrays, but for their text
	int2vector => sub { encode_vector('int2', @_) },
	oidvector => sub { encode_vector('oid', @_) },

	# names instead of OIDs
	(map { ("reg$_" => \&encode_utf8) }
		  qw(class collation config database dictionary namespace oper
		  operator proc procedure role type)),

	# all other types
	tsvector => \&encode_tsvector,
	tsquery => \&encode_tsquery,
	jsonpath => sub { pack('C', 1) . encode_utf8($_[0]) },
	pg_snapshot => \&encode_snapshot,
	txid_snapshot => \&encode_snapshot,
	aclitem => \&encode_utf8,);

# Each way to build a type from others, and what makes bytes of these and of the
# text.
my %built = (
	array => \&encode_array,
	composite => \&encode_composite,
	range => \&encode_range,
	multirange => \&encode_multirange,);

# ---------- row, field, value ----------

# The SHA-256 of a row, 32 bytes.
sub row_hash
{
	return sha256(encode_row(@_));
}

# The bytes of a row of these types and values.
sub encode_row
{
	my ($types, $values) = @_;

	return pack('C', 1) . encode_fields($types, $values);
}

sub encode_fields
{
	my ($types, $values) = @_;

	die "types and values differ in number" if @$types != @$values;
	return join '',
	  map { encode_field($types->[$_], $values->[$_]) } 0 .. $#$values;
}

sub encode_field
{
	my ($type, $text) = @_;

	return pack 'C', 0 if !defined $text;
	return pack('C', 1) . with_length(encode_value($type, $text));
}

sub with_length
{
	my ($bytes) = @_;

	return pack 'l>/a', $bytes;
}

# The bytes of a value that is not NULL.
sub encode_value
{
	my ($type, $text) = @_;

	if (ref $type)
	{
		my ($kind, @parts) = @$type;
		return $built{$kind}->($text, @parts);
	}
	my $encode = $scalar{$type} or die "type $type is not known";
	return $encode->($text);
}


# ---------- fixed width ----------

# One byte: '' for zero, octal after a backslash from 128 on.
sub encode_char
{
	my ($text) = @_;

	return pack 'C', oct $1 if $text =~ /^\\([0-7]{3})$/;
	return pack 'C', length $text ? ord $text : 0;
}

sub encode_float8
{
	my ($text) = @_;

	return pack 'H*', '7FF8000000000000' if $text eq 'NaN';
	return pack 'd>', number($text);
}

sub encode_float4
{
	my ($text) = @_;

	return pack 'H*', '7FC00000' if $text eq 'NaN';
	my $double = number($text);
	return pack 'f>', $double if $text !~ /\d/;

	# pack rounds for the second time.  To do no harm, the first rounding must
	# have been to the odd neighbour: it never looks like a tie.
	my $bits = unpack 'q>', pack 'd>', $double;
	if ($bits % 2 == 0)
	{
		my $exact = sprintf '%.250f', abs $double;
		$bits += Math::BigFloat->new($text)->babs->bcmp($exact);
	}
	$double = unpack 'd>', pack 'q>', $bits;

	# Nor does pack round to the greatest number, but to infinity.
	my $greatest = unpack 'f>', pack 'H*', '7F7FFFFF';
	return pack 'f>',
	  abs $double < $greatest ? $double : $greatest * ($double <=> 0);
}

# A number of PostgreSQL, also "Infinity", rounded to a double once.
sub number
{
	my ($text) = @_;
	my ($number, $unparsed) = POSIX::strtod($text);

	die "not a number: $text" if $unparsed || $text eq '';
	return $number;
}

# The hexadecimal digits in a text, whatever else is in it: \x01, 08:00:2b
sub encode_hex
{
	my ($text) = @_;

	$text =~ s/^\\x//;
	return pack 'H*', $text =~ tr/0-9a-fA-F//cdr;
}


# ---------- date and time ----------

sub encode_date
{
	my ($text) = @_;

	return pack 'l>', -2147483648 if $text eq '-infinity';
	return pack 'l>', 2147483647 if $text eq 'infinity';
	return pack 'l>', days($text);
}

# 2000-01-01 12:34:56.789 BC, or with +00 before the BC
sub encode_timestamp
{
	my ($text) = @_;
	use integer;

	return pack 'H*', '8000000000000000' if $text eq '-infinity';
	return pack 'H*', '7FFFFFFFFFFFFFFF' if $text eq 'infinity';
	my ($date, $time, $era) = $text =~ /^(\S+) ([0-9:.]+)(?:\+00)?( BC)?$/
	  or die "not a timestamp: $text";
	return pack 'q>',
	  days($date . ($era // '')) * 86_400_000_000 + microseconds($time);
}

# 12:34:56.789-03:30
sub encode_timetz
{
	my ($text) = @_;
	my ($time, $sign, @zone) =
	  $text =~ /^([0-9:.]+)([-+])(\d+)(?::(\d+))?(?::(\d+))?$/
	  or die "not a time with time zone: $text";
	my ($hours, $minutes, $seconds) = map { $_ // 0 } @zone;
	my $zone = 3600 * $hours + 60 * $minutes + $seconds;

	return pack 'q>l>', microseconds($time), $sign eq '-' ? $zone : -$zone;
}

# P1Y2M3DT4H5M-6.789S, any part of it may be negative or missing
sub encode_interval
{
	my ($text) = @_;
	use integer;

	return pack 'H*', '80' . '00' x 7 . '80000000' x 2
	  if $text eq '-infinity';
	return pack 'H*', '7F' . 'FF' x 7 . '7FFFFFFF' x 2 if $text eq 'infinity';
	my ($date, $time) = $text =~ /^P([^T]*)(?:T(.*))?$/
	  or die "not an interval: $text";
	my %date = reverse $date =~ /([-0-9]+)([YMD])/g;
	my %time = reverse(($time // '') =~ /([-0-9.]+)([HMS])/g);
	my $microseconds =
	  (($time{H} // 0) * 60 + ($time{M} // 0)) * 60_000_000 +
	  fraction($time{S} // 0);

	return pack 'q>l>l>', $microseconds, $date{D} // 0,
	  ($date{Y} // 0) * 12 + ($date{M} // 0);
}

# Days from 2000-01-01 to a date, 44-03-15 BC for one.
sub days
{
	my ($text) = @_;
	my ($year, $month, $day, $era) = $text =~ /^(\d+)-(\d\d)-(\d\d)( BC)?$/
	  or die "not a date: $text";
	$year = 1 - $year if $era;

	# Years that begin in March have the leap day at their end.
	if ($month < 3)
	{
		$year--;
		$month += 12;
	}
	return 365 * $year +
	  floor($year / 4) -
	  floor($year / 100) +
	  floor($year / 400) +
	  floor((153 * ($month - 3) + 2) / 5) +
	  $day - 730426;
}

# Microseconds in a time of day, 12:34:56.789
sub microseconds
{
	my ($text) = @_;
	my ($hours, $minutes, $seconds) = split /:/, $text;

	return ($hours * 60 + $minutes) * 60_000_000 + fraction($seconds);
}

# Millionths in a number with up to six decimal places.
sub fraction
{
	my ($text) = @_;
	my ($sign, $whole, $fraction) = $text =~ /^(-?)(\d+)\.?(\d{0,6})$/
	  or die "not seconds: $text";
	my $millionths = $whole * 1_000_000 + substr($fraction . '0' x 6, 0, 6);

	return $sign ? -$millionths : $millionths;
}


# ---------- numeric ----------

sub encode_numeric
{
	my ($text) = @_;

	# number of digits, weight, sign, display scale
	return pack 'n4', 0, 0, 0xC000, 0 if $text eq 'NaN';
	return pack 'n4', 0, 0, 0xD000, 32 if $text eq 'Infinity';
	return pack 'n4', 0, 0, 0xF000, 32 if $text eq '-Infinity';

	my ($sign, $whole, $fraction) = $text =~ /^(-?)(\d+)\.?(\d*)$/
	  or die "not a numeric: $text";
	my $scale = length $fraction;

	# digits in base 10000 are four decimal ones each, from the point on
	$whole = '0' x (-length($whole) % 4) . $whole;
	$fraction .= '0' x (-length($fraction) % 4);
	my @digits = unpack '(A4)*', $whole . $fraction;
	my $weight = length($whole) / 4 - 1;

	while (@digits && $digits[0] == 0)
	{
		shift @digits;
		$weight--;
	}
	pop @digits while @digits && $digits[-1] == 0;
	$weight = 0 if !@digits;

	return pack 'n s> n n n*', scalar @digits, $weight, $sign ? 0x4000 : 0,
	  $scale, @digits;
}


# ---------- network, bits, geometry ----------

# 192.168.1.0/24, and without the netmask if it is a host
sub encode_network
{
	my ($is_cidr, $text) = @_;
	my ($host, $bits) = split m{/}, $text;
	my $is_v6 = $host =~ /:/;
	my $address = inet_pton($is_v6 ? AF_INET6 : AF_INET, $host)
	  // die "not an address: $text";

	return pack 'C3 C/a', $is_v6 ? 3 : 2, $bits // 8 * length $address,
	  $is_cidr, $address;
}

sub encode_bits
{
	my ($text) = @_;

	return pack 'l> B*', length $text, $text;
}

# All the numbers in the text of a point, line, lseg, box or circle.
sub encode_floats
{
	my ($text) = @_;

	return join '', map { encode_float8($_) } $text =~ /[-+.0-9A-Za-z]+/g;
}

# A path or polygon, ((1,2),(3,4)) or [(1,2),(3,4)]
sub encode_points
{
	my ($text) = @_;
	my $floats = encode_floats($text);

	return pack('l>', length($floats) / 16) . $floats;
}


# ---------- array ----------

# Types whose elements are not separated by a comma.
my %delimiter = (box => ';');

# An array in an array, as a domain of arrays makes it, has that of the innermost.
sub delimiter_of
{
	my ($type) = @_;

	$type = $type->[1] while ref $type && $type->[0] eq 'array';
	return $delimiter{$type} // ',';
}

sub encode_array
{
	my ($text, $type) = @_;
	my $delimiter = delimiter_of($type);
	my @bounds;    # of each dimension
	my @counts;    # of what there is in each, all over the array
	my @elements;
	my $depth = -1;

	# [0:1][5:7]={{1,2,3},{4,5,6}}
	if ($text =~ /\G((?:\[[-0-9:]+\])+)=/gc)
	{
		@bounds = $1 =~ /\[(-?\d+):/g;
	}
	until ($text =~ /\G\z/gc)
	{
		if ($text =~ /\G\{/gc)
		{
			$counts[$depth]++ if $depth >= 0;
			$depth++;
		}
		elsif ($text =~ /\G\}/gc)
		{
			$depth--;
		}
		elsif ($text =~ /\G$delimiter/gc)
		{
			next;
		}
		elsif ($text =~ /\G"((?:[^"\\]++|\\.)*+)"/gcs)
		{
			$counts[$depth]++;
			my $quoted = $1;
			push @elements, $quoted =~ s/\\(.)/$1/grs;
		}
		elsif ($text =~ /\G([^{}"\\$delimiter]+)/gc)
		{
			$counts[$depth]++;
			push @elements, uc $1 eq 'NULL' ? undef : $1;
		}
		else
		{
			die "not an array: $text";
		}
	}
	return pack 'l>', 0 if !@elements;

	my $dimensions = '';
	my $above = 1;
	foreach my $i (0 .. $#counts)
	{
		$dimensions .= pack 'l>2', $counts[$i] / $above, $bounds[$i] // 1;
		$above = $counts[$i];
	}
	return
		pack('l>', scalar @counts)
	  . $dimensions
	  . encode_fields([ ($type) x @elements ], \@elements);
}

# int2vector and oidvector, 1 2 3
sub encode_vector
{
	my ($type, $text) = @_;
	my @elements = split / /, $text;

	return pack 'l>', 0 if !@elements;
	return encode_array(
		sprintf('[0:%d]={%s}', $#elements, join ',', @elements), $type);
}


# ---------- composite, range, multirange ----------

# Quoted text, in which these two are doubled.
my $quoted = qr/"(?:[^"\\]++|""|\\\\)*+"/;

# What stands for NULL or an infinite bound is nothing.
sub unquote
{
	my ($part) = @_;

	return undef if $part eq '';
	return $part if $part !~ /^"/;
	return substr($part, 1, -1) =~ s/(["\\])\1/$1/gr;
}

# (1,"a b",,"") where the third column is NULL
sub encode_composite
{
	my ($text, @types) = @_;
	my @values;

	$text =~ s/^\((.*)\)$/$1/s or die "not a composite: $text";
	while (@values < @types)
	{
		$text =~ /\G($quoted|[^"\\(),]*+)(?:,|\z)/gc or last;
		push @values, unquote($1);
	}
	die "not a composite of these types: $text"
	  if (pos $text // 0) != length $text;
	return pack('l>', scalar @types) . encode_fields(\@types, \@values);
}

my $bound = qr/$quoted|[^"\\(),\[\]]*+/;

# [1,5) or empty
sub encode_range
{
	my ($text, $type) = @_;

	return pack 'C', 0x01 if $text eq 'empty';
	my ($left, $lower, $upper, $right) =
	  $text =~ /^([\[(])($bound),($bound)([\])])$/
	  or die "not a range: $text";
	my $flags = 0;
	my $bounds = '';

	$flags |= 0x02 if $left eq '[';
	$flags |= 0x04 if $right eq ']';
	$flags |= 0x08 if $lower eq '';
	$flags |= 0x10 if $upper eq '';
	foreach my $part ($lower, $upper)
	{
		$bounds .= with_length(encode_value($type, unquote($part)))
		  if $part ne '';
	}
	return pack('C', $flags) . $bounds;
}

# {[1,5),[7,9)}
sub encode_multirange
{
	my ($text, $type) = @_;
	my @ranges = $text =~ /[\[(]$bound,$bound[\])]/g;

	return pack('l>', scalar @ranges) . join '',
	  map { with_length(encode_range($_, $type)) } @ranges;
}


# ---------- all other types ----------

# A lexeme in quotes, in which these two are doubled.
my $lexeme = qr/'((?:[^'\\]++|''|\\\\)*+)'/;

sub encode_lexeme
{
	my ($quoted) = @_;

	return encode_utf8($quoted =~ s/(['\\])\1/$1/gr) . "\0";
}

# 'fat':2,4A 'it''s' 'rat'
sub encode_tsvector
{
	my ($text) = @_;
	my %weight = (A => 3, B => 2, C => 1, D => 0);
	my $count = 0;
	my $lexemes = '';

	while ($text =~ /\G ?$lexeme(?::([0-9ABCD,]+))?/gc)
	{
		my ($word, $positions) = ($1, $2 // '');
		my @positions;
		while ($positions =~ /(\d+)([ABCD]?)/g)
		{
			push @positions, $weight{ $2 || 'D' } << 14 | $1;
		}
		$lexemes .= encode_lexeme($word) . pack 'n n*', scalar @positions,
		  @positions;
		$count++;
	}
	die "not a tsvector: $text" if (pos $text // 0) != length $text;
	return pack('l>', $count) . $lexemes;
}

# 'fat':*AB & ( 'rat' | !'cat' <2> 'dog' )
sub encode_tsquery
{
	my ($text) = @_;
	my @items = $text eq '' ? () : tsquery_operation(\$text, 0);

	die "not a tsquery: $text" if (pos $text // 0) != length $text;
	return join '', pack('l>', scalar @items), @items;
}

# The operators between two operands, the weakest first: pattern and number.
my @tsquery_operators = ([ qr/\|/, 3 ], [ qr/&/, 2 ], [ qr/<([-0-9]+)>/, 4 ]);

# Reads from a place in the text on what operators from this one on bind, and
# returns its items.
sub tsquery_operation
{
	my ($in, $from) = @_;

	return tsquery_operand($in) if $from > $#tsquery_operators;
	my ($pattern, $number) = @{ $tsquery_operators[$from] };
	my @items = tsquery_operation($in, $from + 1);
	while ($$in =~ /\G $pattern /gc)
	{
		my $operator = pack 'C2', 2, $number;
		$operator .= pack 'n', $1 eq '-' ? 1 : $1 if $number == 4;
		@items = ($operator, tsquery_operation($in, $from + 1), @items);
	}
	return @items;
}

sub tsquery_operand
{
	my ($in) = @_;

	if ($$in =~ /\G!/gc)
	{
		return (pack('C2', 2, 1), tsquery_operand($in));
	}
	if ($$in =~ /\G\( /gc)
	{
		my @items = tsquery_operation($in, 0);
		$$in =~ /\G \)/gc or die "no closing parenthesis: $$in";
		return @items;
	}
	$$in =~ /\G$lexeme(?::(\*?)([ABCD]*))?/gc or die "not a tsquery: $$in";
	my ($word, $prefix, $weights) = ($1, $2, $3 // '');
	my %weight = (A => 8, B => 4, C => 2, D => 1);
	my $mask = 0;
	$mask |= $weight{$_} foreach split //, $weights;
	return pack('C3', 1, $mask, $prefix ? 1 : 0) . encode_lexeme($word);
}

# 10:20:10,14,15
sub encode_snapshot
{
	my ($text) = @_;
	my ($xmin, $xmax, @xip) = $text =~ /\d+/g;

	return pack 'l> Q>*', scalar @xip, $xmin, $xmax, @xip;
}

1;
