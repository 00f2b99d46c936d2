#!/bin/bash
# SPDX-License-Identifier: MIT
# Root uses a user's store, and the user goes on using it: what root made there is the user's.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root "to be two users"

chmod 755 "$T"
mkdir "$T/home" "$T/at" && chown 65534:65534 "$T/home"
S=$T/home/store
user() { setpriv --reuid 65534 --regid 65534 --clear-groups -- "$HOLDFAST" "$@"; }
# not_his NAME: nothing in the store is another's
not_his() { is "$(find "$S" "$T/home/disk" \( -not -uid 65534 -o -not -gid 65534 \) 2> /dev/null)" "" "$1"; }

try "a user's store" user init "$S" --kit-file "$T/home/kit" --replica "$T/home/disk"
hf mount "$S" "$T/at" || bail "no mount"
head -c 3000000 /dev/urandom > "$T/at/file" && sync "$T/at/file"
hf alarms set "$S" lag=5m > /dev/null
eventually 20 eval 'hf status "$S" --json | tr -d "\n" | grep -q "\"state\": *\"current\""'
hf unmount "$T/at" > /dev/null
not_his "root's mount left nothing of root's"
try "root checks it" hf check "$S"
try "root checks the kit" hf kit check "$T/home/kit" "$S"
try "root ends its epoch" hf rekey "$S" --kit "$T/home/kit"
rm -rf "$S/index" "$S/lock"
hf mount "$S" "$T/at" && echo more > "$T/at/more" && sync "$T/at/more"
hf drill "$S" --from disk --moments 0 --dir "$T" > /dev/null
hf unmount "$T/at" > /dev/null
not_his "nothing that is made anew, nor the index"
is "$(find "$S" -newer "$T/home/kit" -type f | wc -l | sed 's/^[0-9][0-9]*$/some/')" some "though much was"

try "the user checks it" user check "$S"
try "and its kit" user kit check "$T/home/kit" "$S"
try "and writes it" user snapshot "$S" mine
try "and ends its epoch" user rekey "$S" --kit "$T/home/kit"
is "$(user cat "$S" more)" more "and reads what root wrote"

# What root begins is root's, and so is a secret that lies outside.
hf init "$T/home/roots" --kit-file "$T/home/roots.kit" > /dev/null 2>&1
is "$(find "$T/home/roots" "$T/home/roots.kit" -not -uid 0)" "" "a store that root makes in a user's folder, and its kit, are root's"

# A node's, likewise.
user node init "$T/home/node" --listen 127.0.0.1:0 > /dev/null || bail "no node"
hf node invite "$T/home/node" > /dev/null
is "$(find "$T/home/node" -not -uid 65534)" "" "an invitation that root makes is the node's"
done_testing
