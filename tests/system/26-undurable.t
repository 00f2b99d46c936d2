#!/bin/bash
# SPDX-License-Identifier: MIT
# With -o sync and dirsync, an operation that is done and cannot be made durable fails. Programs then see what there is
# all the same: it was done.
. "$(dirname "$0")/lib.sh"
need_fuse

m=$T/mnt
mkdir "$m"
# begin NAME OPTIONS: a volume of its own, and a node, whose signature each of these operations waits for
begin()
{
	make_node "node-$1" || bail "no node"
	hf init "$T/store-$1" --kit-file "$T/kit-$1" --replica "$invitation" > /dev/null 2>&1 || bail "no volume"
	hf mount "$T/store-$1" "$m" -o "$2,sync=replica,replica-timeout=1" || bail "no mount"
	mkdir "$m/d" || bail "no folder"
}
end_node() { kill -9 "$(cat "$T/node-$1/pid")"; }

# What the kernel has of a folder that is looked at: names, modes, lengths, links, contents
seen() { (cd "$1" && find . -mindepth 1 -printf '%p %y %m %s %n\n' | sort && find . -type f -print0 | sort -z | xargs -0 cat | sha256sum); }
same() { seen "$m/d" > "$T/kernel"; seen "$m/.history/at/now/d" > "$T/store.now"; cmp -s "$T/kernel" "$T/store.now"; }
move() { perl -e 'rename($ARGV[0], $ARGV[1]) or do { print STDERR "$!\n"; exit 1 }' "$1" "$2"; } # mv would try again
# it_fails NAME COMMAND…: with EIO, and what is seen is what is there
it_fails()
{
	local name=$1

	shift
	seen "$m/d" > "$T/was"
	fails "$name fails" 1 "Input/output error" "$@"
	eventually 10 same
	ok $? "$name: what is seen is what is there" || diag "$(diff "$T/kernel" "$T/store.now")"
	! cmp -s "$T/was" "$T/kernel"
	ok $? "$name: which was done"
}

for options in sync coalesce,sync; do
	begin "$options" "$options"
	mkdir "$m/d/empty"
	for name in a b c d e f g h; do printf '%s, some text\n' "$name" > "$m/d/$name"; done
	head -c 8192 /dev/zero | tr '\0' x > "$m/d/big"
	setfattr -n user.colour -v blue "$m/d/a"
	exec 7<> "$m/d/d"
	exec 8< "$m/d/big"
	seen "$m/d" > /dev/null
	ls "$m/d/new" "$m/d/moved" "$m/d/linked" "$m/d/soft" "$m/d/made" 2> /dev/null
	end_node "$options"

	it_fails "$options: rm" rm "$m/d/a"
	it_fails "$options: rmdir" rmdir "$m/d/empty"
	it_fails "$options: mkdir" mkdir "$m/d/new"
	it_fails "$options: mknod" mkfifo "$m/d/made"
	it_fails "$options: ln -s" ln -s a "$m/d/soft"
	it_fails "$options: ln" ln "$m/d/b" "$m/d/linked"
	it_fails "$options: mv" move "$m/d/c" "$m/d/moved"
	it_fails "$options: mv over another" move "$m/d/e" "$m/d/f"
	it_fails "$options: chmod" chmod 600 "$m/d/g"
	it_fails "$options: truncate, of a file that is open" truncate -s 3 "$m/d/d"
	it_fails "$options: punching a hole" fallocate -p -o 0 -l 4096 "$m/d/big"
	fails "$options: setfattr fails" 1 "Input/output error" setfattr -n user.colour -v red "$m/d/g"
	is "$(getfattr --only-values -n user.colour "$m/d/g" 2> /dev/null)" red "$options: which was done"
	exec 7>&- 8<&-
	hf unmount "$m" > /dev/null 2>&1
done

begin dirsync dirsync
echo a > "$m/d/a" && chmod 644 "$m/d/a" && seen "$m/d" > /dev/null
end_node dirsync
it_fails "dirsync: rm" rm "$m/d/a"
hf unmount "$m" > /dev/null 2>&1
done_testing
