#!/bin/bash
# SPDX-License-Identifier: MIT
# Moments go in everywhere as they come out anywhere; local time is that of who asks, summer or winter.
. "$(dirname "$0")/lib.sh"
need_fuse

[ -e /usr/share/zoneinfo/Asia/Kolkata ] || skip_all "no time zones on this machine (tzdata)"
# The mount lives in India.
export TZ=Asia/Kolkata
make_volume || bail "no volume"
m=$T/mnt
at=$m/.history/at

# point NAME FIELD: of a snapshot
point() { hf tags "$T/store" --json | perl -MJSON::PP -e 'local $/; for (@{decode_json(<STDIN>)->{tags}}) { print $_->{$ARGV[1]} if $_->{name} eq $ARGV[0] }' "$1" "$2"; }
# nanoseconds of RFC 3339 text
seconds() { date -d "$1" +%s.%N; }
# local ZONE FORMAT NAME: what clocks there showed at a snapshot
local_time() { TZ=$1 date -d "$(point "$3" time)" "+$2"; }

for i in one two three; do
	echo "$i" > "$m/file"
	hf snapshot "$m" "$i" > /dev/null || bail "no snapshot"
done
echo four > "$m/file"
sync "$m"

# --- what is printed is taken
forms_of()
{
	local time

	time=$(point "$1" time)
	printf '%s\n' "$1" "$(point "$1" moment)" "tid-$(point "$1" tid)" "$time" "@$(seconds "$time")" \
		"$(date -u -d "$time" +%Y-%m-%dT%H:%M:%S.%N)+00:00" "$(TZ=America/New_York date -d "$time" +%Y-%m-%dT%H:%M:%S.%N%:z)"
}
for i in one two three; do
	while read -r form; do
		is "$(cat "$at/$form/file" 2>&1)" "$i" "$form in a path"
		try "and at a command" hf snapshot "$m" again --at "$form"
		is "$(point again tid)" "$(point "$i" tid)" "is the same"
		hf snapshot "$m" again --remove
	done < <(forms_of "$i")
done
is "$(hf snapshot "$m" printed --at two | grep -o '[0-9]*-[0-9]*-[0-9]*T[0-9.]*Z')" "$(point two moment)" "what a command says of a moment"
is "$(hf tags "$m" | awk '$1 == "printed" { print $2 }')" "$(point two moment)" "what tags lists"
is "$(hf tags "$m" | awk '$1 == "printed" { print $3 }')" "tid-$(point two tid)" "and its number"
hf snapshot "$m" printed --remove
committed=$(hf status "$m" --json | json committed_time)
is "$(cat "$at/$committed/file")" four "what status says is committed"
wrong=
for name in $(ls "$at"); do
	hf snapshot "$m" listed --at "$name" > /dev/null || wrong+=" $name"
	hf snapshot "$m" listed --remove
done
is "$wrong" "" "what ls shows"

# --- local time
NY=America/New_York
try "the clock of who asks" env TZ=$NY "$HOLDFAST" snapshot "$m" mine --at "$(local_time $NY %Y-%m-%dT%H%M%S.%N two)"
is "$(point mine tid)" "$(point two tid)" "not of the mount"
try "and restores" env TZ=$NY "$HOLDFAST" restore "$m" file --at "$(local_time $NY %Y-%m-%dT%H:%M:%S.%N two)" --to "$T/out"
is "$(cat "$T/out/file")" two "what was then"
hf snapshot "$m" mine --remove
is "$(cat "$at/$(local_time Asia/Kolkata %Y-%m-%dT%H%M%S.%N two)/file")" two "in a path it is the mount's"
# What ends before the volume began where one asks, is not yet over where another does.
fails "an hour there is one hour here" 2 "first moment is" \
	env TZ=$NY "$HOLDFAST" snapshot "$m" mine --at "$(TZ=$NY date -d "$(point one time) - 1 hour" +%Y-%m-%dT%H)"
try "the hour it is" env TZ=$NY "$HOLDFAST" snapshot "$m" mine --at "$(TZ=$NY date +%Y-%m-%dT%H)"
hf snapshot "$m" mine --remove
try "the day it is" env TZ=Australia/Lord_Howe "$HOLDFAST" snapshot "$m" mine --at "$(TZ=Australia/Lord_Howe date +%Y-%m-%d)"
hf snapshot "$m" mine --remove
try "so long ago" hf snapshot "$m" mine --at 0s
hf snapshot "$m" mine --remove

# --- what is not there
fails "before all: the first" 2 "first moment is [0-9]{4}-.*Z \(tid-1\)" hf snapshot "$m" no --at 2001
first=$(hf snapshot "$m" no --at 2001 2>&1 | grep -o '[0-9-]*T[0-9.]*Z')
try "which is one" hf snapshot "$m" first --at "$first"
is "$(point first tid)" 1 "the first"
fails "behind all: the last" 2 "the last is tid-[0-9]+ \(.*Z\)" hf snapshot "$m" no --at tid-99999
fails "a name that is nearly one" 2 "the nearest of [0-9]+ is three" hf snapshot "$m" no --at tree
fails "of restore too" 2 "the nearest of [0-9]+ is three" hf restore "$m" --at tree --to "$T/none"
fails "a month that is none" 2 "month" hf snapshot "$m" no --at 2026-13
fails "what is no form" 2 "write a time \(2026-" hf snapshot "$m" no --at 'half past'
is "$(cat "$at/2001/file" 2>&1 | grep -c 'No such file')" 1 "nor in a path"

# --- at rest
cd "$T" && hf unmount "$m" > /dev/null
try "at rest: the clock of who asks" env TZ=$NY "$HOLDFAST" snapshot "$T/store" mine --at "$(local_time $NY %Y-%m-%dT%H%M%S.%N two)"
is "$(point mine tid)" "$(point two tid)" "is the same"
fails "the nearest" 2 "the nearest of [0-9]+ is three" hf snapshot "$T/store" no --at threw

# names that are moments, and moments that are none
for name in 2h now tid-5 2026 2026-11 tid-x 90m; do
	fails "no moment is named $name" 2 "$name cannot be the name of a moment" hf snapshot "$T/store" "$name"
done
try "what only looks a little like one is a name" hf snapshot "$T/store" 2hours-ago
try "and is taken away" hf snapshot "$T/store" 2hours-ago --remove
fails "removing what was given such a name is still asked of the store" 2 "2h" hf snapshot "$T/store" 2h --remove
for text in 2h30m 1.5h 5x yesterday T1906; do
	fails "$text: what moments are is said" 2 "there is no tag $text.*2026-11-21T101530Z.*2h or 3d \(ago\)" hf snapshot "$T/store" no --at "$text"
done
for text in 2500 2500-01-01 @9999999999; do
	hf diff "$text" now "$T/store" > "$T/.out" 2> "$T/future.err"
	is "$(cat "$T/future.err")" "holdfast: $text lies in the future: the newest moment is taken" "the future is called so: $text"
done
hf diff "$(date +%Y)" now "$T/store" > "$T/.out" 2> "$T/future.err"
is "$(cat "$T/future.err")" "" "this year is not the future, though it has not ended"

# What is changed has to be named, or stood in; what is only read is said which it was.
hf mount "$T/store" "$m" || bail "it does not mount"
only() { ! awk '$0 ~ / - fuse.holdfast /' /proc/self/mountinfo | grep -qv " $m "; }
mkdir "$T/gone" && cd "$T/gone" && rmdir "$T/gone"
fails "a snapshot from a folder that is gone" 2 'which volume.*name its STORE or DIR' hf snapshot by-chance
cd "$T" || exit 2
fails "nor from elsewhere" 2 'which volume' hf snapshot by-chance
fails "nor a repair" 2 'which volume' hf check --repair
alone='awk -v m="$1" "/ - fuse.holdfast / && \$5 != m { print \$5 }" /proc/self/mountinfo |
	while IFS= read -r other; do umount -l "$(printf %b "$other")"; done
	exec "$2" status'
if [ "$(id -u)" -eq 0 ]; then # where other tests' mounts are not
	fails "the only volume is said" 0 "of the volume mounted on $m, the only one" unshare -m bash -c "$alone" alone "$m" "$HOLDFAST"
elif only; then
	fails "the only volume is said" 0 "of the volume mounted on $m, the only one" hf status
else
	ok 0 "the only volume # SKIP others are mounted here"
fi
cd "$m" || exit 2
try "stood in, it is taken" hf snapshot by-standing
is "$(hf status 2>&1 > /dev/null | grep -c 'the only one')" 0 "and nothing is said of it"
cd "$T" || exit 2
fails "nor has an error an empty name" 2 '^holdfast: v: [^:]' hf diff now v "$m"
done_testing
