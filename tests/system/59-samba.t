#!/bin/bash
# SPDX-License-Identifier: MIT
# Previous versions, as Windows sees them: Samba with the configuration of docs/SAMBA.md, as it stands there, on a mount.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root "smbd changes to the user who asks"
PATH=$PATH:/usr/sbin:/sbin
for program in smbd smbclient smbpasswd testparm; do
	type -P $program > /dev/null || skip_all "no $program (Debian: samba, smbclient)"
done
module=$(smbd -b | sed -n 's/^ *MODULESDIR: //p')/vfs/shadow_copy2.so
[ -e "$module" ] || skip_all "no $module (Debian: samba-vfs-modules)"

M=$T/mnt S=$T/smb
make_volume || bail "no volume"
chmod 755 "$T"
mkdir -p "$T/bound" "$M/office" "$S"/{private,lock,state,cache,pid,log,ncalrpc}

# --- the document's configuration, here; what is added has it run beside any other
port=$(free_port)
sed -n '/^```ini$/,/^```$/p' "$TOP/docs/SAMBA.md" | sed -e '/^```/d' -e "s|/srv/files|$M|g" -e "s|/srv/bound|$T/bound|g" > "$S/shown"
cat "$S/shown" - > "$S/smb.conf" <<END
[global]
	netbios name = HERE
	interfaces = lo
	bind interfaces only = yes
	smb ports = $port
	disable netbios = yes
	private dir = $S/private
	lock directory = $S/lock
	state directory = $S/state
	cache directory = $S/cache
	pid directory = $S/pid
	ncalrpc dir = $S/ncalrpc
	passdb backend = tdbsam:$S/private/passdb.tdb
	log file = $S/log/%m
	load printers = no
	printcap name = /dev/null
	disable spoolss = yes
	guest account = daemon
END
is "$(grep -c '^\[' "$S/shown")" 6 "the document shows a configuration"
testparm -s "$S/smb.conf" > "$T/out" 2>&1
is "$? $(grep -ciE 'unknown|ignoring|error' "$T/out")" "0 0" "which has nothing unknown in it" || diag "$(cat "$T/out")"
for user in root nobody; do
	printf 'secret\nsecret\n' | smbpasswd -c "$S/smb.conf" -s -a $user > "$T/out" 2>&1 || bail "no user $user: $(cat "$T/out")"
done
mount --bind "$M/office" "$T/bound" || bail "no bind mount"

smbd -F -s "$S/smb.conf" > "$S/out" 2>&1 &
smbd=$!
ended()
{
	kill "$smbd" 2> /dev/null
	eventually 10 eval "! kill -0 $smbd" || kill -9 "$smbd"
	umount "$T/bound" 2> /dev/null
}
trap 'ended; cleanup' EXIT
eventually 20 eval "answers $port || ! kill -0 $smbd"
answers "$port" || bail "smbd does not serve: $(cat "$S/out" "$S"/log/* 2> /dev/null | tail -n 5)"

# client SHARE COMMAND…, as root or as $who
client() { smbclient "//127.0.0.1/$1" -p "$port" -s "$S/smb.conf" -U "${who:-root}%secret" -c "$2" 2> "$T/.err"; }
# The contents of one file, or what is wrong: fetched SHARE NAME
fetched()
{
	rm -f "$T/got"
	client "$1" "get \"$2\" \"$T/got\"" > "$T/.said" || sed -n 's/^\(NT_STATUS[A-Z_]*\).*/\1/p' "$T/.said" "$T/.err"
	[ ! -e "$T/got" ] || cat "$T/got"
}
# A name for what is there now: a second that begins later; what comes next is far enough from it to be listed beside it
named()
{
	local s

	sync "$M"
	s=$(($(date +%s) + 1))
	eventually 5 eval "[ \$(date +%s) -gt $s ]"
	date -u +@GMT-%Y.%m.%d-%H.%M.%S
}
versions() { client "$1" "allinfo \"$2\"" | grep '^@GMT'; }
# What previous versions of a file say, each once, newest first: contents SHARE NAME. The folders are older than what is
# in them, and on a slow machine by a moment of their own, at which there is nothing to be fetched yet. By one client: two
# minutes later the list has fewer.
contents()
{
	local v fetch=

	rm -rf "$T/past" && mkdir "$T/past"
	versions "$1" "$2" > "$T/versions"
	while read -r v; do fetch+="get \"$v\\$2\" \"$T/past/$v\"; "; done < "$T/versions"
	client "$1" "$fetch" > "$T/.said"
	{
		while read -r v; do cat "$T/past/$v" 2> /dev/null; done < "$T/versions"
		sed -n 's/^\(NT_STATUS[A-Z_]*\).*/\1/p' "$T/.said" "$T/.err" | grep -v '^NT_STATUS_OBJECT_[A-Z]*_NOT_FOUND$'
	} | uniq | tr '\n' ' '
}

# --- a file is saved over, and one deleted
echo one > "$M/office/letter.txt" && echo draft > "$M/office/draft.txt"
g1=$(named)
echo two > "$M/office/letter.txt"
g2=$(named)
rm "$M/office/draft.txt" && echo three > "$M/office/letter.txt"
g3=$(named)
is "$(fetched files 'office\letter.txt')" three "the file as it is"
is "$(contents files 'office\letter.txt')" "three two one " "its previous versions are listed, newest first"
is "$(versions files 'office\letter.txt')" "$(versions files 'office\letter.txt' | sort -r)" "in order"
is "$(versions files 'office\letter.txt' | sort)" "$(ls "$M/.history/gmt")" "as the folder has them"
is "$(fetched files "$g1\\office\\letter.txt") $(fetched files "$g2\\office\\letter.txt") $(fetched files "$g3\\office\\letter.txt")" \
	"one two three" "each is fetched by its name"
is "$(fetched files "$g1\\OFFICE\\Letter.TXT")" one "whatever its case"
later=$(named)
is "$(versions files 'office\letter.txt' | grep -cF "$later") $(fetched files "$later\\office\\letter.txt")" "0 three" "also by a second that is not listed"
is "$(fetched files '@GMT-2001.01.01-00.00.00\office\letter.txt')" NT_STATUS_OBJECT_NAME_NOT_FOUND "not before there was anything"
client files "ls \"$g2\\office\\*\"" | grep -q "draft.txt"
ok $? "a deleted file is seen in its folder's previous version"
is "$(fetched files "$g2\\office\\draft.txt")" draft "and fetched from there"
is "$(fetched files 'office\draft.txt')" NT_STATUS_OBJECT_NAME_NOT_FOUND "though it is gone"

# --- restored, as Explorer does it
client files "scopy \"$g1\\office\\letter.txt\" \"office\\again.txt\"; scopy \"$g2\\office\\draft.txt\" \"office\\draft.txt\"" > "$T/out"
is "$(cat "$M/office/again.txt" "$M/office/draft.txt" | tr '\n' ' ')" "one draft " "the server copies out of the past" || diag "$(cat "$T/out" "$T/.err")"
client files "put \"$T/got\" \"office\\letter.txt\"" > /dev/null
echo four > "$T/four" && client files "put \"$T/four\" \"office\\letter.txt\"" > /dev/null
named > /dev/null
is "$(contents files 'office\letter.txt' | cut -d ' ' -f 1,2)" "four three" "what a client saves over is a version, too"

# --- nothing there changes
refused=0
for command in "put \"$T/four\" \"$g1\\office\\letter.txt\"" "put \"$T/four\" \"$g1\\office\\new\"" "del \"$g1\\office\\letter.txt\"" \
	"mkdir \"$g1\\office\\new\"" "rmdir \"$g1\\office\"" "rename \"$g1\\office\\letter.txt\" \"office\\moved\"" "setmode \"$g1\\office\\letter.txt\" +h"; do
	client files "$command" > "$T/said"
	grep -q NT_STATUS "$T/said" "$T/.err" && refused=$((refused + 1)) || diag "$command"
done
is $refused 7 "each attempt to change it is refused"
is "$(fetched files "$g1\\office\\letter.txt") $(find "$M/office" | wc -l)" "one 4" "and has done nothing"

# --- shares of a folder, by a bind mount, and without .history
is "$(contents office letter.txt)" "four three two one " "a share of a folder lists the same"
is "$(fetched office "$g1\\letter.txt")" one "and fetches"
is "$(contents bound letter.txt)" "four three two one " "so does one of a bind mount"
is "$(fetched bound "$g2\\letter.txt")" two "from there, too"
is "$(fetched office '.history\gmt\'"$g1"'\office\letter.txt')" NT_STATUS_OBJECT_PATH_NOT_FOUND "a folder's share has no way to .history"
is "$(fetched files '.history\at\tid-'"$(hf status "$M" --json | json head_tid)"'\office\letter.txt')" four "the root's has"
client files "ls" | grep -q '\.history'
is $? 1 "which is not shown"
client plain 'get .history\README -' > "$T/out"
grep -q NT_STATUS "$T/out" "$T/.err"
ok $? "unless it is vetoed"
is "$(contents plain 'office\letter.txt')" "four three two one " "previous versions work all the same"

# --- rights are those of then
echo hidden > "$M/office/rights.txt" && chmod 600 "$M/office/rights.txt"
closed=$(named)
chmod 644 "$M/office/rights.txt" && setfacl -m u:nobody:rx "$M/office"
open=$(named)
chmod 600 "$M/office/rights.txt"
who=nobody
is "$(fetched files "$closed\\office\\rights.txt")" NT_STATUS_ACCESS_DENIED "what was private is, in that moment"
is "$(fetched files "$open\\office\\rights.txt")" hidden "what could be read can be"
is "$(fetched files 'office\rights.txt')" NT_STATUS_ACCESS_DENIED "now it cannot"
who=root
is "$(fetched files "$closed\\office\\rights.txt")" hidden "its owner reads it"

# --- streams, as Macs and Windows keep beside a file
client mac "put \"$T/four\" \"office\\mac.txt\"; put \"$T/four\" \"office\\mac.txt:note\"" > /dev/null
g5=$(named)
echo five > "$T/five" && client mac "put \"$T/five\" \"office\\mac.txt:note\"" > /dev/null
is "$(fetched mac 'office\mac.txt:note')" five "a stream"
is "$(fetched mac "$g5\\office\\mac.txt:note")" four "has its past"
is "$(fetched mac "$g1\\office\\letter.txt")" one "and files theirs, in a share for Macs"

! grep -hE 'PANIC|INTERNAL ERROR|smb_panic' "$S"/log/* "$S/out" > "$T/out" 2> /dev/null
ok $? "smbd had no trouble" || diag "$(head "$T/out")"
ended
try "unmounted" hf unmount "$M"
try "no fault in the store" hf check "$T/store"
done_testing
