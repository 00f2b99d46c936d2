#!/bin/bash
# SPDX-License-Identifier: MIT
# A folder of a mount that is mounted once more elsewhere: what lies there is of the same volume, under other paths.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root "bind mounts"

make_volume || bail "no volume"
m=$T/mnt b=$T/bound
commands() { sed -n 's/.*\(holdfast restore .*\)/\1/p'; }

mkdir -p "$m/office/my desk/drawer" "$b"
echo one > "$m/office/my desk/a" && echo gone > "$m/office/my desk/gone" && sync "$m"
before=$(hf snapshot "$m" before --json | json moment)
echo two > "$m/office/my desk/a" && rm "$m/office/my desk/gone" && echo other > "$m/other" && sync "$m"
mount --bind "$m/office/my desk" "$b" || bail "no bind mount"

hf log "$b/a" --json | cmp -s - <(hf log "$m/office/my desk/a" --json) && hf log "$b/a" | grep -q "office/my desk/a$"
ok $? "log of a file in it"
hf log "$b" --json | cmp -s - <(hf log "$m/office/my desk" --json)
ok $? "of itself"
(cd "$b/drawer" && hf log ../a --json) | cmp -s - <(hf log "$m/office/my desk/a" --json)
ok $? "of a relative path"
(cd "$b" && hf log --json) | cmp -s - <(hf log "$m/office/my desk" --json)
ok $? "of the working directory"
is "$(hf diff before now "$b")" "$(hf diff before now "$m/office/my desk")" "diff"
is "$(hf cat "$b/a@before") $(hf cat "$b" a --at before)" "one one" "cat"
is "$(hf cat "$b/gone@before")" gone "of what is gone"
is "$(hf find gone "$b" | commands)" "$(hf find gone "$m/office/my desk" | commands)" "find names a path that is there"
hf du --history "$b" --json | cmp -s - <(hf du --history "$m/office/my desk" --json)
ok $? "du"

try "restore" hf restore "$b/gone@before"
is "$(cat "$b/gone")" gone "it is back"
try "restore beside it" hf restore "$b/a@before" --to "$b/drawer/was"
is "$(cat "$m/office/my desk/drawer/was") $(hf log "$b/drawer/was" --json | grep -c '"kind": *"create"')" "one 1" "without being copied"
hf undo "$b/drawer/was" --yes > "$T/undone"
is "$? $(ls "$b/drawer")" "0 " "undo" || diag "$(cat "$T/undone")"
grep -qF "undo '$m/office/my desk/drawer/was' --since" "$T/undone"
ok $? "says how to take that back" || diag "$(cat "$T/undone")"

mkdir "$T/then" && mount --bind "$m/.history/at/$before/office" "$T/then" || bail "no bind mount of the past"
is "$(hf cat "$T/then/my desk/gone")" gone "a folder as it was is of its moment"
fails "of no other" 2 "means a moment already" hf cat "$T/then/my desk/gone@before"
fails "it is not what unmount means" 2 "umount\(8\)" hf unmount "$b"

# shellcheck disable=SC2016 # for the shell within
cat > "$T/alone" << 'END'
umount -l "$1" || exit 3
"$HOLDFAST" log "$2/a" --json | cmp -s - "$3" || exit 4
"$HOLDFAST" find gone "$2" | grep -q "holdfast restore $2/gone@tid-" || exit 5
echo three > "$2/a"
"$HOLDFAST" restore "$2/a@before" | grep -q "$2/a --since" || exit 6
[ "$(cat "$2/a")" = one ]
END
rm "$b/gone" && hf log "$b/a" --json > "$T/log"
try "where nothing else of the volume is seen" unshare -m bash "$T/alone" "$m" "$b" "$T/log"

mv "$m/office" "$m/bureau" && sync "$m"
hf log "$b/a" --json | cmp -s - <(hf log "$m/bureau/my desk/a" --json)
ok $? "a folder that was renamed"
done_testing
