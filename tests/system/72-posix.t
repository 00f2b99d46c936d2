#!/bin/bash
# SPDX-License-Identifier: MIT
# What POSIX and Linux promise of a file system, on the mount: posix*.c, then ACLs with the tools people use.
. "$(dirname "$0")/lib.sh"
need_fuse

cc=$(command -v "${CC:-cc}" || command -v gcc) || skip_all "no C compiler"
"$cc" -std=gnu11 -D_GNU_SOURCE -O1 -o "$T/posix" "$TOP"/tests/system/posix*.c || bail "posix*.c do not compile"
make_volume || bail "no volume"

# checks HOW [KIND…]: all of them, or these
checks()
{
	local line how=$1

	shift
	mkdir "$T/mnt/checks$how"
	"$T/posix" "$T/mnt/checks$how" "$@" > "$T/said" 2>&1
	while read -r line; do
		case $line in
		"ok "*) ok 0 "${line#ok }$how" ;;
		"not ok "*) ok 1 "${line#not ok }$how" ;;
		*) diag "$line" ;;
		esac
	done < "$T/said"
	try "every check was made$how" grep -q '^ok all the checks were made$' "$T/said"
}
checks ""
hf unmount "$T/mnt" > /dev/null && hf mount "$T/store" "$T/mnt" -o coalesce
checks ", -o coalesce" listing data map space times setuid races # where it can matter who holds what was written

# A libfuse whose writes nobody can replace. One that does not ask for HANDLE_KILLPRIV_V2 and SETXATTR_EXT either (before 3.17)
# leaves setuid to the kernel, and setgid to a guess.
cat > "$T/refuses.c" <<- 'END'
	#include <errno.h>
	int fuse_session_custom_io(void);
	int fuse_session_custom_io(void) { return -ENOTSUP; }
	int fuse_session_custom_io_317(void);
	int fuse_session_custom_io_317(void) { return -ENOTSUP; }
END
"$cc" -shared -fPIC -o "$T/refuses.so" "$T/refuses.c" || bail "refuses.c does not compile"
if LD_PRELOAD=$T/refuses.so hf --version > /dev/null 2>&1; then # not with AddressSanitizer, which wants to come first
	hf unmount "$T/mnt" > /dev/null && LD_PRELOAD=$T/refuses.so hf mount "$T/store" "$T/mnt"
	try "without custom I/O: in use" grep -q refuses.so "/proc/$(hf status "$T/mnt" --json | json pid)/maps"
	checks ", writes not replaced"
else
	ok 0 "without custom I/O # SKIP nothing can be loaded before"
fi
hf unmount "$T/mnt" > /dev/null && hf mount "$T/store" "$T/mnt"

if command -v setfacl > /dev/null && command -v getfacl > /dev/null; then
	cd "$T/mnt" || exit 2
	touch f && mkdir d
	setfacl -m u:1234:rw,g:4321:r f
	chmod 640 f
	is "$(getfacl -cn f | tr -s '\t\n' '  ')" "user::rw- user:1234:rw- #effective:r-- group::r-- group:4321:r-- mask::r-- other::--- " \
		"an ACL, and what chmod does to its mask"
	setfacl -d -m u:1234:rwx d
	mkdir d/e && touch d/f
	is "$(getfacl -cn d/f | grep 1234)" "$(printf 'user:1234:rwx\t#effective:rw-')" "a file inherits the default ACL of its folder"
	try "a folder hands it on" eval 'getfacl -cn d/e | grep -q "^default:user:1234:rwx"'
	if [ "$(id -u)" -eq 0 ] && command -v setpriv > /dev/null; then
		echo secret > s && chmod 600 s && setfacl -m u:1234:r s
		as() { setpriv --reuid "$1" --regid 1234 --clear-groups "${@:2}"; }
		is "$(as 1234 cat s)" secret "whom the ACL names may read"
		fails "no more than that" 1 "Permission denied" as 1234 tee s
		fails "and nobody else" 1 "Permission denied" as 1235 cat s
	fi
	setfacl -b f
	is "$(stat -c %A f)" "-rw-r-----" "without its ACL the mode is what it was"
	hf snapshot "$T/mnt" with-acl > /dev/null
	setfacl -b s d 2> /dev/null
	try "the past keeps its ACLs" eval 'getfacl -cn .history/tags/with-acl/d | grep -q "^default:user:1234:rwx"'
	cd / || exit 2
else
	ok 0 "ACLs # SKIP no setfacl"
fi

cd "$T/mnt" || exit 2
echo old > changing
hf snapshot "$T/mnt" then > /dev/null
echo new > changing
past=.history/tags/then
is "$(cat $past/changing)" old "the past is read"
for how in "tee $past/changing" "tee $past/another" "rm $past/changing" "mkdir $past/d2" "ln -s x $past/l" "chmod 600 $past/changing" \
	"touch $past/changing" "rmdir $past/d" "tee .history/README" "mkdir .history/at/x"; do
	# shellcheck disable=SC2086 # words are meant
	fails "not changed by $how" 1 "Read-only|not permitted|Permission denied" $how < /dev/null
done
fails "and is no place to move things" 1 "Read-only|not permitted|cross-device|Permission" mv -n -T changing $past/moved
[ "$(stat -c %i changing)" != "$(stat -c %i $past/changing)" ]
ok $? "a past file is another inode"
is "$(ls -a | grep -c history)" 0 "the past is not shown among the names"
cd / || exit 2
try "unmounts" hf unmount "$T/mnt"
try "no fault in the store" hf check "$T/store"
done_testing
