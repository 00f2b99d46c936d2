#!/bin/bash
# SPDX-License-Identifier: MIT
# Git repositories served from the mount by every transport, pushed to by many at once while they are repacked, then
# destroyed, and brought back. What docs/REPOSITORIES.md shows is run from there, and all of it.
. "$(dirname "$0")/lib.sh"
need_fuse

document=$TOP/docs/REPOSITORIES.md
M=$T/mnt app=$T/mnt/team/app.git
mkdir -p "$T/home" "$T/bin" "$M"
ln -s "$HOLDFAST" "$T/bin/holdfast"
export HOME=$T/home PATH=$T/bin:$PATH GIT_CONFIG_SYSTEM=$T/gitconfig GIT_CONFIG_GLOBAL=$T/home/.gitconfig GIT_TERMINAL_PROMPT=0
unset GIT_DIR GIT_WORK_TREE GIT_CONFIG_NOSYSTEM GIT_SSH GIT_SSH_COMMAND
git config --system user.name test
git config --system user.email test@localhost
git config --system receive.autogc false
git config --system safe.directory '*'
moment=

# shown NAME: the commands of that box, here: in this folder, by this user, of $moment
shown()
{
	sed -n '/^```sh '"$1"'$/,/^```$/p' "$document" | sed -e '/^```/d' -e 's/^sudo //' -e "s|/var/lib/volume|$T/store|g" \
		-e "s|/srv/git|$M|g" -e "s|git:git|$(id -u):$(id -g)|" -e "s|2026-11-21T1405|$moment|g"
}

# as_shown NAME TEST [SED]: run them; SED changes a name in them
as_shown()
{
	shown "$1" | sed -e "${3:-}" > "$T/box"
	echo "$1" >> "$T/run"
	[ -s "$T/box" ] && try "$2" bash -e "$T/box" || { diag "$(cat "$T/box")"; return 1; }
}

now() { sync "$M" && hf status "$M" --json | json committed_moment; }
at() { git -C "$1" rev-parse --verify -q "${2:-refs/heads/main}"; }
sound() { git -C "$1" fsck --full --strict --no-progress; }
sums() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2 && find . -printf '%P %m %U:%G %l\n' | sort); }

servers=()
ended()
{
	local pid

	for pid in "${servers[@]}"; do
		kill "$pid" 2> /dev/null
		eventually 10 eval "! kill -0 $pid" || kill -9 "$pid"
	done
	servers=()
}
trap 'ended; cleanup' EXIT

# --- as it is set up
as_shown volume "a volume" || bail "no volume"
as_shown settings "settings"
as_shown repository "a repository" || bail "no repository"
as_shown hook "its hook"
is "$(git config --system gc.bigPackThreshold) $(git -C "$app" symbolic-ref HEAD)" "64m refs/heads/main" "they are set"

# --- transports
declare -A urls=([file]=file://$M)

serve_http()
{
	python3 "$TOP/tests/system/git_http.py" "$M" "$T/http.port" > "$T/http.log" 2>&1 &
	servers+=($!)
	eventually 10 test -s "$T/http.port" && urls[http]=http://127.0.0.1:$(cat "$T/http.port")
}

serve_daemon()
{
	local port tries

	for tries in 1 2 3; do # somebody else may take the port meanwhile
		port=$(free_port)
		"$(git --exec-path)/git-daemon" --base-path="$M" --export-all --enable=receive-pack --listen=127.0.0.1 \
			--port="$port" "$M" > "$T/daemon.log" 2>&1 &
		eventually 5 eval "answers $port || ! kill -0 $!"
		if answers "$port" && kill -0 $!; then
			servers+=($!)
			urls[daemon]=git://127.0.0.1:$port
			return 0
		fi
	done
	return 1
}

# An sshd of our own, which lets one key do what git needs and nothing else.
serve_ssh()
{
	local port s=$T/ssh run=(env)

	mkdir -m 700 "$s" && ssh-keygen -q -t ed25519 -N '' -f "$s/host" && ssh-keygen -q -t ed25519 -N '' -f "$s/key" || return 1
	# shellcheck disable=SC2016 # for the other side
	echo 'restrict,command="git shell -c \"$SSH_ORIGINAL_COMMAND\"" '"$(cat "$s/key.pub")" > "$s/authorized_keys"
	port=$(free_port)
	cat > "$s/config" <<-END
		ListenAddress 127.0.0.1:$port
		HostKey $s/host
		AuthorizedKeysFile $s/authorized_keys
		PidFile none
		UsePAM no
		StrictModes no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
		MaxStartups 100
		SetEnv GIT_CONFIG_SYSTEM=$GIT_CONFIG_SYSTEM GIT_CONFIG_GLOBAL=$GIT_CONFIG_GLOBAL
	END
	# root's needs a folder of the system's, which may not be there: it gets one that nobody else sees
	# shellcheck disable=SC2016
	[ "$(id -u)" -ne 0 ] || [ -d /run/sshd ] ||
		run=(unshare -m bash -c 'mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec "$@"' sshd)
	"${run[@]}" "$(PATH=$PATH:/usr/sbin:/sbin type -P sshd)" -D -e -f "$s/config" > "$s/log" 2>&1 &
	servers+=($!)
	eventually 10 eval "answers $port || ! kill -0 $!"
	export GIT_SSH_COMMAND="ssh -F none -i $s/key -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o UserKnownHostsFile=$s/known -o StrictHostKeyChecking=accept-new"
	git ls-remote "ssh://127.0.0.1:$port$app" > "$T/.out" 2>&1 && urls[ssh]=ssh://127.0.0.1:$port$M
}

serve_http
[ -x "$(git --exec-path)/git-daemon" ] && serve_daemon
PATH=$PATH:/usr/sbin:/sbin type -P sshd > /dev/null && serve_ssh
for transport in file http daemon ssh; do
	if [ -z "${urls[$transport]:-}" ]; then
		ok 0 "$transport # SKIP not to be had here: $(tail -n 1 "$T/ssh/log" "$T/.out" 2> /dev/null | tr '\n' ' ')"
	else
		try "$transport: cloned" git clone -q "${urls[$transport]}/team/app.git" "$T/first.$transport"
	fi
done
echo start > "$T/first.file/README" && git -C "$T/first.file" add README && git -C "$T/first.file" commit -qm start
git -C "$T/first.file" branch -qM main
try "a first push" git -C "$T/first.file" push -q origin main

# --- many push at once to one branch and their own, and the repository is repacked under them
rounds=$([ "${HOLDFAST_TEST_LONG:-0}" = 1 ] && echo 5 || echo 2)
pusher()
{
	local url=$1 name=$2 round tries

	git clone -q "$url/team/app.git" "$T/clone.$name" && cd "$T/clone.$name" || return 1
	for round in $(seq $rounds); do
		{ echo "$name $round" && head -c 3000 /dev/urandom | base64; } >> "$name"
		git add "$name" && git commit -qm "$name $round" || return 1
		tries=0
		# gc takes a folder of objects away that has become empty, and git gives up when that was the push's
		until git push -q origin "HEAD:refs/heads/of/$name" -f; do
			[ $((tries += 1)) -lt 20 ] || return 1
		done
		tries=0
		until git pull -q --rebase origin main && git push -q origin HEAD:main; do
			[ $((tries += 1)) -lt 200 ] || return 1
		done
	done
}
before=$(hf status "$M" --json | json head_tid)
names=() pushers=()
for transport in "${!urls[@]}"; do
	for i in 1 $([ "$transport" != file ] || echo 2); do
		names+=("$transport$i")
		pusher "${urls[$transport]}" "$transport$i" > "$T/log.$transport$i" 2>&1 &
		pushers+=($!)
	done
done
gcs=0 gc_failed=0
while kill -0 "${pushers[@]}" 2> /dev/null; do
	# it waits for a branch that is just being pushed, however long that takes
	git -C "$app" -c core.filesRefLockTimeout=20000 gc -q > "$T/log.gc" 2>&1 || gc_failed=$((gc_failed + 1))
	gcs=$((gcs + 1))
done
for i in "${!pushers[@]}"; do
	wait "${pushers[i]}"
	ok $? "${names[i]}: all its pushes" || diag "$(tail -n 5 "$T/log.${names[i]}")"
done
after=$(hf status "$M" --json | json head_tid)
[ "$gcs" -gt 0 ] && [ "$gc_failed" -lt "$gcs" ]
ok $? "git gc meanwhile" || diag "$gc_failed of $gcs" "$(cat "$T/log.gc")"
try "it is sound" sound "$app"
is "$(git -C "$app" rev-list --count main)" $((rounds * ${#names[@]} + 1)) "every commit is on the branch"
lost=0
for name in "${names[@]}"; do
	[ "$(git -C "$app" log --format=%s main -- "$name" | wc -l)" -eq $rounds ] || lost=$((lost + 1))
done
is $lost 0 "everybody's"
for transport in "${!urls[@]}"; do
	git clone -q "${urls[$transport]}/team/app.git" "$T/again.$transport" && sound "$T/again.$transport" > "$T/.out" 2>&1 &&
		[ "$(git -C "$T/again.$transport" rev-parse HEAD)" = "$(at "$app")" ]
	ok $? "$transport: a clone has it"
done

# --- any moment of that is sound
torn=0 looked=0
for i in $(seq 0 15); do
	past=$M/.history/at/tid-$((before + (after - before) * i / 15))/team/app.git
	git -C "$past" fsck --full --no-progress > "$T/fsck" 2>&1 && looked=$((looked + 1)) && continue
	torn=$((torn + 1))
	diag "tid-$((before + (after - before) * i / 15)):" "$(head -n 5 "$T/fsck")"
done
is "$looked $torn" "16 0" "so is each of 16 moments in the middle of it"

# --- a forced push destroys a branch
good=$(at "$app")
moment=$(now)
git -C "$T/first.file" checkout -q --orphan other && git -C "$T/first.file" commit -qm "all wrong"
git -C "$T/first.file" push -qf "${urls[http]:-${urls[file]}}/team/app.git" other:main
git -C "$T/first.file" push -q "$app" --delete "${names[@]/#/of/}"
git -C "$app" reflog expire --expire=now --all && git -C "$app" gc -q --prune=now
fails "the branch's commits are gone" 128 "" git -C "$app" cat-file -p "$good"
git -C "$T/first.file" push -q "$app" other:since
as_shown look "looked at as it was"
grep -q "^[0-9a-f]* test [a-z]*[12] $rounds$" "$T/.out"
ok $? "one sees what it was" || diag "$(cat "$T/.out")"
as_shown pushes "every push of it is a version"
grep -qx "$good" "$T/.out"
ok $? "the good one among them" || diag "$(cat "$T/.out")"
as_shown forced-push "brought back by a line"
is "$(at "$app")" "$good" "the branch is what it was"
try "with its commits" git -C "$app" cat-file -p "$good"
try "it is sound" sound "$app"
at "$app" refs/heads/since > /dev/null
ok $? "and what was pushed since is there"
as_shown forced-push "a deleted branch, by the same line" 's|+main:main|+of/file1:of/file1|'
is "$(at "$app" refs/heads/of/file1)" "$(at "$M/.history/at/$moment/team/app.git" refs/heads/of/file1)" "is what it was"

# --- a deleted repository
as_shown snapshot "a name for a moment"
[ -d "$M/.history/tags/before-upgrade/team/app.git" ]
ok $? "has all of it"
git init -q --bare --initial-branch=main "$M/team/lib.git" && git -C "$app" push -q "$M/team/lib.git" main
moment=$(now)
sums "$app" > "$T/was"
rm -rf "$app"
fails "a repository is deleted" 128 "not appear to be a git repository|not found|No such" git ls-remote "file://$app"
as_shown deleted "brought back by a line"
sums "$app" | diff "$T/was" - > "$T/.out"
ok $? "every file, with modes and owners" || diag "$(head "$T/.out")"
is "$(at "$app")" "$good" "at the commit it was"
try "it is sound" sound "$app"
for transport in "${!urls[@]}"; do
	is "$(git ls-remote "${urls[$transport]}/team/app.git" refs/heads/main | cut -f 1)" "$good" "$transport: it is served again"
done
rm -rf "$app"/objects/pack "$app"/refs && echo broken > "$app/config" && touch "$app/hooks/evil"
as_shown deleted "one that was wrecked, by the same line"
sums "$app" | diff "$T/was" - > "$T/.out"
ok $? "is exactly what it was" || diag "$(head "$T/.out")"
as_shown beside "or beside what is there"
try "which is sound" sound "$M/team/app-then.git"
is "$(at "$M/team/app-then.git")" "$good" "at the commit it was"
rm -rf "$M/team/app-then.git"

# --- all of them
mkdir "$M/more" && for i in 1 2 3; do git clone -q --bare "$app" "$M/more/$i.git"; done
moment=$(now)
sums "$M" > "$T/was"
rm -rf "${M:?}"/*
is "$(ls -A "$M")" "" "rm -rf of everything"
as_shown everything "brought back by a line"
sums "$M" | diff "$T/was" - > "$T/.out"
ok $? "every file of every repository" || diag "$(head "$T/.out")"
for repository in "$M"/team/app.git "$M"/team/lib.git "$M"/more/*.git; do sound "$repository" && at "$repository"; done > "$T/.out" 2>&1
is "$(grep -cx "$good" "$T/.out")" 5 "sound, and at the commits they were" || diag "$(cat "$T/.out")"
rm -rf "$M/team"
as_shown undo "a part of it, by undoing"
sums "$M" | diff "$T/was" - > "$T/.out"
ok $? "nothing else was touched" || diag "$(head "$T/.out")"

# --- whose it is
if [ "$(id -u)" -eq 0 ] && [ "$(git --version | tr -dc '0-9.' | cut -d . -f 1-2)" != 2.34 ]; then
	chown -R 65534:65534 "$M/team/lib.git"
	moment=$(now)
	git config --system --unset-all safe.directory
	fails "somebody else's repository" 128 "dubious ownership" git -C "$M/.history/at/$moment/team/lib.git" log -1
	as_shown trust "is trusted when one says so"
	is "$(at "$M/.history/at/$moment/team/lib.git")" "$good" "in the past as well"
else
	shown trust > "$T/box" && echo trust >> "$T/run"
	for i in 1 2 3; do ok 0 "# SKIP needs root: other owners ($i)"; done
fi

# --- a push that has succeeded is durable, and with sync=replica elsewhere
commit() { (cd "$T/clone.file1" && echo "$1" >> README && git commit -qam "$1" && git rev-parse HEAD); }
push() { git -C "$T/clone.file1" push "$app" HEAD:refs/heads/"$1"; }
ended
try "unmounted" hf unmount "$M"
hf mount "$T/store" "$M" -o commit=3600 || bail "it does not mount"
pid=$(hf status "$T/store" --json | json pid)
tip=$(commit kept)
try "a push" push kept
kill -9 "$pid" && eventually 10 eval "! kill -0 $pid"
for dir in $(mounts_below); do fusermount3 -uz "$dir" 2> /dev/null || umount -l "$dir"; done
hf mount "$T/store" "$M" || bail "it does not mount after the kill"
is "$(at "$app" refs/heads/kept)" "$tip" "outlives the mount being killed right behind it"
try "and all is sound" sound "$app"
hf unmount "$M" > /dev/null

hf node init "$T/node" --listen "127.0.0.1:$(free_port)" > /dev/null && hf serve "$T/node" > /dev/null &&
	hf replica add "$T/store" "$(hf node invite "$T/node")" > /dev/null || bail "no replica"
hf mount "$T/store" "$M" -o sync=replica,replica-timeout=2 || bail "it does not mount"
commit far > /dev/null
eventually 60 push far
ok $? "a push waits for a replica"
stop_node "$T/node"
tip=$(at "$app" refs/heads/far)
commit lonely > /dev/null
fails "and is refused without one" 128 "ref updates aborted by hook" push far
grep -q "sync: error syncing 'HEAD': Input/output error" "$T/.err"
ok $? "which says why" || diag "$(cat "$T/.err")"
is "$(at "$app" refs/heads/far)" "$tip" "the branch has not moved"
hf serve "$T/node" > /dev/null
eventually 60 push far
is "$(at "$app" refs/heads/far)" "$(git -C "$T/clone.file1" rev-parse HEAD)" "it moves when the replica is back"
try "unmounted" hf unmount "$M"
try "no fault in the store" hf check "$T/store"

sed -n 's/^```sh \(.*\)/\1/p' "$document" | sort > "$T/boxes"
sort -u "$T/run" | diff "$T/boxes" - > "$T/.out" && ! grep -qE '^```sh$' "$document"
ok $? "every command the document shows has been run" || diag "$(cat "$T/.out")"
done_testing
