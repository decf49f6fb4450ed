# Copyright (c) 2026, deltaetl maintainers

=pod

=head1 NAME

DeltaetlDocument - the examples in a Markdown document

=head1 SYNOPSIS

  use DeltaetlDocument qw(parse_document examine_output layout_faults links anchors);

  my ($items, $problems) = parse_document($markdown);
  my ($wanted, $got) = examine_output($shown, $output, $started);

=head1 DESCRIPTION

What a document says of itself:

=over

=item C<```sql>

holds statements for psql.

=item C<```text>

directly below them, with nothing but blank lines between, holds what psql
shows, errors and notices among it.

=item C<E<lt>!-- run: STATEMENTS --E<gt>>

runs statements that the reader does not see.

=item C<E<lt>!-- not run --E<gt>>

directly above a block of either kind says that it only shows something.

=back

Blocks in the languages of C<%OTHER> and indented blocks are not run. Anything
else is a problem: statements that hide in another kind of block, output that
belongs to none.

=head1 COMPARISON

What psql shows has to be what the document shows, but for blanks at the end of
a line, and what differs from run to run:

=over

=item moments and durations

The document may show any of the same form; the server has to show one that can
be, which is one since the test began.

=item columns of C<%VARYING>

any number.

=item widths of columns

if they are others because of the former.

=back

=cut

package DeltaetlDocument;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Time::Local qw(timegm);

our @EXPORT_OK = qw(parse_document examine_output layout_faults links anchors);

# languages of blocks that are for something else than psql
our %OTHER = map { $_ => 1 } qw(sh ini yaml json);

# columns whose numbers differ from run to run
our %VARYING = map { $_ => 1 } qw(pid xid);

my $RULE = qr/^-+(?:\+-+)*$/;
my $RECORD = qr/^-\[ RECORD \d+ \][-+]*$/;
my $STATEMENT = qr/^(?:SELECT|CALL|CREATE|ALTER|DROP|INSERT|UPDATE|DELETE|TRUNCATE|SET|BEGIN)\s/;

my $MOMENT = qr/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d(?::\d\d)?|Z)?/;
my $DURATION = qr/(?<![\d:])\d\d:\d\d:\d\d(?:\.\d+)?(?![\d:])|\b\d+(?:\.\d+)? ms\b/;
my $PROCESS = qr/\bPID \d+/;


# ---------- what a document has ----------

# Returns a reference to the items in order, each a hash with the number of its
# line and its kind: "setup" or "example", with sql and, if there is any, output;
# "unrun" with its language and body, "indented".  And one to a list of problems.
sub parse_document
{
	my ($text) = @_;
	my (@items, @problems);
	my $state = { previous => '', list => 0, unrun => 0, above => undef };
	my @lines = split /\n/, $text;

	while (@lines)
	{
		my $number = 1 + ($text =~ tr/\n//) - @lines;
		my $line = shift @lines;

		if ($line =~ /^```(\w*)\s*$/)
		{
			push @problems, map { "line $number: $_" }
			  add_block(\@items, $state, $number, $1, take_until(\@lines, qr/^```\s*$/));
		}
		elsif ($line =~ /^<!-- run:(.*)/)
		{
			unshift @lines, $1;
			push @items, { kind => 'setup', line => $number, sql => take_until(\@lines, qr/-->/) };
			push @problems, map { "line $number: $_" } faults_of_statements($items[-1]{sql});
			$state->{above} = undef;
		}
		elsif ($line =~ /^<!-- not run -->$/)
		{
			$state->{unrun} = $number;
		}
		else
		{
			push @problems, add_line(\@items, $state, $number, $line);
		}
		$state->{previous} = $line;
	}
	push @problems, "line $state->{unrun}: nothing to be not run" if $state->{unrun};
	return (\@items, \@problems);
}

# The text up to what matches, of whose line nothing is left; empty if nothing does.
sub take_until
{
	my ($lines, $end) = @_;
	my $taken = '';

	while (@$lines)
	{
		my $line = shift @$lines;
		return $taken . substr($line, 0, $-[0]) if $line =~ $end;
		$taken .= "$line\n";
	}
	return '';
}

# psql would wait for more, and take the next statements for it.
sub faults_of_statements
{
	my ($sql) = @_;
	return $sql =~ /;\s*(?:--.*)?$|\\\w[^\n]*\s*$/ ? () : 'statements without an end';
}

# Returns what is wrong with it.
sub add_block
{
	my ($items, $state, $number, $language, $body) = @_;
	my ($above, $unrun) = @$state{qw(above unrun)};

	@$state{qw(above unrun list)} = (undef, 0, 0);
	return 'a block that is empty, or does not end' if $body eq '';
	if ($unrun || $OTHER{$language})
	{
		push @$items, { kind => 'unrun', line => $number, language => $language, body => $body };
	}
	elsif ($language eq 'sql')
	{
		$state->{above} = { kind => 'example', line => $number, sql => $body };
		push @$items, $state->{above};
		return faults_of_statements($body);
	}
	elsif ($language eq 'text')
	{
		return 'output without statements above it' if !$above;
		$above->{output} = $body;
	}
	else
	{
		return "language \"$language\" of a block is not known";
	}
	return ();
}

# A line of running text, or of an indented block.
sub add_line
{
	my ($items, $state, $number, $line) = @_;
	my $after_blank = $state->{previous} eq '';

	return () if $line =~ /^\s*$/;
	if ($line =~ /^    (.*)/)
	{
		return () if $state->{list} || !$after_blank;
		push @$items, { kind => 'indented', line => $number };
		return "line $number: statements belong in a block of sql" if $1 =~ $STATEMENT;
		return ();
	}
	$state->{list} = 1 if $line =~ /^\s*(?:\d+\.|[-*])\s/;
	$state->{list} = 0 if $after_blank && $line =~ /^[^\s\d*-]/;

	my $orphan = $state->{unrun};
	@$state{qw(above unrun)} = (undef, 0);
	return $orphan ? "line $orphan: nothing to be not run" : ();
}

# Where the links of a document go that stay within the documentation.
sub links
{
	my ($text) = @_;
	return grep { !/^\w+:/ } $text =~ /\]\(([^()\s]+)\)/g;
}

# The names that links to its headings have.
sub anchors
{
	my ($text) = @_;
	return map { lc s/[^\w\s-]//gr =~ s/\s/-/gr } $text =~ /^#+ +(.*?)\s*$/mg;
}



# ---------- what psql shows ----------

# What is wanted and what there is, to be compared as they are: rows of cells,
# those that may differ as the document has them.
sub examine_output
{
	my ($wanted, $got, $started) = @_;
	my ($wanted_rows, $got_rows) = (rows_of($wanted), rows_of($got));

	foreach my $i (0 .. $#$got_rows)
	{
		my $other = $wanted_rows->[$i] or last;
		excuse_row($other, $got_rows->[$i], $started);
	}
	return (text_of($wanted_rows), text_of($got_rows));
}

sub text_of
{
	my ($rows) = @_;
	return join '', map { join('|', @{ $_->{cells} }) . "\n" } @$rows;
}

# Each line as its cells, the names of their columns and the rule of their
# table; a line that is not part of a table is one cell.
sub rows_of
{
	my ($text) = @_;
	my @lines = map { s/\s+$//r } split /\n/, $text =~ s/\A\s*\n//r =~ s/\s+\z//r;
	my (@rows, $names, $rule);

	foreach my $i (0 .. $#lines)
	{
		my $line = $lines[$i];

		if (($lines[ $i + 1 ] // '') =~ $RULE && $line =~ /^ /)
		{
			$names = [ map { s/^\s+|\s+$//gr } split /\|/, $line, -1 ];
			$rule = $lines[ $i + 1 ];
			push @rows, { cells => [ split /\|/, $line, -1 ], names => [], rule => $rule };
		}
		elsif ($line =~ $RECORD)
		{
			($names, $rule) = (undef, $line);
			push @rows, { cells => [$line], names => [], rule => $rule };
		}
		elsif ($line =~ /^\(\d+ rows?\)$/ || ($line eq '' && !defined $names))
		{
			($names, $rule) = (undef, undef);
			push @rows, { cells => [$line], names => [] };
		}
		else
		{
			push @rows, row_of($line, $names, $rule);
		}
	}
	return \@rows;
}

sub row_of
{
	my ($line, $names, $rule) = @_;
	my @cells = defined $rule ? split(/\|/, $line, defined $names ? -1 : 2) : ();

	if (defined $names && @cells == @$names)
	{
		return { cells => \@cells, names => $names, rule => $rule };
	}
	if (defined $rule && !defined $names && @cells == 2)
	{
		return { cells => \@cells, names => [ '', $cells[0] =~ s/\s+$//r ], rule => $rule };
	}
	return { cells => [$line], names => [] };
}

# Put the document's cells in place of those that may differ from them.
sub excuse_row
{
	my ($wanted, $got, $started) = @_;
	my ($theirs, $ours) = ($wanted->{cells}, $got->{cells});
	my $same_widths = ($wanted->{rule} // '') eq ($got->{rule} // '');

	return if @$theirs != @$ours || defined $wanted->{rule} != defined $got->{rule};
	foreach my $i (0 .. $#$ours)
	{
		my ($their, $our) = map { s/^\s+//r =~ s/\s+$//r =~ s/\s+\+$/ +/r } $theirs->[$i], $ours->[$i];
		my $excused = excuse_cell($their, $our, $got->{names}[$i] // '', $started);

		if ($excused eq $their && (!$same_widths || $our ne $their))
		{
			$ours->[$i] = $theirs->[$i];
		}
		elsif ($ours->[$i] =~ $RULE && $their =~ $RULE)
		{
			$ours->[$i] = $theirs->[$i] if ($our =~ tr/+//) == ($their =~ tr/+//);
		}
		elsif ($our =~ $RECORD && $their =~ $RECORD)
		{
			$ours->[$i] = $theirs->[$i] if ($our =~ /\d+/g)[0] == ($their =~ /\d+/g)[0];
		}
	}
}

# The cell with what may differ as the document has it, as far as they go together.
sub excuse_cell
{
	my ($their, $our, $name, $started) = @_;

	return $their if $VARYING{$name} && "$their,$our" =~ /^\d+,\d+$/;
	foreach my $kind ($MOMENT, $DURATION, $PROCESS)
	{
		my @theirs = $their =~ /($kind)/g;
		$our =~ s/($kind)/@theirs ? excuse($1, shift @theirs, $started) : $1/ge;
	}
	return $our;
}

sub excuse
{
	my ($our, $their, $started) = @_;
	my ($our_form, $their_form) = map { s/\.\d+//r =~ s/^\d+ ms/0 ms/r =~ s/^PID \d+/PID/r =~ tr/0-9/9/r } $our, $their;

	return $our if $our_form ne $their_form;
	return $our =~ /^PID/ || is_of_now($our, $started) ? $their : $our;
}

# Whether a moment or a duration lies within the time since a moment.
sub is_of_now
{
	my ($value, $started) = @_;
	my $age = time() - $started + 1;

	if (my ($year, $month, $day, $hour, $minute, $second, $sign, $hours, $minutes) =
		$value =~ /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)[.\d]*(?:([+-])(\d\d):?(\d\d)?|Z)?$/)
	{
		my $east = (($hours // 0) * 60 + ($minutes // 0)) * (($sign // '+') eq '-' ? -60 : 60);
		my $moment = timegm($second, $minute, $hour, $day, $month - 1, $year) - $east;
		return $moment >= $started - 1 && $moment <= $started + $age;
	}
	return $1 <= $age * 1000 if $value =~ /^([\d.]+) ms$/;

	my ($hours, $minutes, $seconds) = split /:/, $value;
	return ($hours * 60 + $minutes) * 60 + $seconds <= $age;
}

# The lines of tables in a text of psql whose columns are not below each other.
sub layout_faults
{
	my ($text) = @_;
	my @lines = split /\n/, $text;
	my @faults;

	foreach my $i (1 .. $#lines)
	{
		next if $lines[$i] !~ $RULE || $lines[ $i - 1 ] !~ /^ /;
		my @bars = positions($lines[$i], '+');
		foreach my $line ($lines[ $i - 1 ], @lines[ $i + 1 .. $#lines ])
		{
			last if $line eq '' || $line =~ /^\(\d+ rows?\)$/;
			my %is_bar = map { $_ => 1 } positions($line, '|');
			push @faults, $line if grep { !$is_bar{$_} } @bars;
		}
	}
	return @faults;
}

sub positions
{
	my ($line, $character) = @_;
	my @positions;

	push @positions, $-[0] while $line =~ /\Q$character\E/g;
	return @positions;
}

1;
