#!/bin/bash
# SPDX-License-Identifier: MIT
# The mount is killed while a writer is at work: what comes back is exactly what the writer had done at some moment, at or
# behind its last fsync. HF_ROUNDS=50 for the long target.
. "$(dirname "$0")/lib.sh"
need_fuse

rounds=${HF_ROUNDS:-5}
make_node node || bail "no node"
mkdir -p "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" --replica "$invitation" > /dev/null || bail "no volume"

for round in $(seq "$rounds"); do
	hf mount "$T/store" "$T/mnt" || bail "it does not mount in round $round"
	mkdir "$T/mnt/$round"
	perl "$TOP/tests/system/writer.pl" write "$T/mnt/$round" "$T/journal.$round" 2> /dev/null &
	writer=$!
	sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
	kill -9 "$(hf status "$T/store" --json | json pid)"
	wait "$writer" 2> /dev/null
	hf mount "$T/store" "$T/mnt" || bail "it does not mount after the kill in round $round"
	try "round $round: a prefix with all that was synced" perl "$TOP/tests/system/writer.pl" judge "$T/mnt/$round" "$T/journal.$round"
	hf unmount "$T/mnt" > /dev/null || bail "it does not unmount"
done
try "no fault in the store" hf check "$T/store"

hf mount "$T/store" "$T/mnt" || bail "it does not mount"
seen=0
for round in $(seq "$rounds"); do
	perl "$TOP/tests/system/writer.pl" judge "$T/mnt/$round" "$T/journal.$round" > "$T/.out" && seen=$((seen + 1))
done
is "$seen" "$rounds" "what earlier rounds left has stayed as it was"
find "$T/mnt" -type f -exec sha256sum {} + | sed "s|$T/mnt||" | sort > "$T/live"
hf unmount "$T/mnt" > /dev/null

rm -rf "$T/store/index"
hf mount "$T/store" "$T/mnt" || bail "it does not mount without an index"
find "$T/mnt" -type f -exec sha256sum {} + | sed "s|$T/mnt||" | sort | cmp -s - "$T/live"
ok $? "an index that was deleted is built again, and says the same"
caught_up() { [ "$(hf status "$T/mnt" --json | json state)" = current ]; }
eventually 30 caught_up
ok $? "the replica has everything in the end" || diag "$(hf status "$T/mnt")"
hf unmount "$T/mnt" > /dev/null

kill "$(cat "$T/node/pid")"
try "from the replica and the kit" hf serve "$T/node"
invitation=$(hf node invite "$T/node" --volume "$(hf status "$T/store" --json | json volume_id)")
rm -rf "$T/store"
try "it is recovered" hf recover --from "$invitation" --kit "$T/kit" "$T/again"
hf mount "$T/again" "$T/mnt" || bail "what was recovered does not mount"
find "$T/mnt" -type f -exec sha256sum {} + | sed "s|$T/mnt||" | sort | cmp -s - "$T/live"
ok $? "with every file of every round"
hf unmount "$T/mnt" > /dev/null
done_testing
