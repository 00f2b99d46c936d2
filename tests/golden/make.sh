#!/bin/bash
# SPDX-License-Identifier: MIT
# make.sh VERSION: the golden volume of a version, by that version's command. Once: see README.md. As root, for it needs
# files of several owners.
set -eu -o pipefail
here=$(readlink -f "$(dirname "$0")")
HOLDFAST=$(readlink -f "${HOLDFAST:-$here/../../build/release/holdfast}")
version=$1
[ "$(id -u)" -eq 0 ] || { echo "make.sh needs root" >&2; exit 2; }
[ ! -e "$here/$version.tar.xz" ] && [ ! -e "$here/$version.txt" ] ||
	{ echo "the golden volume of $version is there, and is never made anew" >&2; exit 2; }
[[ $("$HOLDFAST" --version) = *"$version"* ]] || { echo "$HOLDFAST is another version" >&2; exit 2; }
umask 022
W=$(mktemp -d) M=$W/mnt
chmod 711 "$W"
facts=$W/facts.txt
hf() { "$HOLDFAST" "$@"; }
settled() { for _ in $(seq 60); do "$@" && return; sleep 0.5; done; echo "timed out: $*" >&2; hf status "$W/store" >&2; return 1; }
ended() { [ ! -e "$1/pid" ] || ! kill -0 "$(cat "$1/pid")" 2> /dev/null; }
stopped() { kill "$(cat "$1/pid")" 2> /dev/null || true; settled ended "$1"; }
current() { [[ $(hf status "$W/store" --json) = *'"state": "current"'* ]]; }
at_end()
{
	umount -l "$M" 2> /dev/null || true
	umount -l "$W/thief" 2> /dev/null || true
	[ ! -e "$W/node/pid" ] || kill "$(cat "$W/node/pid")" 2> /dev/null || true
	rm -rf "$W"
}
trap at_end EXIT

# moment: write down what there is now, while it is live
moment()
{
	sync "$M"
	{
		echo
		echo "at tid-$(hf status "$M" --json | sed -n 's/^ *"committed_tid": "*\([0-9]*\).*/\1/p') $1"
		"$here/list.sh" "$M"
	} >> "$facts"
}

mkdir "$M" "$W/thief"
port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
hf node init "$W/node" --listen "127.0.0.1:$port" > /dev/null
hf node budget "$W/node" default 5G > /dev/null
hf serve "$W/node" > /dev/null
hf init "$W/store" --kit-file "$W/kit" > /dev/null
hf replica add "$W/store" "$(hf node invite "$W/node")" --name node > /dev/null
hf replica limit "$W/store" node 50M > /dev/null
hf alarms set "$W/store" files=500 unreachable=1s lag=1s > /dev/null
hf mount "$W/store" "$M"
volume=$(hf status "$M" --json | sed -n 's/^ *"volume_id": "\(.*\)".*/\1/p')
echo "volume $volume" > "$facts"

# --- names, contents, every kind of thing
echo "hello, world" > "$M/hello"
mkdir -p "$M/folder/within" "$M/common"
chmod 1777 "$M/common"
seq 1 3000 > "$M/folder/numbers"                        # compresses
head -c 33000 /dev/urandom > "$M/folder/noise"          # does not, and is sealed in pieces
cp --reflink=never "$M/folder/noise" "$M/folder/again"  # is there already
ln "$M/hello" "$M/folder/linked"
ln -s ../hello "$M/folder/symbolic"
mkfifo "$M/folder/fifo"
mknod "$M/folder/device" c 1 3
printf 'caf\303\251\n' > "$M/folder/$(printf 'na\303\257ve \\ "name"')"
setfattr -n user.colour -v blue "$M/hello"
setfattr -n user.gone -v soon "$M/hello"
setfacl -m u:1000:rw,g:1001:r "$M/folder/numbers"
setfacl -d -m u:1000:rwx "$M/folder/within"
setpriv --reuid=1000 --regid=1001 --clear-groups sh -c 'echo mine > "$1/mine"' sh "$M/common"
truncate -s 200000 "$M/sparse"
printf x | dd of="$M/sparse" bs=1 seek=150000 conv=notrunc status=none
touch -d 1969-07-20T20:17:40.123456789Z "$M/folder/numbers"
moment first
hf snapshot "$M" first > /dev/null

# --- what changes, moves and goes
head -c 33000 /dev/urandom > "$M/folder/noise"
for i in $(seq 40); do printf '%03d' "$i" | dd of="$M/folder/again" bs=1 seek=$((i * 7)) conv=notrunc,fsync status=none; done
head -c 10000 /dev/urandom > "$M/passing"               # until the third moment: what a prune may take
fallocate -l 100000 "$M/allocated"
fallocate -p -o 8192 -l 8192 "$M/folder/again"
fallocate -z -o 20000 -l 5000 "$M/folder/again"
truncate -s 5000 "$M/folder/numbers"
cp "$M/folder/again" "$M/folder/cloned"                  # copy_file_range
setfattr -x user.gone "$M/hello"
chown 1000:1001 "$M/hello"
chmod 4750 "$M/hello"
mv "$M/folder/within" "$M/moved"
perl -e 'syscall(316, -100, "$ARGV[0]/hello", -100, "$ARGV[0]/sparse", 2) == 0 or die "exchange: $!\n"' "$M"
moment second
echo passed > "$M/passing"
rm "$M/folder/fifo" "$M/folder/device" "$M/folder/symbolic"
rmdir "$M/moved"
rm -r "$M/common"
perl -e '
	use Fcntl;
	sysopen my $f, "$ARGV[0]/folder", 020200000 | O_RDWR or die "O_TMPFILE: $!\n";
	syswrite $f, "nameless\n";
	syscall(265, -100, "/proc/self/fd/" . fileno($f), -100, "$ARGV[0]/folder/named", 0x400) == 0 or die "linkat: $!\n";' "$M"
moment third
settled current

# --- an alarm of the store's own, then the end of an epoch
stopped "$W/node"
echo more > "$M/more"
settled eval '[ "$(ls "$W/store/alarms" | grep -c json)" -ge 2 ]'
hf serve "$W/node" > /dev/null
hf alarms set "$M" unreachable=1h lag=10m > /dev/null
settled current
hf kit check "$W/kit" "$M" > /dev/null
hf alarms acknowledge "$M" 1 > /dev/null
hf unmount "$M" --timeout 60
cp -a "$W/store" "$W/stolen"
hf rekey "$W/store" --kit "$W/kit" > /dev/null
hf mount "$W/store" "$M"
echo "in another epoch" > "$M/hello"
mkdir "$M/late"
seq 5000 6000 > "$M/late/numbers"
moment fourth
hf snapshot "$M" fourth > /dev/null
head=$(hf head "$M")
settled current
hf unmount "$M" --timeout 60

# --- what the node keeps besides: refused bytes, an alarm, a list of what may go, an invitation that nobody used
hf mount "$W/stolen" "$W/thief"
echo forged > "$W/thief/hello"
sync "$W/thief"
settled eval 'grep -q epoch_over "$W"/node/alarms/*.json'
hf unmount "$W/thief" --timeout 0 > /dev/null 2>&1
before=$(sed -n 's/^at \(tid-[0-9]*\) third$/\1/p' "$facts")
hf snapshot "$W/store" --at "$before" third > /dev/null
hf prune plan "$W/store" --before fourth --kit "$W/kit" > "$W/prune.list" 2> /dev/null
hf mount "$W/store" "$M"
settled current
hf unmount "$M" --timeout 60
hf node prune "$W/node" "$W/prune.list" > /dev/null
settled eval 'grep -q "\"prune\"" "$W"/node/alarms/*.json'
hf node invite "$W/node" > /dev/null
stopped "$W/node"

# --- keys that are kept otherwise
echo "correct horse battery" > "$W/passphrase"
hf init "$W/wrapped" --kit-file "$W/wrapped.kit" --passphrase-fd 0 < "$W/passphrase" > /dev/null
hf init "$W/apart" --kit-file "$W/apart.kit" --key-out "$W/apart.key" > /dev/null

for store in wrapped apart; do
	case $store in wrapped) key=passphrase-fd=0 ;; apart) key=key-file=$W/apart.key ;; esac
	hf mount "$W/$store" "$M" -o "$key" < "$W/passphrase"
	echo "of $store" > "$M/hello"
	hf unmount "$M" > /dev/null
done

{
	echo
	echo "head $head"
	echo "wrapped $(sed -n 's/.*volume \([0-9a-f]\{32\}\).*/\1/p' "$W/wrapped.kit" | head -n 1)"
} >> "$facts"
hf check "$W/store" > /dev/null
cd "$W"
rm -rf -- */index */lock */socket node/address node/pid
tar --sort=name --numeric-owner --format=posix --pax-option=delete=atime,delete=ctime -cf - \
	store kit prune.list node wrapped wrapped.kit passphrase apart apart.kit apart.key | xz -9e > "$here/$version.tar.xz"
cp "$facts" "$here/$version.txt"
ls -l "$here/$version".*
