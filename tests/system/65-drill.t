#!/bin/bash
# SPDX-License-Identifier: MIT
# A recovery rehearsed: with the kit and without, from a node and a folder, shut off from the primary; what came of it is kept,
# and missed when it was not done. What a replica that lies does to it is in tests/attack.
. "$(dirname "$0")/lib.sh"
need_fuse

hf node init "$T/node" --listen 127.0.0.1:0 > /dev/null && hf serve "$T/node" > /dev/null || bail "no node"
mkdir "$T/mnt" "$T/scratch"
hf init "$T/store" --kit-file "$T/kit" > /dev/null || bail "no volume"
fails "without a replica there is nothing to drill" 2 'no replica' hf drill "$T/store"
hf replica add "$T/store" "$(hf node invite "$T/node")" --name far > /dev/null || bail "no replica"
hf replica add "$T/store" "$T/copy" --name near > /dev/null || bail "no second replica"
hf mount "$T/store" "$T/mnt" || bail "it does not mount"

# --- what is to come back
mkdir -p "$T/mnt/deep/er"
head -c 3000000 /dev/urandom > "$T/mnt/deep/er/random"
printf 'first\n' > "$T/mnt/words"
printf 'second\n' > "$T/mnt/words"
truncate -s 50M "$T/mnt/sparse"
printf 'island' | dd of="$T/mnt/sparse" bs=1 seek=20000000 conv=notrunc status=none
ln "$T/mnt/words" "$T/mnt/words too"
ln -s 'no where' "$T/mnt/link"
mkfifo "$T/mnt/pipe"
[ "$(id -u)" -ne 0 ] || mknod "$T/mnt/device" c 1 3
setfattr -n user.colour -v blue "$T/mnt/words"
chmod 4711 "$T/mnt/words"
chmod 0 "$T/mnt/deep/er"
touch -d '1999-12-31T23:59:59.123456789' "$T/mnt/deep"
for i in $(seq 40); do printf '%s\n' "$i" > "$T/mnt/deep/$i"; done
rm "$T/mnt/deep/7"
settled() { [ "$(hf status "$T/store" --json | tr -d '\n' | grep -o '"state": *"current"' | wc -l)" = 2 ] &&
	! hf status "$T/store" --json | grep -q '"lag_bytes": *[1-9]'; }
eventually 30 settled || bail "the replicas do not catch up: $(hf status "$T/store")"
volume=$(hf status "$T/store" --json | json volume_id)
url=$(hf status "$T/store" --json | sed -n 's/^.*"url": "\(https:[^"]*\)".*$/\1/p')
head=$(hf head "$T/mnt")
tid=$(hf status "$T/store" --json | json head_tid)
sums() { (cd "$1" && sha256sum ./*.seg); }
far=$T/node/volumes/$volume/log
before=$(sums "$far")

verdict() { sed -n "s/^\([A-Z]*\)  $1 .*$/\1/p" "$T/.said"; }
# drill CODE NAME ARGUMENT…: what it says is in $T/.said; nothing is left behind
drill()
{
	local code=$1 name=$2 got

	shift 2
	hf drill "$@" --dir "$T/scratch" > "$T/.said" 2> "$T/.err"
	got=$?
	[ "$got" -eq "$code" ] && [ -z "$(ls -A "$T/scratch")" ]
	ok $? "$name" || { diag "exit code $got, wanted $code; left: $(ls -A "$T/scratch")"; diag "$(cat "$T/.said" "$T/.err")"; }
}

# --- by the keys that are here, of a mounted store
drill 0 "by the keys of the store" "$T/mnt" --from far
is "$(grep -oE '^[A-Z]+  [a-z]+' "$T/.said" | tr -s ' ' | tr '\n' ',')" \
	"PASS apart,PASS reach,PASS fetch,PASS fresh,PASS rebuild,PASS restore,PASS compare,PASS verify,PASS past,SKIP epoch,PASS delete,PASS overwrite,PASS fork,PASS unchanged," \
	"every step of it, and only the epoch is for the kit"
grep -q '^not proven .*kit' "$T/.said"
ok $? "and that it does not prove the kit is said"
grep -qE "^recovery point .*tid-$tid\): nothing" "$T/.said"
ok $? "nothing would be lost" || diag "$(cat "$T/.said")"
grep -qE 'PASS  apart .*[1-9][0-9]* of them were tried' "$T/.said"
ok $? "that it cannot open the primary's files was tried" || diag "$(cat "$T/.said")"
grep -q 'PASS  delete .*DELETE of a segment: refused, 405; DELETE of the volume: refused, 405' "$T/.said" &&
	grep -q 'PASS  overwrite .*PUT: refused, 405; PATCH: refused, 405; POST .*: refused, 409' "$T/.said" &&
	grep -q 'PASS  fork .*rightly signed.*: refused, 409' "$T/.said"
ok $? "each attempt by its name, with what was answered" || diag "$(cat "$T/.said")"
is "$(sums "$far")" "$before" "the node has what it had, to the byte"
# an alarm that is raised again is written once a second: all of it, or the rest opens it anew once it is acknowledged
conflicts=$(grep -o 'refused, 409' "$T/.said" | wc -l)
told() { hf node status "$T/node" --json | tr -d '\n' | sed -n 's/^.*"kind": *"conflict"[^}]*"count": *\([0-9]*\).*$/\1/p'; }
eventually 5 eval '[ "$(told)" = "$conflicts" ]'
ok $? "and has alarmed its operator, of each" || diag "of $conflicts: $(hf node status "$T/node")"
hf node acknowledge "$T/node" all > /dev/null
drill 0 "without an alarm" "$T/store" --from far --no-alarm --moments 0
is "$(verdict fork) $(verdict overwrite) $(verdict delete) $(verdict past)" "SKIP PASS PASS SKIP" "less is tried"
grep -q 'not proven .*fork\|^ .*that a fork' "$T/.said"
ok $? "and that is said"
hf node status "$T/node" > "$T/out"
is "$?$(grep -c conflict "$T/out")" 00 "no alarm at the node"
echo more > "$T/mnt/more"
sync "$T/mnt/more"
eventually 20 settled
ok $? "the volume goes on as before: epoch, keys and replicas are what they were"
is "$(hf status "$T/store" --json | json epoch)" 1 "and it is the same epoch"

# --- with the kit alone, as on another machine
(cd / && hf drill --from "$url" --kit - --dir "$T/scratch" --moments 1 --json < "$T/kit" > "$T/result" 2> "$T/.err")
is "$?$(cat "$T/.err")" 0 "with place and kit alone, and no store"
for step in apart reach fetch rebuild restore compare verify past epoch delete overwrite unchanged; do
	tr -d '\n' < "$T/result" | grep -qE "\"step\": *\"$step\", *\"verdict\": *\"PASS\""
	ok $? "PASS $step" || diag "$(cat "$T/result")"
done
tr -d '\n' < "$T/result" | grep -qE '"step": *"fork", *"verdict": *"SKIP"'
ok $? "the primary's writer key is not there to fork with"
tr -d '\n' < "$T/result" | grep -qE '"step": *"fresh", *"verdict": *"WEAK"'
ok $? "and nothing to hold it against"
is "$(json rpo_is_at_most < "$T/result") $(json kit < "$T/result") $(json passed < "$T/result") $(json volume_id < "$T/result")" \
	"true true true $volume" "as JSON"
try "that it was done is kept in the store" hf drill "$T/mnt" --record "$T/result"
is "$(hf status "$T/store" --json | tr -d '\n' | grep -o '"last_drill": *{[^}]*"kit": *true' | wc -l)" 1 "as its last drill"
drill 0 "a saved head" --from "$url" --kit "$T/kit" --head "$head" --moments 0
is "$(verdict fresh)" PASS "proves that it is fresh"
echo news > "$T/mnt/news"
later=$(hf head "$T/mnt")
eventually 20 settled

# --- a folder is no defence
drill 0 "from a folder" "$T/store" --from near --full --moments 1
is "$(verdict delete) $(verdict overwrite) $(verdict fork) $(verdict compare) $(verdict unchanged)" "WEAK WEAK WEAK PASS PASS" \
	"is weak, and says so"
grep -q '^WEAK: ' "$T/.said"
ok $? "as a whole too"
is "$(hf status "$T/store" --json | json weak)" true "in the status as well"

# --- what cannot be kept apart, or is wrong, is not rehearsed
fails "the store's own log is no replica" 2 'shut off' hf drill "$T/store" --from "$T/store" --dir "$T/scratch"
hf init "$T/other" --kit-file "$T/other.kit" > /dev/null
fails "another volume's kit" 2 'this kit is of volume' hf drill "$T/store" --kit "$T/other.kit"
drill 1 "another volume's kit, elsewhere," --from "$T/copy" --kit "$T/other.kit"
is "$(verdict reach) $(verdict fetch)" "FAIL SKIP" "brings nothing back"
fails "a replica that is none" 2 '' hf drill "$T/store" --from 'https://nobody'
kept=$(cat "$T/store/drills")
fails "a name that is none" 2 'nope: No such file.*nor is that the name of a replica' hf drill "$T/store" --from nope
fails "a folder without it" 2 'has no volume .*nor is that the name' hf drill "$T/store" --from "$T/scratch"
fails "the same elsewhere" 2 'nope: No such file' hf drill --from nope --kit "$T/kit"
fails "a head that is none" 2 'head' hf drill "$T/store" --head garbage
hf mount "$T/other" "$T/scratch" && echo x > "$T/scratch/x" && sync "$T/scratch/x"
fails "another volume's head" 2 'head is of volume' hf drill "$T/store" --head "$(hf head "$T/scratch")"
hf unmount "$T/scratch" > /dev/null
if [ "$(id -u)" -eq 0 ]; then
	mkdir "$T/small" && mount -t tmpfs -o size=64k tmpfs "$T/small"
	fails "no room for it" 2 'could not be run.*no room in' hf drill "$T/store" --from near --dir "$T/small"
	grep -q '^SKIP  fetch .*could not be done here' "$T/.out" && ! grep -q 'FAIL\|would not come back' "$T/.out"
	ok $? "is no failure of the volume" || diag "$(cat "$T/.out")"
	fails "nor for a sample" 2 'could not be run.*no room in' hf drill "$T/store" --from near --sample 1G --dir "$T/small"
	umount "$T/small"
else
	ok 0 "no room # SKIP needs root"
fi
is "$(cat "$T/store/drills")" "$kept" "none of these is kept, so that none is an alarm"
fails "a number that is none" 2 'bytes nought' hf drill "$T/store" --bytes nought
fails "the same of moments" 2 'moments' hf drill "$T/store" --moments 1001
fails "a kit that is none" 2 'kit' hf drill --from "$T/copy" --kit /dev/null
fails "a folder that is not there" 2 'not/there' hf drill "$T/store" --dir "$T/not/there"
is "$(ls -A "$T/scratch")" "" "nothing of that is left"

# --- bounded
drill 0 "a bounded one" "$T/store" --from near --bytes 1000 --moments 1
grep -q 'chosen at random' "$T/.said" && grep -q 'that all files come back' "$T/.said" && grep -q 'estimated' "$T/.said"
ok $? "says what it did not restore, and estimates the time for all" || diag "$(cat "$T/.said")"
drill 0 "a sample" "$T/store" --from far --sample 1K
is "$(verdict sample)" PASS "verifies a part"
is "$(hf status "$T/store" --json | tr -d '\n' | grep -o '"last_drill": *{[^}]*"passed": *false[^}]*"sample": *true' | wc -l)" 1 \
	"and is no drill that passed"

# --- by turns, and kept
drill 0 "without a name" "$T/store" --moments 0
grep -q 'came back from near' "$T/.said"
ok $? "the replica is taken that was drilled longest ago" || diag "$(tail -n 1 "$T/.said")"
is "$(stat -c %a "$T/store/drills")" 600 "results are nobody else's"
is "$(wc -l < "$T/store/drills")" "$(grep -c '^{"version":1,' "$T/store/drills")" "a line each"
hf status "$T/mnt" | grep -qE '^drill  +passed, .* from near'
ok $? "status shows the last"

# --- one that fails, or is late, is an alarm of the mount; and one that passes closes it
log=$(find "$T/copy" -name '0000000001.seg')
cp "$log" "$T/whole"
hf alarms set "$T/mnt" drill=off > /dev/null
flip() { perl -e 'open(my $f, "+<:raw", $ARGV[0]) or die; seek($f, $ARGV[1], 0); read($f, my $b, 1); seek($f, $ARGV[1], 0); print $f chr(ord($b) ^ 1)' "$@"; }
flip "$log" 200000
drill 1 "a damaged byte" "$T/store" --from near
is "$(verdict reach) $(verdict restore) $(verdict delete)" "FAIL SKIP SKIP" "is found as the last segment is looked at"
hf status "$T/mnt" | grep -q '^drill  *.*FAILED.* at the step "reach"'
ok $? "status says which step"
hf alarms set "$T/mnt" drill=20s > /dev/null
alarmed() { hf alarms "$T/mnt" | grep -A1 '^ALARM .*drill' | grep -q "$1"; }
eventually 20 alarmed 'failed at the step "reach"'
ok $? "the mount raises an alarm" || diag "$(hf alarms "$T/mnt")"
cp "$T/whole" "$log"
hf alarms set "$T/mnt" drill=1s > /dev/null
eventually 20 alarmed 'no rehearsal of a recovery has passed for'
ok $? "and one when none has passed for long" || diag "$(hf alarms "$T/mnt")"
hf alarms set "$T/mnt" drill=30d > /dev/null
sleep 1.2 # until the mount has that
drill 0 "mended" "$T/store" --from near --moments 0
is "$(hf alarms "$T/mnt")" "none is open" "the alarm is seen to"

# --- a replica that was put back, and a head that it lacks
hf unmount "$T/mnt" > /dev/null
fails "a result and no store to keep it in" 2 'volume' \
	eval '(cd / && hf drill --from "$T/copy" --kit "$T/kit" --record "$T/result")' # what else is mounted is of others
cp -a "$T/copy" "$T/newest"
perl -e 'truncate($ARGV[0], $ARGV[1]) or die' "$log" 150000
drill 1 "an older state" "$T/store" --from near --moments 0
is "$(verdict fetch) $(verdict fresh)" "PASS FAIL" "is told from the newest, by what it had acknowledged"
drill 1 "with the kit alone, by a head," --from "$T/copy" --kit "$T/kit" --head "$later" --moments 0
is "$(verdict fresh)" FAIL "too"
rm -r "$T/copy" && mv "$T/newest" "$T/copy"

# --- told to stop, nothing is left
"$HOLDFAST" drill "$T/store" --from near --full --dir "$T/scratch" > /dev/null 2>&1 &
pid=$!
eventually 10 eval '[ -n "$(ls -A "$T/scratch")" ]'
kill -TERM "$pid"
wait "$pid"
is "$?$(ls -A "$T/scratch")" 2 "it goes when it is told to, and takes everything with it"

# --- a passphrase, as systemd would hand it over
printf 'correct horse battery staple\n' > "$T/pass"
hf key passphrase "$T/store" --new-passphrase-fd 3 3< "$T/pass" > "$T/.said" 2>&1 || bail "no passphrase: $(cat "$T/.said")"
hf drill "$T/store" --from near --moments 0 --dir "$T/scratch" --passphrase-fd 3 3< "$T/pass" > "$T/.said" 2>&1
is "$?" 0 "a store whose key is wrapped" || diag "$(cat "$T/.said")"
hf drill "$T/store" --kit "$T/kit" --from far --moments 0 --dir "$T/scratch" < /dev/null > "$T/.said" 2>&1
is "$? $(verdict epoch) $(verdict fork) $(verdict fresh)" "0 PASS PASS PASS" "with the kit everything there is, and nobody is asked for it" || diag "$(cat "$T/.said")"

# --- by a timer
for unit in holdfast-drill@.service holdfast-drill@.timer; do
	sed "s,/usr/local/bin/holdfast,$HOLDFAST," "$TOP/fs/systemd/$unit" > "$T/$unit"
done
if command -v systemd-analyze > /dev/null; then
	is "$(systemd-analyze verify --man=no "$T/holdfast-drill@.service" "$T/holdfast-drill@.timer" 2>&1)" "" \
		"systemd has nothing to say against the units"
else
	ok 0 "the units # SKIP no systemd-analyze: the package systemd is not installed"
fi
is "$(sed -n 's/^ExecStart=[^ ]* //p' "$T/holdfast-drill@.service")" "drill %f --no-alarm" "what it runs is what was tried here"
if [ "$(id -u)" -eq 0 ]; then
	# what these take away: systemd.exec(5)
	lost=$(sed -n 's/^PrivateDevices=yes$/-mknod,-sys_rawio/p; s/^ProtectClock=yes$/-sys_time,-wake_alarm/p
		s/^ProtectKernelLogs=yes$/-syslog/p; s/^ProtectKernelModules=yes$/-sys_module/p' "$T/holdfast-drill@.service" | paste -sd,)
	setpriv --bounding-set="$lost" --inh-caps=-all "$HOLDFAST" drill "$T/store" --no-alarm --from near --moments 0 --dir "$T/scratch" \
		--passphrase-fd 3 3< "$T/pass" > "$T/.said" 2>&1
	is "$? $(verdict restore) $(verdict compare)" "0 PASS PASS" "with the rights that its unit leaves it, a device among the files" ||
		diag "$(cat "$T/.said")"
else
	ok 0 "its rights # SKIP needs root"
fi
done_testing
