#!/bin/bash
# SPDX-License-Identifier: MIT
# What earlier versions wrote: each golden volume (tests/golden) opens, shows now and then what it was when it was made,
# goes on, and is recovered. And what this version does not know is refused by name, and left as it was.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root "the volumes have files of several owners"

M=$T/mnt
mkdir "$M"
export LC_ALL=C.UTF-8
list() { "$TOP/tests/golden/list.sh" "$1"; }
sums() { (cd "$1" && sha256sum -- *.seg); }

# known MOMENT: the listing that was written down for it
known() { awk -v t="$1" '/^(at|head) / { on = $2 == t; next } on' "$facts" | without_end; }
without_end() { printf '%s\n' "$(cat)"; } # blank lines at it
# same WORDS LISTING FOLDER
same()
{
	list "$3" 2>&1 | without_end > "$T/now"
	diff "$2" "$T/now" > "$T/differ"
	ok $? "$1" || diag "$(head -n 20 "$T/differ")"
}
# grown FOLDER BEFORE: every segment begins with the bytes that it had
grown()
{
	local segment

	for segment in "$2"/*.seg; do
		cmp -s -n "$(stat -c %s "$segment")" "$segment" "$1/${segment##*/}" || return 1
	done
}
is_current() { hf status "$G/store" --json | tr -d '\n' | grep -q '"state": "current"'; }
kinds() { hf "$@" --json 2> /dev/null | tr -d '\n' | grep -o '"kind": "[a-z_]*"' | sort -u | cut -d'"' -f4 | tr '\n' ' '; }

# One version's.
golden()
{
	local version=$1 facts=$2 volume tid words last port head

	G=$T/$version
	mkdir "$G" && tar -xJf "$TOP/tests/golden/$version.tar.xz" -C "$G" || { ok 1 "$version is unpacked"; return; }
	cp -a "$G/store/log" "$G/log.before"
	volume=$(sed -n 's/^volume //p' "$facts")
	head=$(sed -n 's/^head //p' "$facts")
	last=$(sed -n 's/^at \(tid-[0-9]*\) .*/\1/p' "$facts" | tail -n 1)
	known "$last" > "$G/last"
	port=$(free_port)
	sed -i "s/\"127\.0\.0\.1:[0-9]*\"/\"127.0.0.1:$port\"/" "$G/node/node.json"
	sed -i "s,https://127\.0\.0\.1:[0-9]*,https://127.0.0.1:$port," "$G/store/replicas/node.json"

	# at rest
	try "$version: every byte of it verifies" hf check "$G/store"
	try "$version: the kit opens it" eval 'hf kit check "$G/kit" "$G/store" | grep -q "$volume"'
	is "$(hf status "$G/store" --json | json volume_id)" "$volume" "$version: it is that volume"
	is "$(kinds alarms "$G/store")" "unreachable " "$version: what nobody saw to of its alarms is open"
	try "$version: and its settings hold" eval 'hf alarms set "$G/store" | grep -q "files=500"'
	is "$(hf replica list "$G/store" --json | json limit_bytes_s)" $((50 << 20)) "$version: so does the replica's limit"
	is "$(hf tags "$G/store" | awk '{ print $1 }' | sort | tr '\n' ' ')" "first fourth third " "$version: its tags"

	# the node's side
	try "$version: the node's copy verifies" hf node check "$G/node"
	is "$(kinds node status "$G/node")" "epoch_over prune " "$version: the node's alarms are still open"
	is "$(hf node prune --list "$G/node" --json | json state)" announced "$version: a prune was announced there"
	try "$version: and has its budget" eval 'hf node status "$G/node" | grep -q "may have 5.0 GiB"'
	cp -a "$G/node" "$G/node.again"

	# mounted: now, and at each moment that was written down
	try "$version: the node is served" hf serve "$G/node"
	try "$version: mounted" hf mount "$G/store" "$M" || return
	same "$version: what there is now" "$G/last" "$M"
	while read -r _ tid words; do
		known "$tid" > "$G/then"
		same "$version: what there was at the $words moment" "$G/then" "$M/.history/at/$tid"
	done < <(grep '^at tid-' "$facts")
	same "$version: a tag shows the same" <(known "$(sed -n 's/^at \(tid-[0-9]*\) first$/\1/p' "$facts")") "$M/.history/tags/first"
	is "$(cat "$M/.history/deleted/common/mine")" mine "$version: what was deleted is there"
	hf log "$M/common/mine" --json > "$T/log"
	try "$version: and who wrote it" grep -q '"kind":"write",.*"uid":1000,' "$T/log"
	is "$(find "$M/.history/versions/hello" -name '20*' | wc -l | sed 's/^[2-9][0-9]*$/several/')" several "$version: a file's versions"

	# going on
	echo "written by a later version" > "$M/later" && echo "and changed" >> "$M/hello"
	cp "$M/.history/tags/first/folder/noise" "$M/folder/noise.old" # these bytes are there, and retired
	hf snapshot "$M" later > /dev/null
	eventually 30 is_current
	ok $? "$version: what is written now gets to its node" || diag "$(hf status "$G/store")"
	try "$version: unmounted" hf unmount "$M" --timeout 30
	try "$version: every byte verifies, the new ones too" hf check "$G/store"
	try "$version: the old ones are as they were" grown "$G/store/log" "$G/log.before"
	is "$(sums "$G/node/volumes/$volume/log")" "$(sums "$G/store/log")" "$version: the node has the same"
	stop_node "$G/node"

	# recovered from what that version's node had
	hf serve "$G/node.again" > /dev/null
	try "$version: recovered from the node, held against the saved head" \
		hf recover --from "$(hf node invite "$G/node.again" --volume "$volume")" --kit "$G/kit" --head "$head" "$G/back"
	try "$version: mounted" hf mount "$G/back" "$M"
	same "$version: it is what it was" "$G/last" "$M"
	same "$version: and was" <(known "$(sed -n 's/^at \(tid-[0-9]*\) first$/\1/p' "$facts")") "$M/.history/tags/first"
	hf unmount "$M" --timeout 10 > /dev/null
	stop_node "$G/node.again"

	# keys that are kept otherwise
	is "$(hf status "$G/wrapped" --json --passphrase-fd 0 < "$G/passphrase" | json volume_id)" "$(sed -n 's/^wrapped //p' "$facts")" \
		"$version: a passphrase opens the store it wrapped"
	try "$version: so does a key that is kept elsewhere" hf mount "$G/apart" "$M" -o "key-file=$G/apart.key"
	is "$(cat "$M/hello")" "of apart" "$version: and reads it"
	hf unmount "$M" > /dev/null
}

archives=0
for archive in "$TOP"/tests/golden/*.tar.xz; do
	version=$(basename "$archive" .tar.xz)
	archives=$((archives + 1))
	is "$(($(stat -c %s "$archive") < 200 << 10))" 1 "$version: it is small"
	golden "$version" "${archive%.tar.xz}.txt"
done
current=$(hf --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)
[ -e "$TOP/tests/golden/$current.tar.xz" ]
ok $? "this version has a volume among them ($archives)"

# --- what this version does not know

# patched FILE OFFSET HEX: a copy of the store with other bytes there
patched()
{
	rm -rf "$T/patched"
	cp -a "$G/store" "$T/patched"
	perl -e 'open my $f, "+<", $ARGV[0] or die; seek $f, $ARGV[1], 0; print $f pack "H*", $ARGV[2]' "$T/patched/$1" "$2" "$3"
	(cd "$T/patched" && find volume keys log -type f -exec sha256sum {} +) > "$T/sums"
}
unchanged() { (cd "$T/patched" && find volume keys log -type f -exec sha256sum {} +) | cmp -s - "$T/sums"; }

number=$(ls "$G/store/log" | tail -n 1 | sed 's/\.seg$//') last=log/$(ls "$G/store/log" | tail -n 1)
while read -r file offset hex pattern; do
	patched "$file" "$offset" "$hex"
	fails "a later $file is refused by name" 2 "$pattern" hf mount "$T/patched" "$M"
	try "and is left as it is" unchanged
	mountpoint -q "$M" && hf unmount "$M" > /dev/null
done << END
volume 8 0200 patched/volume: .*version 2, .*knows version 1.*newer holdfast
keys/volume.key 8 0300 volume.key: .*version 3, .*newer holdfast
keys/writer.key 8 0300 writer.key: .*version 3, .*newer holdfast
$last 8 0200 segment ${number##*0}: .*version 2.*newer holdfast
END
patched replicas/node.json 0 "$(printf '{"version":2,  ' | od -An -tx1 | tr -d ' \n')"
sed -i '1s/^.*$/{"version":2,"kind":"node"}/' "$T/patched/replicas/node.json"
hf status "$T/patched" > "$T/out" 2>&1
try "a later replica's file too" grep -q "node.json: of a version or kind that this build does not know" "$T/out"
sed -i 's/"version": *1/"version":2/' "$G/node/node.json"
fails "and a later node's" 2 "node.json is of version 2" hf serve "$G/node"
rm -rf "$T/patched"
cp -a "$G/store" "$T/patched"
echo later > "$T/patched/index/CURRENT"
try "an index that cannot be read is built anew" hf mount "$T/patched" "$M"
is "$(cat "$M/later")" "written by a later version" "and nothing is lost by it"
hf unmount "$M" > /dev/null
done_testing
