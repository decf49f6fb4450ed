# Copyright (c) 2026, deltaetl maintainers

# Random values, encoded in databases of two encodings under different settings,
# and by DeltaetlEncode, which knows nothing of the server's code.

package DeltaetlFuzz::Encoding;

use strict;
use warnings FATAL => 'all';
use utf8;

use DeltaetlEncode qw(encode_row @SETTINGS);
use DeltaetlFuzz::Case qw(literal);
use DeltaetlFuzz::Types qw(random_type random_value);
use Encode qw(decode_utf8);
use Exporter qw(import);

our @EXPORT_OK = qw(random_values encoding_script judge_encoding);

my $preamble = <<'END';
\set QUIET on
\pset tuples_only on
\pset format unaligned
\pset fieldsep ' '
\set VERBOSITY verbose
DISCARD ALL;
SET client_min_messages = error;
SET client_encoding = 'UTF8';
DROP SCHEMA IF EXISTS f CASCADE;
CREATE SCHEMA f;
SET search_path = f, public;
END

# What the encoding must not depend on
my @odd_settings = (
	[ DateStyle => 'SQL, DMY' ],
	[ TimeZone => 'Asia/Kolkata' ],
	[ IntervalStyle => 'sql_standard' ],
	[ extra_float_digits => -15 ],
	[ bytea_output => 'escape' ],
	[ xmlbinary => 'hex' ],
	[ quote_all_identifiers => 'on' ],);

# Sets of values, each of types of its own; only what LATIN1 can say
sub random_values
{
	my ($seed, %there) = @_;
	my $case = { seed => $seed, ddl => [], sets => [], flags => {} };

	srand $seed;
	foreach (1 .. 25)
	{
		my $type = random_type($case->{ddl}, 3, $there{contrib} // []);
		my @values = grep { !/[^\x00-\xff]/ } map { random_value($type) } 1 .. 3;
		push @{ $case->{sets} }, { type => $type, values => \@values };
	}
	return $case;
}

# Lines: @value number, text in hexadecimal, bytes, hash
sub encoding_script
{
	my ($case, $odd) = @_;
	my $number = 0;
	my @settings = $odd ? @odd_settings : @SETTINGS;

	return join "\n", $preamble, (map { "$_;" } @{ $case->{ddl} }),
	  (map {
		my $type = $_->{type}{sql};
		map {
			my $x = 'CAST(' . literal($_) . " AS $type)";
			"CREATE VIEW value_" . ++$number . " AS SELECT $x AS x;"
		} @{ $_->{values} }
	  } @{ $case->{sets} }),
	  (map { "SET $_->[0] = " . ($_->[0] eq 'search_path' ? $_->[1] : literal($_->[1])) . ';' } @settings),
	  (map {
		"SELECT '\@value', $_, encode(convert_to(format('%s', x), 'UTF8'), 'hex') || '.',"
		  . " encode(public.deltaetl_encode(x, ARRAY[x]), 'hex'), encode(public.deltaetl_row_hash(x), 'hex') FROM f.value_$_;"
	  } 1 .. $number),
	  '\echo @end', '';
}

sub lines_of
{
	my ($output) = @_;

	return map { my ($number, @rest) = split / /; ($number => \@rest) }
	  $output =~ /^\@value (.*)$/mg;
}

# What the row of such a value starts with, as DeltaetlEncode has it
sub own_bytes
{
	my ($type, $hex) = @_;
	my $text = decode_utf8(pack 'H*', $hex =~ s/\.$//r);

	return undef if !$type->{of};
	return unpack 'H*', encode_row([ $type->{of} ], [$text]);
}

# The outputs: of the UTF-8 database with the settings of DeltaetlEncode, and
# of the other one with odd ones.
sub judge_encoding
{
	my ($case, $output, $other_output) = @_;
	my %got = lines_of($output);
	my %other = lines_of($other_output);
	my @failures;
	my $number = 0;

	push @failures, 'the script did not end'
	  if grep { !/^\@end$/m } $output, $other_output;
	push @failures, map { "accident: $_" }
	  grep { /ERROR:  XX|TRAP:|server closed/ } split /\n/, $output . $other_output;
	foreach my $set (@{ $case->{sets} })
	{
		foreach my $value (@{ $set->{values} })
		{
			my ($text, $bytes, $hash) = @{ $got{ ++$number } // next };
			my ($other_bytes, $other_hash) = @{ $other{$number} // next }[ 1, 2 ];
			my $what = "$set->{type}{sql} " . substr $value, 0, 100;
			my $own = own_bytes($set->{type}, $text);

			push @failures, "other bytes in another database: $what"
			  if $bytes ne $other_bytes || $hash ne $other_hash;
			push @failures, "not the bytes of DeltaetlEncode: $what"
			  if defined $own && index($bytes, $own) != 0;
		}
	}
	return (\@failures, 'encoded');
}

1;
