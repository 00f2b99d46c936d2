#!/bin/bash
# SPDX-License-Identifier: MIT
# A store on a disk that takes no writes, as a failing one is made read-only by the kernel: all that is there is read,
# by several at once, and nothing in the store's folder changes.
. "$(dirname "$0")/lib.sh"
need_fuse
if [ "$(id -u)" -ne 0 ] || ! mkdir "$T/disk" || ! mount -t tmpfs -o size=128m none "$T/disk" 2> /dev/null; then
	echo "1..0 # SKIP only root mounts a disk to be read-only"
	exit 0
fi
TMPDIR=$T/tmp
export TMPDIR
mkdir "$TMPDIR" "$T/mnt"
store=$T/disk/store

all_of() { (cd "$store" && find . -printf '%p %s %T@ %m\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
borrowed() { find "$TMPDIR" -mindepth 1 | wc -l; }

hf init "$store" --kit-file "$T/kit" > /dev/null 2>&1 || bail "cannot make a volume"
hf replica add "$store" "$T/copy" --name copy > /dev/null || bail "cannot add a replica"
hf mount "$store" "$T/mnt" || bail "cannot mount"
cp -r "$TOP/docs" "$T/mnt/docs"
hf snapshot "$T/mnt" one > /dev/null
rm -r "$T/mnt/docs"
echo late > "$T/mnt/late"
sync "$T/mnt"
# What was done last is in the log, and not in the index.
kill -9 "$(hf status "$T/mnt" --json | json pid)"
eventually 10 flock -n "$store/lock" true
umount "$T/mnt"
eventually 10 eval 'mount -o remount,ro "$T/disk" 2> /dev/null'
before=$(all_of)

fails "it cannot be mounted for writing, and says what can be done" 2 "disk .* is read-only.*mount it with -o ro" \
	hf mount "$store" "$T/mnt"
fails "nor can a moment be named" 2 "read-only" hf snapshot "$store" two
is "$(hf cat "$store" /late)" late "what was written last is read at rest"
try "it is mounted to be read" hf mount "$store" "$T/mnt" -o ro
is "$(cat "$T/mnt/late")" late "with what was written last"
try "and the past" diff -r "$TOP/docs" "$T/mnt/.history/tags/one/docs"
fails "and takes no change" 1 "Read-only" touch "$T/mnt/new"
hf status "$T/mnt" > /dev/null
is $? 1 "status finds that a person must look"
try "and says so in words" eval 'hf status "$T/mnt" | grep -q READ-ONLY'
hf status "$T/mnt" --json > "$T/json"
is "$(json disk_read_only < "$T/json") $(json mounted_on < "$T/json")" "true $T/mnt" "and in JSON, and where it is mounted"
try "the log is read" eval 'hf log "$T/mnt/late" | grep -q "wrote 5 bytes"'
try "a folder of the past is taken out" hf restore "$T/mnt/docs@one" --to "$T/docs"
try "whole" diff -r "$TOP/docs" "$T/docs"
try "check finds no fault" hf check "$store"
try "nor with replicas" eval 'hf check "$store" --replicas | grep -q "1 replica"'
fails "a drill passes, and says that nothing of it is kept" 0 "not kept: .*Read-only" hf drill "$store"
fails "a replica cannot be taken off" 2 "read-only, as one becomes that fails: see dmesg$" hf replica remove "$store" copy
fails "nothing can be repaired" 2 "read-only" hf check "$store" --replicas --repair
try "unmount" hf unmount "$T/mnt"
try "what was needed for that is gone" eventually 10 eval '[ "$(borrowed)" -eq 0 ]'

try "the index can be built anew" hf mount "$store" "$T/mnt" -o ro,rebuild
is "$(cat "$T/mnt/late")" late "from the log alone"
hf unmount "$T/mnt"
try "a moment is mounted" hf mount "$store" "$T/mnt" --at one
try "as it was" diff -r "$TOP/docs" "$T/mnt/docs"
pid=$(pgrep -f "mount $store $T/mnt")
kill -9 "$pid" && eventually 10 eval "! kill -0 $pid"
umount "$T/mnt"
try "a process that died leaves it behind" test "$(borrowed)" -gt 0
is "$(hf cat "$store" /late)" late "another reads"
is "$(borrowed)" 0 "and clears up after it"

is "$(TMPDIR=$T/disk hf cat "$store" /late)" late "where the disk of TMPDIR is read-only, too, another place is found"
is "$(TMPDIR=$T/none hf cat "$store" /late)" late "and where it leads nowhere"
mkdir -m 777 "$T/open"
mkdir "$T/others" && chown 1 "$T/others"
ln -s "$TMPDIR" "$T/link"
# mount it with this TMPDIR, and kill that
die_with()
{
	TMPDIR=$1 hf mount "$store" "$T/mnt" -o ro
	pid=$(pgrep -f "mount $store $T/mnt")
	kill -9 "$pid" && eventually 10 eval "! kill -0 $pid"
	umount "$T/mnt"
}
die_with "$T/open"
is "$(find "$T/open" -mindepth 1 | wc -l)" 0 "a folder in which others can rename is not used"
die_with "$T/others"
is "$(find "$T/others" -mindepth 1 | wc -l)" 0 "nor that of another user"
die_with "$T/link"
try "a link to a folder is followed" test "$(borrowed)" -gt 0
is "$(TMPDIR=$T/link hf cat "$store" /late)" late "and what is left behind there"
is "$(borrowed)" 0 "is cleared up by that name, too"

# With $TMPDIR, no other folder in which anything can be made.
only_tmpdir()
{
	unshare -m bash -c '
		for place in /var/tmp /tmp /dev/shm; do
			mount --rbind "$place" "$place" && mount -o remount,bind,ro "$place" || exit 9
		done
		exec "$@"' only_tmpdir "$@"
}
mkdir "$T/narrow"
mount -t tmpfs -o size=16k none "$T/narrow"
is "$(TMPDIR=$T/narrow hf cat "$store" /late)" late "a folder without room for it is passed over"
TMPDIR=$T/narrow fails "without room for it anywhere, it is said what to do" 2 "set TMPDIR" \
	only_tmpdir "$HOLDFAST" cat "$store" /late
TMPDIR=$T/none fails "and without a place" 2 "set TMPDIR.*No such file.*Read-only" \
	only_tmpdir "$HOLDFAST" cat "$store" /late
umount "$T/narrow"
is "$(all_of)" "$before" "nothing in the store's folder has changed"

# the disk takes writes again, under a mount that reads
hf mount "$store" "$T/mnt" -o ro
mount -o remount,rw "$T/disk"
is "$(hf cat "$store" /late 2>&1)" late "with the disk writable again under such a mount it is read beside it"
hf status "$store" --json > "$T/json"
is "$(json disk_read_only < "$T/json") $(json mounted_on < "$T/json")" "false $T/mnt" "status tells the disk, and the mount"
fails "who would write is told who keeps him from it" 2 "open already: by a process that reads it" hf snapshot "$store" two
try "check reads all of it" hf check "$store"
is "$(all_of)" "$before" "and still nothing in the store's folder has changed"
hf unmount "$T/mnt"
mv "$store/lock" "$T/lock"
eventually 10 eval 'mount -o remount,ro "$T/disk" 2> /dev/null'
is "$(hf cat "$store" /late 2>&1)" late "a read-only medium needs no lock file"
try "nor does a mount" hf mount "$store" "$T/mnt" -o ro
hf unmount "$T/mnt"
mount -o remount,rw "$T/disk"
mv "$T/lock" "$store/lock"

# full to the last byte
dd if=/dev/zero of="$T/disk/fill" bs=64k 2> /dev/null
while printf x >> "$T/disk/fill2"; do :; done 2> /dev/null
is "$(df --output=avail "$T/disk" | tail -n 1 | tr -d ' ')" 0 "the disk is full"
try "it is mounted to be read" hf mount "$store" "$T/mnt" -o ro
is "$(cat "$T/mnt/late")" late "with what was written last"
try "and the past" diff -r "$TOP/docs" "$T/mnt/.history/tags/one/docs"
rm -f "$store/socket" # which may have found no room either
is "$(hf cat "$store" /late 2>&1)" late "and others read beside it"
is "$(hf status "$store" --json | json mounted_on)" "$T/mnt" "and see that it is mounted"
try "unmount" hf unmount "$T/mnt"
die_with "$TMPDIR"
try "a process that died leaves its index behind" test "$(borrowed)" -gt 0
rm "$T/disk/fill" "$T/disk/fill2"
try "with room again it is mounted for writing" hf mount "$store" "$T/mnt"
is "$(borrowed)" 0 "which clears up"
try "and written" eval 'echo more > "$T/mnt/late" && sync "$T/mnt"'

mkdir "$T/mnt/many"
(cd "$T/mnt/many" && seq 20000 | xargs touch)
try "unmount" hf unmount "$T/mnt"

# The disk gives this file no more: what is read all the same, and said.
unreadable()
{
	mount --bind "/proc/$$/mem" "$store/index/$1" || return
	"$HOLDFAST" mount -f "$store" "$T/mnt" -o ro 2> "$T/err" &
	eventually 10 mountpoint -q "$T/mnt"
	cat "$T/mnt/late"
	"$HOLDFAST" unmount "$T/mnt"
	wait $!
	umount "$store/index/$1"
}
eventually 10 eval 'mount -o remount,ro "$T/disk" 2> /dev/null'
is "$(unreadable IDENTITY)" more "an index that cannot be read is made anew to read with"
try "which names its file" grep "$store is built anew.*cannot read $store/index/IDENTITY: Input/output error" "$T/err"
is "$(unreadable "$(cd "$store/index" && ls -S -- *.sst | head -n 1)")" more "also where that is one of its tables"
try "which is said" grep "$store is built anew" "$T/err"
mount -o remount,rw "$T/disk"
touch "$store/index/damaged"
eventually 10 eval 'mount -o remount,ro "$T/disk" 2> /dev/null'
is "$(unreadable LOCK)" more "so is one that is noted to be damaged"
try "which is said, too" grep "$store is built anew.*damage was found" "$T/err"
mount -o remount,rw "$T/disk"
mv "$store/index" "$T/index" && ln -s "$T/index" "$store/index"
eventually 10 eval 'mount -o remount,ro "$T/disk" 2> /dev/null'
fails "no link to an index is followed" 2 "$store/index is a symbolic link" hf cat "$store" /late
mount -o remount,rw "$T/disk"
rm "$store/index"

# nearly full, and the index is to be built: it may begin where it belongs
for left in 64 512 1024 2048 4096; do
	rm -rf "$store/index" "$T/disk/fill"*
	dd if=/dev/zero of="$T/disk/fill2" bs=1k count="$left" 2> /dev/null
	dd if=/dev/zero of="$T/disk/fill" bs=4k 2> /dev/null
	rm "$T/disk/fill2"
	is "$(hf cat "$store" /late 2>&1)" more "with $left KiB left all is read, without an index"
	is "$(hf cat "$store" /late 2>&1)" more "and with what that has left of one"
done
is "$(borrowed)" 0 "what was needed for that is gone"
rm "$T/disk/fill"
done_testing
