#!/bin/bash
# SPDX-License-Identifier: MIT
# -o coalesce: the kernel keeps lengths and times of its own. What is restored in place has those it had all the same.
. "$(dirname "$0")/lib.sh"
need_fuse

make_volume coalesce || bail "no volume"
m=$T/mnt
root=$([ "$(id -u)" -eq 0 ] && echo yes)
past=2001-02-03T04:05:06.5Z
odd=$'sub/de ep\n\xff\'s'

fill() { head -c "$1" /dev/zero | tr '\0' "$2"; } # fill BYTES LETTER
now() { sync "$m" && hf head "$m" --json | json tid; }
operations() { hf log "$1" "$2" --json | grep -c '"tid"'; }
# the length by stat, of what is read and of what is mapped or copied; the time
seen() { echo "$(stat -c %s "$1") $(wc -c < "$1") $(cp "$1" "$T/copy" && stat -c %s "$T/copy") $(stat -c %y "$1" | cut -c 1-21)"; }
# begin NAME BYTES: a file with a time of its own. *before is a moment with it.
begin()
{
	mkdir -p "$(dirname "$m/$1")" && fill "$2" a > "$m/$1" && touch -d "$past" "$m/$1" && before=$(now) && cat "$m/$1" > /dev/null
}
was() { TZ=UTC0 date -d "$past" '+%F %T.%N' | cut -c 1-21; }
export TZ=UTC0

for name in file "$odd/file"; do
	said=$(printf %q "$name")
	for lengths in "100000 6" "6 100000" "5000 5001" "4096 0" "7 7"; do
		read -r old new <<< "$lengths"
		begin "$name" "$old"
		fill "$new" b > "$m/$name"
		hf restore "$m/$name@tid-$before" > /dev/null || ok 1 "restores $said"
		is "$(seen "$m/$name")" "$old $old $old $(was)" "$said, $new bytes, and $old again: its length and time"
		echo tail >> "$m/$name"
		is "$(sync "$m"; { fill "$old" a; echo tail; } | cmp - "$m/$name" 2>&1; cmp "$m/$name" "$m/.history/at/now/$name" 2>&1)" "" \
			"what is appended goes to its end"
	done
done

# --- open, with bytes that nobody has synced
begin open 5000
exec 7<> "$m/open" 8>> "$m/open"
fill 90000 b >&7
hf restore "$m/open@tid-$before" > /dev/null
is "$(seen "$m/open") $(stat -L -c %s /dev/fd/7)" "5000 5000 5000 $(was) 5000" "open and longer: cut to what it was"
echo tail >&8
{ fill 5000 a; echo tail; } > "$T/wanted"
try "appended to by who has it open" cmp "$T/wanted" "$m/open"
exec 7>&- 8>&-
sync "$m"
try "nothing late comes over it" cmp "$T/wanted" "$m/.history/at/now/open"

begin open2 90000
exec 7>> "$m/open2"
: > "$m/open2" && echo short >&7
hf undo "$m/open2" --since "tid-$before" --yes > /dev/null
is "$(seen "$m/open2")" "90000 90000 90000 $(was)" "open and shorter: as long as it was, by undo"
echo tail >&7
{ fill 90000 a; echo tail; } > "$T/wanted"
try "appended to by who has it open" cmp "$T/wanted" "$m/open2"
exec 7>&-

if command -v python3 > /dev/null; then
	begin mapped 9000
	cat > "$T/map.py" << 'END2'
import mmap, os, subprocess, sys
path, holdfast, moment = sys.argv[1:]
f = open(path, "r+b")
f.truncate(3 * 4096)
m = mmap.mmap(f.fileno(), 0)
m[8990:8994] = b"LATE"
m[12000:12004] = b"LATE"
subprocess.run([holdfast, "restore", path + "@" + moment], check=True, stdout=subprocess.DEVNULL)
print(m[0:9000] == b"a" * 9000, m[9000:12288] == bytes(3288), os.fstat(f.fileno()).st_size)
END2
	is "$(python3 "$T/map.py" "$m/mapped" "$HOLDFAST" "tid-$before")" "True True 9000" "a mapping shows what was restored, and zeros behind it"
	is "$(seen "$m/mapped"; fill 9000 a | cmp - "$m/mapped" 2>&1)" "9000 9000 9000 $(was)" "and nothing late comes over it"
else
	ok 0 "# SKIP no python3" && ok 0 "# SKIP no python3"
fi

# --- several names, modes, attributes
begin tree/one 5000
ln "$m/tree/one" "$m/tree/two" && fill 3 x > "$m/tree/closed" && touch -d "$past" "$m/tree/one" && chmod 400 "$m/tree/closed" && before=$(now)
fill 9000 b > "$m/tree/one" && chmod 600 "$m/tree/closed" && fill 9000 b > "$m/tree/closed" && chmod 400 "$m/tree/closed"
cat "$m/tree/closed" > /dev/null
exec 7< "$m/tree/two" 8< "$m/tree/closed"
hf restore "$m/tree@tid-$before" > /dev/null
is "$(seen "$m/tree/one")" "5000 5000 5000 $(was)" "by one of its names"
is "$(seen "$m/tree/two")" "5000 5000 5000 $(was)" "and by another"
is "$(stat -c '%s %a' "$m/tree/closed") $(cat "$m/tree/closed")" "3 400 xxx" "what only may be read stays so"
exec 7<&- 8<&-
touch "$m/tree/one"
hf restore "$m/tree@tid-$before" > /dev/null
is "$(stat -c %Y "$m/tree/one")" "$(date -d "$past" +%s)" "a time alone"

if [ "$root" ] && command -v setcap > /dev/null && cat "$(type -P true)" > "$m/capable" && setcap cap_chown+ep "$m/capable" 2> /dev/null; then
	chmod 6755 "$m/capable" && before=$(now)
	fill 10 b > "$m/capable"
	exec 7< "$m/capable"
	hf restore "$m/capable@tid-$before" > /dev/null
	is "$(stat -c %a "$m/capable") $(getcap "$m/capable")" "6755 $m/capable cap_chown=ep" "setuid, setgid and a capability come back and stay"
	exec 7<&-
	"$m/capable"
	ok $? "and it runs"
else
	ok 0 "# SKIP no setcap" && ok 0 "# SKIP no setcap"
fi

# --- a program that runs cannot be truncated: that is said, and made good when it has ended
fill 10 a > "$m/program" && before=$(now)
cat "$(command -v sleep)" > "$m/program" && chmod 755 "$m/program"
sleep_bytes=$(stat -c %s "$m/program")
"$m/program" 1000 &
running=$!
eventually 10 eval '[ "$(readlink /proc/$running/exe)" = "$m/program" ]'
hf restore "$m/program@tid-$before" > "$T/line" 2> "$T/said"
grep -q "program is restored, but in use" "$T/said"
ok $? "of a program that runs it is said" || diag "$(cat "$T/said")"
is "$(stat -c %s "$m/program")" "$sleep_bytes" "that the kernel goes by the length it had"
eval "$(sed -n 's/^to take that back: holdfast/hf/p' "$T/line") --yes" > /dev/null
is "$(hf restore "$m/program@tid-$before" --json 2> /dev/null | grep -A 3 '"held"' | json path)" program "with --json, too"
kill "$running" && wait "$running" 2> /dev/null
eventually 20 eval '[ "$(stat -c %s "$m/program")" = 10 ]'
is "$(cat "$m/program")" aaaaaaaaaa "when it has ended it is what was restored"

# --- the history: no operation but what restoring does where the kernel keeps nothing
mkdir "$T/plain" && hf init "$T/plain-store" --kit-file "$T/plain-kit" > /dev/null && hf mount "$T/plain-store" "$T/plain" || bail "no second volume"
restored()
{
	fill 5000 a > "$1/log" && touch -d "$past" "$1/log" && sync "$1" && hf snapshot "$1" then > /dev/null
	fill 90000 b > "$1/log" && sync "$1" && exec 7>> "$1/log" && count=$(hf log "$1/log" | wc -l)
	hf restore "$1/log@then" > /dev/null && stat "$1/log" > /dev/null && sync "$1"
	echo $(($(hf log "$1/log" | wc -l) - count))
	exec 7>&-
}
is "$(restored "$m")" "$(restored "$T/plain")" "as many operations as without coalesce"
hf unmount "$T/plain" > /dev/null

(cd "$m" && find . -type f -printf '%p %s %m %T@\n' -exec sha256sum {} +) | sort > "$T/before"
hf unmount "$m" > /dev/null && hf mount "$T/store" "$m"
(cd "$m" && find . -type f -printf '%p %s %m %T@\n' -exec sha256sum {} +) | sort > "$T/after"
try "mounted again, all is as it was" cmp "$T/before" "$T/after"
hf unmount "$m" > /dev/null
try "the log is whole" hf check "$T/store"
done_testing
