#!/bin/bash
# SPDX-License-Identifier: MIT
# Two nodes and a folder: one is killed and catches up, some come to an old volume and some go while it is mounted, one is put back
# to an older copy; and with sync=replica what an fsync acknowledged outlives the machine.
. "$(dirname "$0")/lib.sh"
need_fuse

# One value of the replica of this name: of NAME KEY
of()
{
	hf replica list "$T/store" --json | tr -d '\n' | sed 's/},/}\n/g' | grep "\"name\": \"$1\"" |
		sed -n 's/.*"'"$2"'": *"\{0,1\}\([^",}]*\)"\{0,1\}[,} ].*/\1/p' | sed 's/ *$//'
}
is_current() { [ "$(of "$1" state)" = current ] && [ "$(of "$1" lag_bytes)" = 0 ]; }
node() { hf node init "$T/$1" --listen "127.0.0.1:$(free_port)" > /dev/null && hf serve "$T/$1" > /dev/null; }
killed() { local pid; pid=$(cat "$T/$1/pid"); kill -9 "$pid"; eventually 10 eval "! kill -0 $pid"; }
log_of() { (cd "$1" && sha256sum -- *.seg); }
trees() { (cd "$1" && find . -type f -not -path './.history/*' -exec sha256sum {} + | sort -k2); }

node one && node two || bail "no nodes"
make_volume || bail "no volume"
volume=$(hf status "$T/store" --json | json volume_id)
mkdir "$T/mnt/old" && for i in $(seq 30); do head -c 100000 /dev/urandom > "$T/mnt/old/$i"; sync "$T/mnt/old/$i"; done

# Added to an old volume that is in use: the whole past goes there.
try "a node is added while mounted" hf replica add "$T/mnt" "$(hf node invite "$T/one")" --name one
try "another, too" hf replica add "$T/store" "$(hf node invite "$T/two")" --name two
(cd "$T" && hf replica add store disk --name disk > "$T/out" 2>&1)
ok $? "and a folder, named from where one is" || diag "$(cat "$T/out")"
fails "no name twice" 2 "already" hf replica add "$T/mnt" "$T/elsewhere" --name disk
for name in one two disk; do
	eventually 30 is_current $name
	ok $? "$name gets all of it" || diag "$(hf replica list "$T/store")"
done
is "$(log_of "$T/one/volumes/$volume/log")" "$(log_of "$T/two/volumes/$volume/log")" "both nodes have the same bytes"
is "$(log_of "$T/disk/$volume/log")" "$(log_of "$T/two/volumes/$volume/log")" "so has the folder"
rm -rf "$T/new"
try "the past is there too: recovered from the folder" hf recover --from "$T/disk" --kit "$T/kit" "$T/new"
is "$(hf status "$T/new" --json | json committed_tid)" "$(hf status "$T/store" --json | json committed_tid)" "to the last operation"
rm -rf "$T/new"

# One is killed: the others go on, and it catches up.
killed two
for i in $(seq 20); do head -c 50000 /dev/urandom > "$T/mnt/while-away-$i"; done
sync "$T/mnt/while-away-20"
eventually 30 eval '[ "$(of two state)" = unreachable ] && is_current one && is_current disk'
ok $? "with one killed, the others go on" || diag "$(hf replica list "$T/store")"
[ "$(of two lag_bytes)" -gt 1000000 ]
ok $? "how far that is behind is told" || diag "$(hf replica list "$T/store")"
[[ "$(of two failing_since)" = 20*Z ]]
ok $? "and since when" || diag "$(hf replica list "$T/store")"
try "it is served again" hf serve "$T/two"
eventually 40 is_current two
ok $? "and catches up" || diag "$(hf replica list "$T/store")"
is "$(log_of "$T/one/volumes/$volume/log")" "$(log_of "$T/two/volumes/$volume/log")" "to the byte"

# A limit.
try "a limit for one" hf replica limit "$T/mnt" two 20M
is "$(of two limit_bytes_s)" 20971520 "is told"
fails "no limit that never ends" 2 "too low" hf replica limit "$T/mnt" two 1K
fails "nor nonsense" 2 "500K" hf replica limit "$T/mnt" two fast
try "and taken off" hf replica limit "$T/mnt" two none
is "$(of two limit_bytes_s)" 0 "is told as well"

# Removed: it is not shipped to any more, and keeps what it has.
hf replica remove "$T/mnt" disk > "$T/out" 2>&1
ok $? "removed while mounted" || diag "$(cat "$T/out")"
grep -q "Nothing on it was removed" "$T/out"
ok $? "and says that nothing is gone" || diag "$(cat "$T/out")"
before=$(log_of "$T/disk/$volume/log")
echo after > "$T/mnt/after"; sync "$T/mnt/after"
eventually 30 eval 'is_current one && is_current two'
ok $? "the others get what comes then"
is "$(log_of "$T/disk/$volume/log")" "$before" "that one does not, and has what it had"
is "$(hf replica list "$T/store" --json | grep -c '"name"')" 2 "two are left"
fails "what is not there cannot be removed" 2 "no replica" hf replica remove "$T/mnt" disk

# A node is restored from an older copy of itself.
hf unmount "$T/mnt" > /dev/null
stop_node "$T/two"
cp -a "$T/two" "$T/two.old"
hf serve "$T/two" > /dev/null && hf mount "$T/store" "$T/mnt" || bail "it does not mount again"
head -c 300000 /dev/urandom > "$T/mnt/newer"; sync "$T/mnt/newer"
eventually 30 is_current two
had=$(of two acked_tid)
killed two
rm -rf "$T/two" && mv "$T/two.old" "$T/two" && rm -f "$T/two/pid"
try "a node is put back to an older copy" hf serve "$T/two"
eventually 40 eval '[[ "$(of two regressed)" = 20*Z ]]'
ok $? "that is noticed" || diag "$(hf replica list "$T/store")"
is "$(of two regressed_from_tid)" "$had" "with what it had signed for"
eventually 40 is_current two
ok $? "it gets again what it lacks" || diag "$(hf replica list "$T/store")"
is "$(log_of "$T/one/volumes/$volume/log")" "$(log_of "$T/two/volumes/$volume/log")" "to the byte"
hf status "$T/mnt" > "$T/out"
is $? 1 "status has a person look"
grep -q "WENT BACK" "$T/out"
ok $? "saying why" || diag "$(cat "$T/out")"
try "acknowledged" hf replica acknowledge "$T/mnt" two
try "and it is quiet" hf status "$T/mnt"

# sync=replica: more than there are is refused; with one away, one receipt comes and two do not.
hf unmount "$T/mnt" > /dev/null
fails "no more receipts than replicas" 2 "there are 2 replicas" hf mount "$T/store" "$T/mnt" -o sync=replica:3
fails "nor none" 2 "sync=replica" hf mount "$T/store" "$T/mnt" -o sync=replica:0
try "mounted with two receipts" hf mount "$T/store" "$T/mnt" -o sync=replica:2,replica-timeout=1
try "an fsync has them" eval 'echo a > "$T/mnt/synced" && sync "$T/mnt/synced"'
is "$(of one lag_bytes) $(of two lag_bytes)" "0 0" "nothing is missing anywhere when it returns"
fails "none of them can be removed" 2 "add another" hf replica remove "$T/mnt" two
killed two
echo b > "$T/mnt/synced"
fails "with one away, an fsync fails" 1 "Input/output error" sync "$T/mnt/synced"
is "$(cat "$T/mnt/synced")" b "what was written is there"
fails "so does a write with O_SYNC" 1 "Input/output error" dd if=/dev/zero of="$T/mnt/o_sync" bs=4k count=1 oflag=sync status=none
is "$(hf status "$T/mnt" --json | json head_tid)" "$(hf status "$T/mnt" --json | json committed_tid)" "and durable here"
hf status "$T/mnt" > "$T/out"
is $? 1 "status has a person look"
grep -q "only 1 of 2 receipts" "$T/out"
ok $? "saying why" || diag "$(cat "$T/out")"
hf serve "$T/two" > /dev/null
eventually 40 is_current two
try "when it is back, an fsync succeeds" sync "$T/mnt/synced"
try "and status is quiet" hf status "$T/mnt"

# An fsync that waits holds nobody else up, and ends when the replica is back.
hf unmount "$T/mnt" > /dev/null
killed two
hf mount "$T/store" "$T/mnt" -o sync=replica:2,replica-timeout=120 || bail "it does not mount"
echo c > "$T/mnt/synced"
for i in 1 2 3 4 5 6 7 8; do sync "$T/mnt/synced" 2> "$T/err$i" & waiting[i]=$!; done
try "others write and read meanwhile" eval 'echo d > "$T/mnt/other" && [ "$(cat "$T/mnt/other")" = d ] && ls "$T/mnt" && kill -0 ${waiting[1]}'
hf serve "$T/two" > /dev/null
code=0
for i in 1 2 3 4 5 6 7 8; do wait "${waiting[i]}" || code=1; done
ok $code "they succeed when it is back" || diag "$(cat "$T"/err?)"

# With one receipt of two, the machine is lost right behind each fsync: what was acknowledged is elsewhere.
hf unmount "$T/mnt" > /dev/null
killed two
hf mount "$T/store" "$T/mnt" -o sync=replica,commit=3600 || bail "it does not mount"
pid=$(hf status "$T/store" --json | json pid)
: > "$T/acknowledged"
( for i in $(seq 2000); do
	head -c $((RANDOM % 3000 + 1)) /dev/urandom > "$T/mnt/s$i" && sync "$T/mnt/s$i" || exit
	(cd "$T/mnt" && sha256sum "s$i") >> "$T/acknowledged" 2> /dev/null || exit
done ) 2> /dev/null &
writer=$!
eventually 30 eval '[ "$(wc -l < "$T/acknowledged")" -ge 20 ]'
kill -9 "$pid"
wait "$writer" 2> /dev/null
eventually 10 eval "! kill -0 $pid"
for dir in $(mounts_below); do fusermount3 -uz "$dir" 2> /dev/null || umount -l "$dir"; done
rm -rf "$T/store"
[ "$(wc -l < "$T/acknowledged")" -ge 20 ]
ok $? "writes were acknowledged before the machine was lost"
try "recovered from the one node" hf recover --from "$(hf node invite "$T/one" --volume "$volume")" --kit "$T/kit" "$T/store"
try "mounted" hf mount "$T/store" "$T/mnt"
(cd "$T/mnt" && sha256sum --quiet -c "$T/acknowledged") > "$T/out" 2>&1
ok $? "every write that an fsync acknowledged is there" || diag "$(tail -n 5 "$T/out")"
hf unmount "$T/mnt" > /dev/null

# At rest.
try "added at rest" hf replica add "$T/store" "$T/disk2" --name disk --limit 10M
is "$(of disk limit_bytes_s)" 10485760 "with its limit"
try "and a node that has never seen the epoch before" hf replica add "$T/store" "$(node three && hf node invite "$T/three")" --name three
hf mount "$T/store" "$T/mnt" || bail "it does not mount"
eventually 30 eval 'is_current three && is_current disk'
ok $? "both get the past of both epochs" || diag "$(hf replica list "$T/store")"
is "$(log_of "$T/three/volumes/$volume/log")" "$(log_of "$T/disk2/$volume/log")" "to the byte"
hf unmount "$T/mnt" > /dev/null
try "removed at rest, by its path" hf replica remove "$T/store" "$T/disk2"
done_testing
