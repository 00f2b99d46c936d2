#!/bin/bash
# SPDX-License-Identifier: MIT
# What goes wrong is said in words, ends with 2, and loses nothing.
. "$(dirname "$0")/lib.sh"
need_fuse

mkdir "$T/mnt" "$T/mnt2"
port=$(free_port)
hf node init "$T/node" --listen "127.0.0.1:$port" > /dev/null && hf serve "$T/node" > /dev/null || bail "no node"
invitation=$(hf node invite "$T/node")
hf init "$T/store" --kit-file "$T/kit" --replica "$invitation" > /dev/null || bail "no volume"
hf init "$T/other" --kit-file "$T/otherkit" > /dev/null || bail "no other volume"
hf mount "$T/store" "$T/mnt" || bail "it does not mount"
cp -a "$TOP/docs" "$T/mnt" && sync "$T/mnt"
head -c 3000000 /dev/urandom > "$T/mnt/large"
state() { hf status "$T/store" --json | tr -d '\n' | sed -n 's/.*"replicas".*"state": *"\([^"]*\)".*/\1/p'; }
eventually 30 eval '[ "$(state)" = current ]' || bail "the replica does not catch up"
hash() { (cd "$1" && find . -type f -not -path './.history*' -exec sha256sum {} + | sort -k 2 | sha256sum); }
hash "$T/mnt" > "$T/hash"

# in use
fails "mounted already" 2 "mounted on|open already" hf mount "$T/store" "$T/mnt2"
fails "an invitation is used once" 2 "invitation|used" hf replica add "$T/other" "$invitation"
fails "a moment that is none" 2 "No such file" ls "$T/mnt/.history/at/no such moment"
fails "a moment to come" 2 "No such file" ls "$T/mnt/.history/at/tid-999999999"
fails "a moment before the first" 2 "No such file" ls "$T/mnt/.history/at/2001-01-01"
fails "no such tag" 2 "No such file" ls "$T/mnt/.history/tags/never"
fails "a snapshot of no moment" 2 "moment|form" hf snapshot "$T/mnt" name --at "the day before"
fails "a snapshot of a moment before the first" 2 "first|nothing" hf snapshot "$T/mnt" name --at 2001-01-01
fails "a name that no tag can have" 2 "tag" hf snapshot "$T/mnt" "no/slash"
hf unmount "$T/mnt" > /dev/null

# keys
unchanged()
{
	hf mount "$T/store" "$T/mnt" 2> "$T/err" || { ok 1 "$1"; diag "$(cat "$T/err")"; return; }
	hash "$T/mnt" | cmp -s - "$T/hash"
	ok $? "$1"
	hf unmount "$T/mnt" > /dev/null
}
for key in volume.key writer.key; do
	cp "$T/store/keys/$key" "$T/$key"
	cp "$T/other/keys/$key" "$T/store/keys/$key"
	fails "another volume's $key" 2 "$key is the key of another volume" hf mount "$T/store" "$T/mnt"
	printf x | dd of="$T/store/keys/$key" bs=1 seek=40 conv=notrunc status=none
	fails "a damaged $key" 2 "$key" hf mount "$T/store" "$T/mnt"
	rm "$T/store/keys/$key"
	fails "no $key" 2 "$key" hf mount "$T/store" "$T/mnt"
	(umask 077 && cp "$T/$key" "$T/store/keys/$key")
done
unchanged "with its own keys it is as it was"

# kits
again() { hf node invite "$T/node" --volume "$(hf status "$T/store" --json | json volume_id)"; }
fails "recovery with another volume's kit" 2 "kit" hf recover --from "$(again)" --kit "$T/otherkit" "$T/new"
sed 's/^\(HF1-....-\)Z/\1Y/; t; s/^\(HF1-....-\)./\1Z/' "$T/kit" > "$T/typo" # another letter than is there
fails "recovery with a mistyped kit" 2 "typing|check|kit" hf recover --from "$(again)" --kit "$T/typo" "$T/new"
echo "just a note" > "$T/note"
fails "recovery with what is no kit" 2 "kit" hf recover --from "$(again)" --kit "$T/note" "$T/new"
fails "recovery from where no replica is" 2 "" hf recover --from "$T/nowhere" --kit "$T/kit" "$T/new"
fails "recovery into a store that is there" 2 "" hf recover --from "$(again)" --kit "$T/kit" "$T/store"
unchanged "nothing of that touched it"

# the log
segment=$T/store/log/0000000001.seg
damage() { cp "$segment" "$T/segment" && printf "$2" | dd of="$segment" bs=1 seek="$1" conv=notrunc status=none; }
damage 8 '\002'
fails "a segment of another version (its sum is wrong, too)" 2 "segment" hf mount "$T/store" "$T/mnt" -o rebuild
cp "$T/segment" "$segment"
damage 500 '\377\377\377'
fails "a damaged segment" 2 "damaged.*holdfast check" hf mount "$T/store" "$T/mnt" -o rebuild
hf check "$T/store" > "$T/out" 2>&1
is $? 1 "check finds it, and ends with 1"
cp "$T/segment" "$segment"
cp "$T/other/log/0000000001.seg" "$segment"
fails "a foreign segment" 2 "another volume" hf mount "$T/store" "$T/mnt" -o rebuild
cp "$T/segment" "$segment"
mv "$segment" "$T/away"
fails "no segment" 2 "there is no log, but .* up to segment" hf mount "$T/store" "$T/mnt" -o rebuild
mv "$T/away" "$segment"
cp "$T/store/volume" "$T/volume"
printf '\011' | dd of="$T/store/volume" bs=1 seek=8 conv=notrunc status=none
fails "a descriptor that was changed" 2 "volume" hf mount "$T/store" "$T/mnt"
cp "$T/volume" "$T/store/volume"
unchanged "put right, it is as it was"
try "and has no fault" hf check "$T/store"

# nodes
stop_node "$T/node"
hf mount "$T/store" "$T/mnt" || bail "it does not mount without its node"
echo more > "$T/mnt/more" && sync "$T/mnt"
eventually 20 eval '[ "$(state)" = unreachable ]'
is "$(state)" unreachable "a node that is gone is said to be, and the mount goes on"
fails "unmounting says what the replica has not got" 0 "still lacks" hf unmount "$T/mnt" --timeout 1
fails "no node to be let in by" 2 "" hf replica add "$T/other" "$invitation"
hf serve "$T/node" > /dev/null
hf mount "$T/store" "$T/mnt" || bail "it does not mount"
eventually 30 eval '[ "$(state)" = current ]'
ok $? "when the node is back it gets the rest"
is "$(cat "$T/mnt/more")" more "which is here"
hf unmount "$T/mnt" > /dev/null

# room
if [ "$(id -u)" -eq 0 ] && mkdir "$T/small" && mount -t tmpfs -o size=120m none "$T/small"; then
	hf init "$T/small/store" --kit-file "$T/smallkit" > /dev/null
	hf mount "$T/small/store" "$T/mnt"
	written=0
	while { head -c 1000000 /dev/urandom > "$T/mnt/$written"; } 2> "$T/err"; do
		sha256sum "$T/mnt/$written" >> "$T/sums"
		written=$((written + 1))
		[ "$written" -lt 500 ] || break
	done
	try "a full disk is said to be" grep -q "No space left" "$T/err"
	rm -f "$T/mnt/$written"
	try "what was written before is there" sha256sum --quiet -c "$T/sums"
	try "removing works" eval 'rm "$T/mnt/0" "$T/mnt/1" && sync "$T/mnt"'
	mount -o remount,size=200m "$T/small"
	try "with room again it goes on" eventually 10 eval 'echo x > "$T/mnt/new" && sync "$T/mnt/new"'
	hf unmount "$T/mnt" > /dev/null
	try "and has no fault" hf check "$T/small/store"
	umount "$T/small"
else
	ok 0 "a full disk # SKIP needs root, for a small one"
fi
# What is written wrong is said before anything is made.
touch "$T/plain"
for place in holdfast-invite:xxx s3://b/x https://nobody ftp://x "$T/plain" "$T/none/x" 's3://b/x?region=eu-west-1'; do
	fails "init with the replica ${place#"$T"/}" 2 "" env -u AWS_ACCESS_KEY_ID -u AWS_SHARED_CREDENTIALS_FILE \
		"$HOLDFAST" init "$T/early" --kit-file "$T/early.kit" --replica "$T/fine" --replica "$place"
	[ ! -e "$T/early" ] && [ ! -e "$T/early.kit" ] && [ ! -e "$T/fine" ]
	ok $? "makes nothing" || diag "$(cat "$T/.err"; ls "$T")"
done
try "and the line that is right works" hf init "$T/early" --kit-file "$T/early.kit" --replica "$T/fine"
done_testing
