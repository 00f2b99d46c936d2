#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A writer whose every step is known, and the judge of what a crash has left of it.
#
#   writer.pl write DIR JOURNAL     steps without end; JOURNAL gets the number of steps that an fsync has covered
#   writer.pl judge DIR JOURNAL     prints how many steps DIR shows: 0 when it is exactly the state after some number of
#                                   steps, at or behind the last in JOURNAL
#
# Step n belongs to round k = n / 5: make fk, write it, overwrite a slot of `data`, rename fk to gk, remove g(k-5).
use strict;
use warnings;
use Fcntl;
use IO::Handle;

use constant { SLOTS => 16, SLOT_BYTES => 4096, KEPT => 5, SYNC_EVERY => 13 };

my ($what, $dir, $journal) = @ARGV;

sub contents { my ($k) = @_; return "file $k\n" x (1 + $k % 700) }
sub slot { my ($k) = @_; return pack('A' . SLOT_BYTES, "slot written in round $k") }

sub file
{
	my ($name, $flags) = @_;

	sysopen(my $f, "$dir/$name", $flags, 0644) or die "$name: $!\n";
	return $f;
}

sub put
{
	my ($f, $at, $bytes) = @_;

	sysseek($f, $at, 0);
	syswrite($f, $bytes) == length($bytes) or die "short write: $!\n";
}

sub step
{
	my ($n) = @_;
	my ($k, $i) = (int($n / 5), $n % 5);

	file("f$k", O_WRONLY | O_CREAT | O_EXCL) if $i == 0;
	put(file("f$k", O_WRONLY), 0, contents($k)) if $i == 1;
	put(file('data', O_WRONLY), $k % SLOTS * SLOT_BYTES, slot($k)) if $i == 2;
	rename("$dir/f$k", "$dir/g$k") or die "rename: $!\n" if $i == 3;
	if ($i == 4 && $k >= KEPT) {
		unlink("$dir/g" . ($k - KEPT)) or die "unlink: $!\n";
	}
}

sub writer
{
	sysopen(my $log, $journal, O_WRONLY | O_CREAT | O_TRUNC, 0644) or die "$journal: $!\n";
	my $data = file('data', O_RDWR | O_CREAT);
	truncate($data, SLOTS * SLOT_BYTES);
	$data->sync or die "fsync: $!\n";
	for (my $n = 0;; $n++) {
		step($n);
		next if $n % SYNC_EVERY;
		$data->sync or die "fsync: $!\n";
		put($log, 0, sprintf("%12d\n", $n + 1));
	}
}

# The names and sizes after n steps.
sub expected
{
	my ($n) = @_;
	my %files = (data => SLOTS * SLOT_BYTES);

	for (my $m = $n > 60 ? $n - 60 - $n % 5 : 0; $m < $n; $m++) {
		my ($k, $i) = (int($m / 5), $m % 5);
		$files{"f$k"} = 0 if $i == 0;
		$files{"f$k"} = length(contents($k)) if $i == 1;
		$files{"g$k"} = delete $files{"f$k"} if $i == 3 && exists $files{"f$k"};
		delete $files{'g' . ($k - KEPT)} if $i == 4;
	}
	return \%files;
}

sub slurp { my ($name) = @_; open(my $f, '<', "$dir/$name") or die "$name: $!\n"; local $/; return scalar <$f> }

sub same
{
	my ($n) = @_;
	my $files = expected($n);
	opendir(my $d, $dir) or die "$dir: $!\n";
	my @names = grep { !/^\.\.?$/ } readdir($d);

	return 0 unless @names == keys %$files;
	for my $name (@names) {
		return 0 unless exists $files->{$name} && -s "$dir/$name" == $files->{$name};
		return 0 if $name =~ /^[fg](\d+)$/ && $files->{$name} && slurp($name) ne contents($1);
	}
	my $data = slurp('data');
	my $rounds = $n <= 0 ? 0 : int(($n - 1) / 5) + ($n % 5 == 0 || $n % 5 >= 3 ? 1 : 0);
	for my $j (0 .. SLOTS - 1) {
		my $last = $rounds - 1 - ($rounds - 1 - $j) % SLOTS;
		my $want = $last < 0 || $rounds == 0 ? "\0" x SLOT_BYTES : slot($last);
		return 0 if substr($data, $j * SLOT_BYTES, SLOT_BYTES) ne $want;
	}
	return 1;
}

sub judge
{
	my $synced = 0 + slurp_journal();
	my $most = 0;

	# Killed before the writer's first fsync: then even DIR and `data` need not be there.
	if (!$synced && (!-d $dir || !-s "$dir/data")) {
		my @names = -d $dir ? map { s|.*/||r } glob("$dir/*") : ();
		print "not begun\n";
		exit(grep({ $_ ne 'data' } @names) ? 1 : 0);
	}
	opendir(my $d, $dir) or die "$dir: $!\n";
	for (readdir($d)) { $most = $1 if /^[fg](\d+)$/ && $1 > $most }
	my $from = $most > 0 ? $most * 5 - 5 : 0;
	for my $n (reverse($from .. $most * 5 + 10)) {
		next unless same($n);
		print "$n of at least $synced\n";
		exit($n >= $synced ? 0 : 1);
	}
	print "no number of steps gives this (about " . $most * 5 . ", at least $synced)\n";
	exit 1;
}

sub slurp_journal { open(my $f, '<', $journal) or return 0; my $line = <$f>; return $line // 0 }

$what eq 'write' ? writer() : judge();
