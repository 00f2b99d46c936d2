#!/bin/bash
# SPDX-License-Identifier: MIT
# What a volume may have of a node: refused when it is used up, shown on both sides, raised while everything runs; and a
# node on a file system that is read-only.
. "$(dirname "$0")/lib.sh"
need_fuse

state() { hf status "$T/store" --json | tr -d '\n' | sed -n 's/.*"replicas".*"state": *"\([^"]*\)".*/\1/p'; }
trees() { (cd "$1" && find . -type f -not -path './.history/*' -exec sha256sum {} + | sort -k2); }
port=$(free_port)

mkdir "$T/disk" "$T/mnt" "$T/mnt2"
node=$T/disk/node
hf node init "$node" --listen "127.0.0.1:$port" > /dev/null && hf serve "$node" > /dev/null || bail "no node"
hf init "$T/store" --kit-file "$T/kit" --replica "$(hf node invite "$node")" > /dev/null || bail "no volume"
volume=$(hf status "$T/store" --json | json volume_id)
hf mount "$T/store" "$T/mnt" || bail "no mount"

# Budget
fails "a budget is a size" 2 "500G" hf node budget "$node" "$volume" much
fails "of a volume that is there" 2 "no volume" hf node budget "$node" 00000000000000000000000000000000 1M
fails "and all of it is said" 2 "something is missing" hf node budget "$node" "$volume"
try "a budget for a volume of a node that is served" hf node budget "$node" "$volume" 4M
try "and one for those that come later" hf node budget "$node" default 10G
hf node status "$node" > "$T/out"
try "its status says how much of it is used" grep -q "% of its budget of 4.0 MiB" "$T/out"
try "and what a new one gets" grep -q "a new volume may have 10 GiB" "$T/out"
for i in 1 2 3 4 5 6 7 8; do
	head -c 1000000 /dev/urandom > "$T/mnt/file$i"
	sync "$T/mnt/file$i"
done
eventually 30 eval '[ "$(state)" = full ]'
ok $? "used up, the store shows its replica as full" || diag "$(hf status "$T/store")"
hf status "$T/store" > "$T/out"
is $? 1 "a person must look: exit code 1"
try "with words that say what to do" grep -q "budget of 4194304 bytes.*holdfast node budget" "$T/out"
eventually 10 eval 'hf node status "$node" | grep -q "^ALARM .*budget, volume $volume"'
ok $? "the node raises an alarm"
try "of a budget that is used up" eval 'hf node status "$node" | grep -q "budget is used up"'
[ "$(du -sb "$node/volumes/$volume/log" | cut -f1)" -le $((4194304 + 8192)) ]
ok $? "and has taken no more than that"
try "the mount goes on" eval 'echo more > "$T/mnt/more" && sync "$T/mnt/more"'
hf node budget "$node" "$volume" 1M > "$T/out"
try "less than there is: that is said, and nothing is given up" grep -q "no more than it has now" "$T/out"
try "raised" hf node budget "$node" "$volume" 100M
eventually 60 eval '[ "$(state)" = current ]'
ok $? "the store catches up by itself" || diag "$(hf status "$T/store")"
try "all that the node has is whole, it says while it is served" eval 'hf node check "$node" "$volume" | grep -q "no fault"'
hf unmount "$T/mnt" > /dev/null
hf node acknowledge "$node" all > /dev/null

# Read-only
if [ "$(id -u)" -eq 0 ]; then
	stop_node "$node"
	mount --bind "$T/disk" "$T/disk" && mount -o remount,bind,ro "$T/disk" || bail "no read-only bind mount"
	"$HOLDFAST" serve "$node" -f > "$T/served" 2>&1 &
	server=$!
	trap 'kill "$server" 2> /dev/null; cleanup' EXIT # it has no pid file
	eventually 20 grep -q "^serving" "$T/served"
	ok $? "a node on a read-only file system serves" || diag "$(cat "$T/served")"
	try "and in its log what it does not do" grep -q "read-only file system.*takes nothing" "$T/served"
	try "its status says so too" eval 'hf node status "$node" | grep -q "^READ-ONLY"'
	hf mount "$T/store" "$T/mnt" || bail "no mount"
	echo again > "$T/mnt/again"
	eventually 30 eval '[ "$(state)" = full ]'
	ok $? "the store shows it as full" || diag "$(hf status "$T/store")"
	try "and why" eval 'hf status "$T/store" | grep -q "read-only"'
	trees "$T/mnt" | grep -v "/again" > "$T/live"
	url=$(hf status "$T/store" --json | sed -n 's/.*"url": *"\([^"]*\)".*/\1/p')
	hf unmount "$T/mnt" --timeout 0 > /dev/null
	hf recover --from "$url" --kit "$T/kit" "$T/back" > "$T/out" 2>&1
	is $? 0 "a recovery from it succeeds" || diag "$(cat "$T/out")"
	try "and says that the node was not told of the new epoch" grep -q "NOT TOLD" "$T/out"
	try "what came back is mounted" hf mount "$T/back" "$T/mnt2"
	trees "$T/mnt2" > "$T/files"
	try "and is all that it had" cmp "$T/live" "$T/files"
	hf unmount "$T/mnt2" > /dev/null
	kill "$server"
	wait "$server"
	is $? 0 "it ends as it should"
	trap cleanup EXIT
	mount -o remount,bind,rw "$T/disk"
	try "writable again, it serves" hf serve "$node"
	try "and is told of the new epoch, by invitation" hf replica add "$T/back" "$(hf node invite "$node" --volume "$volume")"
	hf mount "$T/back" "$T/mnt2"
	eventually 30 eval 'hf status "$T/back" --json | tr -d "\n" | grep -q "\"state\": *\"current\""'
	ok $? "so that it goes on with the recovered store" || diag "$(hf status "$T/back")"
	hf unmount "$T/mnt2" > /dev/null
	stop_node "$node"
	segment=$(echo "$node/volumes/$volume"/log/*1.seg)
	printf X | dd of="$segment" bs=1 seek=500000 conv=notrunc 2> /dev/null
	hf node check "$node" > "$T/out"
	is $? 1 "a byte that is wrong is found: exit code 1"
	try "and named" grep -q "volume $volume: .*segment 1" "$T/out"
	umount "$T/disk"
else
	ok 0 "a node on a read-only file system # SKIP needs root, to make one"
	stop_node "$node"
fi
done_testing
