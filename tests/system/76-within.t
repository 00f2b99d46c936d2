#!/bin/bash
# SPDX-License-Identifier: MIT
# A replica in the volume itself, or in its store, would feed the log with itself; and one under two names is one.
. "$(dirname "$0")/lib.sh"
need_fuse

make_volume || bail "no volume"
volume=$(hf status "$T/store" --json | json volume_id)
S=$T/store M=$T/mnt

# In the mount.
fails "no replica in the mount" 2 "in the volume itself.*another disk or machine" hf replica add "$M" "$M/x"
mkdir "$M/there" && ln -s "$M/there" "$T/link" && ln -s mnt "$T/over"
for place in "$M" "$M/there" "$T/link" "$T/link/x" "$T/over/x" "$T/mnt/../mnt/x"; do
	fails "nor by ${place#"$T"/}" 2 "in the volume itself" hf replica add "$M" "$place"
done
cd "$M/there" && fails "nor from within" 2 "in the volume itself" hf replica add "$S" .
cd "$T" || exit 2
is "$(find "$M" -mindepth 1 -not -path '*/.history*' | wc -l)" 1 "and nothing was made there"

# In the store, or it.
for place in "$S" "$S/" "$S/rep" "$S/log" "$T/./store"; do
	fails "no replica at ${place#"$T"/}" 2 "in the store .* itself" hf replica add "$M" "$place"
done
mkdir "$T/apart" && ln -s "$S" "$T/apart/$volume"
fails "nor by a link of the volume's name" 2 "in the store .* itself" hf replica add "$M" "$T/apart"
if [ "$(id -u)" -eq 0 ]; then
	mkdir "$T/bound" "$T/bound2" && mount --bind "$M/there" "$T/bound" && mount --bind "$S/log" "$T/bound2"
	fails "nor by a bind mount of a folder in it" 2 "in the volume itself" hf replica add "$M" "$T/bound/x"
	fails "nor by one of a folder of the store" 2 "in the store .* itself" hf replica add "$M" "$T/bound2/x"
	umount "$T/bound" "$T/bound2"
else
	ok 0 "bind mounts # SKIP needs root"
fi
hf unmount "$M" > /dev/null
fails "at rest neither" 2 "in the store .* itself" hf replica add "$S" "$S"
is "$(hf replica list "$S" --json | grep -c '"name"')" 0 "none was added"
fails "init is as strict" 2 "in the store .* itself" hf init "$T/v5" --kit-file "$T/kit5" --replica "$T/v5/rep"
[ ! -e "$T/v5" ] && [ ! -e "$T/kit5" ]
ok $? "and makes nothing"

# The mount comes later, over the replica.
try "a folder where nothing is mounted yet" hf replica add "$S" "$M/rep" --name rep
hf mount "$S" "$M" || bail "no mount"
eventually 30 eval 'hf replica list "$S" --json | tr -d "\n" | grep -q "\"state\": *\"refused\""'
ok $? "is refused once the volume lies over it" || diag "$(hf replica list "$S")"
eventually 30 eval 'hf replica list "$S" | grep -q "in the volume itself"'
ok $? "and why is told" || diag "$(hf replica list "$S")"
mkdir -p "$M/rep/$volume/log" && echo x > "$M/file" && sync "$M"
sleep 3
is "$(find "$M/rep" -type f | wc -l)" 0 "nothing is written into it"
hf replica remove "$S" rep > /dev/null

# One replica, two names.
try "a folder" hf replica add "$S" "$T/disk" --name disk
ln -s disk "$T/disk-link"
for place in "$T/disk" "$T/disk/" "$T/disk-link"; do
	fails "${place#"$T"/} is a replica already" 2 "the replica disk already.*replica remove" hf replica add "$S" "$place" --name other
done
make_node node || bail "no node"
try "a node" hf replica add "$S" "$invitation" --name node
fails "is one already, too" 2 "the replica node already" hf replica add "$S" "$(hf node invite "$T/node" --volume "$volume")" --name node2
is "$(hf replica list "$S" --json | grep -c '"name"')" 2 "two there are"
hf unmount "$M" > /dev/null
done_testing
