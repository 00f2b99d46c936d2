#!/bin/sh
# SPDX-License-Identifier: MIT
# Install the Debian packages named that are missing; "a|b" is content with either and installs the first.
# Quick and silent when all are there. What services they bring (tests have servers of their own) is neither started nor
# enabled: nobody who builds this is to find new ports open.
set -u

installed()
{
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps: this is not a Debian system; needed are: $*" >&2
	exit 0
fi

missing=
for want in "$@"; do
	found=
	for one in $(echo "$want" | tr '|' ' '); do
		if installed "$one"; then
			found=yes
			break
		fi
	done
	[ -n "$found" ] || missing="$missing ${want%%|*}"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1 || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
		echo "deps: missing packages. As root: apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
	sudo=sudo
fi

policy=/usr/sbin/policy-rc.d
hold_services()
{
	[ -e "$policy" ] && return
	# shellcheck disable=SC2016 # nothing is to be expanded
	$sudo sh -c 'printf "#!/bin/sh\nexit 101\n" > "$1" && chmod 755 "$1"' sh "$policy" || return
	trap '$sudo rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM HUP
}

disable_services()
{
	command -v systemctl >/dev/null 2>&1 || return 0
	for package in $missing; do
		for unit in $(dpkg-query -L "$package" 2>/dev/null | sed -n 's,^.*/systemd/system/\([^/]*\.\(service\|socket\)\)$,\1,p'); do
			case $unit in *@*) continue ;; esac
			$sudo systemctl disable "$unit" >/dev/null 2>&1
		done
	done
	return 0
}

get()
{
	# shellcheck disable=SC2086 # a list of words is meant
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends $missing
}

echo "deps: installing$missing"
hold_services
# Lists may be absent (a bare image) or too old to name a file that still exists.
if [ -n "$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1)" ] && get; then
	disable_services
	exit 0
fi
$sudo apt-get -q -o Acquire::Retries=3 update && get && disable_services && exit 0
echo "deps: could not install$missing; see apt-get's words above" >&2
exit 1
