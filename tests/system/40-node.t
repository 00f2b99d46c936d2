#!/bin/bash
# SPDX-License-Identifier: MIT
# A node that is killed while it takes appends, one that is full, and a store whose keys were stolen.
. "$(dirname "$0")/lib.sh"
need_fuse

state() { hf status "$T/store" --json | tr -d '\n' | sed -n 's/.*"replicas".*"state": *"\([^"]*\)".*/\1/p'; }
trees() { (cd "$1" && find . -type f -not -path './.history/*' -exec sha256sum {} + | sort -k2); }

node=$T/node
try "a node at a port that stays" hf node init "$node" --listen "127.0.0.1:$(free_port)"
try "it serves" hf serve "$node"
invitation=$(hf node invite "$node")
mkdir "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" > /dev/null
try "a store ships to it" hf replica add "$T/store" "$invitation"
try "and is mounted" hf mount "$T/store" "$T/mnt"

# Killed at any instant, it starts again with what it acknowledged, and the rest comes.
( i=0; while [ ! -e "$T/enough" ]; do
	i=$((i + 1)); head -c $((RANDOM * 20)) /dev/urandom > "$T/mnt/file$((i % 40))"; sync "$T/mnt/file$((i % 40))"
done ) &
writer=$!
starts=0
for _ in 1 2 3 4 5 6; do
	sleep 0.$((RANDOM % 7 + 2))
	pid=$(cat "$node/pid")
	kill -9 "$pid"
	eventually 10 eval "! kill -0 $pid"
	hf serve "$node" > "$T/out" 2>&1 && starts=$((starts + 1)) || diag "$(cat "$T/out")"
done
touch "$T/enough"
wait "$writer"
is "$starts" 6 "killed six times while it was written to, the node starts each time"
eventually 60 eval '[ "$(state)" = current ]'
ok $? "and gets everything in the end" || diag "$(hf status "$T/store")"
is "$(find "$node/evidence" -type f | wc -l)" 0 "nothing it was sent was out of place"
trees "$T/mnt" > "$T/live"

# Root on the primary destroys everything, but keeps what it stole.
cp -a "$T/store" "$T/stolen"
hf unmount "$T/mnt" > /dev/null
rm -rf "$T/store"
try "recovery from the node and the kit alone" hf recover --from "$(hf node invite "$node" --volume "$(
	hf status "$T/stolen" --json | json volume_id)")" --kit "$T/kit" "$T/store"
try "mounted" hf mount "$T/store" "$T/mnt"
trees "$T/mnt" > "$T/back"
try "every file is there, to the byte" cmp "$T/live" "$T/back"
rm -f "$T/stolen/lock" "$T/stolen/socket"
mkdir "$T/mnt2"
try "the thief mounts the stolen store" hf mount "$T/stolen" "$T/mnt2"
echo forged > "$T/mnt2/file1"
sync "$T/mnt2/file1"
eventually 30 eval 'hf status "$T/stolen" | grep -qi "epoch over"'
ok $? "the node refuses it, and says why" || diag "$(hf status "$T/stolen")"
eventually 30 eval '[ "$(state)" = current ]'
ok $? "and goes on with the new one"
hf unmount "$T/mnt2" --timeout 1 > /dev/null 2>&1
hf unmount "$T/mnt" > /dev/null

# Full: it refuses, keeps what it has, and goes on when there is room.
if [ "$(id -u)" -eq 0 ]; then
	mkdir "$T/small"
	mount -t tmpfs -o size=3m none "$T/small" || skip_all "no tmpfs"
	hf node init "$T/small/node" --listen "127.0.0.1:$(free_port)" > /dev/null
	hf serve "$T/small/node" > /dev/null
	hf replica add "$T/store" "$(hf node invite "$T/small/node" --volume "$(hf status "$T/store" --json |
		json volume_id)")" --name small > /dev/null 2>&1 ||
		hf replica add "$T/store" "$(hf node invite "$T/small/node")" --name small > /dev/null
	hf mount "$T/store" "$T/mnt"
	head -c 5000000 /dev/urandom > "$T/mnt/large"
	sync "$T/mnt/large"
	eventually 30 eval 'hf status "$T/store" | grep -qi "no room"'
	ok $? "a full node says so" || diag "$(hf status "$T/store")"
	try "and the mount goes on" eval 'echo more > "$T/mnt/more" && sync "$T/mnt/more"'
	mount -o remount,size=200m "$T/small"
	eventually 60 eval '! hf status "$T/store" --json | tr -d "\n" | grep -q unreachable'
	ok $? "with room again, it goes on where it was" || diag "$(hf status "$T/store")"
	hf unmount "$T/mnt" > /dev/null
	stop_node "$T/small/node"
	umount "$T/small"
fi
done_testing
