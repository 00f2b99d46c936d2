# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The story the product is for, in steps: a volume and its replica; work; an attack; recovery; proof. Sourced by
# tests/demo/demo.sh (which tells it) and tests/system/10-story.t (which judges it). Each step returns 0 when all went
# well. The caller sets HOLDFAST (the binary), STORY (a folder that exists) and defines say (words for people).
#
#   $STORY/node  store  recovered  mnt  kit.txt      as named
#   $STORY/moments/N.{name,sums,tree,what}           what was seen live at moment N, for comparison

: "${HOLDFAST:?}" "${STORY:?}"

export GIT_CONFIG_GLOBAL=$STORY/gitconfig GIT_CONFIG_SYSTEM=/dev/null GIT_OPTIONAL_LOCKS=0
STORY_MOMENTS=5

# Words for people do not follow a redirected command.
exec 3>&1

# Show a command as a person would type it, long words cut short, then run it.
story_run()
{
	local word words=()

	for word in "$@"; do
		word=${word//$HOLDFAST/holdfast} word=${word//$STORY\//}
		[ ${#word} -le 60 ] || word=${word:0:40}…
		words+=("$word")
	done
	say "  \$ ${words[*]}" >&3
	"$@"
}

story_status()
{
	"$HOLDFAST" status --json "$1"
}

# story_field KEY: a number or a plain string out of JSON on stdin, the first of that name
story_field()
{
	sed -n 's/^.*"'"$1"'": *"\{0,1\}\([^",]*\)"\{0,1\},\{0,1\}$/\1/p' | head -n 1
}

# A git repository to work on: this project's own when it is one, else one made of its files.
story_source()
{
	local here

	here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
	printf '[user]\n\tname = demo\n\temail = demo@localhost\n[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n[init]\n\tdefaultBranch = main\n' \
		> "$GIT_CONFIG_GLOBAL"
	if git -C "$here" rev-parse -q --verify HEAD > /dev/null 2>&1 &&
	   [ "$(git -C "$here" rev-parse --show-toplevel)" = "$here" ]; then
		STORY_SOURCE=$here
		return 0
	fi
	STORY_SOURCE=$STORY/source
	mkdir -p "$STORY_SOURCE" &&
		(cd "$here" && tar --exclude=./build --exclude=./demo --exclude=./.git -cf - .) | tar -xf - -C "$STORY_SOURCE" &&
		git -C "$STORY_SOURCE" init -q && git -C "$STORY_SOURCE" add -A &&
		git -C "$STORY_SOURCE" commit -q -m 'the files as they came'
}

# A replica node on loopback, a volume that ships to it, and the volume mounted.
story_begin()
{
	local invitation

	mkdir -p "$STORY/mnt" "$STORY/moments" && story_source || return 1
	story_run "$HOLDFAST" node init "$STORY/node" --listen 127.0.0.1:0 > /dev/null || return 1
	story_run "$HOLDFAST" serve "$STORY/node" || return 1
	invitation=$("$HOLDFAST" node invite "$STORY/node") || return 1
	say "  \$ holdfast node invite node"
	say "  ${invitation:0:60}…     (one line, good once)"
	story_run "$HOLDFAST" init "$STORY/store" --kit-file "$STORY/kit.txt" --replica "$invitation" > /dev/null || return 1
	story_run "$HOLDFAST" mount "$STORY/store" "$STORY/mnt" || return 1
	STORY_VOLUME=$(story_status "$STORY/store" | story_field volume_id)
	[ -n "$STORY_VOLUME" ]
}

# What a tree is, by content and by names, types, modes and link targets.
story_sums()
{
	(cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum)
}

story_tree()
{
	(cd "$1" && find . -mindepth 1 -printf '%P\t%y\t%m\t%l\n' | LC_ALL=C sort)
}

# story_record N WHAT: look at the live tree, every byte of it, and note the moment.
story_record()
{
	local base=$STORY/moments/$1

	sleep 0.05
	date -u +%Y-%m-%dT%H%M%S.%NZ > "$base.name"
	sleep 0.05
	echo "$2" > "$base.what"
	story_sums "$STORY/mnt" > "$base.sums" && story_tree "$STORY/mnt" > "$base.tree" || return 1
	say "  moment $1: $(cat "$base.name")  $(wc -l < "$base.sums") files   $2"
	[ -s "$base.sums" ]
}

# Everyday work, noted at five moments.
story_work()
{
	local repo=$STORY/mnt/project i

	story_run git clone -q --no-hardlinks "$STORY_SOURCE" "$repo" || return 1
	story_record 1 "a git repository, just cloned" || return 1

	for i in 1 2 3; do
		echo "change $i" >> "$repo/NOTES" && git -C "$repo" add NOTES && git -C "$repo" commit -q -m "change $i" || return 1
	done
	story_record 2 "three commits later" || return 1

	# Overwritten in place, byte by byte and whole.
	head -c 3000000 /dev/urandom > "$STORY/mnt/database" &&
		printf 'OVERWRITTEN' | dd of="$STORY/mnt/database" bs=1 seek=1000000 conv=notrunc status=none &&
		echo 'secret plans, first version' > "$STORY/mnt/plans.txt" || return 1
	story_record 3 "a database and some plans" || return 1

	printf 'XXXXXXXXXXX' | dd of="$STORY/mnt/database" bs=1 seek=1000000 conv=notrunc status=none &&
		truncate -s 2000000 "$STORY/mnt/database" &&
		echo 'second version' > "$STORY/mnt/plans.txt" &&
		mv "$repo/NOTES" "$repo/NOTES.old" && ln -s NOTES.old "$repo/NOTES" || return 1
	story_record 4 "overwritten, cut short, renamed" || return 1

	rm -rf "$repo/tests" "$STORY/mnt/plans.txt" && git -C "$repo" gc -q --prune=now &&
		git -C "$repo" fsck --no-progress > /dev/null || return 1
	story_record 5 "files deleted, git repacked" || return 1
}

# story_moment N: its folder in the history
story_moment()
{
	echo "$STORY/mnt/.history/at/$(cat "$STORY/moments/$1.name")"
}

# Wait, at most 30 s, until every replica has everything; and say how far it is.
story_wait_replica()
{
	local i head

	head=$(story_status "$STORY/store" | story_field head_tid)
	for i in $(seq 300); do
		if [ "$(story_status "$STORY/store" | story_field acked_tid)" -ge "$head" ]; then
			say "  the node has acknowledged everything up to tid-$head"
			return 0
		fi
		sleep 0.1
	done
	"$HOLDFAST" status "$STORY/store"
	return 1
}

# What an intruder with root does: empty the mount, kill the process, wipe the store, its keys and all.
story_attack()
{
	local pid

	pid=$(story_status "$STORY/store" | story_field pid)
	say "  \$ rm -rf mnt/*; kill -9 $pid; rm -rf store"
	rm -rf "${STORY:?}"/mnt/* && sleep 1.5 && kill -9 "$pid" || return 1
	while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
	story_unmount_dead
	rm -rf "${STORY:?}/store"
	[ ! -e "$STORY/store" ] && ! mountpoint -q "$STORY/mnt"
}

story_unmount_dead()
{
	fusermount3 -uz "$STORY/mnt" 2> /dev/null || umount -l "$STORY/mnt" 2> /dev/null
}

# A new machine has nothing but the kit, and the node.
story_recover()
{
	local invitation line

	invitation=$("$HOLDFAST" node invite "$STORY/node" --volume "$STORY_VOLUME") || return 1
	say "  \$ holdfast node invite node --volume $STORY_VOLUME"
	story_run "$HOLDFAST" recover --from "$invitation" --kit "$STORY/kit.txt" "$STORY/recovered" > "$STORY/recover.out" ||
		return 1
	while read -r line; do say "  $line"; done < "$STORY/recover.out"
	story_run "$HOLDFAST" mount "$STORY/recovered" "$STORY/mnt"
}

# story_same N: whether moment N in the history is, to the byte, what was seen live
story_same()
{
	local past

	past=$(story_moment "$1")
	story_sums "$past" | cmp -s - "$STORY/moments/$1.sums" && story_tree "$past" | cmp -s - "$STORY/moments/$1.tree"
}

# All of them. Says which differ, and how.
story_prove()
{
	local n bad=0

	for n in $(seq $STORY_MOMENTS); do
		if story_same "$n"; then
			say "  moment $n: identical, $(wc -l < "$STORY/moments/$n.sums") files   $(cat "$STORY/moments/$n.what")"
		else
			bad=$((bad + 1))
			say "  moment $n: DIFFERS"
			diff <(story_sums "$(story_moment "$n")") "$STORY/moments/$n.sums" | head -n 5 >&2
			diff <(story_tree "$(story_moment "$n")") "$STORY/moments/$n.tree" | head -n 5 >&2
		fi
	done
	return $((bad > 0))
}

# Put the live tree back as it was at the last moment.
story_restore()
{
	say "  \$ cp -a mnt/.history/at/$(cat "$STORY/moments/$STORY_MOMENTS.name")/. mnt/"
	cp -a "$(story_moment $STORY_MOMENTS)/." "$STORY/mnt/" &&
		story_sums "$STORY/mnt" | cmp -s - "$STORY/moments/$STORY_MOMENTS.sums" &&
		git -C "$STORY/mnt/project" fsck --no-progress > /dev/null
}

# Stop whatever of it runs, however far it got.
story_end()
{
	local pid

	if mountpoint -q "$STORY/mnt" 2> /dev/null || ! stat "$STORY/mnt" > /dev/null 2>&1; then
		"$HOLDFAST" unmount "$STORY/mnt" --timeout 2 > /dev/null 2>&1 || story_unmount_dead
	fi
	pid=$(cat "$STORY/node/pid" 2> /dev/null) || return 0
	if [ "$(readlink "/proc/$pid/exe" 2> /dev/null)" = "$(readlink -f "$HOLDFAST")" ] ||
	   grep -qsz holdfast "/proc/$pid/cmdline"; then
		kill "$pid" 2> /dev/null
		for _ in $(seq 100); do
			kill -0 "$pid" 2> /dev/null || break
			sleep 0.05
		done
	fi
	return 0
}
