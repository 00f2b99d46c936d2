# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For what runs within the systems of check.sh; sourced.
failed=0

# try NAME COMMAND…: "ok NAME", or "not ok NAME" and what it said
try()
{
	local name=$1

	shift
	if "$@" > /tmp/out 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/# /' /tmp/out
		failed=$((failed + 1))
	fi
}

# is IS SHOULD_BE NAME
is()
{
	if [ "$1" = "$2" ]; then
		echo "ok $3"
	else
		printf 'not ok %s\n# it is "%s", not "%s"\n' "$3" "$1" "$2"
		failed=$((failed + 1))
	fi
}
wait_for() { for _ in $(seq 200); do eval "$1" > /dev/null 2>&1 && return; sleep 0.1; done; return 1; }
node() { runuser -u holdfast -- holdfast "$@"; }
# of a field of JSON on stdin, the first
value() { sed -n 's/^ *"'"$1"'": "*\([^",]*\)"*,*$/\1/p' | head -n 1; }
