#!/bin/bash
# SPDX-License-Identifier: MIT
# What happened, what is gone, what it cost: on a mount and at rest alike.
. "$(dirname "$0")/lib.sh"
need_fuse

make_volume || bail "no volume"
m=$T/mnt
paths() { sed 's/.*"path": *"\([^"]*\)".*/\1/'; }
kinds() { sed 's/.*"kind": *"\([^"]*\)".*/\1/'; }

mkdir "$m/docs" && echo one > "$m/docs/a" && chmod 600 "$m/docs/a" && mv "$m/docs/a" "$m/docs/b"
echo other > "$m/other"
sync "$m"
before=$(hf snapshot "$m" before --json | json moment)
echo two >> "$m/docs/b" && truncate -s 3 "$m/docs/b"
echo gone > "$m/docs/gone.txt" && rm "$m/docs/gone.txt"
printf x > "$m/docs/"$'odd\xff\n'
sync "$m"

# --- log
hf log "$m/docs/b" > "$T/log"
is $? 0 "log of a file"
grep -q 'mode 644 -> 600 .*docs/a$' "$T/log"
ok $? "a mode is said before and after, under the name of then" || diag "$(cat "$T/log")"
grep -q 'renamed .*docs/a -> docs/b$' "$T/log"
ok $? "renames are followed" || diag "$(cat "$T/log")"
grep -q 'wrote 4 bytes .*docs/a$' "$T/log" && grep -q 'length 8 -> 3 .*docs/b$' "$T/log"
ok $? "bytes and lengths" || diag "$(cat "$T/log")"
grep -q "  $(id -un) " "$T/log"
ok $? "by whom"
is "$(sort -r "$T/log" | cmp - "$T/log" && echo sorted)" sorted "newest first"
is "$(hf log "$m/docs/b" --oldest-first --json)" "$(hf log "$m/docs/b" --json | tac)" "oldest first is the same backwards"
is "$(hf log "$m/docs/b" -n 2 --json)" "$(hf log "$m/docs/b" --json | head -n 2)" "-n cuts it short"
is "$(hf log "$m/docs" --json | grep -c '"path": *"other"')" 0 "a tree is itself only"
hf log "$m" --json | paths | grep -q '^other$'
ok $? "the volume is everything"
is "$(hf log "$m/docs" --deleted --json | paths)" docs/gone.txt "removals alone"
hf log "$m/docs/gone.txt" --json | kinds | head -n 1 | grep -qx remove
ok $? "of a file that is gone"
is "$(hf log "$m/docs" --until before --json | paths | grep -c gone)" 0 "until a snapshot"
is "$(hf log "$m/docs@before" --json)" "$(hf log "$m/docs" --until "$before" --json)" "PATH@MOMENT is the same"
hf log "$m/docs" --since before --json > "$T/since"
cat "$T/since" <(hf log "$m/docs" --until before --json) | cmp -s - <(hf log "$m/docs" --json)
ok $? "since and until part it without a gap"
is "$(hf log "$m" --since 1980 --json | wc -l)" "$(hf log "$m" --json | wc -l)" "since before the beginning is all"
hf log "$m/docs" --json | grep -q '"path_hex": *"646f63732f6f6464ff0a"'
ok $? "a name that is no UTF-8 is told exactly"
hf log "$m/docs" | grep -qF 'docs/odd\377\012'
ok $? "and does nothing to a terminal"
moment=$(hf log "$m/docs/b" --json | grep '"rename"' | json moment)
moment=${moment:-$(hf log "$m/docs/b" --json | grep '"rename"' | sed 's/.*"moment": *"\([^"]*\)".*/\1/')}
[ -e "$m/.history/at/$moment/docs" ]
ok $? "its times paste into a path" || diag "$moment"
(cd "$m/docs" && hf log b --json) | cmp -s - <(hf log "$m/docs/b" --json)
ok $? "relative paths"
(cd "$m/docs" && hf log --json) | cmp -s - <(hf log "$m/docs" --json)
ok $? "without a path it is the working directory"
hf log "$m/.history/at/$before/docs/b" --json | cmp -s - <(hf log "$m/docs/b@$before" --json)
ok $? "a path in .history means its moment"
fails "what never was" 2 "never was a 'docs/none'" hf log "$m/docs/none"
fails "no volume" 2 "neither a store nor inside" hf log /proc/self
fails "no moment" 2 "2026-11-21" hf log "$m" --since "the day before"
fails "no number" 2 "number" hf log "$m" -n many
hf log "$m" | head -n 1 > "$T/one"
is "$(wc -l < "$T/one")" 1 "who stops listening harms nobody"
hf status "$m" > /dev/null
ok $? "and the mount goes on"

# --- cat
is "$(hf cat "$m/docs/b@before")" one "cat as it was"
is "$(hf cat "$m/docs/gone.txt" --at "$(hf find gone.txt "$m" --json | sed 's/.*"last_tid": *\([0-9]*\).*/tid-\1/')")" gone "of what is gone"
head -c 3000000 /dev/urandom > "$m/large" && cp "$m/large" "$T/large" && sync "$m"
hf cat "$m/large" | cmp -s - "$T/large"
ok $? "bytes, as they are"
echo text > "$m/ann@example.com" && sync "$m"
is "$(hf cat "$m/ann@example.com")" text "a name with an @ in it is a name"
fails "not there then" 2 "no 'docs/gone.txt' at that moment.*tid-" hf cat "$m/docs/gone.txt@before"
fails "a directory has no contents" 2 "directory" hf cat "$m/docs"
fails "too early" 2 "20[0-9][0-9]-" hf cat "$m/docs/b@1990"

# --- find
hf find '*.txt' "$m" > "$T/found"
is $? 0 "find what is gone"
grep -qx "docs/gone.txt" "$T/found" && grep -q "holdfast restore $m/docs/gone.txt@tid-[0-9]*$" "$T/found"
ok $? "with the command that brings it back" || diag "$(cat "$T/found")"
is "$(hf find 'docs/g*' "$m" --json | paths)" docs/gone.txt "by path"
hf find 'a' "$m/docs" > "$T/found" 2>&1
is $? 1 "a rename is no removal, and nothing found is an exit code"
mkdir -p "$m/deep/er/still" && echo deep > "$m/deep/er/still/f.c" && sync "$m" && rm -r "$m/deep" && sync "$m"
is "$(hf find '*.c' "$m" --json | paths)" deep/er/still/f.c "in directories that are gone"
is "$(hf find '*.c' "$m/deep/er" --json | paths)" deep/er/still/f.c "from one that is gone itself"
hf find '*' "$m" --json | paths | sort | tr '\n' ' ' > "$T/all"
is "$(cat "$T/all")" "deep deep/er deep/er/still deep/er/still/f.c docs/gone.txt " "all of it"

# --- du
hf du --history "$m/large" --json > "$T/du"
is "$(json present_bytes < "$T/du") $(json past_bytes < "$T/du")" "3000000 0" "du of a file"
head -c 3000000 /dev/urandom > "$m/large" && sync "$m"
hf du --history "$m/large" --json > "$T/du"
is "$(json present_bytes < "$T/du") $(json past_bytes < "$T/du")" "3000000 3000000" "and of its past"
hf du --history "$m" | grep -q "its past alone"
ok $? "for people"
fails "du of what never was" 2 "never was" hf du --history "$m/none"

# --- tags
hf tags "$m" --json | grep -q '"name": "before"' && hf tags "$m" | grep -q "^before  *$before  *tid-"
ok $? "tags"
is "$(hf snapshot --list "$m")" "$(hf tags "$m")" "snapshot --list is the same"
hf snapshot "$m" "a-name-that-is-longer-than-all-the-others" > /dev/null
is "$(hf tags "$m" | sed 's/tid-.*//' | awk '{ print length }' | sort -u | wc -l)" 1 "in columns"
[ -e "$m/.history/at/$(hf tags "$m" | awk '$1 == "before" { print $2 }')/docs/b" ]
ok $? "whose moments paste into a path"
hf snapshot "$m" short-lived --at "$before" > /dev/null && hf snapshot "$m" short-lived --remove
tid=$(hf tags "$m" --json | tr -d '\n' | sed 's/.*"tid": *\([0-9]*\)[^}]*"name": *"before".*/\1/')
hf log "$m" -n 2 | sed 's/  */ /g; s/^[^ ]* [^ ]* //' > "$T/log"
is "$(cat "$T/log")" "took a name away short-lived
named a moment short-lived (tid-$tid)" "the log says which moment was named, and which name was taken away"
hf log "$m/docs" -n 2 --json | cmp -s - <(hf log "$m" -n 2 --json)
ok $? "that of a folder too"
is "$(hf log "$m" -n 2 --json | tail -n 1 | sed 's/.*"tag": *"\([^"]*\)".*"named": *{"tid": *\([0-9]*\).*/\1 \2/')" "short-lived $tid" "in JSON"
hf log "$m" -n 1 --json | grep -q '"named": *null'
ok $? "null for none"
is "$(hf log "$m/docs/b" --json | grep -c '"tag"')" 0 "that of a file does not"

# --- colours
on_terminal() { TERM=${TERM_IS-xterm} timeout 20 script -qec "$*" /dev/null < /dev/null | tr -d '\r'; }
on_terminal "'$HOLDFAST' log '$m/docs' --deleted" | grep -q $'^\e\[36m2.*\e\[0m  .*\e\[31mremoved file .*\e\[0m  docs/gone.txt$'
ok $? "a removal is red on a terminal" || diag "$(on_terminal "'$HOLDFAST' log '$m/docs' --deleted" | cat -v)"
is "$(NO_COLOR=1 on_terminal "'$HOLDFAST' log '$m/docs'")" "$(hf log "$m/docs")" "with NO_COLOR it is not"
is "$(TERM_IS=dumb on_terminal "'$HOLDFAST' log '$m/docs'")" "$(hf log "$m/docs")" "nor on one that knows none"
fails "a list is of no moment" 2 "no other option" hf snapshot --list --at 2h "$m"

# --- at rest
hf log "$m" --json > "$T/log" && hf find '*' "$m" --json | sed 's/, *"restore.*//' > "$T/found"
hf du --history "$m" --json > "$T/du"
hf unmount "$m" > /dev/null
hf log "$T/store" --json | cmp -s - "$T/log"
ok $? "log at rest is the same"
hf find '*' "$T/store" --json | sed 's/, *"restore.*//' | cmp -s - "$T/found"
ok $? "find"
hf du --history "$T/store" --json | cmp -s - "$T/du"
ok $? "du"
is "$(hf cat "$T/store" docs/b@before)" one "cat"
is "$(hf cat "$T/store" ann@example.com)" text "a name with an @"
is "$(hf log "$T/store" docs/b --json | wc -l)" "$(grep -c . <(hf log "$T/store" docs/b))" "a path in the store"
hf find gone.txt "$T/store" | grep -q "holdfast restore $T/store docs/gone.txt@tid-"
ok $? "the command is one for the store"
hf mount "$T/store" "$m" && echo option > "$m/-rf" && sync "$m" && rm "$m/-rf" && hf unmount "$m"
command=$(hf find -- '-rf' "$T/store" | sed -n 's/^ *holdfast /"$HOLDFAST" /p')
eval "$command" > "$T/said" 2>&1
is "$(hf cat "$T/store" /-rf)" option "and can be run as it is, for a name like an option too" || diag "$command" "$(cat "$T/said")"
fails "out of the volume" 2 "out of the volume" hf log "$T/store" ../..
done_testing
