#!/bin/bash
# SPDX-License-Identifier: MIT
# The bad day, and the smaller ones, by the book: what docs/RUNBOOK.md shows is run from there, and all of it, against a
# node, after an attack by somebody who has everything that was on the machine.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root "a mount is made read-only by mount(8)"

document=$TOP/docs/RUNBOOK.md
S=$T/store M=$T/mnt safe=$T/safe
mkdir -p "$T/home" "$T/bin" "$T/larger" "$safe" "$M"
ln -s "$HOLDFAST" "$T/bin/holdfast"
export HOME=$T/home PATH=$T/bin:$PATH
moment='' invitation='' id=''

# shown NAME: the commands of that box, here: in this folder, of $moment, by $invitation
shown()
{
	sed -n '/^```sh '"$1"'$/,/^```$/p' "$document" | sed -e '/^```/d' -e "s|/var/lib/volume|$S|g" -e "s|/srv/files|$M|g" \
		-e "s|/srv/new|$T/new|g" -e "s|/var/lib/node|$T/node|g" -e "s|/media/safe|$safe|g" -e "s|/mnt/larger|$T/larger|g" \
		-e "s|/usr/local/bin|$T/bin|g" -e "s|backup.example.org|127.0.0.1|g" -e "s|INVITATION|$invitation|g" \
		-e "s|\\bID\\b|$id|g" -e "s|MOMENT|$moment|g"
}

# as_shown NAME TEST: run them. A command may find something (1), and none may be unable to (2).
as_shown()
{
	shown "$1" > "$T/box"
	echo "$1" >> "$T/run"
	[ -s "$T/box" ] && try "$2" bash -c 'trap '\''[ $? -le 1 ] || exit 2'\'' ERR; . "$1"; :' bash "$T/box" ||
		{ diag "$(cat "$T/box")"; return 1; }
}
# said PATTERN NAME: by the box that was last run
said() { grep -qE -- "$1" "$T/.out"; ok $? "$2" || diag "$(cat "$T/.out")"; }

now() { sync "$M" && hf status "$M" --json | json committed_moment; }
sums() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2); }
is_as() { sums "$M" | diff "$1" - > "$T/.out"; ok $? "$2" || diag "$(head -n 20 "$T/.out")"; }
is_current() { [ "$(hf status "$M" --json | json state)" = current ]; }
shipped() { sync "$M"; eventually 30 is_current; }
# The process is killed, as by pulling the plug, and its mount is taken away.
pulled()
{
	local pid

	pid=$(hf status "$S" --json | json pid)
	kill -9 "$pid" && eventually 10 eval "! kill -0 $pid"
	umount -l "$M"
}
invite() { invitation=$(hf node invite "$T/$1" --volume "$id" --host 127.0.0.1); }

# --- a good day
port=$(free_port)
hf node init "$T/node" --listen "127.0.0.1:$port" > /dev/null && hf serve "$T/node" > /dev/null || bail "no node"
hf init "$S" --kit-file "$safe/volume.kit" --replica "$(hf node invite "$T/node")" > /dev/null 2>&1 || bail "no volume"
id=$(hf status "$S" --json | json volume_id)
hf mount "$S" "$M" || bail "no mount"
mkdir -p "$M/project/sub" "$M/more"
for i in 1 2 3 4 5; do echo "report $i" > "$M/project/report$i" && head -c 20000 /dev/urandom > "$M/more/$i"; done
echo deep > "$M/project/sub/file"
shipped
as_shown head "a head is saved"
sums "$M" > "$T/good"
good=$(now)

# --- the bad one: root, with every key. He takes a copy, ruins everything, and writes what he likes.
cp -a "$S" "$T/stolen"
for file in "$M"/more/*; do head -c 20000 /dev/urandom > "$file"; done
rm -r "$M/project" && echo "pay" > "$M/README"
shipped
pulled
rm -rf "$S"
hf mount "$T/stolen" "$M" && echo "mine" > "$M/evil" && sync "$M/evil"
umount -l "$M" 2> /dev/null
for pid in $(sed -n 's/^process \([0-9]*\),.*/\1/p' "$T/stolen/lock"); do kill -9 "$pid" 2> /dev/null; eventually 10 eval "! kill -0 $pid"; done

as_shown node-look "the node is looked at"
said "$id" "it has the volume"
as_shown node-prunes "no prune is under way"
as_shown freeze "the node is stopped, copied, and served again"
sums "$T/node/volumes" > "$T/.a" && sums "$T/node-as-found/volumes" | diff "$T/.a" - > "$T/.out"
ok $? "the copy is what it is" || diag "$(head "$T/.out")"
as_shown node-check "every byte of it is whole"
as_shown invite "somebody lets the owner in"
invitation=$(tail -n 1 "$T/.out")
as_shown kit "the kit is looked at"
said "$id" "it is that volume's"
as_shown recover "recovered"
said "epoch" "a new epoch has begun"
[ -e "$S/volume" ] || bail "nothing was recovered"
as_shown verify "verified, and mounted to be looked at"
fails "nothing can be written yet" 1 "Read-only" touch "$M/x"
as_shown what-happened "what happened"
said "README" "is told"
moment=$good
as_shown look "looked at as it was"
said "^A .*README|^D .*project|^M .*more" "and what is different since"
as_shown put-back "put back"
is_as "$T/good" "every file is what it was"
[ -e "$M/.history/tags/as-found/README" ]
ok $? "and what was found has a name"
shipped
ok $? "it is shipped to the node again"
# the thief comes back
hf mount "$T/stolen" "$T/larger" > /dev/null 2>&1
thief_is_refused() { [ "$(hf status "$T/stolen" --json | json state)" = refused ]; }
eventually 30 thief_is_refused
ok $? "whoever has the old keys is refused"
hf unmount "$T/larger" --timeout 0 > /dev/null 2>&1
printf '#!/bin/sh\ncat > "%s/told"\n' "$T" > "$T/bin/tell-me" && chmod 755 "$T/bin/tell-me"
as_shown afterwards "kit, head and alarms"
grep -q '"kind":"test"' "$T/told"
ok $? "somebody is told"
as_shown acknowledge "what the node tells is read and acknowledged"
said "epoch_over" "that somebody has come back with the old key"
try "then none is open" hf node status "$T/node"
as_shown rehearse "rehearsed"
said "PASS" "it passes"
said "danger, .* warning" "and reviewed"

# --- a deleted folder
rm -r "$M/project/sub" "$M/project/report2"
as_shown deleted "what was deleted is found, and brought back"
said "report2" "by its name"
is_as "$T/good" "it is what it was"
sleep 1.5 # what came without a pause of a second is one thing, and undone as one
rm "$M/project/report3"
as_shown undo "the last thing done is taken back"
is_as "$T/good" "it is what it was"

# --- ransomware
hf alarms set "$M" encryption=10 > /dev/null
for i in $(seq 40); do seq $((i * 1000)) $((i * 1000 + 3000)) > "$M/more/text$i"; done
shipped
sums "$M" > "$T/good2"
hf unmount "$M" > /dev/null 2>&1 # what was before is no part of the burst
eventually 60 hf mount "$S" "$M" || bail "no mount"
for i in $(seq 40); do
	openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00112233445566778899aabbccddeef0 -in "$M/more/text$i" -out "$M/more/text$i.x"
	rm "$M/more/text$i"
done
eventually 30 eval '! hf alarms "$M" > /dev/null'
moment=$(hf alarms "$M" --json | json moment)
[ -n "$moment" ]
ok $? "an alarm names a moment"
as_shown read-only "it is stopped"
fails "nothing can be written" 1 "Read-only" touch "$M/more/x"
as_shown alarms "the alarm is looked at"
said "ALARM .*encryption" "it says what it is"
said "text1" "and what was touched"
as_shown ransomware "all of it is made what it was"
rm -f "$M/more/text1.x" # what was made before anything was taken away may be in that moment
is_as "$T/good2" "every file"
try "no alarm is open" hf alarms "$M"
is "$(find "$M/.history/tags/encrypted/more" -name '*.x' | wc -l)" 40 "what they had become is there too"

# --- bytes of the log, the index, the disk, the place
perl -e 'open(my $f, "+<", $ARGV[0]) or die; seek($f, 50000, 0); read($f, my $b, 1); seek($f, 50000, 0);
	print $f chr(ord($b) ^ 8)' "$S/log/0000000001.seg"
as_shown damaged "damage is healed"
said "^healed: segment 1" "from the node"
said "none is left" "all of it"
as_shown index "an index is built anew"
is_as "$T/good2" "it is what it was"
as_shown move "the store is moved"
is_as "$T/good2" "it is what it was"
hf unmount "$M" > /dev/null && rm -rf "$S" && mv "$T/larger/volume" "$S" && hf mount "$S" "$M" || bail "not moved back"
as_shown budget "a budget is raised"
hf node status "$T/node" --json | grep -q 536870912000
ok $? "by so much"

# --- replicas
first=$(hf replica list "$M" --json | json name)
hf node init "$T/node2" --listen "127.0.0.1:$(free_port)" > /dev/null && hf serve "$T/node2" > /dev/null || bail "no second node"
hf replica add "$M" "$(hf node invite "$T/node2")" --name old-replica > /dev/null || bail "no second replica"
stop_node "$T/node2" && rm -rf "$T/node2"
port3=$(free_port)
hf node init "$T/node3" --listen "127.0.0.1:$port3" > /dev/null && hf serve "$T/node3" > /dev/null || bail "no third node"
invitation=$(hf node invite "$T/node3")
as_shown replace "a lost replica is replaced"
said "new-replica" "by a new one"
state_of() { hf replica list "$M" --json | perl -MJSON::PP -e 'local $/; my $d = decode_json(<STDIN>); for (ref $d eq "ARRAY" ? @$d : @{$d->{replicas}}) { print $_->{$ARGV[1]} // "" if $_->{name} eq $ARGV[0] }' "$@"; }
new_is_current() { sync "$M"; [ "$(state_of new-replica state)" = current ]; }
eventually 30 new_is_current
ok $? "which gets the whole past"
# its disk is put back to an older copy
cp -a "$T/node3" "$T/older" && echo later > "$M/later" && sync "$M/later" && eventually 30 new_is_current
stop_node "$T/node3" && rm -rf "$T/node3" && mv "$T/older" "$T/node3" && rm -f "$T/node3/pid" && hf serve "$T/node3" > /dev/null
went_back() { [ -n "$(state_of new-replica regressed)" ]; }
eventually 60 went_back
ok $? "one that is rolled back is noticed"
as_shown went-back "and acknowledged"
is "$(state_of new-replica regressed)" "" "then no more is said of it"

# --- keys
before=$(hf status "$M" --json | json epoch)
as_shown rekey "a new writer key"
is "$(hf status "$M" --json | json epoch)" $((before + 1)) "a new epoch"
rm "$M/later"
as_shown new-kit "a new volume, where the kit is lost"
sums "$T/new" | diff "$T/good2" - > "$T/.out"
ok $? "has every file" || diag "$(head "$T/.out")"
try "and a kit" hf kit check "$safe/new.kit" "$S-new"
hf unmount "$T/new" > /dev/null && rm -rf "$S-new"
hf unmount "$M" > /dev/null
as_shown old-folder "recovered from a store's own folder"
hf mount "$S-new" "$M" && is_as "$T/good2" "all of it"
hf unmount "$M" > /dev/null && rm -rf "$S-new"
echo "correct horse" | hf key passphrase "$S" --new-passphrase-fd 0 > /dev/null || bail "no passphrase"
echo "battery staple" > "$safe/new-passphrase"
as_shown passphrase "without the passphrase, by the kit"
hf mount "$S-new" "$M" -o passphrase-fd=3 3< "$safe/new-passphrase" && is_as "$T/good2" "all of it, by the new one"
hf unmount "$M" > /dev/null
echo "correct horse" | hf key plain "$S" --passphrase-fd 0 > /dev/null

# --- the process dies
hf mount "$S" "$M" && pid=$(hf status "$S" --json | json pid) && kill -9 "$pid" && eventually 10 eval "! kill -0 $pid"
as_shown died "a process that died"
is_as "$T/good2" "nothing is lost"
[ -n "$first" ] && hf unmount "$M" --timeout 0 > /dev/null 2>&1

sed -n 's/^```sh \(.*\)/\1/p' "$document" | sort > "$T/boxes"
sort -u "$T/run" | diff "$T/boxes" - > "$T/.out" && ! grep -qE '^```(sh)?$' <(awk '/^```/ { n++; if (n % 2) print }' "$document")
ok $? "every command the document shows has been run" || diag "$(cat "$T/.out")"
done_testing
