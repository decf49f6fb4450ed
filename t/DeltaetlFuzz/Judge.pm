# Copyright (c) 2026, deltaetl maintainers

# What a script has printed, judged: what deltaetl did against what plain SQL
# says, and whether it refused only what it documents that it refuses.

package DeltaetlFuzz::Judge;

use strict;
use warnings FATAL => 'all';

use DeltaetlFuzz::Case qw(compared_columns);
use Exporter qw(import);

our @EXPORT_OK = qw(judge);

# Lines of a script by their first word: the last one's fields, or with
# a second word those of each
sub results_of
{
	my ($output) = @_;
	my %results;

	foreach ($output =~ /^\@(.*)$/mg)
	{
		my ($word, @fields) = split / /;
		if ($word =~ /^(diff|differences)$/)
		{
			$word .= ' ' . shift @fields;
		}
		push @{ $results{settings_seen} }, @fields if $word eq 'settings';
		$results{$word} = \@fields;
	}
	return \%results;
}

# What must never be seen, whatever the case: internal errors, crashes, what was
# not given back
my $accident = qr{
	ERROR:\ \ (?:XX|57014|P0004) | FATAL: | PANIC: | TRAP:
	| WARNING:\ \ (?:XX|01000:\ (?:buffer|resource|snapshot|tuple|relcache))
	| server\ closed | connection\ to\ server
	| cache\ lookup\ failed | could\ not\ open\ relation\ with\ OID
}x;

sub accidents
{
	my ($output) = @_;

	return map { "accident: $_" } grep { /$accident/ } split /\n/, $output;
}


# ---------- what has to be refused ----------

# SQLSTATEs that some part of deltaetl has to raise one of, and those that it
# may: by what they keep from being done
sub reasons
{
	my ($case, $results) = @_;
	my $flags = $case->{flags};
	my @compared = compared_columns($case);
	my @equality = map { $_->{type}{equality} } grep { $_->{key} } @compared;
	my %must = (resolve => {}, read => {}, guard => {}, write => {});
	my %may;

	$must{resolve}{'42883'} = 1 if grep { $_ eq '' } @equality;
	$must{resolve}{'0A000'} = 1
	  if grep({ $_ eq 'h' } @equality) && grep({ $_ eq 'b' } @equality);
	unassigned($case, $results, \%must, \%may);
	unfilled($case, \%must, \%may);
	bad_keys($case, $results, $must{read}, \%may);
	guards($case, $results, $must{guard}, \%may);
	$must{write}{$_} = 1 foreach grep { $_ !~ /^(00000|25P02)$/ }
	  map { $results->{$_}[0] // '00000' } qw(delete update insert);
	return (\%must, \%may);
}

# Values that cannot be assigned
sub unassigned
{
	my ($case, $results, $must, $may) = @_;
	my $state = $results->{assign}[0] // '';
	my %compared = map { $_->{name} => 1 } compared_columns($case);
	my @others = grep { $_->{side} eq 'both' && !$compared{ $_->{name} } }
	  @{ $case->{columns} };

	return if $state eq '00000';
	if (@others || defined $case->{flags}{scope})
	{
		$may->{$state} = $may->{unknown} = 1;
	}
	else
	{
		$must->{read}{$state} = 1;
	}
}

# Columns that a new row would lack
sub unfilled
{
	my ($case, $must, $may) = @_;
	my %compared = map { $_->{name} => 1 } compared_columns($case);
	my @lacking = grep
	{
		$_->{side} ne 'source' && !$compared{ $_->{name} } && !$_->{generated}
		  && !$_->{identity} && !defined $_->{default}
	} @{ $case->{columns} };

	$may->{'23502'} = 1 if grep { $_->{type}{not_null} } @lacking;
	return if !grep { $_->{not_null} } @lacking;
	if (($case->{flags}{trigger} // '') =~ /^(note|suppress)$/)
	{
		$may->{'23502'} = 1;
	}
	else
	{
		$must->{define}{'23502'} = 1;
	}
}

sub bad_keys
{
	my ($case, $results, $must, $may) = @_;
	my ($in_source, $in_scope, $in_target) = @{ $results->{duplicates} // [ 0, 0, 0 ] };
	my ($source_nulls, $target_nulls) = @{ $results->{nulls} // [ 0, 0 ] };

	# PostgreSQL itself may be unable to group by such a key
	$may->{'0A000'} = 1 if !$results->{duplicates};

	# without the right to read all of the target, keys out of scope count
	$must->{21000} = 1 if $in_source || $in_scope;
	$may->{21000} = 1 if $in_target;
	if ($case->{flags}{key} ne 'nulls')
	{
		$must->{23502} = 1 if $source_nulls || $target_nulls;
		$may->{23502} = 1 if ($results->{nulls} // [])->[2];
	}
	my ($lone, $outside) = @{ $results->{outside} // [ 0, 0 ] };
	$must->{55000} = 1 if $lone;
	$may->{21000} = 1 if $outside;
}

sub guards
{
	my ($case, $results, $must, $may) = @_;
	my $flags = $case->{flags};
	my ($source, $target) = @{ $results->{rows} // [ 0, 0 ] };
	my (undef, $updates, $deletes) = @{ $results->{expected} // [ 0, 0, 0 ] };

	$must->{'428C9'} = 1 if ($results->{always} // [0])->[0] > 0;
	if ($flags->{deletes} && !$flags->{allow_empty} && $source == 0)
	{
		$may->{55000} = 1;
		$must->{55000} = 1 if $target > 0;
	}
	$must->{55000} = 1
	  if $flags->{deletes}
	  && defined $flags->{max_delete_pct}
	  && $deletes * 100 > $flags->{max_delete_pct} * $target;
	$must->{55000} = 1
	  if defined $flags->{max_update_pct}
	  && $updates * 100 > $flags->{max_update_pct} * $target;
}

# Whether a call went as it has to: it is to fail if there is a reason.
sub check_state
{
	my ($failures, $word, $state, $may, @must) = @_;
	my %must = map { %$_ } @must;

	if (!defined $state)
	{
		push @$failures, "$word: nothing was printed";
		return 0;
	}
	if ($state eq '00000')
	{
		push @$failures, "$word: should have failed with " . join ' or ', sort keys %must
		  if %must;
		return !%must;
	}
	push @$failures, "$word: failed with $state"
	  . (%must ? ' instead of ' . join ' or ', sort keys %must : '')
	  if !$must{$state} && !$may->{$state};
	return 0;
}


# ---------- what has been done ----------

sub check_fields
{
	my ($failures, $word, $got, @expected) = @_;

	$got = join ' ', map { $_ // '?' } @{ $got // [] }[ 0 .. $#expected ];
	push @$failures, "$word: @expected expected, $got found"
	  if $got ne "@expected";
}

# How many rows were deleted, updated and inserted in the copy
sub written
{
	my ($results) = @_;

	return map { $results->{$_}[1] // 0 } qw(insert update delete);
}

sub check_runs
{
	my ($case, $results, $failures) = @_;
	my $flags = $case->{flags};
	my $trigger = $flags->{trigger} // '';
	my ($inserts, $updates, $deletes) = @{ $results->{expected} };
	my @planned = ($inserts, $updates, $flags->{deletes} ? $deletes : 0);
	my @done = written($results);
	my $unchanged = $results->{rows}[0] - $inserts - $updates;
	my $before = $results->{after_dry}[3];
	my $unmoved = $before - $done[1] - $done[2];

	check_fields($failures, 'dry run', [ @{ $results->{dry} }[ 2 .. 5 ] ], @planned, $unchanged);
	check_fields($failures, 'after dry run', $results->{after_dry}, 0, 0, $before);
	if ($flags->{log})
	{
		check_fields($failures, 'logged run', [ @{ $results->{logged} }[ 2 .. 5 ] ], @done, $unchanged);
		check_fields($failures, 'after logged run', $results->{after_logged}, 0, 0, $unmoved);
		check_fields($failures, 'logged changes', $results->{changes}, $done[0] + $done[1] + $done[2]);
	}
	if (($flags->{log} // '') eq 'rows')
	{
		my ($state) = @{ $results->{revert} };
		return if $state eq '0A000' && $flags->{children} && $done[2] > 0;

		# it looks at all of the target's keys, in scope or not
		return if $state eq '21000' && $results->{duplicates}[2] > 0;
		return if $state eq '23502' && $results->{nulls}[2] > 0;
		return if $trigger =~ /^(note|suppress)$/;
		check_fields($failures, 'revert', [ $state, @{ $results->{revert} }[ 2 .. 4 ] ], '00000', @done[ 2, 1, 0 ]);
		check_fields($failures, 'after revert', $results->{after_revert}, 0, 0);
	}
	if (($flags->{log} // 'rows') eq 'rows')
	{
		check_fields($failures, 'run', [ @{ $results->{sync} }[ 2 .. 5 ] ], @done, $unchanged);
		check_fields($failures, 'after run', $results->{after_sync}, 0, 0, $unmoved);
	}
}

sub check_again
{
	my ($case, $results, $failures) = @_;
	my $trigger = $case->{flags}{trigger} // '';

	return if $trigger =~ /^(note|suppress)$/;
	return if $results->{again}[0] ne '00000' && $results->{rows}[0] == 0;

	# what is in scope may depend on a column that is not written
	return if $results->{again}[0] eq '55000' && defined $case->{flags}{scope};
	check_fields($failures, 'second run', [ @{ $results->{again} }[ 0, 2 .. 5 ] ],
		'00000', 0, 0, 0, $results->{rows}[0]);
	my $before = $results->{after_again}[3];
	check_fields($failures, 'after second run', $results->{after_again}, 0, 0, $before, $before, $before, 0);
}

sub check_hashes
{
	my ($case, $results, $failures) = @_;
	my ($first, @others) = @{ $results->{settings_seen} // [] };

	check_fields($failures, 'hashes', $results->{hashes}, 0, 0);
	push @$failures, 'hashes: they depend on settings'
	  if grep { $_ ne $first } @others;
	check_fields($failures, 'verify', $results->{verify}, 0)
	  if $results->{verify};
}

# What went wrong, as lines of text; and the SQLSTATE of the sync
sub judge
{
	my ($case, $output) = @_;
	my $results = results_of($output);
	my @failures = accidents($output);

	return ([ @failures, 'the script did not end' ], 'lost') if !$results->{end};
	return (\@failures, 'setup') if grep { !$results->{$_} } qw(rows expected after_again);
	my ($must, $may) = reasons($case, $results);
	my @resolve = ($must->{resolve}, $must->{define} // {});
	my @read = (@resolve, $must->{read});
	my %lenient = (%$may, %{ $must->{define} // {} }, %{ $must->{guard} });

	return (\@failures, 'unknown') if $may->{unknown};
	check_state(\@failures, 'explain', $results->{explain}[0], { %$may, 42804 => 1 }, @resolve);
	foreach my $method (qw(auto encoded join))
	{
		check_state(\@failures, "diff ($method)", $results->{"diff $method"}[0], \%lenient,
			$must->{resolve}, $must->{read})
		  and check_fields(\@failures, "diff ($method), rows", $results->{"differences $method"}, 0, 0);
	}
	my $first = $case->{flags}{log} ? 'logged' : 'sync';
	my $state = $results->{$first}[0];
	check_state(\@failures, 'dry run', $results->{dry}[0], { %$may, %{ $must->{write} } }, @read, $must->{guard});
	if (check_state(\@failures, $first, $state, $may, @read, $must->{guard}, $must->{write}))
	{
		check_runs($case, $results, \@failures);
		check_again($case, $results, \@failures);
		check_hashes($case, $results, \@failures);
	}
	elsif (!@failures)
	{
		my ($missing, $more, undef, $before) = @{ $results->{after_again} };
		check_fields(\@failures, 'after a run that failed', $results->{after_again},
			$missing, $more, $before, $before, $before);
	}
	return (\@failures, $state);
}

1;
