#!/bin/bash
# SPDX-License-Identifier: MIT
# What a node's process has given up, whoever runs it, what its alarm hook inherits, and the unit that runs it under systemd.
. "$(dirname "$0")/lib.sh"

field() { sed -n "s/^$2:[[:space:]]*//p" "$1"; }

# A node with an alarm to deliver when it starts
node=$T/node
cat > "$T/hook" << END
#!/bin/sh
cat /proc/self/status > "$T/told.new"
unshare --user true 2> "$T/unshared"
echo "\$?" > "$T/unshare.code"
perl "$T/clone" > "$T/cloned" 2>&1
mv "$T/told.new" "$T/told"
END
chmod +x "$T/hook"
cat > "$T/clone" << 'END'
my ($clone, $newuser, $chld) = (`uname -m` =~ /x86_64/ ? 56 : 220, 0x10000000, 17);
for ([$clone, $newuser | $chld, 0, 0, 0, 0], [435, 0, 0]) {
	my $r = syscall($$_[0], map { $_ + 0 } @$_[1 .. $#$_]);
	exit 0 if $r == 0;
	print $r > 0 ? "done\n" : "$!\n";
}
END
hf node init "$node" --listen 127.0.0.1:0 --alarm-hook "$T/hook" > /dev/null || bail "no node"
printf '{' > "$node/alarms/000001.json"
hf serve "$node" > "$T/out" || bail "it does not serve"
pid=$(cat "$node/pid")
is "$(field "/proc/$pid/status" NoNewPrivs)" 1 "it can gain no privileges"
is "$(field "/proc/$pid/status" Seccomp)" 2 "it has a filter of system calls"
try "it leaves no core dumps" grep -q "^Max core file size *0 *0" "/proc/$pid/limits"
is "$(awk '/^Max open files/ { print $4 }' "/proc/$pid/limits")" "$(awk '/^Max open files/ { print $5 }' "/proc/$pid/limits")" \
	"it may open as many files as there may be"
eventually 20 test -e "$T/told"
ok $? "its hook is run all the same"
is "$(field "$T/told" NoNewPrivs)" 1 "and can gain no privileges either"
is "$(field "$T/told" Seccomp)" 2 "and has the filter"
if unshare --user true 2> /dev/null; then
	[ "$(cat "$T/unshare.code")" -ne 0 ] && grep -qi "not permitted" "$T/unshared"
	ok $? "what is refused fails in it" || diag "$(cat "$T/unshared")"
else
	ok 0 "what is refused fails in it # SKIP it fails outside as well"
fi
if perl "$T/clone" | grep -q done; then
	is "$(tr '\n' ' ' < "$T/cloned")" "Operation not permitted Function not implemented " "nor is there another way to do that"
else
	ok 0 "nor is there another way to do that # SKIP there is none outside as well"
fi
stop_node "$node"

# Who runs it
if [ "$(id -u)" -eq 0 ]; then
	try "root is told that it need not be" grep -q "as root, which it need not be" "$T/out"
	chmod 711 "$T"
	mkdir "$T/nobody"
	cp "$HOLDFAST" "$T/nobody/holdfast"
	chown 65534:65534 "$T/nobody"
	nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$T/nobody/holdfast" "$@"; }
	try "another user makes a node" nobody node init "$T/nobody/node" --listen 127.0.0.1:0
	try "and serves it" nobody serve "$T/nobody/node"
	grep -q "root" "$T/.out"
	is $? 1 "which says nothing of root"
	pid=$(cat "$T/nobody/node/pid")
	is "$(field "/proc/$pid/status" Uid | cut -f1)" 65534 "it is that user's"
	is "$(stat -c %u "/proc/$pid/environ")" 0 "and what it has in memory is not: it cannot be looked into"
	is "$(field "/proc/$pid/status" CapEff)" 0000000000000000 "it has no capability"
	try "a person with rights sets its budget" hf node budget "$T/nobody/node" default 5G
	eventually 10 eval 'nobody node status "$T/nobody/node" | grep -q "may have 5.0 GiB"'
	ok $? "and it can read that"
	try "and invites" hf node invite "$T/nobody/node"
	try "which it can read as well" eval 'setpriv --reuid=65534 --clear-groups cat "$T"/nobody/node/invitations/*.json'
	stop_node "$T/nobody/node"
else
	ok 0 "who runs it # SKIP needs root, to be someone else"
fi

# Under systemd
unit=$T/holdfast-node@.service
sed "s,/usr/local/bin/holdfast,$HOLDFAST," "$TOP/fs/systemd/holdfast-node@.service" > "$unit"
if command -v systemd-analyze > /dev/null; then
	systemd-analyze verify --man=no "$unit" > "$T/out" 2>&1
	is "$?$(cat "$T/out")" 0 "systemd has nothing to say against the unit"
	systemd-analyze security --no-pager --offline=true --threshold=20 "$unit" > "$T/out" 2>&1
	is $? 0 "and counts it as well locked in" || diag "$(grep -v '✓' "$T/out")"
else
	ok 0 "the unit # SKIP no systemd-analyze: the package systemd is not installed"
fi
is "$(grep -c '^ExecStart=/usr/local/bin/holdfast serve -f /var/lib/holdfast/%i$' "$TOP/fs/systemd/holdfast-node@.service")" 1 \
	"it runs what is installed, on a folder of its name"
try "which it may write to" grep -q '^ReadWritePaths=/var/lib/holdfast/%i$' "$unit"
done_testing
