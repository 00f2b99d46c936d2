#!/bin/bash
# SPDX-License-Identifier: MIT
# Mount and node are killed at any instants, at once or one by one, while a writer is at work: whatever the node has is the
# beginning of the log, to the byte; in the end it is all of it. HF_ROUNDS=50 for the long target.
. "$(dirname "$0")/lib.sh"
need_fuse

rounds=${HF_ROUNDS:-5}
port=$(free_port)
hf node init "$T/node" --listen "127.0.0.1:$port" > /dev/null && hf serve "$T/node" > /dev/null || bail "no node"
mkdir "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" --replica "$(hf node invite "$T/node")" > /dev/null || bail "no volume"
hf replica add "$T/store" "$T/copy" --name copy > /dev/null || bail "no second replica"
volume=$(hf status "$T/store" --json | json volume_id)

# The committed bytes of the segments in $1 are where those of the log begin: those that follow are zeros, of a file laid out ahead.
is_prefix()
{
	perl -e '
		my ($copy, $log) = @ARGV;
		my @names = sort map { s{.*/}{}r } glob("$copy/*.seg");
		for my $name (@names) {
			local $/;
			open(my $a, "<:raw", "$copy/$name") or die "$name: $!\n";
			open(my $b, "<:raw", "$log/$name") or die "the log has no $name\n";
			my ($x, $y) = (scalar <$a>, scalar <$b>);
			$x =~ s/\0+\z//;
			die "$name differs\n" if $x ne substr($y, 0, length $x);
			die "$name is not whole, but another follows\n" if $name ne $names[-1] && length($x) < length($y =~ s/\0+\z//r);
		}
		@names > 0 or die "no segment in $copy\n";
		print scalar(@names), " segments\n"' "$1" "$2"
}
states() { hf status "$T/store" --json | tr -d '\n' | grep -o '"state": *"[a-z ]*"' | sort | uniq -c | tr -s ' '; }
died() { kill -9 "$1" 2> /dev/null; eventually 10 eval "! kill -0 $1"; }

for round in $(seq "$rounds"); do
	hf mount "$T/store" "$T/mnt" || bail "it does not mount in round $round"
	mkdir "$T/mnt/$round"
	(
		for i in $(seq 400); do
			head -c $((RANDOM * (1 + RANDOM % 20))) /dev/urandom > "$T/mnt/$round/$((i % 50))" || exit
			[ $((i % 3)) -eq 0 ] && sync "$T/mnt/$round/$((i % 50))"
		done
	) 2> /dev/null &
	writer=$!
	sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
	pid=$(hf status "$T/store" --json | json pid)
	case $((round % 3)) in
	0) died "$(cat "$T/node/pid")"; sleep "0.$((RANDOM % 5))"; died "$pid" ;;
	1) died "$pid" ;;
	2) died "$pid"; died "$(cat "$T/node/pid")" ;;
	esac
	wait "$writer" 2> /dev/null
	if ! kill -0 "$(cat "$T/node/pid" 2> /dev/null)" 2> /dev/null; then
		try "round $round: the node starts again" hf serve "$T/node"
	fi
	try "round $round: the node has the beginning of the log" is_prefix "$T/node/volumes/$volume/log" "$T/store/log"
	try "round $round: so has the folder" is_prefix "$T/copy/$volume/log" "$T/store/log"
done

hf mount "$T/store" "$T/mnt" || bail "it does not mount at last"
eventually 60 eval '[ "$(states)" = "$(printf " 2 \"state\": \"current\"")" ]'
ok $? "both get the rest" || diag "$(hf status "$T/store")"
find "$T/mnt" -type f -exec sha256sum {} + | sed "s|$T/mnt||" | sort > "$T/live"
hf unmount "$T/mnt" > /dev/null
for copy in "$T/node/volumes/$volume/log" "$T/copy/$volume/log"; do
	try "${copy#"$T/"} has the beginning of the log" is_prefix "$copy" "$T/store/log"
	try "and the log has no more than that" is_prefix "$T/store/log" "$copy"
done
is "$(find "$T/node/evidence" -type f | wc -l)" 0 "nothing out of place was ever sent"
try "no fault in the store" hf check "$T/store"
tid=$(hf status "$T/store" --json | json head_tid)
is "$(hf status "$T/store" | grep -o 'acknowledged to tid-[^ ]*' | sort -u)" "acknowledged to tid-$tid," \
	"what is acknowledged is printed as a moment is written"
is "$(hf node status "$T/node" | grep -o 'to tid-[^ ]*')" "to tid-$tid," "so it is on the node"

for from in "$(hf node invite "$T/node" --volume "$volume")" "$T/copy"; do
	try "recovered from $([ "$from" = "$T/copy" ] && echo the folder || echo the node)" hf recover --from "$from" --kit "$T/kit" "$T/new"
	hf mount "$T/new" "$T/mnt" -o ro || bail "it does not mount"
	find "$T/mnt" -type f -exec sha256sum {} + | sed "s|$T/mnt||" | sort | cmp -s - "$T/live"
	ok $? "with every file"
	hf unmount "$T/mnt" > /dev/null
	rm -rf "$T/new"
done
done_testing
