#!/bin/bash
# SPDX-License-Identifier: MIT
# In a system that systemd has booted, with the package: the units do what docs/OPERATIONS.md says. Run at each of two boots;
# then it turns the system off. "ok NAME" or "not ok NAME" a line.
set -u
exec 2>&1
# shellcheck source=tests/deb/try.sh
. /check/try.sh
T=/check/tmp safe=/var/safe
mkdir -p "$T" "$safe"
mount_pid() { systemctl show -P MainPID holdfast-mount@files; }
node_pid() { systemctl show -P MainPID holdfast-node@one; }
word_of() { awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"; }
acknowledged() { wait_for '[ "$(holdfast status /srv/files --json | value lag_bytes)" = 0 ]'; }
drill=$(systemd-escape --path --template=holdfast-drill@.service /var/lib/volume)
me() { runuser -u me -- env XDG_RUNTIME_DIR="/run/user/$(id -u me)" "$@"; }

first_boot()
{
	# the node, as OPERATIONS has it
	try "a user for nodes" systemd-sysusers
	try "a folder for them" install -d -o holdfast -g holdfast -m 700 /var/lib/holdfast
	try "a node" node node init /var/lib/holdfast/one --listen 127.0.0.1:17443
	try "its unit" systemctl enable --now holdfast-node@one
	is "$(systemctl is-active holdfast-node@one)" active "runs"
	is "$(ps -o user= -p "$(node_pid)")" holdfast "as that user"
	is "$(word_of "$(node_pid)" NoNewPrivs) $(word_of "$(node_pid)" Seccomp) $(word_of "$(node_pid)" CapBnd)" \
		"1 2 0000000000000000" "with no rights, and never any, behind a filter of calls"

	# the volume
	holdfast init /var/lib/volume --kit-file "$safe/kit" --replica "$(node node invite /var/lib/holdfast/one)" > "$T/said" 2>&1
	try "a volume" test -e "$safe/kit"
	mkdir -p /etc/holdfast /srv/files
	printf 'STORE=/var/lib/volume\nDIR=/srv/files\nOPTIONS=cache=64M,log=notice\n' > /etc/holdfast/files.conf
	try "its unit" systemctl enable --now holdfast-mount@files
	is "$(findmnt -n -o FSTYPE --mountpoint /srv/files)" fuse.holdfast "is there when it has begun, for everybody to see"
	is "$(word_of "$(mount_pid)" NoNewPrivs) $(word_of "$(mount_pid)" Seccomp)" "1 2" "behind a filter of calls"
	try "it takes files" cp -a /etc /srv/files/
	chown -R me: /srv/files/etc/systemd && chmod 4644 /srv/files/etc/hostname
	mknod /srv/files/null c 1 3
	sync /srv/files
	moment=$(holdfast status /srv/files --json | value committed_moment)
	rm -r /srv/files/etc/systemd
	try "what was is put beside it, by the mount in its walls" holdfast restore "/srv/files/etc@$moment" --to /srv/etc-then
	try "with owners and all" diff -r --no-dereference /etc/systemd /srv/etc-then/systemd
	is "$(stat -c %U /srv/etc-then/systemd) $(stat -c %a /srv/etc-then/hostname)" "me 4644" "as they were"
	try "the node has it" acknowledged

	# they die
	was=$(mount_pid)
	try "the mount is killed" kill -9 "$was"
	try "it is mounted again by itself" wait_for '[ "$(mount_pid)" != "$was" ] && [ "$(systemctl is-active holdfast-mount@files)" = active ]'
	is "$(stat -c %U /srv/files/.history/at/"$moment"/etc/systemd)" me "with all of it"
	was=$(node_pid)
	try "the node is killed" kill -9 "$was"
	try "it serves again" wait_for '[ "$(node_pid)" != "$was" ] && [ "$(systemctl is-active holdfast-node@one)" = active ]'
	echo later > /srv/files/later
	try "and takes what comes" acknowledged

	# a drill
	try "a rehearsed recovery" systemctl start "$drill"
	is "$(systemctl show -P Result "$drill")" success "passes"
	holdfast status /srv/files > "$T/said" 2>&1
	try "the status tells of it" grep -qi "drill.*passed" "$T/said"
	try "its timer" systemctl enable --now "${drill%.service}.timer"
	is "$(systemctl is-active "${drill%.service}.timer")" active "waits"
	try "the doctor sees units and timer" holdfast doctor /srv/files --only mount-at-boot,drill-timer
	systemctl stop holdfast-node@one
	try "without the node it fails" eval '! systemctl start "$drill"'
	journalctl -q -u "$drill" -o cat > "$T/said"
	try "and the journal says why" grep -qi "fail" "$T/said"
	journalctl -q -u holdfast-mount@files -p warning -o cat > "$T/said"
	try "the mount says that the node is away, as a warning" wait_for 'journalctl -q -u holdfast-mount@files -p warning -o cat | grep -q .'
	systemctl start holdfast-node@one

	# a key that is not in the store
	systemctl stop holdfast-mount@files
	is "$(findmnt -n -o FSTYPE --mountpoint /srv/files; systemctl show -P Result holdfast-mount@files)" success "it is stopped"
	try "every byte verifies" holdfast check /var/lib/volume
	try "its key is moved away" holdfast key move /var/lib/volume "$safe/volume.key"
	try "without it there is nothing" eval '! systemctl start holdfast-mount@files'
	systemctl reset-failed holdfast-mount@files
	mkdir -p /etc/systemd/system/holdfast-mount@files.service.d
	try "it is encrypted for the machine" systemd-creds encrypt --name=holdfast-key --with-key=host "$safe/volume.key" /etc/holdfast/files.cred
	printf '[Service]\nLoadCredentialEncrypted=holdfast-key:/etc/holdfast/files.cred\n' \
		> /etc/systemd/system/holdfast-mount@files.service.d/key.conf
	systemctl daemon-reload
	try "and then it is mounted" systemctl start holdfast-mount@files
	is "$(cat /srv/files/later)" later "as it was"

	# one in fstab, and a user's
	holdfast init /var/lib/other --kit-file "$safe/other-kit" > "$T/said" 2>&1
	mkdir -p /srv/other
	printf '/var/lib/other /srv/other fuse.holdfast nosuid,nodev,_netdev,nofail,x-systemd.mount-timeout=infinity 0 0\n' >> /etc/fstab
	systemctl daemon-reload
	try "one in fstab" mount /srv/other
	echo here > /srv/other/file
	try "a user's session" loginctl enable-linger me
	try "begins" wait_for '[ -S "/run/user/$(id -u me)/systemd/private" ]'
	me holdfast init /home/me/volume --kit-file /home/me/kit > "$T/said" 2>&1
	me mkdir -p /home/me/files /home/me/.config/holdfast
	printf 'STORE=/home/me/volume\nDIR=/home/me/files\n' | me tee /home/me/.config/holdfast/mine.conf > "$T/said"
	try "a volume of his own" me systemctl --user enable --now holdfast-mount@mine
	is "$(me findmnt -n -o FSTYPE --mountpoint /home/me/files)" fuse.holdfast "is mounted"
	is "$(me sh -c 'echo mine > /home/me/files/file && cat /home/me/files/file')" mine "takes what he writes"
}

second_boot()
{
	is "$(systemctl is-active holdfast-node@one holdfast-mount@files "${drill%.service}.timer" srv-other.mount | tr '\n' ' ')" \
		"active active active active " "after a boot all of it runs"
	is "$(cat /srv/files/later)" later "the one by the service has its files"
	is "$(cat /srv/other/file)" here "the one of fstab"
	try "the user's" wait_for '[ "$(me cat /home/me/files/file)" = mine ]'
	try "the node goes on" acknowledged
	systemctl stop holdfast-mount@files
	try "every byte verifies" holdfast check /var/lib/volume --key-file "$safe/volume.key"
	is "$(systemctl --failed --plain --no-legend | grep holdfast)" "" "no unit has failed"
}

if [ ! -e /check/again ]; then
	: > /check/again
	first_boot
	systemctl reboot --no-block
else
	second_boot
	echo "# turned off"
	systemctl poweroff --no-block
fi
