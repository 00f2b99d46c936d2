#!/bin/bash
# SPDX-License-Identifier: MIT
# On a system that has nothing but the package: the story in brief. "ok NAME" or "not ok NAME" a line.
set -u
cd /
# shellcheck source=tests/deb/try.sh
. /check/try.sh
T=/tmp/check
mkdir -p "$T/mnt" "$T/back"
ended() { kill "$(cat /var/lib/holdfast/one/pid)" 2> /dev/null; umount -l "$T/mnt" 2> /dev/null; }
trap ended EXIT

(. /etc/os-release && echo "# $PRETTY_NAME, $(dpkg-query -W -f '${Package} ${Version}, ' holdfast 'libfuse3*' 'librocksdb*')")
is "$(command -v holdfast)" /usr/bin/holdfast "the command is there"
is "$(readlink -f /sbin/mount.fuse.holdfast)" /usr/bin/holdfast "and mount(8)'s helper"
try "a user for nodes" id holdfast
try "its unit" test -e /lib/systemd/system/holdfast-node@.service
try "nothing was started or enabled" eval '! ls /etc/systemd/system/*/holdfast* 2> /dev/null | grep -q .'

# a node, as its user
try "a folder for nodes" install -d -o holdfast -g holdfast -m 700 /var/lib/holdfast
try "a node" node node init /var/lib/holdfast/one --listen 127.0.0.1:0
try "is served" node serve /var/lib/holdfast/one

# a volume
try "a volume" holdfast init "$T/store" --kit-file "$T/kit" --replica "$(node node invite /var/lib/holdfast/one)"
try "is mounted by mount(8)" mount -t fuse.holdfast "$T/store" "$T/mnt"
try "takes files" cp -a /etc /usr/bin/bash "$T/mnt/"
try "which are what they were" diff -r --no-dereference /etc "$T/mnt/etc"
sync "$T/mnt"
moment=$(holdfast status "$T/mnt" --json | value committed_moment)
try "and run" "$T/mnt/bash" -c true
rm -r "$T/mnt/etc"
echo now > "$T/mnt/file"
try "what was is there" diff -r --no-dereference /etc "$T/mnt/.history/at/$moment/etc"
try "the node gets it" wait_for 'holdfast status "$T/mnt" --json | grep -q "\"state\": \"current\"" && [ "$(holdfast status "$T/mnt" --json | value lag_bytes)" = 0 ]'
try "it is unmounted" holdfast unmount "$T/mnt"
try "every byte verifies" holdfast check "$T/store"
volume=$(holdfast status "$T/store" --json | value volume_id)

# the worst day
rm -rf "$T/store"
try "recovered from the node and the kit" holdfast recover --from "$(node node invite /var/lib/holdfast/one --volume "$volume")" \
	--kit "$T/kit" "$T/store"
try "mounted" holdfast mount "$T/store" "$T/mnt"
is "$(cat "$T/mnt/file")" now "it is all there"
try "and the past" diff -r --no-dereference /etc "$T/mnt/.history/at/$moment/etc"
try "unmounted by umount(8)" umount "$T/mnt"
try "the process ends" wait_for '! holdfast status "$T/store" --json | grep -q "\"pid\""'

# what earlier versions, on other systems, wrote
for golden in /check/golden/*; do
	try "$(basename "$golden"): it opens here" holdfast mount "$golden/store" "$T/mnt"
	is "$(cat "$T/mnt/hello")" "in another epoch" "and reads"
	holdfast unmount "$T/mnt" --timeout 0 > /dev/null 2>&1
	try "every byte verifies" holdfast check "$golden/store"
done

# away again
try "removed" apt-get -q -y purge holdfast
hash -r
is "$(command -v holdfast; ls /usr/share/doc/holdfast /usr/sbin/mount.fuse.holdfast 2> /dev/null)" "" "all of it"
try "but for volumes and nodes" test -e "$T/store/volume" -a -e /var/lib/holdfast/one/node.json
exit $((failed > 0))
