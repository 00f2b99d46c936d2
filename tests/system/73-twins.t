#!/bin/bash
# SPDX-License-Identifier: MIT
# The same random system calls on the mount and on the file system of $TMPDIR: each answers as its twin does, and the trees are
# the same, mounted again, too. HF_SEED repeats a run, HF_ROUNDS=50 is for the long target.
. "$(dirname "$0")/lib.sh"
need_fuse

cc=$(command -v "${CC:-cc}" || command -v gcc) || skip_all "no C compiler"
"$cc" -std=gnu11 -D_GNU_SOURCE -O1 -o "$T/twins" "$TOP/tests/system/twins.c" || bail "twins.c does not compile"
mkdir "$T/twin" "$T/mnt"
seed=${HF_SEED:-$((RANDOM * 32768 + RANDOM))}
diag "HF_SEED=$seed"
hf init "$T/store" --kit-file "$T/kit" > /dev/null && hf mount "$T/store" "$T/mnt" || bail "no volume"
mkdir "$T/mnt/t"
options=(commit=1 coalesce cache=64M commit=10 coalesce,commit=10)
for round in $(seq "${HF_ROUNDS:-5}"); do
	try "round $round: alike" "$T/twins" $((seed + round)) 3000 "$T/mnt/t" "$T/twin" || break
	hf unmount "$T/mnt" > /dev/null || bail "it does not unmount"
	option=${options[round % 5]}
	hf mount "$T/store" "$T/mnt" -o "$option" || bail "it does not mount"
	try "round $round: mounted again (-o $option), alike" "$T/twins" compare "$T/mnt/t" "$T/twin" || break
done
# four at once, each with twins of its own
together()
{
	local i pids=() bad=0

	for i in 1 2 3 4; do
		mkdir "$T/mnt/t$i" "$T/twin$i"
		"$T/twins" $((seed + 100 + i)) 1000 "$T/mnt/t$i" "$T/twin$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || bad=1
	done
	return $bad
}
try "four at once: alike" together
hf snapshot "$T/mnt" then > /dev/null
rm -rf "$T/mnt/t"
try "all removed, the past is alike" "$T/twins" compare "$T/mnt/.history/tags/then/t" "$T/twin"
hf unmount "$T/mnt" > /dev/null
try "no fault in the store" hf check "$T/store"
done_testing
