#!/bin/bash
# SPDX-License-Identifier: MIT
# What was destroyed on a mount is brought back by one line a person would type; the kernel shows it at once.
. "$(dirname "$0")/lib.sh"
need_fuse

make_volume || bail "no volume"
m=$T/mnt
root=$([ "$(id -u)" -eq 0 ] && echo yes || echo no)
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org

now() { sync "$m" && hf head "$m" --json | json tid; }
# What comes a second later is not of the same doing, as undo sees it.
pause()
{
	local end=$(($(date +%s%N) + 1100000000))

	until [ "$(date +%s%N)" -gt "$end" ]; do sleep 0.1; done
}
same() { rsync -nai -HAX --delete "$1/" "$2/"; }

# --- a repository, and work in it
if command -v git > /dev/null; then
	git init -q --bare -b main "$m/project.git"
	git clone -q "$m/project.git" "$T/work" 2> /dev/null
	cd "$T/work" && git checkout -q -b main 2> /dev/null
	cp -a "$TOP/docs" "$TOP/include" . && git add . && git commit -qm one && git push -q origin main
	for i in 1 2 3; do echo "$i" > "file-$i" && git add . && git commit -qm "more $i" && git push -q origin main; done
	cd "$T" || bail "no work"
	good=$(git -C "$m/project.git" rev-parse main)
	cp -a "$m/project.git" "$T/wanted.git"

	before=tid-$(now) && pause
	rm -rf "$m/project.git"
	[ ! -e "$m/project.git" ]
	ok $? "rm -rf: the repository is gone"
	pause
	try "undo brings it back" hf undo "$m/project.git" --yes
	is "$(same "$T/wanted.git" "$m/project.git")" "" "every file, mode and time as it was"
	is "$(git -C "$m/project.git" rev-parse main)" "$good" "at its last commit"
	try "which git finds whole" git -C "$m/project.git" fsck --full --strict
	pause
	hf undo "$m/project.git" --yes > /dev/null
	[ ! -e "$m/project.git" ]
	ok $? "the undoing is undone as well" || diag "$(ls -la "$m")"
	try "restore does it too" hf restore "$m/project.git@$before"
	is "$(same "$T/wanted.git" "$m/project.git")" "" "and it is the same"

	before=$(now)
	cd "$T/work" && git checkout -q --orphan evil && git rm -rfq . && echo x > x && git add x && git commit -qm evil &&
		git push -qf origin evil:main && cd "$T" && git -C "$m/project.git" gc -q --prune=now 2> /dev/null
	git -C "$m/project.git" cat-file -e "$good" 2> /dev/null
	[ $? -ne 0 ]
	ok $? "force-push and gc: the branch's commits are gone"
	try "one line" hf restore "$m/project.git@tid-$before"
	is "$(git -C "$m/project.git" rev-parse main)" "$good" "the branch is what it was"
	try "and whole" git -C "$m/project.git" fsck --full --strict
	is "$(same "$T/wanted.git" "$m/project.git")" "" "and nothing else is there"
	try "work goes on" git -C "$T/work" push -q origin main
else
	for i in $(seq 14); do ok 0 "# SKIP no git ($i)"; done
fi

# --- one file, open and mapped by somebody while it is overwritten and restored
mkdir "$m/office" && printf 'good old text\n' > "$m/office/report" && chmod 640 "$m/office/report"
setfattr -n user.colour -v blue "$m/office/report"
touch -d '2001-02-03T04:05:06.5Z' "$m/office/report"
before=$(now)
ino=$(stat -c %i "$m/office/report")
exec 7< "$m/office/report"
cat "$m/office/report" > /dev/null
pause
printf 'something else, and longer\n' > "$m/office/report" && chmod 600 "$m/office/report"
cat "$m/office/report" > /dev/null
hf undo "$m/office/report" --dry-run > "$T/said"
grep -q "contents  *office/report" "$T/said" && grep -q "something else" "$m/office/report"
ok $? "a dry run says so, and does nothing" || diag "$(cat "$T/said")"
fails "nobody can be asked: it takes --yes" 2 "--yes" hf undo "$m/office/report" < /dev/null
grep -q "something else" "$m/office/report"
ok $? "and nothing was done"
# what is agreed to is what was shown
mkfifo "$T/answer"
script -qfec "'$HOLDFAST' undo '$m/office/report'" "$T/asked" < "$T/answer" > /dev/null 2>&1 &
asked=$!
exec 8<> "$T/answer"
for _ in $(seq 200); do grep -q 'Do that' "$T/asked" 2> /dev/null && break; sleep 0.1; done
chmod 644 "$m/office/report" && chmod 600 "$m/office/report"
echo y >&8
wait "$asked"
is "$?" 2 "what was done between question and answer is not undone unseen" || diag "$(cat "$T/asked")"
exec 8>&-
grep -q "look again" "$T/asked" && grep -q "something else" "$m/office/report"
ok $? "that is said, and nothing was done"
hf undo "$m/office/report" --since "tid-$before" --yes > "$T/said"
is "$(cat "$m/office/report")" "good old text" "cat shows the restored bytes"
is "$(cat <&7)" "good old text" "so does who has had it open all the time"
exec 7<&-
is "$(stat -c '%a %Y %i' "$m/office/report")" "640 981173106 $ino" "mode and time are as they were; it is the same file"
is "$(getfattr --only-values -n user.colour "$m/office/report")" blue "and its attribute"
# the printed line takes it back
eval "$(sed -n 's/^to take that back: holdfast/hf/p' "$T/said") --yes" > /dev/null
is "$(cat "$m/office/report")" "something else, and longer" "the line it prints takes that back"
is "$(hf restore "$m/office/report@tid-$before" --json | json contents)" 1 "--json counts"
hf restore "$m/office/report@tid-$before" | grep -q "nothing to do"
ok $? "again there is nothing to do"

if command -v python3 > /dev/null; then
	cat > "$T/map.py" << 'END'
import mmap, os, subprocess, sys
path, holdfast, moment = sys.argv[1:]
f = open(path, "r+b")
m = mmap.mmap(f.fileno(), 0)
m[0:4] = b"EVIL"
m.flush()
m[8:12] = b"LATE"  # is not flushed
assert m[0:4] == b"EVIL"
subprocess.run([holdfast, "restore", path + "@" + moment], check=True, stdout=subprocess.DEVNULL)
print(m[0:13].decode(), open(path).read(13))
END
	is "$(python3 "$T/map.py" "$m/office/report" "$HOLDFAST" "tid-$before")" "good old text good old text" "a mapping shows what was restored"
	is "$(sync "$m"; cat "$m/office/report")" "good old text" "and nothing late comes over it"
else
	ok 0 "# SKIP no python3" && ok 0 "# SKIP no python3"
fi

# --- names that would steer a terminal, by ASCII and by UTF-8
odd=$m/$'steer \033[2J\xc2\x9b2J\xff \'name'
echo one > "$odd"
before=$(now)
echo two > "$odd"
hf restore "$odd@tid-$before" -v > "$T/said"
is "$(LC_ALL=C grep -c $'\033\\|\xc2\x9b\\|\xff' "$T/said") $(cat "$odd")" "0 one" "such a name is restored, and never said as it is" ||
	diag "$(cat -v "$T/said")"
pause
eval "$(sed -n 's/^to take that back: holdfast/hf/p' "$T/said") --yes" > /dev/null
is "$(cat "$odd")" two "but a shell takes it from the line that is printed"

# --- names: what the kernel remembers of them
mkdir -p "$m/tree/sub/deep" "$m/tree/gone" && echo a > "$m/tree/sub/a" && echo b > "$m/tree/sub/deep/b"
ln "$m/tree/sub/a" "$m/tree/gone/link-of-a" && ln -s sub/a "$m/tree/soft" && mkfifo "$m/tree/fifo"
cp -a "$m/tree" "$T/tree"
before=$(now)
rm -rf "$m/tree/gone" && mv "$m/tree/sub" "$m/tree/moved" && mkdir "$m/tree/soft.d" && rm "$m/tree/soft" && mkdir "$m/tree/soft"
echo new > "$m/tree/soft/new" && rm "$m/tree/fifo" && echo file > "$m/tree/fifo"
ls -R "$m/tree" > /dev/null
[ ! -e "$m/tree/sub" ] && [ ! -e "$m/tree/gone/link-of-a" ] # so that the kernel knows they are not there
hf restore "$m/tree@tid-$before" -v > "$T/said"
is "$(same "$T/tree" "$m/tree")" "" "names, links and types are what they were" || diag "$(cat "$T/said")"
grep -q "move  *tree/moved -> tree/sub/" "$T/said"
ok $? "a folder that was only renamed is renamed back" || diag "$(cat "$T/said")"
is "$(stat -c %i "$m/tree/sub/a")" "$(stat -c %i "$m/tree/gone/link-of-a")" "one file of two names is one file"
is "$(ls "$m/tree")" "$(ls "$T/tree")" "a listing shows it"

# --- moved out of the tree: undo moves it back; restore makes it again
pause
mv "$m/tree/sub" "$m/elsewhere"
hf undo "$m/tree" --yes > /dev/null
[ -d "$m/tree/sub" ] && [ ! -e "$m/elsewhere" ]
ok $? "undo of a move moves it back"
mv "$m/tree/sub" "$m/elsewhere"
hf restore "$m/tree@tid-$before" > /dev/null
[ -f "$m/tree/sub/a" ] && [ -f "$m/elsewhere/a" ]
ok $? "restore leaves alone what is outside of the tree"
echo changed > "$m/elsewhere/deep/b"
is "$(cat "$m/tree/sub/deep/b")" b "and what it made is a file of its own"

# --- beside
try "beside" hf restore "$m/tree@tid-$before" --to "$m/tree-old"
is "$(same "$T/tree" "$m/tree-old")" "" "it is what it was"
fails "nothing is written over" 2 "there already" hf restore "$m/tree@tid-$before" --to "$m/office"
fails "not into the past" 2 "past" hf restore "$m/tree@tid-$before" --to "$m/.history/at/tid-$before/x"
fails "a moment must be said" 2 "moment" hf restore "$m/tree"
fails "a name that never was" 2 "never" hf restore "$m/never@tid-$before"
mkdir "$m/above" && mkdir "$m/above/it" && echo x > "$m/above/it/x" && before=$(now) && rm -rf "$m/above"
try "folders above it are made" hf restore "$m/above/it/x@tid-$before"
is "$(cat "$m/above/it/x")" x "and it is there"

# --- who has the file open goes on with the length that it was given back
head -c 100000 /dev/zero | tr '\0' a > "$m/longer" && head -c 1000 /dev/zero | tr '\0' b > "$m/shorter" && before=$(now)
exec 5>> "$m/longer" 6>> "$m/shorter" 7< "$m/longer"
truncate -s 10 "$m/longer"
head -c 50000 /dev/zero | tr '\0' c >&6
now > /dev/null
hf restore "$m/longer@tid-$before" > /dev/null && hf restore "$m/shorter@tid-$before" > /dev/null
printf xyz >&5
printf xyz >&6
is "$(tr -d a < "$m/longer") $(wc -c < "$m/longer")" "xyz 100003" "what is appended to a file that was given back more is behind it"
is "$(tr -d b < "$m/shorter") $(wc -c < "$m/shorter")" "xyz 1003" "and to one that was given back less"
truncate -s 10 "$m/longer"
hf restore "$m/longer@tid-$before" > /dev/null
is "$(python3 -c 'import mmap; print(mmap.mmap(7, 100000, prot=mmap.PROT_READ)[99999:])')" "b'a'" "a mapping reaches to its end"
is "$(python3 -c 'import os, sys; print(os.copy_file_range(7, os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY), 1 << 20, 0))' "$m/copied")" 100000 \
	"and copying it does"
exec 5>&- 6>&- 7<&-

# --- nothing is copied
head -c 30000000 /dev/urandom > "$m/large" && before=$(now)
size=$(hf status "$m" --json | json log_bytes)
head -c 10 /dev/zero | dd of="$m/large" conv=notrunc 2> /dev/null
sum=$(hf restore "$m/large@tid-$before" --to "$m/large-old" > /dev/null; hf restore "$m/large@tid-$before" > /dev/null; sha256sum < "$m/large")
is "$sum" "$(sha256sum < "$m/large-old")" "30 MB beside and in place"
cmp -s "$m/large" "$m/.history/at/tid-$before/large"
ok $? "are what they were"
grown=$(($(hf status "$m" --json | json log_bytes) - size))
[ "$grown" -lt 1000000 ]
ok $? "for some kilobytes of log" || diag "$grown bytes"

# --- in the log it is on behalf of who asked; and the socket is its owner's
if [ "$root" = yes ]; then
	cp "$HOLDFAST" "$T/holdfast" && chmod 755 "$T"
	before=$(now)
	fails "another user may not" 2 "." setpriv --reuid=65534 --regid=65534 --clear-groups "$T/holdfast" restore "$m/office@tid-$before"
else
	ok 0 "# SKIP needs root: another user"
fi

# --- at rest
before=$(now) && pause && echo again > "$m/office/report" && hf unmount "$m" > /dev/null
pause
try "at rest" hf restore "$T/store" "office/report@tid-$before"
pause
try "undo too" hf undo "$T/store" office/report --yes
hf mount "$T/store" "$m"
is "$(cat "$m/office/report")" again "and it is there when it is mounted"
hf unmount "$m" > /dev/null
try "the log is whole" hf check "$T/store"
done_testing
