# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# For tests of buckets, after lib.sh: requests of their own, signed by curl, and what is in a bucket.

command -v curl > /dev/null || skip_all "no curl"
# The place of bucket $1, prefix $2, at $endpoint.
place() { echo "s3://$1/$2?endpoint=$endpoint"; }

# as USER COMMAND…: with that user's credentials in the environment
as()
{
	local user=$1

	shift
	AWS_ACCESS_KEY_ID=$user AWS_SECRET_ACCESS_KEY=${secret[$user]} AWS_SESSION_TOKEN='' "$@"
}

# ask USER METHOD TARGET [FILE [HEADER…]]: status in $status, body in $T/answer. The target as it is to be signed.
ask()
{
	local user=$1 method=$2 target=$3 file=${4:-} sum options=() header

	[ $# -gt 4 ] && for header in "${@:5}"; do options+=(-H "$header"); done
	if [ -n "$file" ]; then
		options+=(--data-binary "@$file" -H "Content-MD5: $(openssl_md5 "$file")")
		sum=$(sha256sum < "$file")
	else
		sum=$(sha256sum < /dev/null)
	fi
	[ "$method" = HEAD ] && options+=(-I)
	status=$(curl -s --max-time 20 -o "$T/answer" -w '%{http_code}' -X "$method" --aws-sigv4 aws:amz:us-east-1:s3 \
		--user "$user:${secret[$user]}" -H "x-amz-content-sha256: ${sum%% *}" -H 'Content-Type: application/octet-stream' \
		"${options[@]}" "$endpoint/$target")
}

openssl_md5() { md5sum < "$1" | perl -MMIME::Base64 -ne 'print encode_base64(pack("H*", substr($_, 0, 32)), "")'; }

# answered STATUS NAME: what ask was answered with
answered() { is "$status" "$1" "$2"; }

unquoted() { sed 's/%2F/\//g'; }
# keys USER BUCKET PREFIX: those that are seen
keys() { ask "$1" GET "$2?encoding-type=url&list-type=2&prefix=${3//\//%2F}" && grep -o '<Key>[^<]*' "$T/answer" | sed 's/<Key>//' | unquoted; }
# versions USER BUCKET PREFIX: "KEY VERSION" of each, markers left out
versions()
{
	ask "$1" GET "$2?encoding-type=url&prefix=${3//\//%2F}&versions=" &&
		grep -o '<Version>.*' "$T/answer" | sed 's/<Version>/\n/g' |
		sed -n 's/^<Key>\([^<]*\)<\/Key><VersionId>\([^<]*\)<.*/\1 \2/p' | unquoted
}

# The log of a volume: keys of the form of PROTOCOL.md §11.2
is_log() { grep -E '/[0-9]{10}-[0-9a-f]{16}/[0-9]{10}-[0-9]{10}( |$)'; }

state() { hf status "$1" --json | json state; }
is_current() { [ "$(state "$1")" = current ]; }
contents() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2); }
