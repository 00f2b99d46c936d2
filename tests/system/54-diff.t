#!/bin/bash
# SPDX-License-Identifier: MIT
# Two moments side by side, and bisecting time.
. "$(dirname "$0")/lib.sh"
need_fuse

make_volume || bail "no volume"
m=$T/mnt
mkdir "$m/d" "$m/elsewhere"
printf 'one\ntwo\nthree\n' > "$m/d/text"
echo same > "$m/d/mode" && echo gone > "$m/d/gone" && echo moved > "$m/d/old" && head -c 1000 /dev/zero > "$m/d/binary"
ln -s first "$m/d/link" && echo odd > "$m/d/"$'odd\xff'
sync "$m"
hf snapshot "$m" a > /dev/null
printf 'one\nTWO\nthree\n' > "$m/d/text"
chmod 600 "$m/d/mode" && rm "$m/d/gone" && mv "$m/d/old" "$m/d/new" && printf 'x\0y' > "$m/d/binary"
ln -sfn second "$m/d/link" && echo odder > "$m/d/"$'odd\xff' && mkdir "$m/d/made" && echo in > "$m/d/made/in"
echo away > "$m/elsewhere/not" && sync "$m"
hf snapshot "$m" b > /dev/null

cat > "$T/wanted" << 'END'
M  d/binary
D  d/gone
M  d/link
A  d/made/
A  d/made/in
P  d/mode  (mode 644 -> 600)
R  d/old -> d/new
M  d/odd\377
M  d/text
END
hf diff a b "$m/d" > "$T/got"
is $? 1 "what is different is an exit code"
sort -k 2 "$T/got" > "$T/got.sorted" && sort -k 2 "$T/wanted" | cmp -s - "$T/got.sorted"
ok $? "each name with a letter" || diag "$(cat "$T/got")"
hf diff b a "$m/d" > "$T/back"
grep -qx 'A  d/gone' "$T/back" && grep -qx 'D  d/made/in' "$T/back" && grep -qx 'R  d/new -> d/old' "$T/back" &&
	grep -qx 'P  d/mode  (mode 600 -> 644)' "$T/back"
ok $? "backwards" || diag "$(cat "$T/back")"
hf diff a a "$m" > "$T/none"
is "$? $(cat "$T/none")" "0 " "nothing is different between a moment and itself"
hf diff b now "$m" > "$T/none"
is "$? $(cat "$T/none")" "0 " "nor since then"
hf diff a now "$m" | grep -qx 'A  elsewhere/not'
ok $? "now is a moment, and the whole volume a tree"
is "$(hf diff a b "$m/d" --json | wc -l)" "$(wc -l < "$T/wanted")" "one object a line"
hf diff a b "$m/d" --json | grep '"R"' | grep -q '"path_before": *"d/old"'
ok $? "with both names"

# --- text
hf diff a b "$m/d/text" -p > "$T/patch"
is $? 1 "-p"
grep -qx -- '-two' "$T/patch" && grep -qx '+TWO' "$T/patch" && grep -q '^--- d/text@20.*Z$' "$T/patch" &&
	grep -q '^+++ d/text@20.*Z$' "$T/patch"
ok $? "is the text, labelled path@moment" || diag "$(cat "$T/patch")"
moment=$(sed -n 's/^--- d\/text@//p' "$T/patch")
is "$(hf cat "$m/d/text@$moment" | sed -n 2p)" two "a label is a thing that cat takes"
hf diff a b "$m/d" -p > "$T/patch"
grep -q '^Binary files .*d/binary@.* differ$' "$T/patch"
ok $? "binary is said as such" || diag "$(cat "$T/patch")"
grep -qx -- '-gone' "$T/patch" && grep -qx '+in' "$T/patch" && grep -q '^+second' "$T/patch" && grep -qx '+odder' "$T/patch"
ok $? "removed and added files, links, and odd names" || diag "$(cat "$T/patch")"
(cd "$T" && mkdir copy && cp -a "$m/.history/tags/a/d" copy && cd copy/d && hf diff a b "$m/d/text" -p | patch -s text)
cmp -s "$T/copy/d/text" "$m/d/text"
ok $? "and patch(1) takes it"
coloured=$(TERM=xterm timeout 20 script -qec "'$HOLDFAST' diff a b '$m/d/text' -p" /dev/null < /dev/null | tr -d '\r')
grep -qx $'\e\\[33mM\e\\[0m  d/text' <<< "$coloured" && grep -qF $'\e[31m-two' <<< "$coloured"
ok $? "in colours on a terminal, the text too" || diag "$(cat -v <<< "$coloured")"
is "$(NO_COLOR=1 TERM=xterm timeout 20 script -qec "'$HOLDFAST' diff a b '$m/d/text' -p" /dev/null < /dev/null | tr -d '\r')" \
	"$(hf diff a b "$m/d/text" -p)" "but with NO_COLOR"
is "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'holdfast-diff.*' -newer "$T/wanted" | wc -l)" 0 "nothing is left behind"
fails "a place for it" 2 "TMPDIR" env TMPDIR="$T/none/such" "$HOLDFAST" diff a b "$m/d" -p
fails "a moment that is none" 2 "2026-11-21" hf diff "the day before" now "$m"
fails "no such snapshot" 2 "c" hf diff a c "$m"
fails "what was at neither" 2 "there (is|never was)" hf diff a b "$m/none"
fails "two are needed" 2 "missing" hf diff a

# --- first-bad
: > "$m/conf"
for i in $(seq 20); do
	if [ "$i" -lt 13 ]; then echo "fine $i"; elif [ "$i" -eq 13 ]; then echo broken; else echo "broken $i"; fi > "$m/new"
	mv "$m/new" "$m/conf" && sync "$m"
done
sync "$m"
test='grep -q fine "$1"'
hf first-bad --test "$test" "$m/conf" > "$T/bad" 2> "$T/steps"
ok $? "first-bad" || diag "$(cat "$T/bad" "$T/steps")"
good=$(sed -n 's/.*good just before, at \(tid-[0-9]*\).*/\1/p' "$T/bad")
is "$(hf cat "$m/conf@$good")" "fine 12" "the moment just before it was good" || diag "$(cat "$T/bad" "$T/steps")"
grep -q "holdfast restore $m/conf@$good" "$T/bad"
ok $? "with the command that brings it back"
[ "$(grep -c '^tid-' "$T/steps")" -lt 20 ]
ok $? "in few steps"
hf first-bad --test "$test" "$m/conf" --json > "$T/json" 2> /dev/null
is "tid-$(json last_good < "$T/json")" "$good" "as JSON"
is "$(hf first-bad --test '[ "$1" = "$HOLDFAST_PATH" ] && grep -q fine "$1"' "$m/conf" --good "$good" 2> /dev/null | sed -n 's/.*at \(tid-[0-9]*\).*/\1/p')" "$good" "from a good moment on"
fails "good at the end" 2 "does not fail" hf first-bad --test true "$m/conf"
fails "never good" 2 "no moment was found" hf first-bad --test false "$m/conf"
fails "named good and bad" 2 "not passed" hf first-bad --test false "$m/conf" --good "$good"
fails "no test" 2 "exit code 127" hf first-bad --test /no/such/command "$m/conf"
hf first-bad --test 'exit 125' "$m/conf" > "$T/out" 2>&1
is $? 2 "nothing can be told by a test that skips all"
hf first-bad --test 'grep -q fine "$1" && exit 0; read -r line < "$1"; case $line in broken) exit 125;; esac; exit 1' "$m/conf" > "$T/out" 2> /dev/null
grep -q "one of these" "$T/out"
ok $? "what is skipped is said" || diag "$(cat "$T/out")"
mkdir "$m/tree" && echo 1 > "$m/tree/x" && sync "$m" && echo 2 > "$m/tree/y" && rm "$m/tree/x" && sync "$m"
hf first-bad --test '[ -e "$1/x" ]' "$m/tree" > "$T/out" 2> /dev/null
grep -q 'removed file .*tree/x' "$T/out"
ok $? "of a tree" || diag "$(cat "$T/out")"

# --- at rest
hf diff a b "$m" > "$T/got"
hf unmount "$m" > /dev/null
hf diff a b "$T/store" | cmp -s - "$T/got"
ok $? "diff at rest is the same"
hf diff a b "$T/store" d/text -p | grep -qx '+TWO'
ok $? "with text"
is "$(hf first-bad --test "$test" "$T/store" conf 2> /dev/null | sed -n 's/.*at \(tid-[0-9]*\).*/\1/p')" "$good" "first-bad at rest"
hf first-bad --test '[ -e "$1/x" ]' "$T/store" tree 2> /dev/null | grep -q 'removed file .*tree/x'
ok $? "of a tree"
is "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'holdfast-first-bad.*' -newer "$T/wanted" | wc -l)" 0 "nothing is left behind"
done_testing
