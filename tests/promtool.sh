#!/bin/sh
# SPDX-License-Identifier: MIT
# Print where promtool is, which checks metrics, rules and their tests. Where there is none, that one file is taken out
# of Debian's package prometheus, whose bytes apt has verified, and put into DIR: installing the package would bring a
# server, its user and its service, and none of them is wanted.
#
#   promtool.sh DIR
set -u
if command -v promtool; then
	exit 0
fi
dir=${1:?where to put it}
if [ -x "$dir/promtool" ]; then
	echo "$dir/promtool"
	exit 0
fi
if ! command -v apt-get > /dev/null 2>&1 || ! command -v dpkg-deb > /dev/null 2>&1; then
	echo "promtool: this is not a Debian system; install Prometheus' promtool" >&2
	exit 1
fi

mkdir -p "$dir" || exit 1
work=$(mktemp -d "$dir/fetching.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
chmod 755 "$work"
get()
{
	(cd "$work" && apt-get -q -o Acquire::Retries=3 download prometheus) > "$work/words" 2>&1
}

echo "promtool: taking it out of the package prometheus" >&2
# Lists may be absent (a bare image) or too old to name a file that still exists.
if ! get && { [ "$(id -u)" -ne 0 ] || ! apt-get -q -o Acquire::Retries=3 update >&2 || ! get; }; then
	cat "$work/words" >&2
	echo "promtool: could not fetch it; as root: apt-get update, and try again" >&2
	exit 1
fi
dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -xf - -C "$work" ./usr/bin/promtool
if ! "$work/usr/bin/promtool" --version > /dev/null 2>&1 || ! mv "$work/usr/bin/promtool" "$dir/promtool"; then
	echo "promtool: the package has none that runs here" >&2
	exit 1
fi
echo "$dir/promtool"
