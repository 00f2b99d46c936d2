#!/bin/bash
# SPDX-License-Identifier: MIT
# What a command prints and cannot write out is an error, whatever the command; a reader who has gone is none.
. "$(dirname "$0")/lib.sh"
need_fuse

make_volume || bail "no volume"
hf node init "$T/node" --listen 127.0.0.1:0 > /dev/null || bail "no node"
for i in $(seq 300); do echo "$i" > "$T/mnt/a name that is long enough for some pages of them $i"; done
hf snapshot "$T/mnt" all > /dev/null || bail "no snapshot"
rm "$T/mnt"/a*

# full WORDS…: that command with nowhere to print to
full() { local name=$*; fails "onto a full disk: $name" 2 'No space left on device' to_full "$@"; }
to_full() { "$HOLDFAST" "$@" > /dev/full; }

full --version
full --help
full help mount
full status --help
full head "$T/mnt"
full head "$T/mnt" --json
full status "$T/mnt"
full status "$T/mnt" --json
full tags "$T/mnt"
full log "$T/mnt"
full diff all now "$T/mnt"
full find '*' "$T/mnt"
full find '*1' "$T/mnt" --json
full snapshot "$T/mnt" another
full restore "$T/mnt@all" --dry-run
full kit check "$T/kit"
full node invite "$T/node" --host node.example.org:7443
full node status "$T/node"
full alarms "$T/mnt"
full replica list "$T/mnt"
full doctor "$T/mnt"
echo text > "$T/mnt/text"
full cat "$T/mnt/text"
timeout 20 "$HOLDFAST" web "$T/mnt" > /dev/full 2> "$T/err"
is $? 2 "a page whose link nobody has is not served"
grep -q "No space left on device" "$T/err"
ok $? "and it says why"
hf unmount "$T/mnt" > /dev/null || bail "it does not unmount"
full check "$T/store"
is "$(hf tags "$T/store" | grep -c .)" 2 "what was asked for is done all the same"
is "$(hf status "$T/store" > /dev/full 2>&1; echo $?)" 2 "stderr full as well: the exit code tells"

# A reader that has seen enough
hf find '*' "$T/store" 2> "$T/err" | head -n 1 > "$T/out"
is "$(cat "$T/err")" "" "a closed pipe is not worth a word"
(trap '' PIPE; sleep 0.2; hf find '*' "$T/store" 2> "$T/err") | true
is "$(cat "$T/err")" "" "nor where SIGPIPE is ignored"

# None at all
sha256sum "$T"/store/log/* > "$T/sums"
is "$(hf status "$T/store" 2>&1 >&-)" "holdfast: standard output could not be written: Bad file descriptor" \
	"a closed stdout is an error"
hf status "$T/store" <&- >&- 2>&-
is $? 2 "also with nothing open at all"
sha256sum --quiet -c "$T/sums"
ok $? "and nothing was printed into the store"
done_testing
