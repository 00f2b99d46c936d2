#!/bin/bash
# SPDX-License-Identifier: MIT
# A full disk is seen: by status and its exit code, by an alarm, by what the metrics count. And a small disk is not
# full before it is.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root "a disk of its own to fill"

mkdir "$T/disk" "$T/mnt"
mount -t tmpfs -o size=80m none "$T/disk" || skip_all "no tmpfs can be mounted"
hf init "$T/disk/store" --kit-file "$T/kit" > /dev/null && hf mount "$T/disk/store" "$T/mnt" || bail "no volume"
head -c 12000000 /dev/urandom > "$T/mnt/first" && sync "$T/mnt/first"
ok $? "12 MB onto a disk of 80"
free=$(hf status "$T/mnt" --json | json free_bytes)
[ "${free:-0}" -gt 20000000 ]
ok $? "there is room left for more than as much again" || diag "$free"
try "status is well" hf status "$T/mnt"
try "and says what is kept back" eval 'hf status "$T/mnt" | grep -q "^room .* left on the disk below, beside 16 MiB kept for"'
hf doctor "$T/mnt" --json > "$T/doctor"
is "$(grep -A 3 disk-room "$T/doctor" | json verdict)" ok "doctor sees room, too" || diag "$(grep -A 8 disk-room "$T/doctor")"
head -c 20000000 /dev/urandom > "$T/mnt/second" && sync "$T/mnt/second"
ok $? "and as much goes onto it"

# Filled from the volume
more() { head -c 1000000 /dev/urandom > "$T/mnt/more$1" || { sync "$T/mnt/more$1"; sleep 2; head -c 1000000 /dev/urandom > "$T/mnt/more$1"; }; }
for i in $(seq 60); do more "$i" || break; done 2> /dev/null
[ "$i" -gt 1 ] && [ "$i" -lt 60 ]
ok $? "until nothing goes any more" || diag "$i"
(rm "$T/mnt/first") 2> "$T/err"
is "$? $(cat "$T/err")" "0 " "what frees goes on"
hf status "$T/mnt" > "$T/out"
is "$?" 1 "status says by its exit code that a person must look"
grep -q "FULL: nothing can be written" "$T/out"
ok $? "and in words"
is "$(hf status "$T/mnt" --json | json no_room)" true "and in JSON"
eventually 20 eval 'hf alarms "$T/mnt" --json | grep -q "\"space\""'
ok $? "an alarm is raised" || diag "$(hf alarms "$T/mnt")"
try "in words" eval 'hf alarms "$T/mnt" | grep -q "16 are kept for"'

# Room again
mount -o remount,size=200m "$T/disk" || bail "the disk does not grow"
eventually 20 eval 'head -c 1000000 /dev/urandom > "$T/mnt/again"'
ok $? "with more room it can be written again"
is "$(hf status "$T/mnt" --json | json no_room)" false "status knows"
try "the alarm is acknowledged as others are" hf alarms acknowledge "$T/mnt" all
try "then all is well" hf status "$T/mnt"
sleep 8
try "and stays so" hf status "$T/mnt"
is "$(hf alarms "$T/mnt" --json | grep -c '"space"')" 0 "no alarm was raised again"

# Filled by others, to the last byte
head -c 300000000 /dev/zero > "$T/disk/other" 2> /dev/null
is "$(hf status "$T/mnt" > "$T/out"; echo $?) $(grep -c FULL "$T/out")" "1 1" "somebody else has filled it: status says so"
sleep 8
rm "$T/disk/other"
try "the store is whole" hf check "$T/mnt"
hf unmount "$T/mnt" > /dev/null
hf alarms "$T/disk/store" --json > "$T/out"
try "the alarm is there, now that its file has room" grep -q "\"space\"" "$T/out"
umount "$T/disk"
done_testing
