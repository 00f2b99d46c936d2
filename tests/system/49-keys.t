#!/bin/bash
# SPDX-License-Identifier: MIT
# Keys as a person keeps them: by a passphrase typed or piped in, in a file elsewhere; and the day when one was stolen.
. "$(dirname "$0")/lib.sh"
need_fuse

mkdir "$T/mnt" "$T/old"
typing="$TOP/tests/system/typing.pl"
echo "correct horse" > "$T/pass"
echo "battery staple" > "$T/new"

# made with one
fails "two that differ make nothing" 2 "not the same" eval \
	'"$typing" "New passphrase" one "once more" two -- "$HOLDFAST" init "$T/store" --passphrase --kit-file "$T/kit" >&2'
[ ! -e "$T/store" ] && [ ! -e "$T/kit" ]
ok $? "neither a store nor a kit"
fails "no terminal and no descriptor" 2 "give --passphrase-fd" setsid "$HOLDFAST" init "$T/store" --passphrase --kit-file "$T/kit"
try "typed twice it makes a store" eval \
	'"$typing" "New passphrase" "correct horse" "once more" "correct horse" -- \
		"$HOLDFAST" init "$T/store" --passphrase --kit-file "$T/kit" --kit-qr "$T/kit.svg" > "$T/terminal"'
try "and is not shown" eval '! grep -q "correct horse" "$T/terminal"'
try "the kit is on the store's disk, and that is said" grep -q "kit is on the same disk as the store" "$T/terminal"
is "$(stat -c %a "$T/kit" "$T/kit.svg" "$T/store/keys/volume.key" | tr '\n' ' ')" "600 600 600 " "nobody else reads what was made"
try "the QR code is a picture" eval 'head -c 5 "$T/kit.svg" | grep -q "<svg" && tail -n 1 "$T/kit.svg" | grep -q "</svg>"'
fails "no kit is written over a file" 2 "never written over" hf init "$T/store2" --kit-file "$T/kit"
fails "nor a picture of one" 2 "never written over" hf init "$T/store2" --kit-file "$T/kit2" --kit-qr "$T/kit.svg"
[ ! -e "$T/kit2" ] && [ ! -e "$T/store2" ]
ok $? "and nothing else is left then"
try "how it is kept" eval 'hf key status "$T/store" | grep -q "3 passes of Argon2id over 256 MiB"'

# opened
fails "no terminal, no passphrase" 2 "wrapped by a passphrase" setsid "$HOLDFAST" status "$T/store"
fails "the environment is not asked" 2 "wrapped by a passphrase" env PASSPHRASE="correct horse" HOLDFAST_PASSPHRASE="correct horse" setsid "$HOLDFAST" status "$T/store"
try "typed, it opens" eval '"$typing" "Passphrase of" "correct horse" -- "$HOLDFAST" status "$T/store" > "$T/terminal"'
try "and is not shown either" eval 'grep -q "volume  *[0-9a-f]\{32\}, epoch 1" "$T/terminal" && ! grep -q "correct horse" "$T/terminal"'
fails "a wrong one" 2 "wrong passphrase" eval '"$typing" "Passphrase of" "correct hors" -- "$HOLDFAST" status "$T/store" >&2'
fails "an empty one" 2 "is empty" eval 'hf status "$T/store" --passphrase-fd 3 3< /dev/null'
fails "no such descriptor" 2 "not the number of an open descriptor" hf status "$T/store" --passphrase-fd 77
fails "a command that opens nothing" 2 "says nothing to this command" hf node status "$T" --passphrase-fd 0
try "from a descriptor" eval 'hf status "$T/store" --passphrase-fd=3 3< "$T/pass"'
fails "mounting with a wrong one" 2 "wrong passphrase" eval 'hf mount "$T/store" "$T/mnt" -o passphrase-fd=3 3< "$T/new"'
try "mounting asks for it" eval '"$typing" "Passphrase of" "correct horse" -- "$HOLDFAST" mount "$T/store" "$T/mnt" > "$T/terminal"'
echo kept > "$T/mnt/file"
sync "$T/mnt/file"
for command in "status" "head" "check" "tags" "snapshot"; do
	args=("$T/mnt")
	[ "$command" = snapshot ] && args+=(named)
	try "mounted, $command asks for nothing" setsid "$HOLDFAST" "$command" "${args[@]}"
done
fails "keys are changed at rest" 2 "unmount it first" eval 'hf key plain "$T/store" --passphrase-fd 3 3< "$T/pass"'
fails "the epoch too" 2 "unmount it first" hf rekey "$T/store" --kit "$T/kit"
hf unmount "$T/mnt"

# changed
fails "the old one is asked for first" 2 "wrong passphrase" eval \
	'"$typing" "Passphrase of" "something" "New passphrase" new "once more" new -- "$HOLDFAST" key passphrase "$T/store" >&2'
try "changed by typing" eval '"$typing" "Passphrase of" "correct horse" "New passphrase" "battery staple" "once more" "battery staple" -- \
	"$HOLDFAST" key passphrase "$T/store"'
fails "the old one opens nothing" 2 "wrong passphrase" eval 'hf status "$T/store" --passphrase-fd 3 3< "$T/pass"'
try "changed back by descriptors, both lines from one" eval \
	'cat "$T/new" "$T/pass" | hf key passphrase "$T/store" --passphrase-fd 0 --new-passphrase-fd 0'
try "the store of that passphrase" eval 'hf head "$T/store" --passphrase-fd 3 3< "$T/pass"'

# the volume key is nowhere in the store, and never was
cp -a "$T/store" "$T/plain"
try "plain again" eval 'hf key plain "$T/plain" --passphrase-fd 3 3< "$T/pass" && hf status "$T/plain"'
# shellcheck disable=SC2016 # perl's own
try "no file of the store has the volume key or the writer's" perl -e '
	my ($plain, $store) = @ARGV;
	local $/;
	my @keys = map { open my $f, "<", "$plain/keys/$_" or die; substr(<$f>, 32, 32) } "volume.key", "writer.key";
	for my $file (split "\n", `find $store -type f`) {
		open my $f, "<", $file or die;
		my $all = <$f>;
		for (@keys) { die "$file has it\n" if index($all // "", $_) >= 0 }
	}' "$T/plain" "$T/store"

# elsewhere
fails "not into the store" 2 "is in the store" hf key move "$T/plain" "$T/plain/keys/other.key"
try "moved out" hf key move "$T/plain" "$T/volume.key"
fails "not over another" 2 "there already" hf key move "$T/plain" "$T/volume.key" --key-file "$T/volume.key"
is "$(stat -c %a "$T/volume.key")" 600 "for its owner alone"
is "$(hf key status "$T/plain" --json | json kept)" elsewhere "status says so"
fails "alone the store does not open" 2 "kept elsewhere" hf status "$T/plain"
try "with the file" hf status "$T/plain" --key-file "$T/volume.key"
try "with a descriptor" eval 'hf status "$T/plain" --key-fd 5 5< "$T/volume.key"'
mkdir "$T/credentials"
cp "$T/volume.key" "$T/credentials/holdfast-key"
try "with what systemd hands over" env CREDENTIALS_DIRECTORY="$T/credentials" "$HOLDFAST" status "$T/plain"
fails "with the key of another volume" 2 "another volume" eval \
	'hf init "$T/other" --kit-file "$T/otherkit" --key-out "$T/other.key" > /dev/null 2>&1; hf status "$T/plain" --key-file "$T/other.key"'
[ ! -e "$T/other/keys/volume.key" ] && hf status "$T/other" --key-file "$T/other.key" > /dev/null
ok $? "a store can be made so"
try "mounted with it" hf mount "$T/plain" "$T/mnt" -o "nosuid,key-file=$T/volume.key"
is "$(cat "$T/mnt/file")" kept "and read"
hf unmount "$T/mnt"
rm -rf "$T/plain" "$T/other"

# stolen
port=$(free_port)
hf node init "$T/node" --listen "127.0.0.1:$port" > /dev/null && hf serve "$T/node" > /dev/null || bail "no node"
hf key plain "$T/store" --passphrase-fd 3 3< "$T/pass" > /dev/null
hf replica add "$T/store" "$(hf node invite "$T/node")" --name node && hf replica add "$T/store" "$T/disk" --name disk || bail "no replicas"
hf mount "$T/store" "$T/mnt" && echo ours > "$T/mnt/ours" && hf unmount "$T/mnt" || bail "it does not mount"
cp -a "$T/store" "$T/stolen"
fails "only the owner" 2 "give the recovery kit" hf rekey "$T/store"
fails "another owner" 2 "this kit is of volume" hf rekey "$T/store" --kit "$T/otherkit"
kill "$(cat "$T/node/pid")"
eventually 10 eval '[ ! -e "$T/node/pid" ]'
hf rekey "$T/store" --kit "$T/kit" > "$T/out"
is $? 1 "a node that is away has not heard"
try "which is said of it alone" eval 'grep -q "^replica node did NOT take it" "$T/out" && grep -q "^replica disk has it" "$T/out"'
try "with what to do then" grep -q "rekey $T/store --kit $T/kit --retry" "$T/out"
hf serve "$T/node" > /dev/null || bail "the node does not come back"
try "and that does it" eval 'hf rekey "$T/store" --kit "$T/kit" --retry --json | tee "$T/out" | grep -q "\"took_it\": true"'
is "$(json epoch < "$T/out") $(json begun < "$T/out")" "2 false" "without another epoch"
is "$(hf status "$T/store" --json | json epoch)" 2 "which the store is in"

hf mount "$T/stolen" "$T/old" && echo forged > "$T/old/forged" && sync "$T/old/forged"
refused() { [ "$(hf status "$T/old" --json | grep -c '"state": "refused"')" = 2 ]; }
try "the copy is refused by both" eventually 20 refused
hf status "$T/old" > "$T/out"
is $? 1 "its status is bad"
try "and says why" eval 'grep -q "epoch over" "$T/out" && grep -q "copy from before" "$T/out"'
try "unmounting says it too" eval 'hf unmount "$T/old" --timeout 1 2>&1 | grep -q "copy from before"'
hf node status "$T/node" > "$T/out"
is $? 1 "the node has an alarm"
try "of an old writer" grep -q "epoch_over" "$T/out"
try "the store itself goes on" eval 'hf mount "$T/store" "$T/mnt" && echo more > "$T/mnt/more" && hf unmount "$T/mnt"'
try "from the node all of it comes back, with keys that are wrapped" eval \
	'hf recover --from "$(hf node invite "$T/node")" --kit "$T/kit" "$T/back" --passphrase-fd 3 3< "$T/new"'
fails "by that passphrase" 2 "wrong passphrase" eval 'hf mount "$T/back" "$T/mnt" -o ro,passphrase-fd=3 3< "$T/pass"'
hf mount "$T/back" "$T/mnt" -o ro,passphrase-fd=3 3< "$T/new"
is "$(cat "$T/mnt/file" "$T/mnt/ours" "$T/mnt/more" | tr '\n' ' ')" "kept ours more " "every file"
[ ! -e "$T/mnt/forged" ]
ok $? "and nothing of the thief's"
hf unmount "$T/mnt"

done_testing
