#!/bin/bash
# SPDX-License-Identifier: MIT
# The past as folders: versions of a file, what is gone, moments for Samba, and one moment mounted alone.
. "$(dirname "$0")/lib.sh"
need_fuse

root=$([ "$(id -u)" -eq 0 ] && echo yes || echo no)
make_volume || bail "no volume"
m=$T/mnt h=$T/mnt/.history
cd "$m" || bail "no mount"
export GIT_CONFIG_NOSYSTEM=1 HOME=$T GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b
git config --global init.defaultBranch main && git config --global safe.directory '*'

# all the versions in a folder, and what is in each
tell() { for v in "$1"/*; do printf '%s|' "$(cat "$v")"; done; }
tids() { ls "$1" | sed 's/^[^~]*~\([0-9]*\).*/\1/'; }

# --- versions of a file
echo one > f && echo two > f && chmod 600 f
is "$(tell "$h/versions/f")" "|one||two|" "a file is a folder of its versions: made, written, emptied, written"
is "$(ls "$h/versions/f" | wc -l)" 4 "a mode is no version"
truncate -s 0 emptied && truncate -s 0 emptied
is "$(ls "$h/versions/emptied" | wc -l)" 1 "nor is to empty what is empty"
is "$(tids "$h/versions/f")" "$(tids "$h/versions/f" | sort -n)" "they sort"
v=$(ls "$h/versions/f" | sed -n 2p)
[[ $v =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}(\.[0-9]+)?Z~[0-9]+$ ]]
ok $? "named <time>~<tid>" || diag "$v"
is "$(cat "$h/at/tid-${v##*~}/f")" one "the tid is that of the moment"
is "$(cat "$h/at/${v%%~*}/f")" one "and so is the time"
is "$(stat -c '%F %a %s %u' "$h/versions/f/$v")" "regular file 644 4 $(id -u)" "with the mode, size and owner it had"
is "$(stat -c %y "$h/versions/f/$v")" "$(stat -c %y "$h/at/tid-${v##*~}/f")" "and its times"
is "$(stat -c %i "$h/versions/f/"* | sort -u | wc -l)" 4 "each is a file of its own"
fails "a version there never was" 2 "No such file" ls "$h/versions/f/${v%~*}~1"
fails "nor under a time that is another's" 2 "No such file" ls "$h/versions/f/2001-01-01T000000Z~${v##*~}"
fails "nor a removal" 2 "No such file" ls "$h/versions/f/$v~deleted"
fails "a path there never was" 2 "No such file" ls "$h/versions/never"
echo now > never
is "$(cat "$h/versions/never/"*)" now "until it is: absence is not remembered"

# --- renamed, replaced, removed, made anew
mv f g
is "$(tell "$h/versions/g")" "|one||two|" "a rename is followed"
is "$(tell "$h/versions/f")" "|one||two|" "what it was called before is a path still, and not deleted"
echo three > tmp && mv tmp g
is "$(tell "$h/versions/g")" "|one||two|three|" "what is renamed over it is a version"
rm g
last=$(ls "$h/versions/g" | tail -n 1)
[[ $last =~ ~[0-9]+~deleted$ ]]
ok $? "a removal is told" || diag "$last"
is "$(stat -c '%F %s' "$h/versions/g/$last")" "regular empty file 0" "by an empty file"
is "$(date -u -d "$(stat -c %y "$h/versions/g/$last")" +%Y-%m-%dT%H%M%S)" "$(echo "${last%%~*}" | cut -c 1-17)" "of that time"
echo four > g
is "$(tell "$h/versions/g")" "|one||two|three|||four|" "and life goes on after it"
echo x > linked && ln linked other && rm linked
[[ $(ls "$h/versions/linked") == *deleted ]]
ok $? "a name is removed though the file has another"
printf a > grown && printf b >> grown && cat "$h/versions/grown/"* > /dev/null && first=$(tell "$h/versions/grown") && printf c >> grown
is "$(tell "$h/versions/grown" | cut -c "1-${#first}")" "$first" "what was shown of a growing file stays as it was shown"
is "$(cat "$h/versions/grown/$(ls "$h/versions/grown" | tail -n 1)")" abc "and what follows follows"
lost=$(python3 - "$h/versions/saved" <<- 'END'
	import os, sys
	with open("saved", "w"):
	    pass
	saver = os.fork()
	if saver == 0:
	    for n in range(1500):
	        with open("saving", "w") as file:
	            file.write(str(n))
	        os.replace("saving", "saved")
	    os._exit(0)
	while os.waitpid(saver, os.WNOHANG)[0] == 0:
	    try:
	        os.listdir(sys.argv[1])
	        os.stat(sys.argv[1])
	    except OSError as e:
	        print(e)
END
)
is "$lost" "" "a path has its versions while it is replaced again and again"
ln -s somewhere link && ln -sfn elsewhere link
is "$(for v in "$h/versions/link/"*; do readlink "$v"; done | xargs)" "somewhere elsewhere" "versions of a link are links"

# --- directories
mkdir -p d/e && echo in > d/e/in && mv d/e d/f && echo more > d/f/more && rm d/f/in && echo out > d/out
is "$(ls "$h/versions/d" | xargs)" "e f out" "a folder has all names that were in it"
is "$(ls "$h/versions/d/f" | xargs)" "in more" "of a renamed one too"
is "$(cat "$h/versions/d/e/in/"*[0-9])" in "each at its name then"
is "$(cat "$h/versions/d/f/in/"*[0-9])" in "and at the name that it was given"
rm -r d
is "$(ls "$h/versions/d/f" | xargs)" "in more" "gone, it can be walked"
echo file > d
is "$(ls "$h/versions/d" | grep -v '~' | xargs)" "e f out" "a path that was a folder shows what was in it,"
is "$(cat "$h/versions/d/"*~*)" file "that is a file now its versions as well,"
rm d && mkdir d && echo again > d/new
is "$(ls "$h/versions/d" | grep -v '~' | xargs)" "e f new out" "and that is a folder again all names of both"
[ "$(ls "$h/versions/d" | grep -c '~deleted$')" = 1 ]
ok $? "the file's removal among them"
odd=$'odd\n name\xff' long=$(printf 'x%.0s' $(seq 255))
mkdir "$odd" && echo odd > "$odd/$long" && rm -r "$odd"
is "$(cat "$h/versions/$odd/$long/"*[0-9] "$h/deleted/$odd/$long")" $'odd\nodd' "any name"
fails "too long a name" 2 "File name too long|No such file" ls "$h/versions/${long}y"

# --- many, and while more are made
perl -e 'open F, ">many" or die; for (1 .. 3000) { sysseek F, 0, 0; syswrite F, sprintf "%08d", $_ }'
is "$(ls "$h/versions/many" | sort -u | wc -l)" 3001 "thousands of versions"
is "$(cat "$h/versions/many/$(ls "$h/versions/many" | sed -n 1501p)")" 00001500 "each with its contents"
perl -e 'opendir D, shift or die; my %s; my $n = 0; while (defined(my $e = readdir D)) { $s{$e}++ and die "twice: $e"; if (++$n % 500 == 0) {
	open F, "+<many" or die; syswrite F, "n$n"; close F } } die scalar keys %s if keys %s < 3003' "$h/versions/many" 2> "$T/.err"
ok $? "a listing is whole and tells nothing twice while the file changes" || diag "$(cat "$T/.err")"
mkdir names && (cd names && for i in $(seq 700); do : > "n$i"; done && for i in $(seq 1 2 700); do mv "n$i" "m$i"; done && rm n2* m3*)
is "$(ls "$h/versions/names" | sort -u | wc -l)" 1050 "a folder of a thousand names that were"
is "$(ls "$h/deleted/names" | wc -l)" $(($(seq 2 2 700 | grep -c '^2') + $(seq 1 2 700 | grep -c '^3'))) "and of those only what was removed is gone"

# --- what is gone
mkdir -p plans/sub/deep plans/stay && cp -a "$TOP/docs" plans/ && echo a > plans/a && ln plans/a plans/sub/b && echo s > plans/sub/deep/s
ln -s ../a plans/sub/link && mkfifo plans/fifo && chmod 0750 plans/sub && touch -d '2001-02-03 04:05:06.7' plans/a
head -c 3000000 /dev/urandom > plans/large && setfattr -n user.colour -v blue plans/large
cp -a plans "$T/plans" && ls "$h/deleted" > /dev/null
rm -rf plans
is "$(ls "$h/deleted" | grep -c '^plans$')" 1 "what is removed is seen at once, though the folder was listed before"
is "$(rsync -nai -AX --omit-dir-times --delete "$h/deleted/plans/" "$T/plans/")" "" "a tree that is gone is there, whole"
try "diff -r" diff -r --no-dereference --exclude=fifo "$h/deleted/plans" "$T/plans"
try "grep -r" grep -rq --devices=skip "holdfast" "$h/deleted/plans"
is "$(find "$h/deleted/plans" -type f | wc -l)" "$(find "$T/plans" -type f | wc -l)" "find"
is "$(du -s --apparent-size -B1 "$h/deleted/plans/large" | cut -f 1)" 3000000 "du"
try "cp -a" cp -a "$h/deleted/plans" back
is "$(rsync -nai -AX --omit-dir-times --delete back/ "$T/plans/")" "" "brings it back"
mkdir live && echo 1 > live/kept && echo 2 > live/gone && mkdir live/below && echo 3 > live/below/moved && echo 4 > live/below/old
ls "$h/deleted/live" > /dev/null
touch -d 2020-01-01 live && rm live/gone && touch -d 2020-01-01 live && mv live/below/moved live/elsewhere && echo 5 > new && mv new live/below/old
is "$(ls "$h/deleted/live" | xargs)" "below gone" "a folder that is there shows what is gone, and folders; no file that is there"
is "$(ls "$h/deleted/live/below")" "" "nor what was renamed, or written anew"
is "$(cat "$h/deleted/live/gone")" 2 "as it last was"
fails "what is there is not gone" 2 "No such file" ls "$h/deleted/live/kept"
echo 6 > live/gone
fails "nor what came back" 2 "No such file" ls "$h/deleted/live/gone"
rm live/gone
is "$(cat "$h/deleted/live/gone")" 6 "and when it goes anew that is its last"
is "$(find "$h/deleted/live" -printf '%i\n' | sort | uniq -d)" "" "no two have one number"

# --- a repository
git init -q --bare repo.git && git clone -q repo.git "$T/clone" 2> /dev/null
for i in 1 2 3; do (cd "$T/clone" && echo "$i" > n && git add n && git commit -qm "commit $i" && git push -q origin main); done
heads=$(git -C "$T/clone" rev-list --reverse main)
git clone -q --bare repo.git copy.git && git -C repo.git gc -q
(cd "$T/clone" && git checkout -q --orphan void && echo void > n && git add n && git commit -qm void && git push -qf origin void:main)
is "$(for v in "$h/versions/repo.git/refs/heads/main/"*; do cat "$v"; done | grep -c -Ff <(echo "$heads"))" 3 "every commit that a branch was at is a version of it"
before=$(ls "$h/versions/repo.git/refs/heads/main" | grep -v deleted | tail -n 2 | head -n 1)
is "$(git -C "$h/at/tid-${before##*~}/repo.git" log --format=%s | head -n 1)" "commit 3" "git reads the moment before the push"
rm -rf repo.git copy.git
is "$(git -C "$h/deleted/copy.git" log --format=%s | xargs)" "commit 3 commit 2 commit 1" "a repository that is gone is read where it lies"
try "and is sound" git -C "$h/deleted/copy.git" fsck --full --no-progress
try "and cloned" git clone -q "$h/deleted/copy.git" "$T/cloned"
is "$(git -C "$h/deleted/repo.git" log --format=%s main)" void "also what was packed since"

# --- tools find nothing wrong, anywhere
sync "$m"
for folder in versions deleted; do
	try "find $folder" find "$h/$folder" -ls
	try "du $folder" du -a "$h/$folder"
	try "ls -lR $folder" ls -lR "$h/$folder"
done
is "$(find "$h/versions" -type d -printf '%i\n' | sort | uniq -d)" "" "no two folders have one number"
is "$(cd "$h" && ls | xargs)" "README at deleted gmt tags versions" "all of them are listed"
grep -q 'versions/PATH' "$h/README" && grep -q 'deleted/PATH' "$h/README" && grep -q '@GMT-' "$h/README"
ok $? "and explained"
is "$(stat -c %s "$h/README")" "$(wc -c < "$h/README")" "in a file of its size"

# --- nobody writes
some=$h/versions/never/$(ls "$h/versions/never" | tail -n 1)
for command in "touch '$some'" "touch '$h/versions/never/x'" "rm '$some'" "mkdir '$h/deleted/x'" "rm '$h/deleted/live/gone'" "rmdir '$h/deleted/plans'" \
	"mv '$h/deleted/plans' '$h/deleted/play'" "chmod 777 '$h/versions/d'" "ln -s x '$h/gmt/x'" "echo x | tee -a '$some'" "truncate -s 0 '$h/deleted/live/gone'" \
	"setfattr -n user.x -v y '$h/versions'" "mkfifo '$h/versions/d/fifo'"; do
	fails "${command%% *}" 1 "Read-only file system" eval "$command"
done
fails "the two worlds are apart" 1 "cross-device|Invalid cross" ln "$some" "$m/linked-from-the-past"

# --- who may see
if [ "$root" = yes ]; then
	mkdir -m 700 private && echo secret > private/s && mkdir -m 700 was && echo secret > was/s && rm -r was && mkdir was && chmod 755 "$T"
	them() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	try "what is open is open" them ls "$h/versions/live" "$h/deleted/live"
	fails "who may not look into a folder does not see its versions" 2 "Permission denied" them ls "$h/versions/private/s"
	rm private/s
	fails "nor what is gone from it" 2 "Permission denied" them ls "$h/deleted/private/s"
	fails "nor what was in one that another of its name replaced" 2 "Permission denied" them ls "$h/versions/was/s"
	chmod 755 private
	try "and may when he may" them cat "$h/deleted/private/s"
	mkdir -m 755 group && echo secret > group/s && chown 0:65534 group && chmod 705 group && rm -r group && mkdir group && chmod 755 group
	fails "nor in one that was closed to a group alone" 2 "Permission denied" them ls "$h/versions/group/s"
	mkdir acl && echo x > acl/x && setfacl -m u:65534:--- acl
	fails "an ACL is not weakened" 2 "Permission denied" them ls "$h/versions/acl"
	fails "here neither" 2 "Permission denied" them ls "$h/deleted/acl"
else
	for i in 1 2 3 4 5 6 7 8; do ok 0 "# SKIP needs root: other users ($i)"; done
fi

# --- moments for Samba
echo before > shadow
a=$(ls "$h/gmt" | tail -n 1)
[[ $a =~ ^@GMT-[0-9]{4}\.[0-9]{2}\.[0-9]{2}-[0-9]{2}\.[0-9]{2}\.[0-9]{2}$ ]]
ok $? "moments in the form that Samba makes" || diag "$a"
is "$(cat "$h/gmt/$a/shadow")" before "the newest holds what was done last"
is "$(ls "$h/gmt" | sort | uniq -d)" "" "no name comes twice"
for name in $(ls "$h/gmt"); do [ -d "$h/gmt/$name/." ] || echo "$name"; done > "$T/.out"
is "$(cat "$T/.out")" "" "each leads to a tree"
second() { [ "$(date -u +%s)" -gt "$1" ]; }
now=$(date -u +%s) && eventually 10 second $((now + 1))
echo after > shadow
is "$(cat "$h/gmt/$a/shadow")" before "a second that is over keeps its meaning"
is "$(cat "$h/gmt/$(date -u -d @$((now + 1)) +@GMT-%Y.%m.%d-%H.%M.%S)/shadow")" before "any second of the volume's life has a name"
b=$(ls "$h/gmt" | tail -n 1)
[ "$b" != "$a" ] && [ "$(cat "$h/gmt/$b/shadow")" = after ]
ok $? "and the list goes on"
fails "before the first" 2 "No such file" ls "$h/gmt/@GMT-2001.01.01-00.00.00"
fails "to come" 2 "No such file" ls "$h/gmt/@GMT-2099.01.01-00.00.00"
fails "no second" 2 "No such file" ls "$h/gmt/@GMT-2026.02.30-00.00.00"
fails "another form" 2 "No such file" ls "$h/gmt/2026-11-21"

# --- the same after a mount
number() { stat -c %i "$some" "$h/versions/d" "$h/versions" "$h/deleted/plans" "$h/deleted/plans/a" "$h/deleted/live" "$h/gmt" "$(ls -d "$h/versions/g/"*deleted)"; }
numbers=$(number) list=$(cd "$h" && find versions/g versions/d versions/names deleted/plans | sort)
is "$(number)" "$numbers" "numbers are stable"
cd "$T" && hf unmount "$m" && hf mount "$T/store" "$m" -o history=visible || bail "no mount"
is "$(number)" "$numbers" "also when mounted again"
is "$(cd "$h" && find versions/g versions/d versions/names deleted/plans | sort)" "$list" "and so is all that is there"
is "$(ls -a "$m" | grep -c history)" 1 "shown where it is to be seen"

# --- one moment alone
hf snapshot "$m" then > /dev/null && cp -a "$m/live" "$T/live" && rm -rf "$m/live" && echo later > "$m/later"
mkdir "$T/alone"
fails "what is mounted is not mounted again, and where to look is said" 2 "already.*/mnt/.history/at/then" hf mount --at then "$T/store" "$T/alone"
hf unmount "$m"
head_tid=$(hf status "$T/store" --json | json head_tid)
fails "no such moment" 2 "never" hf mount --at never "$T/store" "$T/alone"
fails "what is none" 2 "not a moment" hf mount --at "the day before" "$T/store" "$T/alone"
try "mount --at" hf mount --at then "$T/store" "$T/alone"
is "$(rsync -nai -HAX --delete "$T/alone/live/" "$T/live/")" "" "the tree is as it was"
[ ! -e "$T/alone/later" ] && [ ! -e "$T/alone/.history" ]
ok $? "and nothing else is there"
fails "nothing is written" 1 "Read-only file system" touch "$T/alone/x"
if [ "$root" = yes ]; then
	mount -o remount,rw "$T/alone" 2> /dev/null
	fails "by nobody" 1 "Read-only file system" touch "$T/alone/live/kept"
	fails "nor removed" 1 "Read-only file system" rm "$T/alone/live/kept"
else
	for i in 1 2; do ok 0 "# SKIP needs root: remounting ($i)"; done
fi
is "$(stat -f -c '%f %a' "$T/alone")" "0 0" "there is no room in the past"
[ "$(stat -f -c %b "$T/alone")" -gt 0 ] && df "$T/alone" > /dev/null
ok $? "which df can say"
try "find" find "$T/alone" -ls
hf status "$T/alone" | grep -q "read-only, as it was at .*tid-"
ok $? "status says of when it is" || diag "$(hf status "$T/alone")"
[ "$(hf status "$T/alone" --json | json head_tid)" = "$head_tid" ]
ok $? "and nothing was added to the volume"
fails "nor can be" 2 "reading only" hf snapshot "$T/alone" again
fails "another moment" 2 "unmount" hf mount "$T/store" "$T/alone" -o "remount,at=then"
fails "once at a time" 2 "mounted on .*/alone already" hf mount "$T/store" "$m"
try "unmount" hf unmount "$T/alone"
try "as an option" hf mount "$T/store" "$T/alone" -o at=then
is "$(cat "$T/alone/live/kept")" 1 "it is the same"
hf unmount "$T/alone"
try "the volume goes on" hf mount "$T/store" "$m"
is "$(cat "$m/later")" later "where it was"
done_testing
