#!/bin/bash
# SPDX-License-Identifier: MIT
# The story of tests/demo/story.sh, told: demo.sh start DIR | stop DIR. HOLDFAST names the binary.
set -u

: "${HOLDFAST:?}"
verb=${1:?} STORY=${2:?}

if [ -t 1 ]; then
	bold=$'\033[1m' green=$'\033[1;32m' red=$'\033[1;31m' dim=$'\033[2m' plain=$'\033[0m'
else
	bold='' green='' red='' dim='' plain=''
fi

say() { printf '%s\n' "$dim$*$plain"; }
title() { printf '\n%s\n' "$bold$*$plain"; }

fail()
{
	printf '\n%s\n' "${red}The demo failed: $*$plain" >&2
	printf '%s\n' "What it left is in $STORY; make demo-stop ends it." >&2
	exit 1
}

# shellcheck source=tests/demo/story.sh
. "$(dirname "$0")/story.sh"

stop()
{
	[ -d "$STORY" ] || return 0
	story_end
	if mountpoint -q "$STORY/mnt" 2> /dev/null; then
		echo "demo: $STORY/mnt is still in use; leave it, then make demo-stop" >&2
		exit 1
	fi
	rm -rf "${STORY:?}"
}

if [ "$verb" = stop ]; then
	stop
	exit 0
fi

[ -c /dev/fuse ] || { echo "demo: /dev/fuse is missing: this machine (or container) has no FUSE" >&2; exit 1; }
stop
mkdir -p "$STORY" || exit 1
start=$SECONDS

title "1. A replica node on this machine's loopback (yours is at another provider), and a volume that ships to it"
story_begin || fail "the volume could not be made or mounted"

title "2. Work, and what every file is at five moments"
story_work || fail "the work went wrong"

title "3. The past is a folder"
say "  \$ ls mnt/.history/at"
# shellcheck disable=SC2012 # names of moments are plain
ls "$STORY/mnt/.history/at" | sed 's/^/  /' | head -n 6
say "  …  \$ cat mnt/.history/at/$(cat "$STORY/moments/3.name")/plans.txt     (deleted since)"
sed 's/^/  /' "$(story_moment 3)/plans.txt" || fail "a deleted file could not be read in the past"
story_wait_replica || fail "the node did not get everything"

title "4. An intruder, with root"
story_attack || fail "the intruder was too clumsy"
say "  nothing is left: no mount, no log, no keys"

title "5. Recovery, from the node and the kit alone"
story_recover || fail "recovery did not work"

title "6. Proof: every file of every moment against the checksums taken when it was live"
story_prove || fail "the past is not what it was"
story_restore || fail "the live tree could not be put back from the past"
say "  the live tree, put back from the last moment: identical, git fsck clean"

files=$(cat "$STORY"/moments/*.sums | wc -l)
printf '\n%s\n' "${green}All $STORY_MOMENTS moments are back, byte for byte: $files files compared, $((SECONDS - start)) s in all.$plain"
cat << EOF
It is mounted. Try: cat demo/mnt/.history/README; ls demo/mnt/.history/at/$(cat "$STORY/moments/3.name");
build/release/holdfast status demo/mnt; and make demo-stop when you have seen enough.
EOF
