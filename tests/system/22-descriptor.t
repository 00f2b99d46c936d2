#!/bin/bash
# SPDX-License-Identifier: MIT
# A store whose file `volume` is damaged in any way, or gone, is a store still: it is said so, and healed. What is no
# store yet, and one of somebody else, is told from it.
. "$(dirname "$0")/lib.sh"
need_fuse

make_volume || bail "no volume"
echo text > "$T/mnt/text"
hf replica add "$T/mnt" "$T/copy" --name copy > /dev/null && hf unmount "$T/mnt" > /dev/null || bail "no replica"
cp "$T/store/volume" "$T/volume"

# heals NAME: as the file is now
heals()
{
	fails "$1: a mount is refused, and says what helps" 2 "store/volume.*holdfast check $T/store --repair" \
		hf mount "$T/store" "$T/mnt"
	fails "$1: other commands say so too" 2 "check $T/store --repair" hf status "$T/store"
	hf check "$T/store" > "$T/out" 2>&1
	is "$? $(grep -c "holdfast check $T/store --repair" "$T/out")" "1 1" "$1: check finds it"
	try "$1: it is made anew" hf check "$T/store" --repair
	cmp "$T/volume" "$T/store/volume"
	ok $? "$1: to the byte"
}
head -c 300 /dev/urandom > "$T/store/volume" && heals "garbage"
head -c 30000 /dev/urandom > "$T/store/volume" && heals "much garbage"
: > "$T/store/volume" && heals "emptied"
head -c 96 /dev/zero > "$T/store/volume" && heals "zeros"
printf x | dd of="$T/store/volume" bs=1 conv=notrunc status=none && heals "its first byte"
truncate -s 50 "$T/store/volume" && heals "cut short"
rm "$T/store/volume" && heals "gone"
hf mount "$T/store" "$T/mnt" && is "$(cat "$T/mnt/text")" text "mounted, everything is there"
rm "$T/store/volume"
hf check "$T/mnt" > "$T/out" 2>&1
is $? 1 "lost while it is mounted, it is found"
try "and made anew" hf check "$T/mnt" --repair
cmp "$T/volume" "$T/store/volume"
ok $? "to the byte"
hf unmount "$T/mnt" > /dev/null

# What is none
mkdir "$T/empty" "$T/empty/log"
fails "a folder with a log alone is none" 2 "not a store" hf mount "$T/empty" "$T/mnt"
cp -a "$T/store" "$T/half" && rm "$T/half/volume" && : > "$T/half/recovery"
for command in status "log" "check" "check --repair" doctor; do
	# shellcheck disable=SC2086 # words
	fails "a recovery that was cut short: $command" 2 "run holdfast recover again" hf $command "$T/half"
done
fails "and a mount of it" 2 "run holdfast recover again" hf mount "$T/half" "$T/mnt"

# Somebody else's
if [ "$(id -u)" -eq 0 ] && command -v setpriv > /dev/null; then
	chmod 755 "$T"
	cp "$HOLDFAST" "$T/holdfast" && chmod 755 "$T/holdfast"
	as() { setpriv --reuid 65534 --regid 65534 --clear-groups "$T/holdfast" "$@"; }
	for command in status log check mount; do
		fails "somebody else's store: $command" 2 "$T/store: Permission denied" as $command "$T/store" \
			$([ $command = mount ] && echo "$T/mnt")
	done
fi
done_testing
