#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Manual pages from what is written once elsewhere, on standard output:
#
#	man.pl document FILE.md NAME SECTION VERSION   a document (FORMAT.md, PROTOCOL.md) as a page
#	man.pl command BINARY NAME VERSION             holdfast-NAME(1), from what BINARY NAME --help prints
#	man.pl overview BINARY FILE VERSION            FILE (holdfast.1.in) with the synopsis of every command put in where it
#	                                               says @SYNOPSIS@, the list of commands for @COMMANDS@, and @VERSION@
#	man.pl list BINARY                             the names of the commands, one a line
use strict;
use warnings;
use Encode;

binmode STDOUT, ':encoding(UTF-8)';
my ($mode, @args) = map { decode_utf8($_) } @ARGV;
my %pages = ('FORMAT.md' => 'holdfast-format(5)', 'PROTOCOL.md' => 'holdfast-protocol(7)');

# A paragraph begins; of the first in a section the heading has said so already.
my $fresh = 0;
sub paragraph { print ".PP\n" unless $fresh; $fresh = 0 }
sub heading { print @_; $fresh = 1 }

sub lines_of { map { my $s = decode_utf8($_); chomp $s; $s } @_ }
sub run { open my $f, '-|', @_ or die "$_[0]: $!\n"; my @l = lines_of(<$f>); close $f or die "@_ failed\n"; @l }

# Text as roff: what is special in it is not any more. With literal also minus signs, which are to be pasted.
sub plain
{
	my ($s, $literal) = @_;

	$s =~ s/\\/\\e/g;
	$s =~ s/-/\\-/g if $literal;
	$s =~ s/(?<![\w\\-])(--?[a-z][a-z-]*)/$1 =~ s,-,\\-,gr/ge; # options, wherever they are named
	$s =~ s/^([.'])/\\&$1/mg;
	return $s;
}

sub page_of { my $p = $pages{$_[0]}; $p =~ s/^(.*)(\(\d\))$/'\fB' . plain($1, 1) . '\fR' . $2/e; $p }

# The marks within a paragraph: `literal`, **strong**, *emphasis*, [text](target).
sub inline
{
	my ($s) = @_;
	my $out = '';

	for my $part (split /(`[^`]+`)/, $s) {
		if ($part =~ /^`(.+)`$/) {
			my $text = plain($1, 1);

			$text =~ s/([,;&\/])(?=\S)/$1\\:/g if length $1 > 30; # where a long one may be broken
			$out .= "\\fB$text\\fR";
			next;
		}
		$part =~ s/\[([^\]]+)\]\(([^)]+)\)/$1 eq $2 ? $1 : "$1 ($2)"/ge;
		$part = plain($part);
		$part =~ s/\*\*([^*]+)\*\*/\\fB$1\\fR/g;
		$part =~ s/(?<![\w*])\*(\w[^*]*)\*(?!\w)/\\fI$1\\fR/g;
		$part =~ s/\b(FORMAT\.md|PROTOCOL\.md)\b/page_of($1)/ge;
		$part =~ s/(?<!docs\/)\b(ALARMS\.md)\b/docs\/$1/g;
		$out .= $part;
	}
	$out =~ s/^([.'])/\\&$1/mg;
	return $out;
}

sub literal
{
	my @l = @_;

	shift @l while @l && $l[0] eq '';
	pop @l while @l && $l[-1] eq '';
	return unless @l;
	paragraph();
	print ".RS 4\n.nf\n", (map { ($_ eq '' ? '\&' : plain($_, 1)) . "\n" } @l), ".fi\n.RE\n";
}

sub cells { my ($row) = @_; $row =~ s/^\|\s*|\s*\|$//g; map { s/^\s+|\s+$//gr } split /\s*(?<!\\)\|\s*/, $row, -1 }

# How many columns a cell takes as printed, and its longest word.
sub widths { my $t = $_[0] =~ s/[`*]//gr; my $word = 0; for (split ' ', $t) { $word = length if length > $word } (length $t, $word) }

# Every column but the last is as wide as what is in it, up to a limit; the last takes what is left. What does not fit on
# a terminal so is a list.
sub table
{
	my ($head, @rows) = map { [ cells($_) ] } grep { !/^\|[-:| ]+\|$/ } @_;
	my $columns = @$head;
	my (@width, @word);

	for my $row ($head, @rows) {
		for my $i (0 .. $columns - 1) {
			my ($len, $word) = widths($row->[$i] // '');

			$width[$i] = $len if $len > ($width[$i] // 1);
			$word[$i] = $word if $word > ($word[$i] // 0);
		}
	}
	my ($all, $limit) = (0, $columns > 3 ? 18 : 26);
	for my $i (0 .. $columns - 1) {
		$width[$i] = $limit if ($width[$i] //= 1) > $limit;
		$width[$i] = $word[$i] if ($word[$i] // 0) > $width[$i];
		$all += ($i < $columns - 1 ? $width[$i] : $word[$i] // 1) + 3;
	}
	if ($all > 66) {
		$fresh = 0;
		for my $row ($head, @rows) {
			my @rest = map { inline($row->[$_] // '') } 1 .. $columns - 1;

			if ($row == $head) {
				print ".TP\n\\fI", inline($head->[0]), "\\fR\n\\fI", join(";\n", @rest), "\\fR\n";
				next;
			}
			print ".TP\n", inline($row->[0]) || '\&', "\n", join("\n.br\n", grep { $_ ne '' } @rest) || '\&', "\n";
		}
		return;
	}
	paragraph();
	print ".TS\nnokeep;\n", join(' ', (map { "lw($width[$_]n)" } 0 .. $columns - 2), 'lx'), ".\n";
	for my $row ($head, @rows) {
		my @out;

		for my $i (0 .. $columns - 1) {
			my $text = inline($row->[$i] // '');

			$text = "\\fI$text\\fR" if $row == $head && $text ne '' && $text !~ /\\f/;
			push @out, $text eq '' ? '' : "T{\n$text\nT}";
		}
		print join("\t", @out), "\n";
	}
	print ".TE\n";
}

sub title { my ($name, $section, $version) = @_; print ".TH ", uc plain($name, 1), " $section \"\" \"holdfast $version\" \"holdfast manual\"\n.ad l\n.nh\n" }

sub document
{
	my ($file, $name, $section, $version) = @_;
	my (@block, $kind);

	open my $f, '<', $file or die "$file: $!\n";
	my @lines = lines_of(<$f>);
	my $flush = sub {
		if (@block) {
			if ($kind eq 'table') { table(@block) }
			elsif ($kind eq 'literal') { literal(@block) }
			elsif ($kind eq 'item') {
				my $text = join "\n", map { s/^\s+//r } @block;

				$text =~ s/^(-|\d+\.)\s+//;
				$fresh = 0;
				print $1 eq '-' ? ".IP \\(bu 3\n" : ".IP $1 4\n", inline($text), "\n";
			} else { paragraph(); print inline(join "\n", @block), "\n" }
		}
		@block = ();
		$kind = '';
	};
	$kind = '';
	print "'\\\" t\n";
	title($name, $section, $version);
	my $fence = 0;
	for (@lines) {
		if (/^```/) {
			$flush->();
			$fence = !$fence;
			$kind = 'literal' if $fence;
		} elsif ($fence) { push @block, $_ }
		elsif (/^# (.*)/) { print ".SH NAME\n", plain($name, 1), " \\- ", inline($1), "\n"; heading(".SH DESCRIPTION\n") }
		elsif (/^(##+) (.*)/) { $flush->(); heading(length $1 == 2 ? '.SH ' : '.SS ', inline($2) =~ s/"/\\(dq/gr, "\n") }
		elsif (/^\|/) { $flush->() if $kind ne 'table'; $kind = 'table'; push @block, $_ }
		elsif (/^    / && $kind ne 'item' && $kind ne 'text') { $flush->() if $kind ne 'literal'; $kind = 'literal'; push @block, substr $_, 4 }
		elsif (/^$/) { if ($kind eq 'literal') { push @block, '' } else { $flush->() } }
		elsif (/^(-|\d+\.)\s/) { $flush->(); $kind = 'item'; push @block, $_ }
		elsif ($kind eq 'item' && /^\s/) { push @block, $_ }
		else { $flush->() if $kind ne 'text'; $kind = 'text'; push @block, $_ }
	}
	$flush->();
	print ".SH SEE ALSO\n", join(",\n", map { page_of($_) } sort grep { $pages{$_} ne "$name($section)" } keys %pages), ",\n\\fBholdfast\\fR(1)\n";
}

# --- what --help prints

sub help_blocks { my @blocks = ([]); for (@_) { if ($_ eq '') { push @blocks, [] } else { push @{ $blocks[-1] }, $_ } } grep { @$_ } @blocks }

# "holdfast node init DIR [--listen HOST:PORT]": names bold, what stands for something in italics.
sub synopsis
{
	for (@_) {
		my $s = plain($_, 1);

		$s =~ s/([A-Z]{1,}[A-Z:]*)(?![\w])/\\fI$1\\fR/g;
		$s =~ s/^(holdfast(?: [a-z][a-z\\-]*)+)/\\fB$1\\fR/;
		$s =~ s/(?<![\w\\-])((?:\\-){1,2}[a-z][a-z\\-]*)/\\fB$1\\fR/g;
		print "$s\n";
	}
}

# Where the texts of a list begin: the column that most of its items agree on.
sub text_column
{
	my (%votes, %others);

	for (@_) {
		if (/^  \S/) { $votes{ $+[0] - 1 }++ if /^  \S.*?\s{2,}\S/ }
		elsif (/^(\s+)\S/) { $others{ length $1 }++ }
	}
	%votes = %others unless %votes;
	return (sort { $votes{$b} <=> $votes{$a} || $a <=> $b } keys %votes)[0] // 0;
}

sub list
{
	my @lines = @_;
	my $column = text_column(@lines);
	my @items;

	# several columns, or none: as it stands
	return literal(map { substr $_, 2 } @lines) if !$column || grep { /^  \S+ .*\S {3,}\S.* {3,}\S/ } @lines;
	for (@lines) {
		if (/^  \S/) {
			my $split = length > $column && substr($_, $column - 1, 1) eq ' ' && substr($_, $column, 1) ne ' ';

			push @items, $split ? [ substr($_, 2, $column - 2), substr $_, $column ] : [ substr $_, 2 ];
		} elsif (@items) {
			push @{ $items[-1] }, length > $column ? substr $_, $column : s/^\s+//r;
		}
	}
	$fresh = 0;
	for (@items) {
		my ($term, @text) = @$_;
		my $kept = grep { /^\s/ } @text;

		$term = plain($term =~ s/\s+$//r, 1);
		print ".TP\n\\fB$term\\fR\n";
		print ".nf\n" if $kept;
		print map { ($_ eq '' ? '\&' : plain($_)) . "\n" } @text ? @text : ('');
		print ".fi\n" if $kept;
	}
}

sub command
{
	my ($binary, $name, $version) = @_;
	my @blocks = help_blocks(run($binary, $name, '--help'));
	my ($summary) = map { /^  \Q$name\E\s+(.*)/ ? $1 : () } run($binary, '--help');
	my @examples;

	die "$name is not a command\n" unless defined $summary;
	title("holdfast-$name", 1, $version);
	print ".SH NAME\nholdfast\\-", plain($name, 1), " \\- ", plain($summary), "\n.SH SYNOPSIS\n.nf\n";
	synopsis(@{ shift @blocks });
	print ".fi\n";
	heading(".SH DESCRIPTION\n");
	for my $block (@blocks) {
		if ($block->[0] =~ /^  (holdfast|mount) /) { push @examples, @$block }
		elsif ($block->[0] =~ /^  /) { list(@$block) }
		else {
			my @text = grep { /^\S/ } @$block;
			my @rest = grep { /^\s/ } @$block;

			paragraph();
			print map { plain($_) . "\n" } @text;
			list(@rest) if @rest;
		}
	}
	if (@examples) {
		print ".SH EXAMPLES\n.nf\n", (map { plain(substr($_, 2), 1) . "\n" } @examples), ".fi\n";
	}
	print ".SH EXIT STATUS\n0: fine. 1: found something. 2: could not; one line on stderr says why.\n",
		".SH SEE ALSO\n\\fBholdfast\\fR(1), which says what a \\fIMOMENT\\fR can be\n";
}

sub names_of { map { /^  ([a-z][a-z-]*)  +\S/ ? $1 : () } run($_[0], '--help') }

sub overview
{
	my ($binary, $file, $version) = @_;
	my @names = names_of($binary);

	open my $f, '<', $file or die "$file: $!\n";
	for (lines_of(<$f>)) {
		if ($_ eq '@SYNOPSIS@') {
			synopsis(@{ (help_blocks(run($binary, $_, '--help')))[0] }) for @names;
		} elsif ($_ eq '@COMMANDS@') {
			for (run($binary, '--help')) {
				print ".TP\n\\fBholdfast\\-", plain($1, 1), "\\fR(1)\n", plain($2), "\n" if /^  ([a-z][a-z-]*)  +(\S.*)/;
			}
		} else { print s/\@VERSION\@/$version/gr, "\n" }
	}
}

my %modes = (document => [ \&document, 4 ], command => [ \&command, 3 ], overview => [ \&overview, 3 ],
	list => [ sub { print map { "$_\n" } names_of(@_) }, 1 ]);
die "see the beginning of $0\n" unless $mode && $modes{$mode} && @args == $modes{$mode}[1];
$modes{$mode}[0]->(@args);
