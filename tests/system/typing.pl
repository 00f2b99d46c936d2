#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Runs a command on a terminal of its own, as a person sits at it, and types what is asked for:
#
#	typing.pl [PROMPT ANSWER]… -- COMMAND…
#
# Waits until PROMPT (a part of it) is on the terminal, then types ANSWER and Enter; and so on. What the terminal has
# shown goes to standard output, and the command's exit code is ours; 97 when a prompt does not come in 60 s.
use strict;
use warnings;
use Fcntl;
use POSIX qw(setsid);

my (@turns, @command);
while (@ARGV && $ARGV[0] ne '--') { push @turns, [shift @ARGV, shift @ARGV] }
shift @ARGV;
@command = @ARGV or die "no command\n";

my ($unlock, $number) = (0x40045431, 0x80045430); # TIOCSPTLCK, TIOCGPTN
sysopen(my $terminal, '/dev/ptmx', O_RDWR | O_NOCTTY) or die "/dev/ptmx: $!\n";
my $n = pack('i', 0);
ioctl($terminal, $unlock, $n) or die "unlocking the terminal: $!\n";
ioctl($terminal, $number, $n) or die "the terminal's number: $!\n";
my $name = '/dev/pts/' . unpack('i', $n);

my $child = fork() // die "fork: $!\n";
if (!$child) {
	setsid();
	open(my $end, '+<', $name) or die "$name: $!\n"; # becomes the terminal of this session
	close($terminal);
	open(STDIN, '<&', $end) && open(STDOUT, '>&', $end) && open(STDERR, '>&', $end) or die "dup: $!\n";
	exec @command or die "$command[0]: $!\n";
}

my ($seen, $from) = ('', 0);
local $SIG{ALRM} = sub { print $seen; kill 'KILL', $child; exit 97 };
alarm 60;
while (1) {
	if (@turns && (my $at = index($seen, $turns[0][0], $from)) >= 0) {
		my $turn = shift @turns;
		$from = $at + length $turn->[0];
		syswrite($terminal, "$turn->[1]\n");
		next;
	}
	sysread($terminal, my $more, 4096) or last; # EIO: nobody has the other end any more
	$seen .= $more;
}
alarm 0;
waitpid($child, 0);
$seen =~ s/\r//g;
print $seen;
exit(@turns ? 97 : $? >> 8);
