#!/bin/bash
# SPDX-License-Identifier: MIT
# What POSIX asks of a mount as a whole: what is durable when, who may use it, other user namespaces, handles that outlive it,
# a frozen disk below, and where the past ends and the present begins.
. "$(dirname "$0")/lib.sh"
need_fuse

cc=$(command -v "${CC:-cc}" || command -v gcc) || skip_all "no C compiler"
"$cc" -std=gnu11 -D_GNU_SOURCE -O1 -o "$T/handle" "$TOP/tests/system/handle.c" || bail "handle.c does not compile"
root=$([ "$(id -u)" -eq 0 ] && command -v setpriv > /dev/null && echo yes)
as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }
pid_of() { hf status "$T/mnt" --json | json pid; }

# remount [options]: as they are from now on
remount() { cd / && hf unmount "$T/mnt" > /dev/null && hf mount "$T/store" "$T/mnt" ${1:+-o "$1"} && cd "$T/mnt"; }

# lose_power [options]: nothing but what is durable is left
lose_power()
{
	local pid

	pid=$(pid_of)
	cd / && kill -9 "$pid" && eventually 10 eval "! kill -0 $pid" && hf mount "$T/store" "$T/mnt" ${1:+-o "$1"} && cd "$T/mnt"
}

# --- what is durable when: commits an hour apart, so that nothing is durable by chance
make_volume commit=3600 || bail "no volume"
cd "$T/mnt" || exit 2
echo before > before && mkdir d && echo inside > d/inside
echo asked > asked && sync asked
try "the process dies" lose_power commit=3600
is "$(cat asked before d/inside 2>&1 | tr '\n' ' ')" "asked before inside " "fsync of one file: durable is all that came before"
echo dsync | dd of=dsync oflag=dsync status=none
lose_power commit=3600
is "$(cat dsync)" dsync "O_DSYNC"
echo osync | dd of=osync oflag=sync status=none && echo more | dd of=osync oflag=sync,append conv=notrunc status=none
lose_power commit=3600
is "$(cat osync | tr '\n' ' ')" "osync more " "O_SYNC"
mkdir folder && sync folder
lose_power commit=3600
try "fsync of a folder" test -d folder
remount commit=3600,dirsync
mkdir made && touch created && ln -s target link && ln created linked && mv before after && rm asked && rmdir folder && mkfifo fifo
lose_power commit=3600
is "$(ls -d made created link linked after before asked folder fifo 2> /dev/null | tr '\n' ' ')" "after created fifo link linked made " \
	"-o dirsync: names are durable when the call returns"
remount commit=3600,sync
echo text > written && chmod 600 dsync && truncate -s 3 osync && touch -d @1000 linked && mv after again && (command -v setfattr > /dev/null || exit 0; setfattr -n user.x -v y d)
lose_power commit=3600
is "$(cat written) $(stat -c %a dsync) $(stat -c %s osync) $(stat -c %Y linked) $(cat again)" "text 600 3 1000 before" \
	"-o sync: everything is"
command -v getfattr > /dev/null && is "$(getfattr --only-values -n user.x d 2>&1)" y "extended attributes, too"

# --- what a mount says of itself, and keeps
remount
is "$(findmnt -no OPTIONS --mountpoint "$T/mnt" | grep -cw noatime)" 1 "reading sets no access time, and the mount says so"
touch -d @1000 read && cat read > "$T/out" && ls d > "$T/out"
is "$(stat -c %X read)" 1000 "reading sets no access time"
touch -d 1901-01-01T00:00:00.123456789Z old && touch -d 2500-01-01T00:00:00.987654321Z young
remount
is "$(TZ=UTC stat -c %y old young | tr '\n' ' ')" "1901-01-01 00:00:00.123456789 +0000 2500-01-01 00:00:00.987654321 +0000 " \
	"times of other centuries, mounted again"

# --- a copy is a matter of names: the bytes do not pass through the process again
head -c 24M /dev/urandom > big && sync big
read_by() { sed -n 's/^rchar: //p' "/proc/$(pid_of)/io"; }
if cp --help | grep -q reflink && before=$(read_by 2> /dev/null) && [ -n "$before" ]; then
	cp --reflink=auto --sparse=never big copy
	after=$(read_by)
	if strace -V > /dev/null 2>&1 && ! strace -f -e trace=copy_file_range cp --reflink=auto --sparse=never big copy2 2>&1 | grep -q '^copy_file_range.*= [1-9]'; then
		ok 0 "copy_file_range is metadata only # SKIP this cp does not use it"
	else
		[ $((after - before)) -lt 2000000 ] && cmp big copy
		ok $? "copy_file_range is metadata only" || diag "$((after - before)) bytes were read"
	fi
else
	ok 0 "copy_file_range is metadata only # SKIP no counters of I/O"
fi

# --- the past is another file system in all but name
echo live > live
hf snapshot "$T/mnt" then > /dev/null
past=.history/tags/then
call() { perl -MErrno -e 'my ($op, @a) = @ARGV; my $ok = $op eq "link" ? link($a[0], $a[1]) : rename($a[0], $a[1]); print $ok ? "done" : (grep { $!{$_} } keys %!)[0]' "$@"; }
if command -v perl > /dev/null; then
	for two in "$past/live new" "live $past/new" "$past/live d/live"; do
		# shellcheck disable=SC2086 # words are meant
		is "$(call rename $two) $(call link $two)" "EXDEV EXDEV" "rename and link, $two"
	done
	is "$(call rename $past/live $past/new) $(call link $past/live $past/new)" "EROFS EROFS" "rename and link within the past"
	is "$(call rename .history past) $(call rename d .history)" "EPERM EPERM" "the past's own name"
fi
try "mv takes a copy out of the past, and says that the original stays" eval '! mv "$past/live" taken 2> "$T/err" && cmp taken live && test -e "$past/live"'

# --- bytes that only the kernel has yet
remount coalesce
truncate -s 50M sparse && printf data | dd of=sparse bs=1 seek=30M conv=notrunc status=none && cp --sparse=auto sparse sparse2
try "-o coalesce: a copy by holes has what was just written" cmp sparse sparse2

# --- handles
if [ "$root" ]; then
	handle=$("$T/handle" of live) && gone=$("$T/handle" of big)
	rm big
	remount
	is "$("$T/handle" open "$T/mnt" "$handle")" live "a file handle outlives the mount"
	fails "but not its file" 1 "Stale" "$T/handle" open "$T/mnt" "$gone"
	moment=.history/at/tid-$(hf status "$T/mnt" --json | json committed_tid)
	was=$("$T/handle" of "$moment/live")
	is "$("$T/handle" open "$T/mnt" "$was")" live "the past has handles, too"
	remount
	[ -s "$moment/sparse" ] && [ -s "$moment/sparse2" ]
	fails "which lead to nothing else after another mount" 1 "Stale" "$T/handle" open "$T/mnt" "$was"
fi

# --- who may use it
if [ "$root" ]; then
	echo all > all && echo mine > mine && chmod 600 mine && mkdir open && chmod 1777 open && mknod null c 1 3 && chmod 666 null
	cp "$(command -v id)" id && chmod 4755 id
	is "$(as 1234 cat all)" all "mounted by root: everybody may use it"
	fails "by the file's permissions" 1 "Permission denied" as 1234 cat mine
	is "$(as 1234 ./id -u)" 1234 "setuid is not honoured unless asked for"
	fails "nor are devices" 1 "Permission denied" cat null
	remount suid,dev
	is "$(as 1234 ./id -u)" 0 "-o suid"
	try "-o dev" eval 'echo x > null && [ -z "$(cat null)" ]'
	remount noexec
	fails "-o noexec" 126 "Permission denied" ./id
	for how in noallow_other allow_root; do
		remount "$how"
		fails "-o $how keeps others out" 1 "Permission denied" as 1234 cat all
		is "$(cat all)" all "but not who mounted it"
	done
	remount
fi

# --- another user namespace
if [ "$root" ] && as 1234 unshare -Ur true 2> /dev/null; then
	inside() { as 1234 unshare -Ur "$@"; }
	is "$(inside sh -c 'id -u; stat -c %u:%g all; touch open/made && stat -c %u:%g open/made' | tr '\n' ' ')" "0 65534:65534 0:0 " \
		"another user namespace: owners as it knows them"
	is "$(stat -c %u:%g open/made)" 1234:1234 "and as they are"
	fails "its root reads no more than its user" 1 "Permission denied" inside cat mine
	fails "and changes nothing of others" 1 "not permitted" inside chmod 777 all
	fails "nor gives to whom it does not know" 1 "Invalid argument" inside chown 5:5 open/made
	as 1234 mkdir open/d
	try "but its own" inside sh -c 'chmod 4711 open/made && mkdir open/d/e && ln open/made open/d/l && rm -r open/d open/made'
	hf init "$T/ns-store" --kit-file "$T/ns-kit" > /dev/null && mkdir "$T/ns" && chown -R 1234:1234 "$T/ns-store" "$T/ns" && chmod 711 "$T"
	if as 1234 unshare -Urm sh -c '[ -r /dev/fuse ] && [ -w /dev/fuse ] && : <> /dev/fuse' 2> /dev/null; then
		try "mounted within one" as 1234 unshare -Urm sh -c '
			cd / && "$0" mount "$1" "$2" && cd "$2" && echo text > f && mkdir d && [ "$(stat -c %u f)" = 0 ] && cd / &&
			"$0" unmount "$2" && "$0" mount "$1" "$2" && grep -q text "$2/f" && "$0" unmount "$2"' "$HOLDFAST" "$T/ns-store" "$T/ns"
	fi
else
	ok 0 "user namespaces # SKIP not allowed here"
fi

# --- a frozen disk below
fails "a FUSE mount itself cannot be frozen" 1 "not supported|Inappropriate|not permitted" fsfreeze -f "$T/mnt"
cd / || exit 2
hf unmount "$T/mnt"
if [ "$root" ] && truncate -s 500M "$T/disk" && mkfs.ext4 -qF "$T/disk" 2> /dev/null && mkdir "$T/lower" && mount -o loop "$T/disk" "$T/lower" 2> /dev/null; then
	hf init "$T/lower/store" --kit-file "$T/lower-kit" > /dev/null && hf mount "$T/lower/store" "$T/mnt"
	echo durable > "$T/mnt/durable" && sync "$T/mnt/durable"
	fsfreeze -f "$T/lower"
	cp --sparse=always "$T/disk" "$T/image"
	dd if=/dev/zero of="$T/mnt/waits" bs=4k count=1 conv=fsync status=none &
	waiter=$!
	sleep 0.3
	kill -0 "$waiter" 2> /dev/null
	ok $? "an fsync waits while the disk below is frozen"
	is "$(cat "$T/mnt/durable")" durable "reading does not"
	fsfreeze -u "$T/lower"
	wait "$waiter"
	ok $? "and is done when it thaws"
	is "$(stat -c %s "$T/mnt/waits")" 4096 "with nothing lost"
	hf unmount "$T/mnt"
	umount "$T/lower" && mount -o loop "$T/image" "$T/lower" && hf mount "$T/lower/store" "$T/mnt"
	is "$(cat "$T/mnt/durable")" durable "an image of the frozen disk has what was durable"
	hf unmount "$T/mnt"
	try "and is whole" hf check "$T/lower/store"
	umount "$T/lower"
else
	ok 0 "a frozen disk # SKIP no loop devices"
fi
try "no fault in the store" hf check "$T/store"
done_testing
