#!/bin/bash
# SPDX-License-Identifier: MIT
# A tree as it was, written out without a mount: it is the same in everything that rsync can compare.
. "$(dirname "$0")/lib.sh"
need_fuse

root=$([ "$(id -u)" -eq 0 ] && echo yes || echo no)
make_volume || bail "no volume"
m=$T/mnt/tree
mkdir "$m" && cd "$m" || bail "no tree"

# --- of everything something
cp -a "$TOP/docs" "$TOP/store" .
mkdir -p "empty" "many names" $'odd\n name\xff'
echo text > $'odd\n name\xff/fi\tle'
for i in $(seq 600); do echo "$i" > "many names/file $i"; done
echo one > first && ln first "many names/second" && ln first docs/third
ln -s ../nowhere dangling && ln -s docs folder-link
truncate -s 3G sparse && printf middle | dd of=sparse bs=1 seek=1500000000 conv=notrunc 2> /dev/null
head -c 5000000 /dev/urandom > large
truncate -s 40000 only-a-hole
mkfifo fifo
# longer than PATH_MAX, step by step
perl -e 'for (1 .. 60) { my $d = sprintf "level-%0100d", $_; mkdir $d and chdir $d or die $! } open F, ">bottom" and print F "bottom"' ||
	bail "not so deep"
chmod 0400 docs/FORMAT.md && chmod 02775 empty && chmod 04755 first && chmod 0555 store
setfattr -n user.colour -v blue large && setfattr -n user.colour -v green "many names"
setfacl -m u:12345:rw large && setfacl -d -m g:54321:rx "many names"
touch -d '2001-02-03T04:05:06.123456789Z' large docs && touch -h -d '1999-01-01T00:00:00.5Z' dangling
if [ "$root" = yes ]; then
	chown -h 1234:5678 docs/POSIX.md dangling && mknod device c 5 1 && chown 4321:8765 device
	setcap cap_net_raw+ep first 2> /dev/null
	setfattr -n trusted.secret -v shh large
fi
cd "$T" && sync "$T/mnt"
moment=$(hf snapshot "$T/mnt" whole --json | json moment)

# same A B: prints what differs; paths so deep are beyond rsync
same() { rsync -nai -HAX --delete --exclude='/level-*' "$1/" "$2/"; }
bottom()
{
	perl -e 'chdir shift; for (1 .. 60) { chdir sprintf "level-%0100d", $_ or die $! } open F, "<bottom" and print <F>' "$1"
}

# --- mounted
try "of a mounted volume" hf restore "$T/mnt/tree" --to "$T/out"
is "$(same "$m" "$T/out")" "" "everything is as it is there"
is "$(bottom "$T/out")" bottom "however deep it lies"
is "$(stat -c %b "$T/out/only-a-hole")" 0 "holes are holes"
[ "$(du -k "$T/out/sparse" | cut -f 1)" -lt 200 ]
ok $? "and a file of 3 GiB with six bytes takes no more than some pages"
is "$(stat -c %i "$T/out/first")" "$(stat -c %i "$T/out/docs/third")" "names of one file are names of one file"
is "$(stat -c %y "$T/out/large")" "$(stat -c %y "$m/large")" "times to the nanosecond"
is "$(stat -c %y "$T/out/docs")" "$(stat -c %y "$m/docs")" "of folders too"

# --- what was
rm -rf "$m/docs" "$m/first" && echo new > "$m/large" && sync "$T/mnt"
try "a moment" hf restore "$T/store" tree --at "$moment" --to "$T/was"
is "$(same "$T/out" "$T/was")" "" "is what it was"
try "one file, which is gone" hf restore "$T/mnt" tree/docs/FORMAT.md --at whole --to "$T/one"
cmp -s "$T/one/FORMAT.md" "$TOP/docs/FORMAT.md"
ok $? "comes back under its name"
fails "that it is gone is said" 2 "there is no" hf restore "$T/mnt" tree/docs/FORMAT.md --to "$T/none"
fails "a moment that is none" 2 "moment" hf restore "$T/mnt" --at "the day before" --to "$T/none"
try "a path of the past means its moment" hf restore "$T/mnt/.history/tags/whole/tree" --to "$T/past"
is "$(same "$T/out" "$T/past")" "" "and is the same"
fails "which need not be said twice" 2 "already" hf restore "$T/mnt/.history/tags/whole/tree" --at whole --to "$T/none"

# --- where to
fails "nothing is written over" 2 "not empty" hf restore "$T/mnt" --to "$T/out"
is "$(same "$T/was" "$T/out")" "" "nor changed"
fails "not into the volume itself" 2 "in the volume" hf restore "$T/mnt/tree" --to "$T/mnt/copy"
fails "nor the store" 2 "in the store" hf restore "$T/mnt/tree" --to "$T/store/copy"
fails "a place must be said" 2 "--to" hf restore "$T/mnt"
fails "a file is no place" 2 "Not a directory" hf restore "$T/mnt" --to "$T/kit"
fails "its folder must be there" 2 "No such file|does not exist" hf restore "$T/mnt" --to "$T/no/such/folder"
mkdir "$T/empty"
try "an empty folder will do" hf restore "$T/mnt/tree/store" --to "$T/empty"
is "$(same "$m/store" "$T/empty")" "" "and gets what the folder itself is"
mkdir -m 777 "$T/open" && setfacl -m u:12345:rwx -d -m u:12345:rwx "$T/open"
try "one that lets others in will" hf restore "$T/mnt/tree" --to "$T/open"
is "$(same "$m" "$T/open")" "" "and what is in it inherits nothing of that"

# --- nobody waits: the request has come when its client has left, and is then not carried on with
python3 - "$(hf status "$T/store" --json | json pid)" "$T/store/socket" "$T/left" << 'EOF'
import json, os, signal, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[2])
os.kill(int(sys.argv[1]), signal.SIGSTOP)
s.sendall(json.dumps({"do": "restore", "path": "tree", "to": sys.argv[3]}).encode() + b"\n")
s.close()
os.kill(int(sys.argv[1]), signal.SIGCONT)
EOF
eventually 10 test -d "$T/left"

# --- at rest, by anybody
hf unmount "$T/mnt" > /dev/null
[ -d "$T/left" ] && [ -z "$(ls -A "$T/left")" ]
ok $? "whose client has left is not restored to its end"
try "at rest" hf restore "$T/store" tree --at whole --to "$T/rest"
is "$(same "$T/out" "$T/rest")" "" "it is the same"
is "$(hf restore "$T/store" tree/docs --at whole --to "$T/json" --json | json files)" "$(find "$TOP/docs" -type f | wc -l | awk '{print $1 + 1}')" "files are counted"
if [ "$root" = yes ]; then
	cp "$HOLDFAST" "$T/holdfast" && chown -R 65534:65534 "$T/store" && chmod 755 "$T" && mkdir -m 777 "$T/theirs"
	theirs() { setpriv --reuid=65534 --regid=65534 --clear-groups "$T/holdfast" "$@"; }
	theirs restore "$T/store" tree --at whole --to "$T/theirs/out" > "$T/said" 2>&1
	is $? 1 "who is not root is told what he cannot make"
	grep -q "^holdfast: device: cannot be made: Operation not permitted" "$T/said" && grep -q "belongs to you" "$T/said"
	ok $? "by name, and that owners are not restored"
	is "$(stat -c '%u %a' "$T/theirs/out/first")" "65534 755" "somebody else's setuid bit is not his"
	cmp -s "$T/theirs/out/large" "$T/out/large"
	ok $? "contents are"

	# a disk that is full
	truncate -s 6M "$T/image" && mkfs.ext4 -q "$T/image" && mkdir "$T/small" && mount -o loop "$T/image" "$T/small"
	mkdir "$T/small/in"
	fails "a full disk ends it" 2 "No space left" hf restore "$T/store" tree --at whole --to "$T/small/in"
	is "$(stat -c '%u %a' "$T/small/in")" "0 700" "and what is there is nobody else's"
	umount "$T/small"
	chown -R 0:0 "$T/store"
else
	for i in 1 2 3 4 5 6; do ok 0 "# SKIP needs root: other users, a small disk ($i)"; done
fi

# --- damage: what cannot be read is named, and is not there; the rest is
segment=$(ls "$T/store/log/"*.seg | head -n 1)
hf restore "$T/store" tree --at whole --to "$T/before" > /dev/null
printf 'XXXXXXXX' | dd of="$segment" bs=1 seek=$(($(stat -c %s "$segment") / 2)) conv=notrunc 2> /dev/null
hf restore "$T/store" tree --at whole --to "$T/after" > "$T/said" 2>&1
is $? 1 "damage below is an exit code"
lost=$(same "$T/before" "$T/after" | grep -c '^>f')
[ "$lost" -ge 1 ] && [ "$lost" -eq "$(grep -c '^holdfast: .*:' "$T/said")" ]
ok $? "each file that is lost is a line, and no file is half there" || diag "$lost lost" "$(cat "$T/said")"

# The result names what was made: a file is put into the folder, under its own name.
hf init "$T/named" --kit-file "$T/named.kit" > /dev/null && mkdir "$T/named.mnt" && hf mount "$T/named" "$T/named.mnt" || bail "no volume"
mkdir "$T/named.mnt/d" && echo text > "$T/named.mnt/d/f1"
is "$(hf restore "$T/named.mnt/d/f1@now" --to "$T/named.to" | cut -d: -f1)" "$T/named.to/f1" "the result is a file's whole path"
is "$(cat "$T/named.to/f1")" text "and there it is"
is "$(hf restore "$T/named.mnt/d@now" --to "$T/named.to2" | cut -d: -f1)" "$T/named.to2" "a folder is the one that is named"
hf unmount "$T/named.mnt" > /dev/null
done_testing
