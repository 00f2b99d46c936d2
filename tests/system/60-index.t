#!/bin/bash
# SPDX-License-Identifier: MIT
# The index is derived: deleted, damaged, old, or of another store, the tree is the same afterwards, now and at every moment.
. "$(dirname "$0")/lib.sh"
need_fuse

# Everything that can be seen of a tree: names, types, modes, owners, sizes, times, links, contents, attributes.
picture()
{
	(
		cd "$1" || exit 1
		find . -not -path './.history*' -printf '%P|%y|%m|%U|%G|%n|%s|%T@|%l\n' | grep -v '^|' | sort
		find . -not -path './.history*' -type f -exec sha256sum {} + | sort -k 2
		command -v getfattr > /dev/null && find . -not -path './.history*' -exec getfattr -hd -m - {} + 2> /dev/null
	) | sha256sum
}

pictures()
{
	local name

	picture "$T/mnt"
	for name in one two three; do
		picture "$T/mnt/.history/tags/$name"
	done
	picture "$T/mnt/.history/at/$moment"
}

make_volume || bail "no volume"
cd "$T/mnt" || exit 2
cp -a "$TOP/docs" "$TOP/include" . && ln -s docs/FORMAT.md link && ln docs/FORMAT.md hard && mkfifo fifo
truncate -s 5M sparse && printf data | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none
command -v setfattr > /dev/null && setfattr -n user.name -v value docs
hf snapshot "$T/mnt" one > /dev/null
cp -a "$T/store/index" "$T/index.early"
for i in $(seq 300); do
	printf 'line %d\n' "$i" >> log
	printf %d "$i" | dd of=docs/FORMAT.md bs=1 seek=$((i * 37)) conv=notrunc status=none
done
rm -r include && mv docs papers && chmod 600 hard
hf snapshot "$T/mnt" two > /dev/null
moment=$(hf status "$T/mnt" --json | json head_tid)
moment=tid-$((moment - 200))
for i in $(seq 40); do mkdir -p "deep/$i" && head -c "$((i * 3000))" /dev/urandom > "deep/$i/file"; done
rm -r deep/1*
hf snapshot "$T/mnt" three > /dev/null
cd / || exit 2
pictures > "$T/before"
is "$(sort -u "$T/before" | wc -l)" 4 "four trees that differ (now is the third)"

harm()
{
	local what=$1

	shift
	hf unmount "$T/mnt" > /dev/null || bail "it does not unmount"
	"$@"
	hf mount "$T/store" "$T/mnt" ${options:+-o "$options"} 2> "$T/err" || { ok 1 "$what: it mounts"; diag "$(cat "$T/err")"; return; }
	pictures > "$T/after" 2>&1
	cmp -s "$T/before" "$T/after"
	ok $? "$what: now and every moment are the same"
}
index=$T/store/index
overwrite() { find "$index" -type f -name "$1" -exec dd if=/dev/urandom of={} bs=1000 count=1 conv=notrunc status=none \;; }
shorten() { find "$index" -type f -name "$1" -exec truncate -s 100 {} \;; }
replace() { rm -rf "$index" && cp -a "$1" "$index"; }

harm "closed and opened" true
harm "deleted" rm -rf "$index"
harm "emptied" find "$index" -type f -delete
harm "a table is gone" eval 'rm -f "$(find "$index" -name "*.sst" | head -n 1)"'
harm "its list of tables is overwritten" overwrite 'MANIFEST*'
harm "its tables are cut short" shorten '*.sst'
harm "as it was long before" replace "$T/index.early"
options=rebuild
harm "thrown away by -o rebuild" true
harm "its tables are overwritten, and it is rebuilt" overwrite '*.sst'
options=
hf unmount "$T/mnt" > /dev/null
try "its large tables rot, in a part that no opening reads" eval '[ -n "$(find "$index" -name "*.sst" -size +8k -print -exec dd if=/dev/urandom of={} bs=1000 seek=2 count=1 conv=notrunc status=none \;)" ]'
hf mount "$T/store" "$T/mnt" || bail "damage in tables keeps it from being mounted"
pictures > /dev/null 2>&1
is "$(hf status "$T/mnt" | grep -c "the index is damaged: unmount and mount again")" 1 "damage that is found in use is told"
is "$(hf status "$T/mnt" --json | json index_damaged)" true "to programs as well"
hf unmount "$T/mnt" > /dev/null
hf mount "$T/store" "$T/mnt" -o ro > /dev/null
is "$(hf status "$T/mnt" | grep -c "the index is damaged: unmount and mount again with -o ro,rebuild")" 1 "and who only reads, how to have it mended"
harm "found in use, and mounted again" true
is "$(hf status "$T/mnt" --json | json index_damaged)" false "and it is told no more"
# Killed while it is built anew, the mount before it is there, again and again, and each time a little later.
killed()
{
	local pid after

	for after in 0.02 0.04 0.06 0.09 0.13 0.2; do
		"$HOLDFAST" mount "$T/store" "$T/mnt" -f -o rebuild > /dev/null 2>&1 &
		pid=$!
		sleep "$after"
		kill -9 "$pid"
		wait "$pid" 2> /dev/null
		mountpoint -q "$T/mnt" && fusermount3 -u -z "$T/mnt"
	done
}
harm "killed while it is rebuilt" killed
hf init "$T/other" --kit-file "$T/otherkit" > /dev/null && mkdir "$T/othermnt" && hf mount "$T/other" "$T/othermnt" &&
	cp -a "$TOP/docs" "$T/othermnt" && hf unmount "$T/othermnt" > /dev/null
harm "another store's" replace "$T/other/index"
hf unmount "$T/mnt" > /dev/null
try "no fault in the store" hf check "$T/store"
done_testing
