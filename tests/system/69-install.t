#!/bin/bash
# SPDX-License-Identifier: MIT
# What `make install` puts where, and nothing elsewhere; mounting by fstab; units; logs. What docs/OPERATIONS.md shows is
# run from there, and all of it, on a machine of its own: in a mount namespace whose /etc, /usr/local, /var/lib, /srv, /home
# and /dev are folders of this test, and all else is read-only.
if [ "$(id -u)" -eq 0 ] && [ -z "${HF_PRIVATE:-}" ]; then
	TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-test.XXXXXX") || exit 2
	export TMPDIR HF_PRIVATE=1
	unshare --mount --pid --fork --kill-child --mount-proc --propagation private bash "$0"
	code=$?
	rm -rf "$TMPDIR"
	exit $code
fi
. "$(dirname "$0")/lib.sh"
need_fuse
need_root "it makes a machine of its own, by mounting"

document=$TOP/docs/OPERATIONS.md
build=$(dirname "$HOLDFAST")
chmod 711 "$T" "$TMPDIR"
trap - EXIT # what is mounted here, and every process, is gone with the namespaces

# --- a machine of its own
# As it was built, so that nothing is built here.
flags=$(cat "$build/flags")
made=(CONFIG="$(basename "$build")" CC="${flags%% -std=*}")
[[ $flags = *" -Werror "* ]] && made+=(WERROR=-Werror)
unset MAKEFLAGS MFLAGS MAKELEVEL
is_built() { make -s -C "$TOP" "${made[@]}" --eval="flags: ; @echo '\$(FLAGS_NOW)'" flags | cmp -s - "$build/flags"; }
is_built || bail "$build was built otherwise: ${made[*]}"
make -s -C "$TOP" "${made[@]}" man > "$T/made" 2>&1 || bail "no manual: $(cat "$T/made")"

mkdir -p "$T"/{local,varlib,run,srv/src,srv/files,srv/then,home/me/f,dev,notify,bin,bare}
cp -a /etc "$T/etc"
chown -R 64000:64000 "$T/home/me"
echo 'me:x:64000:64000::/home/me:/bin/sh' >> "$T/etc/passwd"
echo 'me:x:64000:' >> "$T/etc/group"
mount --bind /tmp /tmp && mount --bind "$T" "$T" && mount --bind "$TOP" "$T/srv/src" && mount --rbind "$T/srv" /srv && mount --bind "$T/etc" /etc &&
	mount --bind "$T/local" /usr/local && mount --bind "$T/varlib" /var/lib && mount --bind "$T/home" /home &&
	mount --bind "$T/run" /run || bail "no machine of its own"
TOP=/srv/src document=/srv/src/docs/OPERATIONS.md
mknod -m 666 "$T/dev/fuse" c 10 229 # whatever rights it has here, as udev would have it
for d in null zero full random urandom tty; do
	[ -e "/dev/$d" ] && : > "$T/dev/$d" && mount --bind "/dev/$d" "$T/dev/$d"
done
ln -s /proc/self/fd "$T/dev/fd"
mount --rbind "$T/dev" /dev && mount -o remount,bind,ro / || bail "no machine of its own"
( : > /usr/outside ) 2> /dev/null && bail "the rest can be written to"

# listen SOCKET FILE: whatever comes to it goes there, a line a datagram
cat > "$T/listen" << 'END'
use IO::Socket::UNIX;
my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die "$ARGV[0]: $!\n";
chmod 0666, $ARGV[0];
while (defined $s->recv(my $text, 65536)) {
	$text =~ s/\n/|/g;
	open my $out, '>>', $ARGV[1] or die "$ARGV[1]: $!\n";
	print $out "$text\n";
}
END
listen() { perl "$T/listen" "$1" "$2" & eventually 10 test -S "$1"; }

# A service manager that does of a unit what is asked here: it starts what ExecStart says as the user that User says, waits for
# READY=1, and stops it by ExecStop or SIGTERM.
cat > "$T/bin/systemctl" << 'END'
#!/bin/bash
set -u
T=$(dirname "$(dirname "$0")")
echo "systemctl $*" >> "$T/managed"
[ "$1" = enable ] && shift
unit=${*: -1} name=${unit%.service}
of() { sed -n "s/^$1=//p" "/usr/local/lib/systemd/system/${name%%@*}@.service" | sed "s/%i/${name#*@}/g; s/^-//" | tail -n 1; }
words() { sed 's/\${\([A-Z]*\)}/"${\1-}"/g' <<< "$1"; }
[ -z "$(of EnvironmentFile)" ] || { set -a; . "$(of EnvironmentFile)"; set +a; }
case $1 in
daemon-reload) ;;
--now | start | restart)
	[ "$1" != restart ] || "$0" stop "$unit"
	user=$(of User)
	: > "$T/notify/said" # another's READY is not its own
	: > "$T/notify/$name.said"
	(cd / && exec env NOTIFY_SOCKET="$T/notify/socket" ${user:+setpriv --reuid="$user" --regid="$user" --init-groups} \
		bash -c "$(words "exec $(of ExecStart)")" 2>> "$T/notify/$name.log" > /dev/null) &
	echo $! > "$T/notify/$name.pid"
	disown
	for _ in $(seq 200); do grep -q '^READY=1' "$T/notify/said" && break; sleep 0.1; done
	grep -q '^READY=1' "$T/notify/said" && mv "$T/notify/said" "$T/notify/$name.said" ;;
stop)
	pid=$(cat "$T/notify/$name.pid")
	[ -z "$(of ExecStop)" ] || eval "$(words "$(of ExecStop)")"
	kill "$pid" 2> /dev/null
	for _ in $(seq 200); do kill -0 "$pid" 2> /dev/null || exit 0; sleep 0.1; done
	exit 1 ;;
esac
END
chmod +x "$T/bin/systemctl"
export TMPDIR=$T PATH=/usr/local/bin:$T/bin:$PATH
listen "$T/notify/socket" "$T/notify/said" || bail "nobody listens"

make() { command make -s -C /srv/src "${made[@]}" "$@"; }
declare -p made > "$T/made.sh"
declare -f make >> "$T/made.sh"

# shown NAME: the commands of that box
shown() { sed -n '/^```sh '"$1"'$/,/^```$/p' "$document" | sed '/^```/d'; }
# as_shown NAME TEST [SED]: run them; SED changes a name in them
as_shown()
{
	shown "$1" | sed -e "${3:-}" > "$T/box"
	echo "$1" >> "$T/ran"
	[ -s "$T/box" ] && try "$2" env BASH_ENV="$T/made.sh" bash -e "$T/box" || { diag "$(cat "$T/box")"; return 1; }
}
me() { setpriv --reuid=64000 --regid=64000 --clear-groups env HOME=/home/me "$@"; }
# --- put there
touch "$T/mark"
as_shown install "installed for the machine" || bail "not installed"
files() { (cd "$1" && find . ! -type d | sort); }
files /usr/local > "$T/put"
is "$(grep -vE '^\./(bin/holdfast|sbin/mount\.fuse\.holdfast|include/holdfast/[a-z]+\.h|lib/(libholdfast\.a|pkgconfig/holdfast\.pc)|lib/systemd/system/holdfast-[a-z]+@\.(service|timer)|lib/sysusers\.d/holdfast\.conf|share/systemd/user/holdfast-[a-z]+@\.service|share/man/man[157]/holdfast(-[a-z-]+)?\.[157]|share/man/man8/mount\.fuse\.holdfast\.8|share/doc/holdfast/(docs/)?[A-Za-z0-9-]+\.(md|svg|json|yml)|share/bash-completion/completions/holdfast|share/zsh/site-functions/_holdfast)$' "$T/put")" \
	"" "each file where it belongs"
for f in bin/holdfast sbin/mount.fuse.holdfast lib/systemd/system/holdfast-mount@.service lib/systemd/system/holdfast-node@.service \
	share/systemd/user/holdfast-mount@.service share/man/man1/holdfast-mount.1 share/man/man5/holdfast-format.5 \
	share/doc/holdfast/docs/OPERATIONS.md share/doc/holdfast/README.md include/holdfast/store.h; do
	grep -qxF "./$f" "$T/put" || ok 1 "$f is there"
done
is "$(find /usr/local -type f -perm /111)" /usr/local/bin/holdfast "one program"
is "$(find /usr/local ! -user root -o -perm /022 ! -type l)" "" "which nobody else can change"
is "$(readlink -f /usr/local/sbin/mount.fuse.holdfast)" /usr/local/bin/holdfast "the helper of mount(8) is it"
is "$(ls /usr/local/share/man/man1 | wc -l)" "$(($("$TOP/docs/man.pl" list "$HOLDFAST" | wc -l) + 1))" "a page a command"
for d in etc varlib srv home; do
	is "$(find "$T/$d" -path "$T/srv/src" -prune -o -newer "$T/mark" ! -type d -print)" "" "nothing was put into $d"
done
is "$(which holdfast) $(holdfast --version)" "/usr/local/bin/holdfast $(hf --version)" "it runs"
HOLDFAST=/usr/local/bin/holdfast

# as packagers do it
try "into a folder of a packager's" make install DESTDIR="$T/dest" PREFIX=/usr LIBDIR=/usr/lib/here UNITDIR=/lib/systemd/system DOCDIR=/usr/share/doc
is "$(cd "$T/dest" && ls)" "lib
usr" "and there alone"
is "$(readlink "$T/dest/usr/sbin/mount.fuse.holdfast")" ../bin/holdfast "its link is right where it will be"
is "$(grep -rhE '^(ExecStart|ExecStop)=' "$T/dest/lib/systemd" "$T/dest/usr/share/systemd" | grep -v '=-\{0,1\}/usr/bin/')" "" "its units run what will be there"
is "$(grep -rl "$T\|$TOP" "$T/dest" --include='*.service' --include='*.pc' --include='*.1' --include='*.conf')" "" \
	"no file says where it was made"
touch "$T/dest/usr/share/doc/other"
try "a packager's uninstall" make uninstall DESTDIR="$T/dest" PREFIX=/usr LIBDIR=/usr/lib/here UNITDIR=/lib/systemd/system DOCDIR=/usr/share/doc
is "$(files "$T/dest")" ./usr/share/doc/other "takes all of it, and nobody else's"

# the library, for a program
cat > "$T/program.c" << 'END'
#include <stdio.h>
#include <holdfast/store.h>
int main(int argc, char **argv)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_store *store;
	struct hf_status status;

	if (argc < 2 || hf_store_open(argv[1], NULL, &store, &err) < 0)
		return fprintf(stderr, "%s\n", err.text), 1;
	hf_store_status(store, &status);
	puts(status.volume_id);
	return hf_store_close(store, &err) < 0;
}
END
sanitize=$(grep -o -- '-fsanitize=[a-z,]*' <<< "$flags")
try "a program is built with the library" eval \
	'gcc $sanitize -Wall -Werror -o "$T/program" "$T/program.c" $(PKG_CONFIG_PATH=/usr/local/lib/pkgconfig pkg-config --cflags --libs holdfast)'
hf init /var/lib/volume --kit-file "$T/kit" > /dev/null 2>&1 || bail "no volume"
is "$("$T/program" /var/lib/volume)" "$(hf status /var/lib/volume --json | json volume_id)" "and opens a store"

# a user's own
cp "$T/box" "$T/box.install"
shown user > "$T/box"
echo user >> "$T/ran"
try "a user installs for himself" me env BASH_ENV="$T/made.sh" bash -e "$T/box"
try "makes a volume" me /home/me/.local/bin/holdfast init /home/me/volume --kit-file /home/me/kit
try "and mounts it" me /home/me/.local/bin/holdfast mount /home/me/volume /home/me/f
try "it is his" me sh -c 'echo mine > /home/me/f/file && [ "$(stat -c %u /home/me/f/file)" = 64000 ]'
fails "root's processes are not let in" 1 "denied" cat /home/me/f/file
try "unmounted by him" me /home/me/.local/bin/holdfast unmount /home/me/f
is "$(grep -h '^ExecStart=' /home/me/.local/share/systemd/user/*.service | grep -v '=/home/me/.local/bin/holdfast ')" "" "his units run his"
try "and taken away" me env BASH_ENV="$T/made.sh" bash -ec 'make uninstall PREFIX="$HOME/.local"'
is "$(files /home/me/.local)" "" "all of it"

# --- fstab
sed -n '/^```fstab$/,/^```$/p' "$document" | sed '/^```/d' > /etc/fstab
is "$(wc -l < /etc/fstab)" 3 "the document shows lines for fstab"
# mount(8) looks for helpers in /sbin alone: as if PREFIX were /usr
sbin=$(readlink -f /sbin)
helper() { ln -sf /usr/local/bin/holdfast "$T/bare/mount.fuse.holdfast" && mount --bind "$T/bare" "$sbin"; }
no_helper() { umount "$sbin"; }
gone() { ! hf status /var/lib/volume --json | grep -q '"pid"'; }
helper
as_shown mount "mounted by its line in fstab, and unmounted" || diag "$(cat /etc/fstab)"
eventually 20 gone
ok $? "the process ends, too"
try "mount -a" mount -a -t fuse.holdfast
is "$(findmnt -rno TARGET,FSTYPE,SOURCE -t fuse.holdfast | grep '^/srv')" "/srv/files fuse.holdfast /var/lib/volume" "mounts what is not noauto"
is "$(findmnt -no VFS-OPTIONS /srv/files)" rw,nosuid,nodev,noatime "as fstab has it"
echo before > /srv/files/file
sync /srv/files/file
moment=$(hf status /srv/files --json | json committed_moment)
echo after > /srv/files/file
try "again is no failure" mount -a -t fuse.holdfast
try "umount(8) unmounts" umount /srv/files
eventually 20 gone
sed -i "s/at=2026-11-21T1015/at=$moment/" /etc/fstab
try "as it was at a moment" mount /srv/then
is "$(cat /srv/then/file) $(findmnt -no FS-OPTIONS /srv/then | cut -d, -f1)" "before ro" "and read-only"
umount /srv/then
eventually 20 gone
cp /etc/fstab "$T/fstab"
try "from a file that is not /etc/fstab" mount -T "$T/fstab" /srv/files
is "$(cat /srv/files/file)" after "what umount returned before is there"
umount /srv/files
eventually 20 gone
try "mount -t, options of its own" mount -t fuse.holdfast -o ro,nofail,_netdev,x-systemd.automount,noexec /var/lib/volume /srv/files
is "$(findmnt -no VFS-OPTIONS /srv/files)" ro,noexec,noatime "are kept"
umount /srv/files
eventually 20 gone
fails "what is wrong is said" 2 "unknown mount option .nonsense" mount -t fuse.holdfast -o nonsense /var/lib/volume /srv/files
fails "a level that is none" 2 "option log=loud|loud is no level" mount -t fuse.holdfast -o log=loud /var/lib/volume /srv/files
try "mount -f mounts nothing" mount -f -t fuse.holdfast /var/lib/volume /srv/files
try "nothing" eval '! mountpoint -q /srv/files'
# by a user
try "another's line is not his to mount" eval '! me mount /srv/files && ! mountpoint -q /srv/files'
try "his own line is" me mount /home/me/f
is "$(me cat /home/me/f/file)" mine "and it is his"
is "$(findmnt -no VFS-OPTIONS /home/me/f | tr , '\n' | grep -cE '^(nosuid|nodev|noexec)$')" 3 "with what user means"
try "he unmounts it" me umount /home/me/f
no_helper
# by way of mount.fuse3
try "without a helper, by way of mount.fuse3" mount /srv/files
is "$(findmnt -no FSTYPE /srv/files)" fuse.holdfast "it is the same"
umount /srv/files
eventually 20 gone

# --- units
unit_check()
{
	systemd-analyze "$@" > "$T/out" 2>&1
	is "$?$(grep -v '^$' "$T/out")" 0 "systemd has nothing to say against ${*: -1}"
}
mkdir -p "$T/generated" && SYSTEMD_FSTAB=$T/fstab /usr/lib/systemd/system-generators/systemd-fstab-generator \
	"$T/generated" "$T/generated" "$T/generated" > "$T/out" 2>&1
is "$(ls "$T/generated" | grep -c '^srv-files.mount$')" 1 "systemd makes a unit of the line" || diag "$(cat "$T/out")"
try "as it is meant" eval 'grep -q "^What=/var/lib/volume" "$T/generated/srv-files.mount" && grep -q "^TimeoutSec=infinity" "$T/generated/srv-files.mount" &&
	test -e "$T/generated/remote-fs.target.wants/srv-files.mount"'
unit_check verify --man=no "$T/generated/srv-files.mount"
for unit in /usr/local/lib/systemd/system/holdfast-*; do unit_check verify --man=no "$unit"; done
for unit in /usr/local/share/systemd/user/holdfast-*; do XDG_RUNTIME_DIR=/run unit_check verify --user --man=no "$unit"; done
systemd-analyze security --no-pager --offline=true --threshold=60 /usr/local/lib/systemd/system/holdfast-mount@.service > "$T/out" 2>&1
is $? 0 "and counts the one that mounts as locked in as that can be" || diag "$(tail -n 3 "$T/out")"

sed -n '/^```conf$/,/^```$/p' "$document" | sed '/^```/d' > "$T/conf"
mkdir /etc/holdfast && cp "$T/conf" /etc/holdfast/files.conf
is "$(grep -c = "$T/conf")" 3 "the document shows a configuration"
try "started by its unit" systemctl enable --now holdfast-mount@files
is "$(cat /srv/files/file)" after "it is mounted when that says so"
try "which it does in words" grep -q "^READY=1|STATUS=" "$T/notify/holdfast-mount@files.said"
try "stopped by its unit" systemctl stop holdfast-mount@files
try "it is not any more" eval '! mountpoint -q /srv/files'
try "and said that it would end" grep -q '^STOPPING=1' "$T/notify/said"
# its rights are enough
caps=$(sed -n 's/^CapabilityBoundingSet=CAP_//p' /usr/local/lib/systemd/system/holdfast-mount@.service | tr 'A-Z' 'a-z' | sed 's/ cap_/,+/g')
try "with the rights that its unit leaves it" setpriv --no-new-privs --bounding-set="-all,+$caps" --inh-caps=-all holdfast mount /var/lib/volume /srv/files
try "it mounts and writes" eval 'me sh -c "cat /srv/files/file" && echo more > /srv/files/more && chown 64000 /srv/files/more'
mknod /srv/files/null c 1 3 && : > /srv/files/tool && chown 64000:64000 /srv/files/tool && chmod 6755 /srv/files/tool &&
	setfattr -n security.capability -v 0x0000000200200000000000000000000000000000 /srv/files/tool || ok 1 "what is not everybody's to make"
rights() { (cd "$1" && stat -c '%n %F %a %u:%g %t,%T' null tool && getfattr -d -m '^security\.capability$' -e hex tool); }
try "restores to another place" holdfast restore /srv/files --to /srv/written
is "$(rights /srv/written)" "$(rights /srv/files)" "a device, setuid, setgid and a file's capabilities as well"
try "and unmounts" holdfast unmount /srv/files
# while an index is built anew, the time that it may take is asked for
is_gone() { ! mountpoint -q /srv/files; }
rm -rf /var/lib/volume/index
: > "$T/notify/said"
NOTIFY_SOCKET=$T/notify/socket "$HOLDFAST" mount -f /var/lib/volume /srv/files > /dev/null 2>&1 &
front=$!
eventually 20 grep -q '^READY=1' "$T/notify/said"
ok $? "an index is built anew under a manager's eyes"
kill "$front"
wait "$front"
is $? 0 "SIGTERM ends it as it should"

as_shown node "a node, as the document says" "s/\[::\]:7443/127.0.0.1:$(free_port)/" || diag "$(cat "$T/notify/"*.log)"
tail -n 1 "$T/.out" > "$T/invitation"
pid=$(cat /var/lib/holdfast/one/pid)
is "$(stat -c %U "/proc/$pid")" "$(stat -c %U /var/lib/holdfast/one)" "its user is the folder's"
is "$(stat -c %U /var/lib/holdfast/one)" holdfast "and has that name"
try "a store ships to it" hf replica add /var/lib/volume "$(cat "$T/invitation")" --name one

# --- the other boxes
cp "$T/kit" /srv/volume.kit
hf mount /var/lib/volume /srv/files || bail "not mounted"
current() { hf replica list /var/lib/volume --json | tr -d '\n ' | grep -q '"name":"one","url":"[^"]*","state":"current"'; }
eventually 20 current
ok $? "which gets everything" || diag "$(hf replica list /var/lib/volume)"
as_shown kit "kit and head" "s| volume.kit| /srv/volume.kit|"
as_shown upgrade "unmounted and mounted again"
as_shown move "the store moves"
is "$(cat /srv/files/file)" after "it is all there"
eventually 20 eval 'hf replica list /var/lib/elsewhere --json | grep -q "\"state\": \"current\""'
ok $? "and its replica is the same"
id=$(hf status /srv/files --json | json volume_id)
try "the node is stopped" systemctl stop holdfast-node@one
mv /var/lib/holdfast/one /var/lib/node
bytes() { cat /var/lib/node/volumes/"$id"/log/*.seg | wc -c; }
before=$(bytes)
sed -i "s/\"127.0.0.1:[0-9]*\"/\"127.0.0.1:$(free_port)\"/" /var/lib/node/node.json
setpriv --reuid=holdfast --regid=holdfast --init-groups holdfast serve /var/lib/node > /dev/null || ok 1 "the node is served elsewhere"
as_shown node-move "it has another address" "s/--volume ID/--volume $id/"
eventually 20 eval 'hf replica list /var/lib/elsewhere --json | grep -q "\"state\": \"current\""'
ok $? "and goes on there" || diag "$(hf replica list /var/lib/elsewhere)"
hf unmount /srv/files
ln -s elsewhere /var/lib/volume
as_shown export "the files as files"
is "$(cat /srv/plain/file)" after "they are"
kill "$(cat /var/lib/node/pid)"

# --- logs
hf init /var/lib/logged --kit-file "$T/logged.kit" > /dev/null 2>&1
hf alarms set /var/lib/logged files=3 deletion=1% young=off > /dev/null
: > "$T/journal"
JOURNAL_STREAM=$(stat -c %d:%i "$T/journal") "$HOLDFAST" mount -f /var/lib/logged /srv/files > /dev/null 2>> "$T/journal" &
front=$!
eventually 20 mountpoint -q /srv/files
for i in $(seq 20); do echo "$i" > "/srv/files/$i"; done
sync /srv/files
rm /srv/files/*
eventually 20 grep -q '^<1>' "$T/journal"
ok $? "under the journal lines have their levels: an alarm" || diag "$(cat "$T/journal")"
try "that it is mounted" grep -q '^<6>/var/lib/logged is mounted on /srv/files$' "$T/journal"
kill "$front"; wait "$front"
try "and is not any more" grep -q '^<6>/var/lib/logged is unmounted from /srv/files, and closed$' "$T/journal"
JOURNAL_STREAM=$(stat -c %d:%i "$T/journal") "$HOLDFAST" mount -f /var/lib/nothing /srv/files 2>> "$T/journal"
try "an error is one" grep -q '^<3>holdfast: /var/lib/nothing does not exist' "$T/journal"
JOURNAL_STREAM=1:1 "$HOLDFAST" mount -f /var/lib/logged /srv/files > /dev/null 2> "$T/front" &
front=$!
eventually 20 mountpoint -q /srv/files
kill "$front"; wait "$front"
is "$(head -n 1 "$T/front")" "/var/lib/logged is mounted on /srv/files" "a file that is not the journal gets the line alone"
is "$(HOLDFAST_LOG=warning "$HOLDFAST" mount -f /var/lib/logged /srv/files -o log=error,nonsense 2>&1 | wc -l)" 1 "a level and a mistake: one line"
fails "a level that is none" 2 "HOLDFAST_LOG: loud is no level of the log; it is error, warning" env HOLDFAST_LOG=loud "$HOLDFAST" mount /var/lib/logged /srv/files
fails "of a node, too" 2 "loud is no level" hf serve /var/lib/node --log loud

listen /dev/log "$T/syslog" || bail "no syslog"
hf mount /var/lib/logged /srv/files
eventually 10 grep -qE '^<30>.*holdfast\[[0-9]+\]: /var/lib/logged is mounted on /srv/files$' "$T/syslog"
ok $? "in the background they go to syslog, as a daemon's" || diag "$(cat "$T/syslog")"
hf unmount /srv/files
eventually 10 grep -q '^<30>.* is unmounted from /srv/files' "$T/syslog"
: > "$T/syslog"
HOLDFAST_LOG=notice hf mount /var/lib/logged /srv/files
for i in $(seq 20); do echo "$i" > "/srv/files/$i"; done
sync /srv/files
rm /srv/files/*
eventually 20 grep -q '^<25>' "$T/syslog"
ok $? "an alarm weighs more than the level"
hf unmount /srv/files
is "$(grep -c '^<30>' "$T/syslog")" 0 "what weighs less is not written" || diag "$(cat "$T/syslog")"
: > "$T/syslog"
HOLDFAST_LOG=notice hf mount /var/lib/logged /srv/files -o log=info && hf unmount /srv/files
eventually 10 eval '[ "$(grep -c "^<30>" "$T/syslog")" -ge 2 ]' # who listens writes a little later
is "$(grep -c '^<30>' "$T/syslog")" 2 "the option counts before the variable" || diag "$(cat "$T/syslog")"

# a replica that goes away and comes back
hf node init "$T/node" --listen "127.0.0.1:$(free_port)" > /dev/null && hf serve "$T/node" --log warning > /dev/null || bail "no node"
hf replica add /var/lib/logged "$(hf node invite "$T/node")" --name far > /dev/null
hf mount /var/lib/logged /srv/files
stop_node "$T/node"
echo more > /srv/files/more
eventually 30 grep -qE '^<28>.*replica far does not take the log: ' "$T/syslog"
ok $? "a replica that is away: a warning" || diag "$(cat "$T/syslog")"
hf serve "$T/node" > /dev/null
eventually 40 grep -qE '^<29>.*replica far takes the log again$' "$T/syslog"
ok $? "back again: a notice" || diag "$(cat "$T/syslog")"
is "$(grep -c 'replica far' "$T/syslog")" 2 "each once"
hf unmount /srv/files
stop_node "$T/node"
is "$(grep -c 'serving .* volumes at' "$T/syslog")" 1 "a node has a level as well"

# --- the package's words
is "$(sed -n '1s/.*(\(.*\)).*/\1/p' "$TOP/fs/debian/changelog")" "$(sed -n 's/^VERSION := //p' "$TOP/Makefile")" \
	"the package has the version that the command has"
lacking=
for d in $(sed -n '/^DEPS := /,/[^\\]$/p' "$TOP/Makefile" | grep -o '[^ ]*-dev[^ ]*' | grep -vxF -e libc6-dev -e libcmocka-dev); do
	grep -qxF " ${d/|/ | }," "$TOP/fs/debian/control" || lacking+=" $d"
done
is "$lacking" "" "and is built with all that the makefile asks for"

# --- taken away
as_shown uninstall "taken away"
is "$(files /usr/local)" "" "all that was put there"
try "and nothing else" test -e /var/lib/elsewhere/volume -a -e /var/lib/node/node.json -a -e /etc/holdfast/files.conf
is "$(sort -u "$T/ran" | tr '\n' ' ')" "$(sed -n 's/^```sh //p' "$document" | sort | tr '\n' ' ')" "every box of the document was run"
done_testing
