#!/bin/bash
# SPDX-License-Identifier: MIT
# What the command does, says and returns, where nothing is mounted.
. "$(dirname "$0")/lib.sh"

is "$(hf --version | cut -d' ' -f1)" holdfast "--version names itself"
try "--help lists the commands" eval 'hf --help | grep -q "recover "'
for c in init mount unmount status snapshot tags node serve replica recover check kit head; do
	try "$c --help shows how, with an example" eval "hf $c --help | grep -q '^  holdfast\|^  mount'"
done
fails "a command that does not exist" 2 "there is no command mend" hf mend
fails "an option that does not exist" 2 "what is --now" hf status --now
fails "an option without its value" 2 "needs a value" hf unmount -t
fails "too few words" 2 "something is missing" hf init
fails "and it is said how it goes" 2 "^usage: holdfast init STORE" hf init
fails "too many words" 2 "one word too many" hf init a b

# init
umask 022
try "init makes a volume and its kit" hf init "$T/store" --kit-file "$T/kit"
is "$(stat -c %a "$T/kit")" 600 "only its owner can read the kit"
try "the kit has its line" grep -q '^HF1-' "$T/kit"
is "$(stat -c %a "$T/store/keys/volume.key")" 600 "only their owner can read the keys"
try "the kit's secret is nowhere in the store" eval '! grep -rqaF "$(grep "^HF1-" "$T/kit")" "$T/store"'
fails "init never overwrites a kit" 2 "kit" hf init "$T/other" --kit-file "$T/kit"
try "and then makes no volume" test ! -e "$T/other"
fails "init takes no folder that is in use" 2 "" hf init "$T/store" --kit-file "$T/kit2"
try "and then leaves no kit behind" test ! -e "$T/kit2"
mkdir "$T/inside"
fails "the kit may not lie in the store" 2 "elsewhere" hf init "$T/inside" --kit-file "$T/inside/kit"
fails "init in a folder that is not there" 2 "$T/none" hf init "$T/none/store" --kit-file "$T/kit3"
hf init "$T/printed" > "$T/out"
try "without --kit-file the kit is printed" grep -qE '^ +HF1-([0-9A-Z]{4}-){13}[0-9A-Z]{4}$' "$T/out"
try "and named what it is" grep -q 'RECOVERY KIT' "$T/out"
to_full() { hf init "$T/unkept" > /dev/full; }
fails "where it cannot be printed" 2 "kit could not be printed .*no volume was made" to_full
to_nobody() { (sleep 0.3; hf init "$T/unkept") | :; return "${PIPESTATUS[0]}"; }
fails "nor where nobody reads" 2 "kit could not be printed .*no volume was made" to_nobody
try "there is no store" test ! -e "$T/unkept"
fails "no kit is printed for a folder that is in use" 2 "not empty" hf init "$T/printed"
try "so that none is taken for its own" eval '! grep -q HF1 "$T/.out"'

# status at rest
try "status of a store at rest" hf status "$T/store"
hf status "$T/store" --json > "$T/json"
try "status --json is JSON with what scripts rely on" perl -MJSON::PP -e '
	local $/; my $s = decode_json(<>);
	exists $s->{$_} or die "no $_" for qw(head_tid committed_tid committed_time replicas volume_id epoch failed log_bytes);
	ref $s->{replicas} eq "ARRAY" or die "replicas"; $s->{epoch} == 1 or die "epoch"; !defined $s->{failed} or die "failed"' "$T/json"
fails "status of what is not a store" 2 "neither a store" hf status "$T"
fails "status of what does not exist" 2 "does not exist" hf status "$T/nowhere"

# snapshot and tags at rest
try "snapshot at rest" hf snapshot "$T/store" first
try "tags at rest" eval 'hf tags "$T/store" | grep -q "^first "'
fails "a name is given once" 2 "first" hf snapshot "$T/store" first
fails "a moment that is none" 2 "" hf snapshot "$T/store" second --at 'not a moment'
try "a name is taken away" hf snapshot "$T/store" first --remove
is "$(hf tags "$T/store")" "" "and is gone"

# check
try "check of a sound store" hf check "$T/store"
segment=$T/store/log/0000000001.seg
cp "$segment" "$T/segment"
printf '\377' | dd of="$segment" bs=1 seek=400 conv=notrunc status=none
hf check "$T/store" > "$T/out" 2>&1
is $? 1 "check of a damaged store ends with 1"
try "and says where" grep -q 'segment 1, offset' "$T/out"
is "$(tail -n 1 "$T/out")" "1 fault" "one is one"
cp "$T/segment" "$segment"
try "mended, it is sound again" hf check "$T/store"

# a replica that is a folder, and a node
try "a folder as a replica" hf replica add "$T/store" "$T/copy" --name copy
try "is listed" eval 'hf replica list "$T/store" | grep -q copy'
fails "the same name twice" 2 "copy" hf replica add "$T/store" "$T/copy2" --name copy
try "and removed" hf replica remove "$T/store" copy
fails "once" 2 "copy" hf replica remove "$T/store" copy
fails "no node where none was made" 2 "" hf serve "$T/nonode"
fails "not an invitation" 2 "" hf replica add "$T/store" "holdfast-invite:nonsense"
for at in 300.0.0.1:17 127.1:17 "[fe80::1]" ::1:17; do
	fails "no node listens at $at" 2 "where to listen|numeric address" hf node init "$T/nowhere" --listen "$at"
done
try "a node" hf node init "$T/node" --listen 127.0.0.1:0
fails "a node is made once" 2 "" hf node init "$T/node"
try "serve returns when it listens" hf serve "$T/node"
try "its process is in pid" eval 'kill -0 "$(cat "$T/node/pid")"'
fails "it is served once" 2 "" hf serve "$T/node"
is "$(hf node invite "$T/node" | wc -l)" 1 "an invitation is one line"
invitation=$(hf node invite "$T/node")
try "a volume is let in" hf replica add "$T/store" "$invitation"
fails "once" 2 "" hf replica add "$T/printed" "$invitation"
stop_node "$T/node"
try "SIGTERM ends it, and takes the pid away" test ! -e "$T/node/pid"

# recover says what is wrong
fails "recover needs to know from where" 2 "from where" hf recover "$T/new"
fails "recover with no kit there" 2 "$T/nokit" hf recover --from "$T/copy" --kit "$T/nokit" "$T/new"
fails "unmount of what is not mounted" 2 "no volume is mounted" hf unmount "$T"
fails "mount of what is not a store" 2 "not a store" hf mount "$T" "$T"
mkdir "$T/parent" && hf init "$T/parent/store" --kit-file "$T/kit4" > /dev/null
fails "a mount would hide its own store" 2 "hide" hf mount "$T/parent/store" "$T/parent"
is "$(hf status "$T/parent/store" | grep "^durable")" "durable to  tid-0 of tid-0" "of a volume in which nothing has happened no time is said"
fails "a value that lacks is named by its option" 2 "init: --kit-file needs a value" hf init "$T/none" --kit-file
fails "where there is no short form, too" 2 "mount: --at needs a value" hf mount "$T/none" "$T" --at
fails "or by its letter" 2 "log: -n needs a value" hf log "$T/none" -n
fails "what is no option is said" 2 "mount: what is --nothing" hf mount --nothing
done_testing
