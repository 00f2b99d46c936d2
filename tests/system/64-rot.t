#!/bin/bash
# SPDX-License-Identifier: MIT
# Flipped bits, in a store, on a node, in a folder and in a bucket: found, never served, said by status and alarm, and
# healed from one another. Where in a file they lie is tests/unit/test_rot's and test_mend's business.
. "$(dirname "$0")/lib.sh"
need_fuse
command -v python3 > /dev/null || skip_all "no python3"
# shellcheck source=tests/s3/s3.sh
. "$TOP/tests/s3/s3.sh"

hf node init "$T/node" --listen "127.0.0.1:$(free_port)" > /dev/null && hf serve "$T/node" > /dev/null || bail "no node"
invitation=$(hf node invite "$T/node")
mkdir "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" --replica "$invitation" --replica "$T/folder" > /dev/null || bail "no volume"
volume=$(hf status "$T/store" --json | json volume_id)
hf mount "$T/store" "$T/mnt" -o scrub=off || bail "no mount"
# A segment that has ended, by an epoch that begins, and one that is written to.
head -c 600000 /dev/urandom > "$T/big"
head -c 300000 /dev/urandom > "$T/small"
cp "$T/small" "$T/mnt/small"
sync "$T/mnt/small"
cp "$T/big" "$T/mnt/big"
hf unmount "$T/mnt" --timeout 60 > /dev/null || bail "not unmounted"
hf rekey "$T/store" --kit "$T/kit" > /dev/null || bail "no new epoch"
hf mount "$T/store" "$T/mnt" -o scrub=off && cp "$T/small" "$T/mnt/more" && head -c 5000 /dev/urandom > "$T/mnt/yet more" || bail "no mount"
hf unmount "$T/mnt" --timeout 60 > /dev/null || bail "not unmounted"
first=log/0000000001.seg last=$(cd "$T/store" && echo log/*.seg | awk '{ print $NF }')
[ "$first" != "$last" ] || bail "one segment only"

# flip FILE OFFSET: turns a bit over
flip() { perl -e 'open(my $f, "+<", $ARGV[0]) or die; seek($f, $ARGV[1], 0); read($f, my $b, 1); seek($f, $ARGV[1], 0); print $f chr(ord($b) ^ 8)' "$1" "$2"; }
sums() { (cd "$1" && sha256sum log/*.seg); }
sums "$T/store" > "$T/sums"
whole() { sums "$1" | cmp -s - "$T/sums"; }
# finds NAME COMMAND: it ends with 1, having found something
finds() { local code; eval "$2" > "$T/.out" 2> "$T/.err"; code=$?; is $code 1 "$1" || diag "$(cat "$T/.err")"; }
status() { hf status "$T/store" --json; }

# --- the store, mounted: a reader gets EIO, and is told why; the file is good again once it is written anew
hf mount "$T/store" "$T/mnt" -o scrub=off || bail "no mount"
flip "$T/store/$first" 50000
echo 3 > /proc/sys/vm/drop_caches 2> /dev/null
fails "what is damaged is not served" 1 "Input/output error" cat "$T/mnt/small"
is "$(status | json complete_tid)" 0 "nobody has verified all of it yet"
try "status names the place" eval 'hf status "$T/mnt" > "$T/out"; grep -q "DAMAGED *segment 1, offset" "$T/out" && grep -q -- "--repair" "$T/out"'
hf status "$T/mnt" > /dev/null
is $? 1 "and its exit code says that a person must look"
eventually 20 eval 'hf alarms "$T/store" | grep -q "damage"'
ok $? "an alarm is raised"
try "which names the file, and when it was written" eval 'hf alarms "$T/store" | tr -d "\n" | grep -q "small as written at 20.*tid-"'
cp "$T/small" "$T/mnt/again" && sync "$T/mnt/again"
try "the same bytes, written again, are stored anew" cmp "$T/small" "$T/mnt/again"

# --- healed while it is mounted, from the node or the folder
try "it is healed while it is mounted" eval 'hf check "$T/mnt" --repair > "$T/out"; grep -q "^healed: segment 1" "$T/out" && grep -q "none is left" "$T/out"'
try "and read again" cmp "$T/small" "$T/mnt/small"
try "status knows of no damage any more" eval 'hf status "$T/mnt" > "$T/out"; ! grep -q DAMAGED "$T/out"'
try "the damaged bytes are kept" eval 'ls "$T/store/damaged/" | grep -q "^0000000001-"'
hf alarms acknowledge "$T/store" all > /dev/null
flip "$T/store/$last" 340
finds "the segment that is written to is not healed under the writer" 'hf check "$T/mnt" --repair > "$T/out"'
try "and it is said what to do" grep -q "unmount" "$T/out"
hf unmount "$T/mnt" --timeout 60 > /dev/null
hf alarms acknowledge "$T/store" all > /dev/null

# --- at rest
finds "at rest it is found, too" 'hf check "$T/store" > "$T/out"'
try "by segment and offset" grep -q "^segment [0-9]*, offset 320" "$T/out"
hf check "$T/store" --repair --json > "$T/out"
is $? 0 "healed at rest"
is "$(json faults < "$T/out"),$(json healed_segments < "$T/out")" 0,1 "as the JSON says"
try "what is left is a store without a fault" hf check "$T/store"
[ "$(status | json complete_tid)" -gt 0 ]
ok $? "when that was is remembered"
sums "$T/store" > "$T/sums"
hf mount "$T/store" "$T/mnt" -o scrub=off && hf unmount "$T/mnt" --timeout 60 > /dev/null
sums "$T/store" > "$T/sums"

# --- its last bytes, behind which nothing says that they were there: what lies beside the log does
flip_end() { flip "$1" $(($(stat -c %s "$1") - 20)); }
flip_end "$T/store/$last"
finds "the last commit of all, damaged, is found" 'hf check "$T/store" > "$T/out"'
try "and who knows of it is named" grep -q "the log ends here, but the index was made from it up to segment" "$T/out"
fails "it is not cut off as if it were torn" 2 "holdfast check" hf mount "$T/store" "$T/mnt"
fails "nor for a rebuild" 2 "holdfast check" hf mount "$T/store" "$T/mnt" -o rebuild
fails "nor is a new epoch begun in its place" 2 "holdfast check" hf rekey "$T/store" --kit "$T/kit"
try "the index is there still" test -d "$T/store/index"
rm -r "$T/store/index"
fails "nor without an index, by the receipts kept" 2 "but replica .* has had it up to" hf mount "$T/store" "$T/mnt"
try "it is healed" eval 'hf check "$T/store" --repair > "$T/out"; grep -q "^healed: segment" "$T/out"'
try "to the byte" whole "$T/store"
hf mount "$T/store" "$T/mnt" -o scrub=off && hf unmount "$T/mnt" --timeout 60 > /dev/null
sums "$T/store" > "$T/sums"

# --- the first segment of an epoch that has only begun: its header is all there is of it
hf rekey "$T/store" --kit "$T/kit" > /dev/null || bail "no new epoch"
begun=$(cd "$T/store" && echo log/*.seg | awk '{ print $NF }')
cp "$T/store/$begun" "$T/begun"
flip "$T/store/$begun" 200
finds "a beginning of an epoch that has rotted is found" 'hf check "$T/store" > "$T/out"'
try "as what it is" grep -q "the beginning of epoch 3 is gone" "$T/out"
fails "it is not written on without" 2 "the log ends in epoch 2" hf mount "$T/store" "$T/mnt"
cp "$T/begun" "$T/store/$begun"
try "put back, it is whole" hf check "$T/store"
hf mount "$T/store" "$T/mnt" -o scrub=off && cp "$T/small" "$T/mnt/third" && hf unmount "$T/mnt" --timeout 60 > /dev/null
sums "$T/store" > "$T/sums"
last=$begun

# --- the folder, from the store
folder=$T/folder/$volume
try "copies are read back" eval 'hf check "$T/store" --replicas > "$T/out" && grep -q "2 replicas read back" "$T/out"'
flip "$folder/$first" 30000
finds "a damaged folder is found" 'hf check "$T/store" --replicas > "$T/out"'
try "by name" grep -q "^replica folder, segment 1, offset" "$T/out"
try "and healed from the store" eval 'hf check "$T/store" --replicas --repair > "$T/out" && grep -q "^healed: replica folder" "$T/out"'
try "it is whole" whole "$folder"
flip_end "$folder/$last"
finds "its last commit, damaged, is found" 'hf check "$T/store" --replicas > "$T/out"'
try "and healed, by the receipt kept of it" eval 'hf check "$T/store" --replicas --repair > "$T/out" && grep -q "^healed: replica folder" "$T/out"'
try "it is whole" whole "$folder"

# --- the node: by itself alone
node=$T/node/volumes/$volume
flip "$node/$first" 410000
finds "a damaged node is found from here" 'hf check "$T/store" --replicas > "$T/out"'
finds "and not changed from here" 'hf check "$T/store" --replicas --repair > "$T/out"'
try "but told how" grep -q "node check DIR --repair" "$T/out"
finds "the node finds it by itself" 'hf node check "$T/node" > "$T/out"'
fails "and is not healed while it is served" 2 "must not be served" hf node check "$T/node" --repair --from "$T/store"
stop_node "$T/node"
try "from the store's folder it is" eval 'hf node check "$T/node" --repair --from "$T/store" > "$T/out" && grep -q "^healed: segment 1" "$T/out"'
try "it is whole again" whole "$node"
rm "$node/$first" "$node/log/0000000002.seg"
try "segments that are gone come back, too" eval 'hf node check "$T/node" --repair --from "$T/folder" > "$T/out"'
try "to the byte" whole "$node"
fails "--repair wants to know from where" 2 "belong together" hf node check "$T/node" --repair
flip_end "$node/$last"
finds "its last commit, damaged, is found" 'hf node check "$T/node" > "$T/out"'
try "and it is said what comes of it" grep -q "no whole group.*its primary sends again" "$T/out"
finds "nothing is healed of which nobody knows there" 'hf node check "$T/node" --repair --from "$T/store" > "$T/out"'
hf serve "$T/node" > /dev/null
try "served again, it is no fault" hf node check "$T/node"
hf mount "$T/store" "$T/mnt" -o scrub=off && hf unmount "$T/mnt" --timeout 60 > /dev/null
try "the primary has sent it again" whole "$node"
try "and says that the node went back" eval 'hf alarms "$T/store" | grep -q regressed'
hf alarms acknowledge "$T/store" all > /dev/null
hf replica acknowledge "$T/store" "$(ls "$T/store/replicas" | sed -n "s/\.regressed$//p")" > /dev/null

# --- the descriptor and the index
flip "$T/store/volume" 50
finds "a damaged descriptor is found" 'hf check "$T/store" > "$T/out"'
try "and made anew" eval 'hf check "$T/store" --repair > "$T/out"'
try "the store is whole" hf check "$T/store"

# --- the scrub
hf mount "$T/store" "$T/mnt" -o scrub=20s || bail "no mount"
try "status says what the scrub does" eval 'hf status "$T/mnt" | grep -q "^verified .*scrubbed once in 20 s"'
flip "$T/store/$first" 600000
eventually 60 eval 'hf alarms "$T/store" | grep -q "damage"'
ok $? "the scrub finds by itself what nobody reads, and raises an alarm"
try "it is healed, mounted as it is" hf check "$T/mnt" --repair
try "and everything is there" cmp "$T/big" "$T/mnt/big"
hf unmount "$T/mnt" --timeout 60 > /dev/null
# --- a bucket, both ways
declare -A secret=([WRITER]=writersecret [OWNER]=ownersecret)
PYTHONDONTWRITEBYTECODE=1 python3 "$TOP/tests/s3/server.py" "$T/port" 2> "$T/server.err" &
server=$!
trap 'kill "$server" 2> /dev/null; cleanup' EXIT
eventually 20 test -s "$T/port" || bail "no server: $(cat "$T/server.err")"
endpoint=http://127.0.0.1:$(cat "$T/port")
as WRITER hf init "$T/b" --kit-file "$T/b.kit" --replica "$(place vault b)" > /dev/null 2>&1 || bail "no volume for the bucket"
hf mount "$T/b" "$T/mnt" -o scrub=off || bail "no mount"
cp "$T/small" "$T/mnt/small" && sync "$T/mnt/small"
hf unmount "$T/mnt" --timeout 60 > /dev/null || bail "the bucket is behind"
(cd "$T/b" && sha256sum log/*.seg) > "$T/sums"
try "a bucket is read back" eval 'hf check "$T/b" --replicas > "$T/out" && grep -q "1 replicas read back" "$T/out"'
key=$(keys OWNER vault b | is_log | head -n 1)
printf noise > "$T/noise"
ask WRITER PUT "vault/${key%-*}-0050000000" "$T/noise"
answered 200 "what lies behind the end of a segment, where nothing leads,"
try "is no fault" hf check "$T/b" --replicas
curl -s -X POST --data rot=1 "$endpoint/_behave"
finds "objects that are damaged are found" 'hf check "$T/b" --replicas > "$T/out"'
try "by their names" grep -qE "object .*/0000000001-[0-9]*: its bytes are not those" "$T/out"
try "the right ones are put over them" eval 'hf check "$T/b" --replicas --repair > "$T/out" && grep -q "its newest version now" "$T/out"'
try "and then all is well" hf check "$T/b" --replicas
flip "$T/b/$first" 50000
try "the store is healed from the bucket" eval 'hf check "$T/b" --repair > "$T/out" && grep -q "from vault" "$T/out"'
try "it is whole" whole "$T/b"

fails "an interval that is none is refused" 2 "scrub=30d" hf mount "$T/store" "$T/mnt" -o scrub=often
done_testing
