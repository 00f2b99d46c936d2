#!/bin/bash
# SPDX-License-Identifier: MIT
# What it takes to let old contents go: the owner's list, a person on the node, and time; and that nothing goes before.
# How the time is counted is tested by tests/unit/test_prune, whose clock can be moved.
. "$(dirname "$0")/lib.sh"
need_fuse

node=$T/node list=$T/prune.list
cat > "$T/hook" << END
#!/bin/bash
printf '%s,%s,' "\$1" "\$2" >> "$T/told"
cat >> "$T/told"
END
chmod +x "$T/hook"
: > "$T/told"
hf node init "$node" --listen 127.0.0.1:0 --alarm-hook "$T/hook" > /dev/null || bail "no node"
hf serve "$node" > /dev/null || bail "the node does not serve"
mkdir "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" --replica "$(hf node invite "$node")" > /dev/null || bail "no volume"
volume=$(hf status "$T/store" --json | json volume_id)
hf mount "$T/store" "$T/mnt" || bail "no mount"

# A past worth it: a segment that has ended, most of it overwritten.
head -c 50331648 /dev/urandom > "$T/old"
head -c 33554432 /dev/urandom > "$T/new"
cp "$T/old" "$T/mnt/file"
sync "$T/mnt/file"
before=$(hf status "$T/mnt" --json | json head_tid)
cp "$T/new" "$T/mnt/file"
hf snapshot "$T/mnt" keep > /dev/null || bail "no snapshot"
hf unmount "$T/mnt" --timeout 60 > /dev/null || bail "not unmounted"
# The segment that is worth it: its bytes, and the room they take.
segment() { (cd "$node/volumes/$volume/log" && sync && stat -c '%s %b' 0000000001.seg && sha256sum 0000000001.seg); }
segment > "$T/before"
state() { hf node prune --list "$node" --json | json state; }

# The plan
fails "a plan wants the kit" 2 "kit KIT" hf prune plan "$T/store" --before keep
hf init "$T/other" --kit-file "$T/other.kit" > /dev/null
fails "and the right one" 2 "another volume" eval 'hf prune plan "$T/store" --before keep --kit "$T/other.kit" > "$list"'
fails "and a replica that there is" 2 "has no replica named nope; see holdfast replica list" eval 'hf prune plan "$T/store" --before keep --kit "$T/kit" --replica nope > "$list"'
fails "what every moment needs cannot go" 2 "nothing can go" eval 'hf prune plan "$T/store" --before "tid-$before" --kit "$T/kit" > "$list"'
try "what only moments before the snapshot need can" eval 'hf prune plan "$T/store" --before keep --kit "$T/kit" > "$list" 2> "$T/said"'
try "it says how much" grep -qE "4[0-9](\.[0-9])? MiB in .* frames" "$T/said"
hf mount "$T/store" "$T/mnt" || bail "no second mount"
try "the store itself keeps everything" cmp "$T/old" "$T/mnt/.history/at/tid-$before/file"
hf unmount "$T/mnt" --timeout 60 > /dev/null

# Handing it in
head -c 300 /dev/zero > "$T/bad"
fails "something else is not taken" 2 "prune list" hf node prune "$node" "$T/bad"
perl -pe 'BEGIN { $/ = undef } substr($_, 170, 1) ^= "\1"' "$list" > "$T/bad"
fails "nor a list that was changed" 2 "signature is not the owner's" hf node prune "$node" "$T/bad"
hf node init "$T/strange" --listen 127.0.0.1:0 > /dev/null
fails "nor is it on another node" 2 "not on this node" hf node prune "$T/strange" "$list"
try "the owner's list is taken" eval 'hf node prune "$node" "$list" > "$T/said"'
try "it says after which time" grep -qE "carried out after 14 d" "$T/said"
fails "but once" 2 "handed in before, as prune 1" hf node prune "$node" "$list"
eventually 30 eval 'grep -q "^prune,$volume," "$T/told"'
ok $? "it is announced by an alarm, to the hook" || diag "$(cat "$T/told")"
eventually 30 eval '[ "$(state)" = announced ]'
ok $? "and the node writes that down"
hf node status "$node" > "$T/out"
try "status shows when it is due" grep -qE "^prune 1 +volume $volume, due after 1[34] d" "$T/out"

# Nothing hurries it
stop_node "$node"
sed -i 's/"version"/"prune_delay_s":86400,"version"/' "$node/node.json"
fails "the delay cannot be made a day" 2 "two weeks" hf serve "$node"
sed -i 's/"prune_delay_s":86400/"prune_delay_s":2592000/' "$node/node.json"
try "but thirty" hf serve "$node"
try "which then counts" eval 'hf node prune --list "$node" | grep -qE "due after (29|30) d"'
segment > "$T/after"
try "not a byte has changed" cmp "$T/before" "$T/after"

# Cancelling
fails "another number is none" 2 "no prune 2" hf node prune --cancel "$node" 2
try "anybody on the node cancels it" hf node prune --cancel "$node" 1
is "$(state)" cancelled "it is cancelled"
fails "for good" 2 "it is cancelled" hf node prune "$node" "$list"
eventually 30 eval 'grep -q "somebody on this node cancelled it" "$node"/alarms/*.json'
ok $? "and an alarm says so"
segment > "$T/after"
try "still not a byte has changed" cmp "$T/before" "$T/after"

# What a recovery makes of it
hf recover --from "$node/volumes/$volume" --kit "$T/kit" "$T/again" > /dev/null
try "a copy of it is whole, a list that was not carried out or not" hf check "$T/again"
done_testing
