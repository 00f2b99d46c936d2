#!/bin/bash
# SPDX-License-Identifier: MIT
# holdfast doctor on a real store: at rest and mounted, with a node, a folder and a bucket; each of what it finds is made
# to be so first, and mended by what it says. What each check makes of any facts is for the unit tests.
. "$(dirname "$0")/lib.sh"
need_fuse
command -v python3 > /dev/null || skip_all "no python3"
# shellcheck source=tests/s3/s3.sh
. "$TOP/tests/s3/s3.sh"

export HOME=$T/home
mkdir "$T/home" "$T/mnt" "$T/safe"
S=$T/store

# doctored ARGS…: run it, its JSON in $T/found
doctored() { hf doctor "$S" --json "$@" > "$T/found" 2> "$T/found.err"; }
# field CHECK FIELD: of the last
field()
{
	perl -MJSON::PP -e 'local $/; for (@{decode_json(<STDIN>)->{checks}}) { print $_->{$ARGV[1]} // "", "\n" if $_->{id} eq $ARGV[0] }' \
		"$1" "$2" < "$T/found"
}
# verdict CHECK: of that one alone, as a person is told; its words are in $words, its command in $command
verdict()
{
	local line first

	words='' command='' first=''
	while IFS= read -r line; do
		[ -n "$line" ] || break # the sum follows
		first=${first:-${line%% *}}
		[[ $line =~ ^\ {32}[^\ ] ]] && command+=${line:32}
		words+=" ${line#"${line%%[! ]*}"}"
	done < <(hf doctor "$S" --only "$1" 2>&1)
	verdict=${first,,}
}
# finds CHECK VERDICT [PATTERN]: that one alone, now; PATTERN is in its reason, remedy or command
finds()
{
	verdict "$1"
	[ "$verdict" = "$2" ] && [[ $words =~ ${3:-.} ]]
	ok $? "$1: $2${3:+, $3}" || diag "$verdict:$words"
}
# well CHECK…: nothing is found by these
well()
{
	local all

	all=$(IFS=,; echo "$*")
	hf doctor "$S" --only "$all" > "$T/.out" 2>&1 && [ "$(grep -c '^ok ' "$T/.out")" -eq $# ]
	ok $? "well: $*" || diag "$(cat "$T/.out")"
}
# remedied CHECK: what it says to do is done, word for word
remedied()
{
	verdict "$1"
	PATH=$T/bin:$PATH bash -c "$command" > "$T/.out" 2>&1
	well "$1"
}
mkdir "$T/bin" && ln -s "$HOLDFAST" "$T/bin/holdfast"

# --- a store that nobody has seen to
hf init "$S" --kit-file "$T/volume.kit" > /dev/null || bail "no volume"
hf doctor "$S" > "$T/text" 2>&1
is $? 1 "a new store is not ready: exit code 1"
grep -q "^DANGER   replica-count        none: what happens to this machine" "$T/text" &&
	grep -q "^ *holdfast replica add $S INVITATION$" "$T/text" && grep -q "danger, .* warning, .* unknown, .* ok" "$T/text"
ok $? "for people: verdict, check, reason, remedy" || diag "$(cat "$T/text")"
doctored
is $? 1 "the same for programs"
perl -MJSON::PP -e '
	local $/; my $d = decode_json(<STDIN>); my (%n, %ids, $bad);
	for my $c (@{$d->{checks}}) {
		$n{$c->{verdict}}++; $bad = "twice: $c->{id}" if $ids{$c->{id}}++; $bad = "no reason: $c->{id}" unless length $c->{reason};
		$bad = "no remedy: $c->{id}" if $c->{verdict} =~ /warning|danger/ && !length($c->{remedy} // "");
	}
	$bad //= "counts" if grep { ($n{$_} // 0) != $d->{counts}{$_} } qw(ok unknown warning danger);
	$bad //= "too few: " . keys %ids if keys %ids < 30;
	$bad //= "head" unless $d->{version} == 1 && $d->{verdict} eq "danger" && !defined $d->{mounted_on} && $d->{store} eq $ARGV[0]
		&& $d->{volume_id} =~ /^[0-9a-f]{32}$/ && $d->{time} =~ /^20.*Z$/ && length $d->{software};
	print $bad // "", "\n"; exit defined $bad' "$S" < "$T/found" > "$T/.out" 2>&1
ok $? "which is of the form that is documented" || diag "$(cat "$T/.out")"
grep -oE '^\| `[a-z-]+` ' "$TOP/docs/DOCTOR.md" | tr -d '|` ' | grep -vxE 'ok|unknown|warning|danger' > "$T/documented"
hf doctor --list | awk '{ print $1 }' | diff "$T/documented" - > "$T/.out"
ok $? "every check is in the document, in order, and no other" || diag "$(cat "$T/.out")"
is "$(hf doctor --list --json | grep -c '"id"')" "$(wc -l < "$T/documented")" "and in the list for programs"

# --- what is asked for, and what is known
try "--only what is well: exit code 0" hf doctor "$S" --only log-end,index
is "$(grep -c . "$T/.out")" 3 "two lines, and the sum" || diag "$(cat "$T/.out")"
try "--ignore: exit code 0" hf doctor "$S" --only replica-count,log-end --ignore replica-count
grep -q '^ignored  replica-count        (danger)$' "$T/.out"
ok $? "shown as ignored"
doctored --only replica-count,log-end --ignore replica-count
is "$(json verdict < "$T/found") $(field replica-count verdict) $(json ignored < "$T/found")" "ok danger 1" "and judged all the same"
fails "there is no such check" 2 "no check nonsense; holdfast doctor --list" hf doctor "$S" --only nonsense
fails "nor such a store" 2 "does not exist" hf doctor "$T/nowhere"
fails "nor is this one" 2 "neither a store" hf doctor "$T/home"
fails "a bucket is not tried without a network" 2 "offline nobody" hf doctor "$S" --probe --offline

# --- whose it is
well store-permissions key-permissions kernel
chmod 750 "$S" && finds store-permissions warning "see what is in it" && remedied store-permissions
chmod 777 "$T/safe" && cp -a "$S" "$T/safe/store" && S=$T/safe/store finds store-parents danger "$T/safe"
S=$T/safe/store remedied store-parents
chmod 644 "$S/keys/writer.key" && finds key-permissions danger writer.key && remedied key-permissions
hf replica add "$S" "$T/folder" --name near > /dev/null
chmod 640 "$S/replicas/near.json" && finds secret-permissions danger near.json && remedied secret-permissions
finds kit-away danger "$T/volume.kit"
mv "$T/volume.kit" "$T/safe/" && well kit-away
cp "$T/safe/volume.kit" "$HOME/my.KIT.txt" && finds kit-away danger "my.KIT.txt" && rm "$HOME/my.KIT.txt"
finds kit-checked danger "never|ever"
try "the kit is tried" hf kit check "$T/safe/volume.kit" "$S"
finds kit-checked ok "just now|ago"
finds head-saved warning "no head"
hf head "$S" > /dev/null && finds head-saved ok
mkdir "$HOME/.aws" && touch "$HOME/.aws/credentials" && finds replica-account warning "aws/credentials"
rm -r "$HOME/.aws" && finds replica-account ok
well writer-epoch log-verified log-format
finds drill danger "never rehearsed"

# wrapped keys: nobody is asked for anything
cp -a "$S" "$T/wrapped" && echo "correct horse" | hf key passphrase "$T/wrapped" --new-passphrase-fd 0 > "$T/.out" 2>&1
ok $? "a store that takes a passphrase" || diag "$(cat "$T/.out")"
setsid "$HOLDFAST" doctor "$T/wrapped" --json < /dev/null > "$T/found" 2> "$T/found.err"
is "$? $(field key-kept verdict) $(field log-end verdict)" "1 ok ok" "is looked at without"
is "$(cat "$T/found.err")" "" "and asks nothing"

# damage, and what is not there
cp -a "$S" "$T/damaged" && dd if=/dev/urandom of="$T/damaged/log/0000000001.seg" bs=300 count=1 conv=notrunc 2> /dev/null
S=$T/damaged finds log-end danger "damaged/log"
printf x > "$T/damaged/volume"
fails "what is no store any more: exit code 2" 2 "volume|neither a store" hf doctor "$T/damaged"

# --- a node
port=$(free_port)
hf node init "$T/node" --listen "127.0.0.1:$port" > /dev/null && hf serve "$T/node" > /dev/null || bail "no node"
hf replica remove "$S" near > /dev/null
finds replica-elsewhere danger "no replica is on another"
hf replica add "$S" "$(hf node invite "$T/node")" --name far > /dev/null || bail "no replica"
volume=$(hf status "$S" --json | json volume_id)
well replica-reachable replica-identity replica-clock replica-config
finds replica-elsewhere danger "no replica is on another" # for it is on this one
finds replica-version unknown "has not told"
finds replica-lag danger "nothing yet"

hf mount "$S" "$T/mnt" || bail "no mount"
echo words > "$T/mnt/file" && sync "$T/mnt/file"
is_current "$S" || eventually 30 is_current "$S"
well replica-lag replica-accepts mounted mount-health mount-options open-files replica-whole
finds running ok "process $(hf status "$S" --json | json pid)"
finds libraries ok "libfuse [0-9].*RocksDB [0-9]"
grep -q 'core file size *0 ' "/proc/$(hf status "$S" --json | json pid)/limits" # under a sanitizer it keeps them
finds core-dumps "$([ $? -eq 0 ] && echo ok || echo danger)"
eventually 30 test -s "$S/replicas/far.about"
well replica-version replica-room sync-mode
hf unmount "$T/mnt" > /dev/null
used=$(stat -c %s "$T/node/volumes/$volume/log/0000000001.seg")
hf node budget "$T/node" "$volume" $((used * 100 / 97)) > /dev/null
hf mount "$S" "$T/mnt" -o sync=replica,suid
budget_told() { grep -q budget_bytes "$S/replicas/far.about"; }
eventually 30 budget_told
finds replica-room warning "of .* are used"
finds mount-options warning "nosuid"
finds sync-mode warning "1 of 1"
hf node budget "$T/node" "$volume" none > /dev/null
doctored
is "$(json mounted_on < "$T/found")" "$T/mnt" "mounted, it says where"
hf doctor "$T/mnt" --json --only log-end > "$T/found" && [ "$(field log-end verdict)" = ok ]
ok $? "and may be asked by that"

# alarms
well alarms-open
finds alarm-receivers warning "nobody is told"
fails "there is nobody to test" 2 "nobody is told" hf alarms test "$T/mnt"
printf '#!/bin/sh\ncat > "%s/told"\n' "$T" > "$T/hook" && chmod 644 "$T/hook"
hf alarms set "$T/mnt" hook="$T/hook" lag=off > /dev/null
finds alarm-hook danger "cannot be run" && remedied alarm-hook
chmod 777 "$T/hook" && finds alarm-hook danger "others may change" && remedied alarm-hook
finds alarm-settings warning behind && remedied alarm-settings
finds alarm-receivers ok hook
finds alarm-tested warning "never tried" && remedied alarm-tested
grep -q '"alarm":0,"kind":"test"' "$T/told"
ok $? "the hook was told that it is a test" || diag "$(cat "$T/told")"
printf '#!/bin/sh\nexit 1\n' > "$T/hook"
fails "a hook that fails: exit code 1" 1 "did not end well" hf alarms test "$T/mnt"
finds alarm-tested danger "did not end well"
mkdir -p "$S/alarms" && printf '{"version":1,"alarm":7,"kind":"deletion","volume":"%s","first_ns":"1","last_ns":"2","count":"1","delivered":false,"words":"x"}' \
	"$volume" > "$S/alarms/000007.json"
finds alarms-open danger "deletion"
finds alarm-delivered danger "did not get"
hf alarms acknowledge "$S" 7 > /dev/null && well alarms-open alarm-delivered

# the node goes, and another comes to its place
stop_node "$T/node"
finds replica-reachable danger "far: "
finds replica-identity unknown "did not answer"
doctored --offline --only replica-identity
is "$(field replica-identity verdict)" unknown "--offline: nobody is knocked at"
hf unmount "$T/mnt" --timeout 0 > /dev/null 2>&1
hf node init "$T/node2" --listen "127.0.0.1:$port" > /dev/null && hf serve "$T/node2" > /dev/null
finds replica-identity danger "another TLS key"
stop_node "$T/node2"

# the process dies
hf mount "$S" "$T/mnt" && pid=$(hf status "$S" --json | json pid) && kill -9 "$pid"
eventually 10 eval "! kill -0 $pid"
finds mounted danger "is gone" && remedied mounted
hf unmount "$T/mnt" --timeout 0 > /dev/null 2>&1

# --- disks
[ "$(id -u)" -ne 0 ] || { mkdir "$T/memory" && mount -t tmpfs none "$T/memory" && cp -a "$S" "$T/memory/store"; }
if [ -d "$T/memory/store" ]; then
	S=$T/memory/store finds disk-kind danger "in memory"
	hf replica add "$S" "$T/memory/folder" --name other > /dev/null && finds replica-folder ok "1 on other"
	umount "$T/memory"
else
	for i in 1 2; do ok 0 "# SKIP needs root: another file system ($i)"; done
fi
hf replica remove "$S" other > /dev/null 2>&1
hf replica add "$S" "$T/folder2" --name near > /dev/null && finds replica-folder warning "on the disk of the store"
verdict disk-room
[[ $verdict =~ ^(ok|warning|danger)$ && $words =~ free ]]
ok $? "disk-room: however much there is" || diag "$verdict:$words"

# --- a bucket
declare -A secret=([OWNER]=ownersecret [WRITER]=writersecret)
PYTHONDONTWRITEBYTECODE=1 python3 "$TOP/tests/s3/server.py" "$T/port" 2> "$T/server.err" &
server=$!
trap 'kill $server 2> /dev/null; cleanup' EXIT
eventually 20 test -s "$T/port" || bail "no server: $(cat "$T/server.err")"
endpoint=http://127.0.0.1:$(cat "$T/port")
good='lock=1 days=30 versions=1 first_wins=1 may_list=1 may_delete=0 locks_hold=1 md5_etags=1 check_md5=1 page=1000 busy=0'
behave() { curl -s -X POST --data "$good $*" "$endpoint/_behave" > /dev/null; }
behave
for name in near far; do hf replica remove "$S" "$name" > /dev/null; done
as WRITER hf replica add "$S" "$(place vault doctor)" --name vault > "$T/.out" 2>&1
ok $? "a bucket is added" || diag "$(cat "$T/.out")"
finds bucket-lock ok COMPLIANCE
finds bucket-retention warning "for 30 days"
finds bucket-renewal warning "replica renew 's3://vault/doctor"
finds bucket-credentials ok
behave lock=0 versions=0 may_delete=1
finds bucket-lock ok COMPLIANCE # which is what was found then
doctored --probe
is "$(field bucket-lock verdict) $(field bucket-credentials verdict)" "danger warning" "tried anew, it is found out" || diag "$(cat "$T/found" "$T/found.err")"
finds bucket-lock danger "vault: "
behave
doctored --probe --only bucket-lock
is "$(field bucket-lock verdict)" ok "and when it is mended"
rm "$S/replicas/vault.probed" && finds bucket-lock unknown "never tried" && remedied bucket-lock
try "removed, nothing of it is left" eval 'hf replica remove "$S" vault && ! ls "$S"/replicas/vault.* "$S"/replicas/far.* 2> /dev/null'
done_testing
