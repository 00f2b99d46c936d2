#!/bin/bash
# SPDX-License-Identifier: MIT
# The whole promise, as make demo shows it: what a node acknowledged comes back to the byte after everything here is gone.
. "$(dirname "$0")/lib.sh"
need_fuse

say() { diag "$*"; }
STORY=$T/story
mkdir "$STORY"
# shellcheck source=tests/demo/story.sh
. "$TOP/tests/demo/story.sh"

finish()
{
	story_end
	cleanup
}
trap finish EXIT

# A step that fails makes the later ones meaningless.
step()
{
	local name=$1

	shift
	"$@" 2> "$T/err" || { ok 1 "$name"; diag "$(cat "$T/err")"; done_testing; }
	ok 0 "$name"
}

step "a node serves, a volume ships to it and is mounted" story_begin
step "work, noted at five moments" story_work
step "the live volume's past is what was noted" story_prove
is "$(cat "$(story_moment 3)/plans.txt")" "secret plans, first version" "a deleted file is read in the past"
step "the node acknowledges everything" story_wait_replica
step "everything on this machine is destroyed" story_attack
step "recovery from the node and the kit" story_recover
step "every file of every moment is identical" story_prove
step "the live tree is put back from the past, git fsck is clean" story_restore
try "what came back is mended nowhere and damaged nowhere" hf check "$STORY/recovered"
is "$(story_status "$STORY/recovered" | json epoch)" 2 "a new epoch has begun"
step "replication goes on after recovery" eval 'ln -s recovered "$STORY/store"; story_wait_replica'
done_testing
