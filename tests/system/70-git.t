#!/bin/bash
# SPDX-License-Identifier: MIT
# git on the mount: cloned, committed to, pushed to, repacked, and sound now and in the past. HF_REPO names another repository.
. "$(dirname "$0")/lib.sh"
need_fuse

export GIT_CONFIG_GLOBAL=$T/gitconfig GIT_CONFIG_NOSYSTEM=1
git config --global user.name test
git config --global user.email test@localhost
git config --global safe.directory '*'
git config --global gc.auto 0

source=${HF_REPO:-$TOP}
if ! git -C "$source" rev-parse --git-dir > /dev/null 2>&1; then
	source=$T/source
	cp -a "$TOP/." "$source" && git -C "$source" init -q && git -C "$source" add -A && git -C "$source" commit -qm start
fi
make_volume || bail "no volume"
cd "$T/mnt" || bail "no mount"

# note N: what HEAD and the tree are at this moment
note()
{
	sync "$T/mnt"
	hf status "$T/mnt" --json | json head_tid > "$T/tid.$1"
	git -C work rev-parse HEAD > "$T/head.$1"
	find work bare.git -type f -exec sha256sum {} + | sort -k 2 > "$T/sums.$1"
}

try "a bare clone" git clone -q --bare --no-local "$source" bare.git
try "a work tree" git clone -q bare.git work
try "sound" git -C work fsck --no-progress
is "$(git -C work status --porcelain | wc -l)" 0 "and clean"
note 1

for i in 1 2 3 4 5 6 7 8 9 10; do
	echo "change $i" >> work/README.md
	git -C work commit -qam "change $i"
done
try "ten commits pushed" git -C work push -q
note 2

try "the bare one repacked" git -C bare.git gc -q --prune=now
try "the work tree, too" git -C work gc -q
try "sound after it" git -C bare.git fsck --no-progress --full
note 3

git -C work reset -q --hard HEAD~5 && git -C work push -qf
rm -rf bare.git/objects/pack work
fails "the repository is wrecked" 128 "" git -C bare.git log -1

for n in 1 2 3; do
	past="$T/mnt/.history/at/tid-$(cat "$T/tid.$n")"
	is "$(git -C "$past/work" rev-parse HEAD)" "$(cat "$T/head.$n")" "moment $n: the commit it was at"
	try "moment $n: the bare one is sound" git -C "$past/bare.git" fsck --no-progress
	(cd "$past" && find work bare.git -type f -exec sha256sum {} + | sort -k 2) | cmp -s - "$T/sums.$n"
	ok $? "moment $n: every file to the byte"
done

cp -a ".history/at/tid-$(cat "$T/tid.3")/." . 
try "brought back, it is sound" git -C bare.git fsck --no-progress
is "$(git -C work rev-parse HEAD)" "$(cat "$T/head.3")" "at the commit it was"
cd / || exit 2
try "unmounted" hf unmount "$T/mnt"
try "and without a fault" hf check "$T/store"
done_testing
