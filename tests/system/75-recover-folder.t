#!/bin/bash
# SPDX-License-Identifier: MIT
# Recovered from a folder: is the old machine locked out there, and what is said of it when nobody was told?
. "$(dirname "$0")/lib.sh"
need_fuse

# mounted STORE: does it mount, take a file, and ship it? Prints the state of its replica.
mounted()
{
	hf mount "$1" "$T/at" || return
	echo "$1" > "$T/at/$(basename "$1")"; sync "$T/at"
	eventually 10 eval 'hf status "$T/at" --json | tr -d "\n" | grep -qE "\"state\": *\"(current|refused)\""'
	hf status "$T/at" --json | tr -d '\n' | sed -n 's/.*"replicas": .*"state": *"\([a-z ]*\)".*/\1/p'
	hf unmount "$T/at" --timeout 0 > /dev/null 2>&1
}

mkdir "$T/at"
hf init "$T/old" --kit-file "$T/kit" --replica "$T/disk" > /dev/null || bail "no volume"
volume=$(hf status "$T/old" --json | json volume_id)
is "$(mounted "$T/old")" current "a folder has it all"
cp -a "$T/old" "$T/copy"

# A folder replica is told at once.
hf recover --from "$T/disk" --kit "$T/kit" "$T/new" > "$T/out" 2>&1
is $? 0 "recovered from the folder" || diag "$(cat "$T/out")"
try "it says that the folder was told" grep -q 'epoch 2 has begun, and the folder was told.*Replication goes on' "$T/out"
is "$(mounted "$T/old")" refused "the old machine, which is quicker, is refused by it"
hf mount "$T/old" "$T/at" && echo again > "$T/at/again" && sync "$T/at"
fails "unmounting says that it refuses, and what to do" 0 "replica disk refuses this log: .*at the next mount either.*replica remove $T/old disk" \
	hf unmount "$T/at" --timeout 2
! grep -qE 'still lacks|it is sent' "$T/.err"
ok $? "and not that it is sent" || diag "$(cat "$T/.err")"
is "$(mounted "$T/new")" current "the recovered store ships to it"

# By the name of the volume's own folder, the same.
hf recover --from "$T/disk/$volume/" --kit "$T/kit" "$T/new3" > "$T/out" 2>&1
try "told as well by the volume's folder" grep -q 'epoch 3 has begun, and the folder was told' "$T/out"
is "$(mounted "$T/new")" refused "the store before is refused"
is "$(mounted "$T/new3")" current "and this one ships"

# While somebody writes to it, it is not told.
hf mount "$T/new3" "$T/at"
hf recover --from "$T/disk" --kit "$T/kit" "$T/new4" > "$T/out" 2>&1
is $? 0 "recovered while the old machine writes" || diag "$(cat "$T/out")"
try "that the folder was not told is said" grep -q 'epoch 4 has begun, BUT THE REPLICA WAS NOT TOLD' "$T/out"
try "and why" grep -q 'replicating into this folder' "$T/out"
is "$(hf status "$T/new4" --json | grep -c '"acked')" 0 "and the new store does not ship to where it would be refused"
hf unmount "$T/at" > /dev/null
try "it is added when that is over" hf replica add "$T/new4" "$T/disk"
is "$(mounted "$T/new4")" current "and ships"

# A store's own folder tells nobody.
hf recover --from "$T/copy" --kit "$T/kit" "$T/own" > "$T/out" 2>&1
is $? 0 "recovered from a store's folder" || diag "$(cat "$T/out")"
try "that no replica was told is said" grep -q 'BUT NO REPLICA WAS TOLD' "$T/out"
try "never that the key is dead, or that replication goes on" eval '! grep -qE "is dead|goes on from here" "$T/out"'
is "$(hf recover --from "$T/copy" --kit "$T/kit" "$T/own2" --json | grep -c "\"replica_not_told\": \".* is a store")" 1 "and to programs"

# What a node keeps is not written behind its back.
make_node node || bail "no node"
hf init "$T/n" --kit-file "$T/kit-n" --replica "$invitation" > /dev/null
is "$(mounted "$T/n")" current "a node has it all"
volume=$(hf status "$T/n" --json | json volume_id)
stop_node "$T/node"
before=$(cd "$T/node/volumes/$volume/log" && sha256sum -- *)
hf recover --from "$T/node/volumes" --kit "$T/kit-n" "$T/of-node" > "$T/out" 2>&1
is $? 0 "recovered from a node's folder" || diag "$(cat "$T/out")"
try "it says that nobody was told" grep -q 'BUT NO REPLICA WAS TOLD' "$T/out"
is "$(cd "$T/node/volumes/$volume/log" && sha256sum -- *)" "$before" "and left it as it was"
done_testing
