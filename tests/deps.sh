#!/bin/sh
# SPDX-License-Identifier: MIT
# Install the Debian packages named that are missing; "a|b" is content with either and installs the first.
# Quick and silent when all are there.
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

get()
{
	# shellcheck disable=SC2086 # a list of words is meant
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends $missing
}

echo "deps: installing$missing"
# Lists may be absent (a bare image) or too old to name a file that still exists.
if [ -n "$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1)" ] && get; then
	exit 0
fi
$sudo apt-get -q -o Acquire::Retries=3 update && get && exit 0
echo "deps: could not install$missing; see apt-get's words above" >&2
exit 1
