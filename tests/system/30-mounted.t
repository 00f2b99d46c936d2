#!/bin/bash
# SPDX-License-Identifier: MIT
# The command on a mounted volume: mount, status, snapshot, check, unmount, and mounts that died.
. "$(dirname "$0")/lib.sh"
need_fuse

mkdir "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" --replica "$T/copy" > /dev/null || bail "cannot make a volume"
try "mount returns when it can be used" hf mount "$T/store" "$T/mnt"
try "and it can be used" eval 'echo hello > "$T/mnt/file" && grep -q hello "$T/mnt/file"'
is "$(stat -c %a "$T/store/socket")" 600 "only its user reaches the socket"
fails "it is mounted once" 2 "already" hf mount "$T/store" "$T/mnt"

hf status "$T/mnt" --json > "$T/json"
is "$(json mounted_on < "$T/json")" "$T/mnt" "status by the folder says where it is mounted"
is "$(hf status "$T/store" --json | json volume_id)" "$(json volume_id < "$T/json")" "status by the store is of the same volume"
mkdir "$T/mnt/deep"
is "$(cd "$T/mnt/deep" && hf status --json | json mounted_on)" "$T/mnt" "status without a name is of where one stands"

try "snapshot of a mounted volume" hf snapshot "$T/mnt" named
echo changed > "$T/mnt/file"
is "$(cat "$T/mnt/.history/tags/named/file")" hello "and it is a folder"
is "$(cat "$T/mnt/.history/at/named/file")" hello "a moment like others, too"
try "tags of a mounted volume" eval 'hf tags "$T/mnt" --json | grep -q named'
hf snapshot "$T/mnt" --remove named > /dev/null
try "a name that was taken away leads nowhere, though it was known" test ! -e "$T/mnt/.history/at/named"
try "nor among the tags" test ! -e "$T/mnt/.history/tags/named"
hf snapshot "$T/mnt" named > /dev/null
is "$(cat "$T/mnt/.history/tags/named/file")" changed "and may be given again"
is "$(cat "$T/mnt/.history/at/named/file")" changed "to another moment"
try "check of a mounted volume" hf check "$T/mnt"
try "replicas are added while it is mounted" hf replica add "$T/store" "$T/copy2"

# unmount
cd "$T/mnt" || exit 2
fails "a mount in use stays" 2 "busy" hf unmount "$T/mnt"
cd /
try "unmount" hf unmount "$T/mnt"
try "the process has let go of the store when it returns" flock -n "$T/store/lock" true
try "the socket is gone" test ! -e "$T/store/socket"
is "$(hf status "$T/store" --json | json mounted_on)" "" "status says it is at rest"
try "mount right after an umount(8) waits for the last commit" eval '
	hf mount "$T/store" "$T/mnt" && echo again > "$T/mnt/file" && fusermount3 -u "$T/mnt" && hf mount "$T/store" "$T/mnt"'
is "$(cat "$T/mnt/file")" again "with nothing lost"

# a mount whose process died
pid=$(hf status "$T/mnt" --json | json pid)
sync "$T/mnt"
kill -9 "$pid"
eventually 10 eval "! kill -0 $pid"
try "status of a store whose mount died" hf status "$T/store"
try "a dead mount is taken away by the next" hf mount "$T/store" "$T/mnt"
is "$(cat "$T/mnt/file")" again "what was synced is there"
pid=$(hf status "$T/mnt" --json | json pid)
kill -9 "$pid"
eventually 10 eval "! kill -0 $pid"
try "a dead mount is unmounted" hf unmount "$T/mnt"

# in front, and by signal
"$HOLDFAST" mount "$T/store" "$T/mnt" -f &
front=$!
try "mount -f serves" eventually 10 mountpoint -q "$T/mnt"
# Most of it by a mapping, which no write(2) tells of, and more than the kernel hands out at a time; the file stays
# open until the mount has gone.
python3 - "$T/mnt/held" "$front" <<- 'END'
	import mmap, os, signal, sys, time
	file, pid = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR), int(sys.argv[2])
	os.write(file, b"w" * 300000)
	os.ftruncate(file, 100300000)
	mapping = mmap.mmap(file, 100300000)
	mapping[300000:] = b"m" * 100000000
	os.kill(pid, signal.SIGTERM)
	for _ in range(200):
	    if not os.path.ismount(os.path.dirname(sys.argv[1])):
	        break
	    time.sleep(0.05)
END
wait "$front"
is $? 0 "SIGTERM unmounts, and all is well"
try "and the folder is free" eval '! mountpoint -q "$T/mnt"'
hf mount "$T/store" "$T/mnt"
is "$(tr -d m < "$T/mnt/held" | wc -c) $(tr -d w < "$T/mnt/held" | wc -c)" "300000 100000000" "with all that was written by who still had a file open"
hf unmount "$T/mnt"

try "read-only" hf mount "$T/store" "$T/mnt" -o ro
fails "takes no change" 1 "Read-only" touch "$T/mnt/new"
try "unmount of a read-only mount" hf unmount "$T/mnt"
fails "an option that does not exist" 2 "nonsense" hf mount "$T/store" "$T/mnt" -o nonsense

# as mount(8) calls it
try "the form mount.fuse3 uses" hf "$T/store" "$T/mnt" -o rw,noatime
try "unmounted" hf unmount "$T/mnt"
ln -s "$HOLDFAST" "$T/mount.fuse.holdfast"
try "as mount.fuse.holdfast, with what fstab says" "$T/mount.fuse.holdfast" "$T/store" "$T/mnt" -o rw,nofail,_netdev,x-systemd.automount
try "unmounted by the store's name" hf unmount "$T/store"
if [ "$(id -u)" -eq 0 ]; then
	flags() { findmnt -no VFS-OPTIONS --mountpoint "$T/mnt" | tr , '\n' | grep -xE 'nosuid|nodev' | sort | tr '\n' ' '; }
	"$T/mount.fuse.holdfast" "$T/store" "$T/mnt" -o rw
	is "$(flags)" "" "as mount(8) has it, suid and dev are what is not forbidden"
	hf unmount "$T/store"
	"$T/mount.fuse.holdfast" "$T/store" "$T/mnt" -o rw,nosuid,nodev
	is "$(flags)" "nodev nosuid " "and here they are"
	hf unmount "$T/store"
	hf mount "$T/store" "$T/mnt"
	is "$(flags)" "nodev nosuid " "the command honours neither unless asked"
	hf unmount "$T/store"

	# what can be changed of a mount that is there
	fails "what is not mounted cannot be mounted again" 2 "not mounted" hf mount "$T/store" "$T/mnt" -o remount
	hf mount "$T/store" "$T/mnt" -o commit=3600
	pid=$(hf status "$T/mnt" --json | json pid)
	echo undone > "$T/mnt/late"
	exec 5>> "$T/mnt/late"
	fails "remount,ro: not while a file is open for writing" 2 "open for writing" hf mount "$T/store" "$T/mnt" -o remount,ro
	exec 5>&-
	try "remount,ro" "$T/mount.fuse.holdfast" "$T/store" "$T/mnt" -o remount,ro
	fails "takes no change" 1 "Read-only" touch "$T/mnt/new"
	is "$(hf status "$T/mnt" --json | json pid) $(findmnt -no FS-OPTIONS --mountpoint "$T/mnt" | cut -d, -f1)" "$pid ro" \
		"it is the same process, and the mount says so"
	is "$(findmnt -no VFS-OPTIONS --mountpoint "$T/mnt")" ro,noatime "suid, dev as mount(8) has it, noatime as ever"
	try "remount,rw" hf mount "$T/store" "$T/mnt" -o remount,noexec
	try "takes changes" touch "$T/mnt/new"
	is "$(findmnt -no VFS-OPTIONS --mountpoint "$T/mnt")" rw,nosuid,nodev,noexec,noatime "and what else was asked"
	echo done > "$T/mnt/late"
	hf mount "$T/store" "$T/mnt" -o remount,ro
	kill -9 "$pid" && eventually 10 eval "! kill -0 $pid"
	hf mount "$T/store" "$T/mnt" -o ro
	is "$(cat "$T/mnt/late")" done "when remount,ro returns, what was written before is durable"
	fails "what was opened to be read only stays so" 2 "unmount it" hf mount "$T/store" "$T/mnt" -o remount,rw
	hf unmount "$T/mnt"
fi
done_testing
