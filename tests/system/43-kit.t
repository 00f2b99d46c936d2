#!/bin/bash
# SPDX-License-Identifier: MIT
# What a person does with what is in the safe: a kit that is checked, a head that is kept, a replica that serves an older state.
. "$(dirname "$0")/lib.sh"
need_fuse

mkdir "$T/mnt"
port=$(free_port)
hf node init "$T/node" --listen "127.0.0.1:$port" > /dev/null && hf serve "$T/node" > /dev/null || bail "no node"
hf init "$T/store" --kit-file "$T/kit" --replica "$(hf node invite "$T/node")" > /dev/null || bail "no volume"
hf init "$T/other" --kit-file "$T/otherkit" > /dev/null || bail "no other volume"
volume=$(hf status "$T/store" --json | json volume_id)
kit=$(grep '^HF1-' "$T/kit")
hf mount "$T/store" "$T/mnt" || bail "it does not mount"

# the kit
is "$(hf status "$T/mnt" --json | json kit_checked)" null "no kit was ever checked"
try "status says so" eval 'hf status "$T/mnt" | grep -q "^kit  *never checked"'
try "a kit alone says which volume it is of" eval 'hf kit check "$T/kit" | grep -q "$volume"'
is "$(hf status "$T/mnt" --json | json kit_checked)" null "which proves nothing of the store"
echo one > "$T/mnt/file"
sync "$T/mnt/file"
try "the kit opens the mounted volume" eval 'hf kit check "$T/kit" "$T/mnt" > "$T/good"'
try "a frame of its log opened" grep -q "the newest frame opens" "$T/good"
try "status shows when" eval 'hf status "$T/mnt" | grep -q "^kit  *seen to open this volume at 20"'
try "so does --json" eval 'hf status "$T/mnt" --json | json kit_checked | grep -q "^20.*Z$"'
try "typed in small letters without dashes" eval 'echo "hf1-$(echo "${kit#HF1-}" | tr A-Z a-z | tr -d -)" | hf kit check - "$T/store"'
try "a whole file piped in" eval 'hf kit check - "$T/store" --json < "$T/kit" | json good | grep -q true'
fails "the kit of another volume" 1 "this kit is of volume" hf kit check "$T/otherkit" "$T/mnt"
wrong=$(echo "$kit" | sed 's/^\(HF1-....-....-.\)./\1'"$([ "${kit:15:1}" = 7 ] && echo 8 || echo 7)/")
fails "a wrong character is placed" 1 "look at.* group 3, character 2" eval 'echo "$wrong" | hf kit check - "$T/mnt"'
fails "a character that no kit has" 1 "group 4, character 1" eval 'echo "${kit:0:19}u${kit:20}" | hf kit check -'
fails "a character left out" 1 "left out .group 2 has 3" eval 'echo "${kit:0:10}${kit:11}" | hf kit check -'
fails "a file that is no kit" 1 "no line begins with HF1-" hf kit check "$TOP/README.md"
fails "a file that is not there" 2 "nokit" hf kit check "$T/nokit"
fails "no store there" 2 "does not exist" hf kit check "$T/kit" "$T/nowhere"
fails "the secret on the command line" 2 "can read the secret" hf kit check "$kit"
fails "kit does nothing else" 2 "what is mend" hf kit mend "$T/kit"
is "$(hf kit check "$T/otherkit" "$T/mnt" --json 2> /dev/null | json good)" false "--json says that it is not good"
try "the secret is nowhere in the store" eval '! grep -rqaF "$kit" "$T/store"'

# heads
[ "$(id -u)" -ne 0 ] || # others own the root of what they make: that is a commit
	fails "no head of a volume in which nothing was ever written" 2 "nothing has been written" hf head "$T/other"
early=$(hf head "$T/mnt")
is "$(echo "$early" | grep -cE '^holdfast-head:[A-Za-z0-9_-]{220}$')" 1 "a head is one line"
is "$(hf head "$T/mnt")" "$early" "of the same commit it is the same"
caught_up() { [ "$(hf status "$T/mnt" --json | json state)" = current ] && [ "$(hf status "$T/mnt" --json | json lag_bytes)" = 0 ]; }
eventually 30 caught_up || bail "the node does not catch up"
stop_node "$T/node"
cp -a "$T/node" "$T/old" # the older state that it will serve
hf serve "$T/node" > /dev/null || bail "the node does not start again"
echo two > "$T/mnt/file"
mkdir "$T/mnt/more"
seq 2000 > "$T/mnt/more/numbers"
late=$(hf head "$T/mnt")
hf head "$T/mnt" --json > "$T/json"
is "$(json head < "$T/json")" "$late" "--json has the same line"
is "$(json volume_id < "$T/json")" "$volume" "and what it is of"
echo three > "$T/mnt/file"
eventually 30 caught_up
hf unmount "$T/mnt" > /dev/null
last=$(hf head "$T/store")
try "a head of the volume at rest is the last" [ "$last" != "$late" ]
hf mount "$T/other" "$T/mnt" && touch "$T/mnt/file"
foreign=$(hf head "$T/mnt")
hf unmount "$T/mnt" > /dev/null
damaged=${late:0:60}$([ "${late:60:1}" = A ] && echo B || echo A)${late:61}
{ echo "my heads"; echo "first: $early"; echo "$late" | fold -w 60; } > "$T/heads"

# the node is rolled back to what it was
recover() { hf recover --from "$(hf node invite "$T/node" --volume "$volume")" --kit "$T/kit" "$@" "$T/new"; }
stop_node "$T/node"
mv "$T/node" "$T/true" && mv "$T/old" "$T/node"
hf serve "$T/node" > /dev/null || bail "the rolled back node does not start"
fails "an older state is refused" 2 "is not in this replica's log: .*older state" recover --head "$late"
try "and nothing is made" test ! -e "$T/new"
fails "by any head of a file" 2 "older state.*accept-stale" recover --head "@$T/heads"
fails "a damaged head" 2 "checksum" recover --head "$damaged"
fails "a head of another volume" 2 "the saved head is of volume" recover --head "$foreign"
fails "a file without heads" 2 "no saved head" recover --head "@$TOP/LICENSE"
fails "a file that is not there" 2 "nofile" recover --head "@$T/nofile"
recover --head "$late" --head "$early" --accept-stale > "$T/stale" 2>&1
ok $? "it is taken when that is accepted" || diag "$(cat "$T/stale")"
try "and said" grep -q "^STALE, as you accepted: the saved head of .*older state" "$T/stale"
rm -rf "$T/new"
stop_node "$T/node"

# and is itself again
rm -rf "$T/node" && mv "$T/true" "$T/node"
hf serve "$T/node" > /dev/null || bail "the node does not start"
try "the true log is recovered" eval 'recover --head "@$T/heads" --head "$last" > "$T/fresh"'
try "proven by the newest head" grep -q "^freshness proven by the saved head of 20" "$T/fresh"
try "recovering has opened it with the kit" eval 'hf status "$T/new" | grep -q "^kit  *seen to open"'
is "$(hf head "$T/new")" "$last" "a new epoch begins with the same head"
hf mount "$T/new" "$T/mnt" || bail "it does not mount"
is "$(cat "$T/mnt/file")" three "with what was written"
hf unmount "$T/mnt" > /dev/null
rm -rf "$T/new"
recover --json > "$T/json" 2> "$T/err" || diag "$(cat "$T/err")"
is "$(json freshness < "$T/json")" unproven "without a head nothing is proven"
rm -rf "$T/new"
try "said in words" eval 'recover | grep -q "^freshness unproven: nothing but this replica says that this is the newest"'
try "the head of an earlier epoch proves it still" eval 'rm -rf "$T/new"; recover --head "$last" | grep -q "^freshness proven"'

# a folder as a replica, and a fork of it written with the same keys
hf init "$T/store2" --kit-file "$T/kit2" --replica "$T/copy" > /dev/null || bail "no second volume"
hf mount "$T/store2" "$T/mnt" && echo one > "$T/mnt/file" && hf unmount "$T/mnt" > /dev/null
cp -a "$T/store2" "$T/fork"
hf replica remove "$T/store2" copy > /dev/null
hf mount "$T/store2" "$T/mnt" && echo mine > "$T/mnt/file"
mine=$(hf head "$T/mnt")
hf unmount "$T/mnt" > /dev/null
hf mount "$T/fork" "$T/mnt" && seq 5000 > "$T/mnt/theirs" && hf unmount "$T/mnt" > /dev/null
fails "a fork is refused" 2 "another history, a fork" hf recover --from "$T/copy" --kit "$T/kit2" --head "$mine" "$T/new2"
done_testing
