#!/bin/bash
# SPDX-License-Identifier: MIT
# What a mounted store says of itself: replicas that are away, deletion, encryption; and that work is none of these.
. "$(dirname "$0")/lib.sh"
need_fuse
for tool in openssl git sqlite3 gcc; do
	command -v $tool > /dev/null || skip_all "no $tool"
done
export GIT_CONFIG_GLOBAL=$T/gitconfig GIT_CONFIG_NOSYSTEM=1
git config --global user.name test
git config --global user.email test@localhost
git config --global safe.directory '*'
git config --global gc.auto 0

cat > "$T/hook" << END
#!/bin/bash
printf '%s,%s,%s,' "\$#" "\$1" "\$2" >> "$T/told"
cat >> "$T/told"
END
chmod +x "$T/hook"
: > "$T/told"
mkdir "$T/source"
mkdir "$T/source/store"
cp -a "$TOP/fs" "$TOP/include" "$TOP/docs" "$T/source" && cp -a "$TOP/store/base" "$TOP/store/format" "$T/source/store"
(cd "$T/source" && git init -q && git add -A && git commit -qm start) || bail "no repository"

port=$(free_port)
hf node init "$T/node" --listen "127.0.0.1:$port" > /dev/null && hf serve "$T/node" > /dev/null || bail "no node"
mkdir "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" --replica "$(hf node invite "$T/node")" > /dev/null || bail "no volume"
volume=$(hf status "$T/store" --json | json volume_id)
kinds() { hf alarms "$T/store" --json | json_kinds; }
json_kinds() { perl -MJSON::PP -e 'local $/; print join(" ", sort map { $_->{kind} } @{decode_json(<>)}), "\n"'; }
# alarm KIND FIELD: of the open alarm of that kind
alarm()
{
	hf alarms "$T/store" --json |
		perl -MJSON::PP -e 'local $/; for (@{decode_json(<STDIN>)}) { print $_->{$ARGV[1]}, "\n" if $_->{kind} eq $ARGV[0] }' "$1" "$2"
}
told() { grep -c "^2,$1,$volume,.*\"kind\":\"$1\".*\"store\":\"$T/store\"" "$T/told"; }
# the state of every file below a folder
sums() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2); }
# The watcher has looked at all there was: what is waited for is that it has looked, not that it finds something.
looked() { hf unmount "$T/mnt" > /dev/null && hf mount "$T/store" "$T/mnt"; }

# Settings
try "none is open in a new store" hf alarms "$T/store"
try "and status is fine" hf status "$T/store"
try "what is set by default is shown" eval 'hf alarms set "$T/store" | tr "\n" " " | grep -q "hook=none url=none lag=600s unreachable=3600s"'
fails "a hook is an absolute path" 2 "absolute path" hf alarms set "$T/store" lag=1m hook=tell-me
fails "a webhook elsewhere is https" 2 "https" hf alarms set "$T/store" url=http://example.org/
fails "a limit is a limit" 2 "lag is seconds" hf alarms set "$T/store" lag=soon
fails "a setting has a name" 2 "what is set is" hf alarms set "$T/store" colour=red
try "and then nothing is set" eval 'hf alarms set "$T/store" | grep -q lag=600s'
fails "what is no store has no alarms" 2 "neither a store" hf alarms "$T"
try "limits for a small volume" hf alarms set "$T/store" files=80
hf mount "$T/store" "$T/mnt" || bail "no mount"
try "a hook, set while it is mounted" hf alarms set "$T/mnt" "hook=$T/hook"

# Work
cd "$T/mnt" || bail "no mount"
try "a clone" git clone -q --no-local "$T/source" work
try "a history of loose objects" eval '(for i in 1 2 3 4 5; do for f in work/docs/*.md; do echo "$i" >> "$f"; done; git -C work commit -qam "$i" || exit 1; done)'
try "git gc" git -C work gc -q --prune=now
try "a build, twice" eval '(for i in 1 2; do for f in work/store/base/*.c work/store/format/*.c; do
	gcc -O -g -D_GNU_SOURCE -std=gnu11 -I"$TOP/include" -I"$TOP" -c "$f" -o "$f.o" || exit 1; done; done)'
mkdir "$T/pictures" pictures
for i in $(seq 100); do head -c 20000 /dev/urandom > "$T/pictures/$i.jpg"; done
try "pictures unpacked, twice" eval 'tar cf "$T/pictures.tar" -C "$T/pictures" . && tar xf "$T/pictures.tar" -C pictures && tar xf "$T/pictures.tar" -C pictures'
try "a database" eval 'for i in $(seq 10); do echo "create table if not exists t(x); insert into t select randomblob(200) from generate_series(1,2000); delete from t where rowid % 3 = 0; vacuum;"; done | sqlite3 base.db'
try "a film" eval 'fallocate -l 30M film && dd if=/dev/urandom of=film bs=1M count=30 conv=notrunc status=none'
try "text compressed, file by file" eval 'cp -r work/store texts && gzip -r texts'
cd /
looked || bail "no mount"
is "$(kinds)" "" "none of that is an alarm" || diag "$(hf alarms "$T/store")"

# Ransomware: every file of a checkout, in place
cp -a "$T/mnt/work" "$T/before"
sums "$T/mnt/work" > "$T/sums"
n=$(find "$T/mnt/work" -type f | wc -l)
find "$T/mnt/work" -type f | while IFS= read -r f; do
	openssl enc -aes-256-ctr -K "$(printf '%064d' 7)" -iv "$(printf '%032d' 7)" -in "$f" -out "$T/encrypted" && cat "$T/encrypted" > "$f"
done
eventually 30 eval 'kinds | grep -q encryption'
ok $? "$n files are encrypted: an alarm" || diag "$(hf alarms "$T/store")"
hf status "$T/mnt" > "$T/out"
is $? 1 "status ends with 1"
try "and says it first" eval 'head -n 1 "$T/out" | grep -q "^ALARM"'
moment=$(alarm encryption moment)
try "its words name the moment" eval 'alarm encryption words | grep -qF ".history/at/$moment"'
sums "$T/mnt/work" | cmp -s - "$T/sums"
is $? 1 "the files are not what they were"
sums "$T/mnt/.history/at/$moment/work" | cmp -s - "$T/sums"
ok $? "at the moment named, every one of them is, to the byte"
try "and git finds it sound" git -C "$T/mnt/.history/at/$moment/work" fsck --no-progress
eventually 20 eval '[ "$(told encryption)" -ge 1 ]'
ok $? "the hook was told" || diag "$(cat "$T/told")"
eventually 20 eval 'hf alarms "$T/store" --json | tr -d "\n " | grep -q "\"delivered\":true"'
ok $? "and that is noted"
fails "an alarm that is not there" 2 "no open alarm 77" hf alarms acknowledge "$T/mnt" 77
try "they are acknowledged while it is mounted" hf alarms acknowledge "$T/mnt" all
try "and none is open" hf alarms "$T/mnt"
try "status is fine" hf status "$T/mnt"

# Deletion, by a process that knows nothing of before
rm -rf "$T/mnt/work" && cp -a "$T/before" "$T/mnt/work"
try "what is removed counts, however young it is" hf alarms set "$T/mnt" young=off
looked || bail "no mount"
hf alarms acknowledge "$T/store" all > /dev/null
sums "$T/mnt/work" > "$T/sums"
rm -rf "$T/mnt/work"
eventually 30 eval 'kinds | grep -q deletion'
ok $? "all of it is removed: an alarm" || diag "$(hf alarms "$T/store")"
is "$(kinds)" deletion "and no other"
moment=$(alarm deletion moment)
sums "$T/mnt/.history/at/$moment/work" | cmp -s - "$T/sums"
ok $? "at the moment named, all of it is there"
hf unmount "$T/mnt" > /dev/null
hf status "$T/store" > "$T/out"
is $? 1 "it stays open when the store is at rest"
try "it is acknowledged there" hf alarms acknowledge "$T/store" "$(alarm deletion alarm)"
try "then none is open" hf status "$T/store"

# A replica goes away
try "shorter limits" hf alarms set "$T/store" unreachable=2s lag=3s
hf mount "$T/store" "$T/mnt" || bail "no mount"
stop_node "$T/node"
echo more > "$T/mnt/more"
sync "$T/mnt/more"
eventually 60 eval '[ "$(kinds)" = "lag unreachable" ]'
ok $? "a replica is away and behind: two alarms" || diag "$(hf alarms "$T/store")"
is "$(alarm unreachable replica)" "$(hf status "$T/mnt" --json | perl -MJSON::PP -e 'local $/; print decode_json(<>)->{replicas}[0]{name}')" "of that replica"
eventually 20 eval '[ "$(told unreachable)" -ge 1 ] && [ "$(told lag)" -ge 1 ]'
ok $? "the hook was told of both" || diag "$(cat "$T/told")"
try "the node is back" hf serve "$T/node"
eventually 60 eval 'hf status "$T/mnt" --json | grep -q "\"current\""'
ok $? "the replica is current"
is "$(kinds)" "lag unreachable" "and the alarms stay until somebody has seen to them"
# with limits that a busy machine keeps, and when a look that was under way is over
try "longer limits" hf alarms set "$T/mnt" unreachable=1h lag=1h
try "acknowledged" hf alarms acknowledge "$T/mnt" all
eventually 20 eval '[ -z "$(kinds)" ] || { hf alarms acknowledge "$T/mnt" all; false; }'
is "$(kinds)" "" "none is open"
hf unmount "$T/mnt" > /dev/null
done_testing
