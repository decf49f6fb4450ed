# A proxy on the loopback interface that counts what a connection carries.
package DeltaetlProxy;

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use POSIX ();

# Listen on a free port, in a process of its own, for connections to another
# port or, where that is a path, to a socket.  What has come back from the
# server, and what has gone to it, is kept in a file.
sub new
{
	my ($class, $host, $port, $file) = @_;
	my $listener = IO::Socket::INET->new(
		Listen => 16,
		LocalAddr => '127.0.0.1',
		ReuseAddr => 1) or die "could not listen: $!";
	my $self = bless { port => $listener->sockport, file => $file }, $class;

	$self->reset;
	$self->{pid} = fork() // die "could not fork: $!";
	if ($self->{pid} == 0)
	{
		local $SIG{TERM} = sub { POSIX::_exit(0) };
		eval { serve($listener, $host, $port, $file) };
		POSIX::_exit(1);
	}
	close $listener;
	return $self;
}

sub port { return $_[0]{port} }

sub upstream
{
	my ($host, $port) = @_;

	return IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port)
	  unless $host =~ m!^/!;
	require IO::Socket::UNIX;
	return IO::Socket::UNIX->new(Peer => "$host/.s.PGSQL.$port");
}

# Bytes are in the file before they are passed on, so that whoever has an answer
# finds it counted.
sub serve
{
	my ($listener, $host, $port, $file) = @_;
	my $select = IO::Select->new($listener);
	my (%peer, %comes_back);

	while (1)
	{
		foreach my $socket ($select->can_read)
		{
			if ($socket == $listener)
			{
				my $client = $listener->accept or next;
				my $server = upstream($host, $port);

				if (!$server)
				{
					close $client;
					next;
				}
				$client->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
				$server->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1) if $host !~ m!^/!;

				$peer{$client} = $server;
				$peer{$server} = $client;
				$comes_back{$server} = 1;
				$select->add($client, $server);
				next;
			}
			next unless exists $peer{$socket};

			my $bytes = sysread($socket, my $data, 65536);
			my $peer = $peer{$socket};

			if (!$bytes)
			{
				$select->remove($socket, $peer);
				delete @peer{ $socket, $peer };
				delete @comes_back{ $socket, $peer };
				close $socket;
				close $peer;
				next;
			}
			note($file, $comes_back{$socket} ? 'received' : 'sent', $bytes);
			for (my $done = 0; $done < $bytes;)
			{
				$done += syswrite($peer, $data, $bytes - $done, $done) // last;
			}
		}
	}
}

sub note
{
	my ($file, $direction, $bytes) = @_;

	open my $out, '>>', $file or die "could not write to $file: $!";
	syswrite $out, "$direction $bytes\n";
	close $out;
}

# Count from here on.
sub reset
{
	my ($self) = @_;

	open my $out, '>', $self->{file} or die "could not write to $self->{file}: $!";
	close $out;
}

# Bytes received from the server, and sent to it.
sub counts
{
	my ($self) = @_;
	my %count = (received => 0, sent => 0);

	open my $in, '<', $self->{file} or die "could not read $self->{file}: $!";
	while (<$in>)
	{
		$count{$1} += $2 if /^(\w+) (\d+)$/;
	}
	close $in;
	return @count{ 'received', 'sent' };
}

sub bytes
{
	my ($received, $sent) = $_[0]->counts;

	return $received + $sent;
}

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
}

sub DESTROY { local $?; $_[0]->stop }

1;
