# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For tests/system/*.t: bash scripts that print TAP for prove(1). Each begins with
#
#	. "$(dirname "$0")/lib.sh"
#	need_fuse
#
# has a folder of its own in $T, which is gone at the end with everything mounted or served in it, and ends with
# done_testing. HOLDFAST is the binary to test, build/release/holdfast when not said.

set -u
HOLDFAST=$(readlink -f "${HOLDFAST:-$(dirname "${BASH_SOURCE[0]}")/../../build/release/holdfast}")
TOP=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
export HOLDFAST TOP
count=0 failures=0
T=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-test.XXXXXX") || exit 2

hf() { "$HOLDFAST" "$@"; }
diag() { printf '%s\n' "$@" | sed 's/^/# /'; }

# ok CODE NAME: passes when CODE is 0
ok()
{
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failures=$((failures + 1))
	fi
	return "$1"
}

# try NAME COMMAND…: passes when the command does; its output is shown when it does not
try()
{
	local name=$1 code

	shift
	"$@" > "$T/.out" 2>&1
	code=$?
	ok $((code != 0)) "$name" || { diag "exit code $code of: $*"; diag "$(tail -n 30 "$T/.out")"; return 1; }
}

# fails NAME CODE PATTERN COMMAND…: passes when the command ends with CODE and says PATTERN (a grep -E pattern) on stderr
fails()
{
	local name=$1 code=$2 pattern=$3 got

	shift 3
	"$@" > "$T/.out" 2> "$T/.err"
	got=$?
	[ "$got" -eq "$code" ] && grep -qE -- "$pattern" "$T/.err"
	ok $? "$name" || { diag "exit code $got, wanted $code; stderr, wanted $pattern:"; diag "$(cat "$T/.err")"; return 1; }
}

# is GOT WANTED NAME
is()
{
	[ "$1" = "$2" ]
	ok $? "$3" || { diag "got:    $1" "wanted: $2"; return 1; }
}

# eventually SECONDS COMMAND…: as soon as the command succeeds; 1 when it has not by then
eventually()
{
	local end=$((SECONDS + $1))

	shift
	until "$@" > /dev/null 2>&1; do
		[ "$SECONDS" -le "$end" ] || return 1
		sleep 0.1
	done
}

free_port() { "$TOP/tests/free-port"; }
# answers PORT: does somebody listen there?
answers() { (: < "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

bail()
{
	echo "Bail out! $1"
	exit 255
}

skip_all()
{
	echo "1..0 # SKIP $1"
	rm -rf "$T"
	trap - EXIT
	exit 0
}

# What mounting takes; without it the whole file is skipped, saying why.
need_fuse()
{
	[ -c /dev/fuse ] || skip_all "no /dev/fuse on this machine"
	# shellcheck disable=SC2188 # opening is the test
	( : <> /dev/fuse ) 2> /dev/null || skip_all "/dev/fuse may not be opened"
	if [ "$(id -u)" -eq 0 ]; then
		(( 0x$(sed -n 's/^CapEff:\t//p' /proc/self/status) >> 21 & 1 )) || skip_all "root without CAP_SYS_ADMIN cannot mount"
	else
		command -v fusermount3 > /dev/null || skip_all "no fusermount3"
	fi
}

need_root() { [ "$(id -u)" -eq 0 ] || skip_all "needs root: $1"; }

# json KEY < JSON: the first number or plain string of that name
json() { sed -n 's/^.*"'"$1"'": *"\{0,1\}\([^",]*\)"\{0,1\},\{0,1\}$/\1/p' | head -n 1; }

# A volume in $T/store, mounted on $T/mnt: make_volume [mount options]
make_volume()
{
	mkdir -p "$T/mnt"
	hf init "$T/store" --kit-file "$T/kit" > /dev/null && hf mount "$T/store" "$T/mnt" ${1:+-o "$1"}
}

# A node in $T/NAME, served; its invitation in $invitation: make_node NAME
make_node()
{
	hf node init "$T/$1" --listen 127.0.0.1:0 > /dev/null && hf serve "$T/$1" > /dev/null &&
		invitation=$(hf node invite "$T/$1")
}

mounts_below() { awk -v t="$T/" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo | tac; }

stop_node()
{
	local pid

	pid=$(cat "$1/pid" 2> /dev/null) || return 0
	kill "$pid" 2> /dev/null
	eventually 10 eval "! kill -0 $pid" || kill -9 "$pid"
}

cleanup()
{
	local dir pid

	cd / || exit 2
	for dir in $(mounts_below); do
		hf unmount "$dir" --timeout 0 > /dev/null 2>&1 || fusermount3 -uz "$dir" 2> /dev/null || umount -l "$dir"
	done
	for pid in "$T"/*/pid; do
		[ -e "$pid" ] && stop_node "${pid%/pid}"
	done
	[ -n "${KEEP:-}" ] && diag "kept: $T" || rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
[ -x "$HOLDFAST" ] || bail "there is no $HOLDFAST"

done_testing()
{
	echo "1..$count"
	[ "$failures" -eq 0 ]
	exit
}
