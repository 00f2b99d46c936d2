#!/bin/bash
# SPDX-License-Identifier: MIT
# The page: who may open it and ask, what it answers, and what it is in a real browser.
. "$(dirname "$0")/lib.sh"
need_fuse

make_volume || bail "no volume"
m=$T/mnt
mkdir -p "$m/notes" && printf 'one\ntwo\nthree\n' > "$m/notes/diary.txt" && sync "$m"
odd=$'notes/<b>odd<b> \xff name'
echo odd > "$m/$odd" && head -c 700001 /dev/urandom > "$m/notes/large" && cp "$m/notes/large" "$T/large" && sync "$m"
hf snapshot "$m" before > /dev/null
printf 'one\n2\nthree\n<script>four</script>\n' > "$m/notes/diary.txt" && rm "$m/notes/large" && sync "$m/notes"

web=
# serve [ARGUMENTS…]: holdfast web; sets $link, $base, $host, $web
serve()
{
	rm -f "$T/web.out" # the link of the one before
	"$HOLDFAST" web "$@" > "$T/web.out" 2> "$T/web.err" < /dev/null &
	web=$!
	eventually 30 grep -q '^http' "$T/web.out" || bail "no page: $(cat "$T/web.err")"
	link=$(grep '^http' "$T/web.out") host=${link#http://}
	host=${host%%/*}
}
stop_web() { kill "$web" && wait "$web"; }
trap 'kill "$web" 2> /dev/null; cleanup' EXIT

# code URL [curl options]; the answer goes to $T/body, its headers to $T/headers
code() { curl -s -o "$T/body" -D "$T/headers" -w '%{http_code}' --max-time 60 "$@"; }
says() { grep -qi -- "$1" "$T/headers"; }

# --- the link, the cookie
serve "$m"
grep -q '^http://127\.0\.0\.1:[0-9]*/open/[0-9a-f]\{64\}$' "$T/web.out"
ok $? "it listens on loopback, and prints a link"
is "$(awk -v port="$(printf ':%04X' "${host##*:}")" '$4 == "0A" && index($2, port) { print $2 }' /proc/net/tcp /proc/net/tcp6)" \
	"$(printf '0100007F:%04X' "${host##*:}")" "at that address alone"
is "$(code "http://$host/")" 403 "without the link there is nothing"
is "$(code "http://$host/open/$(printf '%064d' 0)")" 403 "nor with another one"
is "$(code -X POST "$link")" 405 "a link is not opened by POST"
is "$(code "$link" -c "$T/jar")" 303 "the link opens the page"
says '^set-cookie: holdfast=[0-9a-f]\{64\}; Path=/[0-9a-f]\{64\}/; HttpOnly; SameSite=Strict'
ok $? "the cookie is for the page alone, not for scripts, and not for other sites"
base=http://$host$(sed -n 's/^[Ll]ocation: \([^\r]*\)\r*$/\1/p' "$T/headers")
is "$(code "$link")" 403 "once"
grep -q "Enter" "$T/body"
ok $? "and it is said how to get another one"
is "$(code "$base")" 403 "the place without its cookie is nothing"
is "$(code "http://$host/$(printf '%064d' 0)/" -b "$(sed -n 's/.*\t\(holdfast\)\t/\1=/p' "$T/jar")")" 403 "nor the cookie elsewhere"

get() { local url=$1; shift; code -b "$T/jar" "$base$url" "$@"; }
is "$(get "")" 200 "with it it is the page"
says "^content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ok $? "with a strict policy"
says '^x-content-type-options: nosniff' && says '^referrer-policy: no-referrer' && says '^cache-control: no-store' &&
	says '^x-frame-options: deny' && says '^cross-origin-resource-policy: same-origin'
ok $? "and the other headers"
is "$(get main.js)$(get style.css)$(get icon.svg)$(get nothing.js)" 200200200404 "and its files"

# --- who is meant, who asks
is "$(get "" -H 'Host: evil.example')" 421 "a foreign name that leads here is not answered"
is "$(get "" -H "Host: evil.example:${host##*:}")" 421 "with the port neither"
is "$(get "" -H "Host: 127.0.0.1:1")" 421 "nor another port"
is "$(code "http://localhost:${host##*:}/" )" 403 "localhost is us"
is "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host:' -b "$T/jar" "$base")" 421 "no host at all neither"
is "$(get api/status -H 'Sec-Fetch-Site: cross-site')" 403 "what another site's page asks is refused"
is "$(get api/status -H 'Origin: http://evil.example')" 403 "whatever it calls itself"
is "$(get api/status -H "Origin: http://$host")" 200 "the page may"
is "$(get api/session)" 200 "it is told a key for changes"
csrf=$(json csrf < <(sed 's/":"/": "/g; s/,/,\n/g' "$T/body"))
post() { get api/leave -X POST "$@"; }
is "$(post -H "Origin: http://$host")" 403 "a change without the key is refused"
is "$(post -H "X-Holdfast-Csrf: $csrf")" 403 "without an origin"
is "$(post -H "X-Holdfast-Csrf: $csrf" -H 'Origin: http://evil.example')" 403 "of another origin"
is "$(post -H "X-Holdfast-Csrf: $csrf" -H 'Origin: null')" 403 "of a sandbox"
is "$(post -H "X-Holdfast-Csrf: ${csrf%?}x" -H "Origin: http://$host")" 403 "with another key"
is "$(get api/leave)" 404 "or by GET"
is "$(get api/list -X DELETE)" 405 "other methods are not known"
head -c 100000 /dev/zero > "$T/big"
get api/leave -X POST -H "X-Holdfast-Csrf: $csrf" -H "Origin: http://$host" --data-binary "@$T/big" > /dev/null
is "$(get api/status)" 200 "too much at once is not taken, and hurts nobody"

# --- what it answers
is "$(get "api/list?path=notes")" 200 "a folder"
names=$(tr '{' '\n' < "$T/body")
grep -q '"name":"diary.txt"' <<< "$names" && grep -q '"name":"%3Cb%3Eodd%3Cb%3E%20%FF%20name"' <<< "$names"
ok $? "has its names, whatever they are" || diag "$names"
is "$(get "api/list?at=before&path=notes/large")" 200 "what is gone is there at its time"
is "$(get "api/list?path=notes/large")" 404 "and not now"
is "$(get "api/list?at=never-heard-of&path=")" 404 "a moment that is none"
for bad in .. %2e%2e notes/../.. /etc a//b %00 'a%2500' %252e%252e; do
	[ "$(get "api/list?path=$bad")" = 400 ] || diag "$bad was answered with $(cat "$T/body")"
	[ "$(get "file?path=$bad")" = 400 ]
	ok $? "no path: $bad"
done
is "$(get "api/timeline?bars=100000")" 400 "bars are bounded"
is "$(get "api/timeline?from=5&until=2")" 400 "and spans are spans"
is "$(get "api/timeline?bars=50")" 200 "the timeline"
python3 - "$T/body" <<- 'END'
	import json, sys
	t = json.load(open(sys.argv[1]))
	assert len(t["tids"]) == len(t["changes"]) == len(t["removals"]) == 50
	assert sum(t["changes"]) == t["last"]["tid"] - t["since"] > 8, t
	assert sum(t["removals"]) == 1, t
	assert sum(t["bytes"]) > 700001, t
	assert t["tags"][0]["name"] == "before"
END
ok $? "counts every change, the removal, and has the tag"
is "$(get "api/versions?path=notes/diary.txt")$(get "api/log?path=notes")$(get "api/gone?path=notes")" 200200200 "versions, what happened, what is gone"
grep -q '"name":"large"' "$T/body"
ok $? "the removed file among it"
is "$(get "api/diff?a=before&path=")" 200 "what differs"
grep -q '"kind":"removed"' "$T/body" && grep -q '"kind":"contents"' "$T/body"
ok $? "is told"
is "$(get "file?at=before&path=notes/large")" 200 "a file of more than one piece"
cmp -s "$T/body" "$T/large"
ok $? "comes as it was"
says '^content-disposition: attachment; filename="large"' && says '^content-type: application/octet-stream' && says '^content-security-policy: .*sandbox'
ok $? "as an attachment, whatever is in it"
is "$(get "file?path=notes/diary.txt&limit=3")$(cat "$T/body")" 200one "or its beginning"
is "$(get "file?path=notes")" 400 "a folder is no file"
# what only the kernel has yet; when it is looked at the mapping is still there
cat > "$T/mapped" <<- 'END'
	import mmap, os, sys
	file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
	os.ftruncate(file, 4)
	mapping = mmap.mmap(file, 4)
	mapping[:] = b"held"
	open(sys.argv[2], "w").close()
	sys.stdin.read()
END
mkfifo "$T/fifo"
python3 "$T/mapped" "$m/notes/held" "$T/ready" < "$T/fifo" &
exec 7> "$T/fifo"
eventually 30 test -e "$T/ready"
is "$(get "file?path=notes/held")$(cat "$T/body")" 200held "what has just been written to a mapping"
exec 7>&-
wait $!
rm "$m/notes/held" && sync "$m/notes"

# --- restoring
# restore BODY [curl options]: as the page asks
restore() { local body=$1; shift; get api/restore -X POST -H "X-Holdfast-Csrf: $csrf" -H "Origin: http://$host" --data-binary "$body" "$@"; }
large='{"path":"notes/large","at":"before"' diary='{"path":"notes/diary.txt","at":"before"'
is "$(get api/restore -X POST -H "Origin: http://$host" --data-binary "$large,\"dry\":false}")" 403 "restoring without the key is refused"
is "$(get api/restore -X POST -H "X-Holdfast-Csrf: $csrf" --data-binary "$large,\"dry\":false}")" 403 "and without an origin"
is "$(get api/restore)" 404 "and by GET"
is "$(restore '{"path":"notes/large"}')$(restore "$large,\"dry\":1}")$(restore '{"path":"../large","at":"before"}')" 400400400 "what is not said well too"
is "$(restore '{"path":"notes/never","at":"before"}')" 404 "what was not there then"
grep -q "never" "$T/body"
ok $? "is said" || diag "$(cat "$T/body")"
is "$(restore "$large}")" 200 "without more it is a dry run"
grep -q '"kind":"create","type":"file","path":"notes/large"' "$T/body" && ! grep -q '"undo"' "$T/body"
ok $? "which tells what would be made" || diag "$(cat "$T/body")"
[ ! -e "$m/notes/large" ]
ok $? "and makes nothing"
is "$(restore '{"path":"","at":"before","dry":true}')" 200 "all of the volume"
grep -q '"created": *1,' "$T/body" && grep -q '"contents": *1,' "$T/body" && grep -q '"more": *0' "$T/body"
ok $? "is counted" || diag "$(cat "$T/body")"
is "$(restore "$large,\"dry\":false}")" 200 "a real one"
cmp -s "$m/notes/large" "$T/large"
ok $? "restores, and the mount shows it"
undo=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["undo"])' "$T/body")
"$HOLDFAST" ${undo#holdfast } --yes > /dev/null && [ ! -e "$m/notes/large" ]
ok $? "the command it shows takes it back: $undo"
is "$(restore "{\"path\":\"notes/%3Cb%3Eodd%3Cb%3E%20%FF%20name\",\"at\":\"before\"}")" 200 "whatever the name is"
rm "$m/$odd" && is "$(restore "{\"path\":\"notes/%3Cb%3Eodd%3Cb%3E%20%FF%20name\",\"at\":\"before\",\"dry\":false}")" 200 "it is restored"
undo=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["undo"])' "$T/body")
[ "$(cat "$m/$odd")" = odd ] && eval "\"\$HOLDFAST\" ${undo#holdfast } --yes" > /dev/null && [ ! -e "$m/$odd" ]
ok $? "and taken back in a shell's words: $undo"
mkdir "$m/many" && touch "$m"/many/{1..130} && sync "$m"
is "$(restore '{"path":"many","at":"before"}')" 404 "a folder that was not there then"
hf snapshot "$m" full > /dev/null && rm -r "$m/many" && sync "$m"
is "$(restore '{"path":"many","at":"full"}')" 200 "one of many names"
python3 -c 'import json, sys; a = json.load(open(sys.argv[1])); assert (a["created"], len(a["changes"]), a["more"]) == (131, 100, 31), a' "$T/body"
ok $? "has the first hundred told, and the others counted"

# --- at rest, and mounted again while the page is open
hf unmount "$m" > /dev/null
log_bytes() { cat "$T"/store/log/* | cksum; }
log=$(log_bytes)
is "$(restore "$diary}")" 200 "at rest a dry run"
grep -q '"contents": *1,' "$T/body" && is "$(log_bytes)" "$log" "changes nothing"
is "$(restore "$diary,\"dry\":false}")" 200 "and a real one"
undo=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["undo"])' "$T/body") || diag "$(cat "$T/body")"
is "$(get "file?path=notes/diary.txt")$(cat "$T/body")" $'200one\ntwo\nthree' "restores"
is "$(restore "$diary,\"dry\":false}")" 200 "again"
grep -q '"contents": *0,' "$T/body" && ! grep -q '"undo"' "$T/body"
ok $? "there is nothing to do, and nothing to take back"
try "the command takes it back, at rest too" "$HOLDFAST" ${undo#holdfast } --yes
is "$(get "file?at=before&path=notes/large")" 200 "unmounted, the page goes on"
cmp -s "$T/body" "$T/large"
ok $? "with the same bytes"
hf mount "$T/store" "$m" --at before > /dev/null || diag "not mounted at a moment"
is "$(restore "$diary,\"dry\":false}")" 403 "mounted at a moment nothing is restored"
grep -q "reading only.*unmount it" "$T/body"
ok $? "and it is said what to do" || diag "$(cat "$T/body")"
is "$(restore "$diary}")" 200 "a dry run is answered"
hf unmount "$m" > /dev/null
try "the store can be mounted while the page is open" hf mount "$T/store" "$m"
is "$(get "api/list?path=notes")" 200 "and the page goes on"

# --- leaving
is "$(post -H "X-Holdfast-Csrf: $csrf" -H "Origin: http://$host")" 200 "the page leaves"
is "$(get "")" 403 "and its session is over"
stop_web
is $? 0 "a signal ends it well"
fails "where it cannot listen is said" 2 "ADDR:PORT" hf web "$m" --listen example.org:80
serve "$m" --listen 0.0.0.0:0
grep -q "not encrypted" "$T/web.err"
ok $? "others' reach is warned of"
stop_web
is "$(timeout 20 "$HOLDFAST" web "$T/kit" 2>&1 < /dev/null | grep -c "neither a store")" 1 "what is no volume is said"

# --- in a browser
if command -v chromedriver > /dev/null && command -v chromium > /dev/null; then
	mkdir "$m/lost" && echo 1 > "$m/lost/first.txt" && echo 2 > "$m/lost/second.txt" && sync "$m"
	hf snapshot "$m" whole > /dev/null
	rm "$m"/lost/* && echo 3 > "$m/lost/later.txt" && sync "$m"
	serve "$m"
	python3 "$TOP/tests/system/57-web.py" "$link" ${PICTURES:+"$PICTURES"} > "$T/browser" 2>&1
	code=$?
	while IFS= read -r line; do
		case $line in
		"ok "*) ok 0 "${line#ok }" ;;
		"not ok "*) ok 1 "${line#not ok }" ;;
		*) diag "$line" ;;
		esac
	done < "$T/browser"
	is $code 0 "all of it was tried in a browser"
	stop_web
else
	ok 0 "# SKIP no chromium and chromium-driver: the page was not tried in a browser"
fi
done_testing
