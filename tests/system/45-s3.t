#!/bin/bash
# SPDX-License-Identifier: MIT
# A bucket as a replica, on a server of our own that misbehaves when it is told to (tests/s3/server.py): what is tried when
# it is added, what the writer does when answers fail, get lost or lie, and what a recovery makes of it.
. "$(dirname "$0")/lib.sh"
need_fuse
command -v python3 > /dev/null || skip_all "no python3"
# shellcheck source=tests/s3/s3.sh
. "$TOP/tests/s3/s3.sh"

declare -A secret=([OWNER]=ownersecret [WRITER]=writersecret)
servers=()
start_server() # PORTFILE [PEM]
{
	PYTHONDONTWRITEBYTECODE=1 python3 "$TOP/tests/s3/server.py" "$@" 2> "$T/server.err" &
	servers+=($!)
	eventually 20 test -s "$1" || bail "no server: $(cat "$T/server.err")"
}
trap 'kill "${servers[@]}" 2> /dev/null; cleanup' EXIT
start_server "$T/port"
endpoint=http://127.0.0.1:$(cat "$T/port")
good='lock=1 days=30 versions=1 first_wins=1 may_list=1 may_delete=0 locks_hold=1 md5_etags=1 check_md5=1 page=1000 busy=0 busy_deletes=0 mute_puts=0
spoil_puts=0 cut_gets=0 short_gets=0 bad_ranges=0 no_ranges=0 expire=-1 slow_ms=0 endless=0 forget=0'
behave() { curl -s -X POST --data "$good $*" "$endpoint/_behave"; }
log() { curl -s "$endpoint/_log"; }
mkdir "$T/mnt"

new_store() # NAME [options of init]
{
	as WRITER hf init "$T/$1" --kit-file "$T/$1.kit" --replica "$(place vault "$1")" "${@:2}" > "$T/said" 2>&1
}
mounted() { hf mount "$T/$1" "$T/mnt" || bail "$1 does not mount"; }
unmounted() { hf unmount "$T/mnt" --timeout "${1:-30}" > /dev/null 2>&1; }
fill() # DIR [BYTES]: several commits, and more than one object's worth when it is said
{
	mkdir -p "$1" && head -c "${2:-200000}" /dev/urandom > "$1/large" && sync "$1/large"
	for i in 1 2 3; do head -c 3000 /dev/urandom > "$1/$i"; sync "$1/$i"; done
}
# The bucket alone gives back what $T/NAME.live says: returns NAME
comes_back()
{
	rm -rf "$T/new"
	try "$2: recovered" as OWNER hf recover --from "$(place vault "$1")" --kit "$T/$1.kit" "$T/new" || return
	mounted new
	contents "$T/mnt" | cmp -s - "$T/$1.live"
	ok $? "$2: with every file"
	unmounted
}
# Fill a mounted store, wait until the bucket has it, keep what it holds.
settled()
{
	fill "$T/mnt/$2" "${3:-200000}"
	eventually 20 is_current "$T/$1"
	ok $? "$2: all is in the bucket" || diag "$(hf status "$T/$1")"
	contents "$T/mnt" > "$T/$1.live"
}

# --- what is tried when it is added

behave
try "a bucket with a lock" new_store a
for line in 'versions +kept' 'object lock +COMPLIANCE.*by the bucket.s default' 'overwriting +refused: the first' 'damaged uploads +refused' \
	'deleting a version +refused' 'deleting +refused' 'shortening a retention +refused' 'listing +allowed'; do
	grep -qE "$line" "$T/said"
	ok $? "told: ${line//+/}" || diag "$(cat "$T/said")"
done
is "$(stat -c %a "$T/a/replicas/vault.credentials")" 600 "the credentials are for the owner's eyes"
! grep -rq writersecret "$T/a" --include='*.json' --include='*.receipt'
ok $? "and nowhere else in the store"

refused() # NAME PATTERN behaviour…
{
	behave "${@:3}"
	rm -rf "$T/r" "$T/r.kit"
	new_store r
	grep -qE "$2" "$T/said" && [ -e "$T/r/volume" ] && [ ! -e "$T/r/replicas/vault.json" ] &&
		grep -q "replica add $T/r): s3://vault/r does not keep what is put there" "$T/said"
	ok $? "refused: $1" || diag "$(cat "$T/said")"
	rm -rf "$T/r" "$T/r.kit"
	new_store r --without-lock
	[ -e "$T/r/replicas/vault.json" ]
	ok $? "but taken when it is said: $1" || diag "$(cat "$T/said")"
}
refused "no versions" 'versions +not kept' lock=0 versions=0
refused "no lock" 'object lock +none' lock=0
refused "a lock that does not hold" 'deleting a version +works' may_delete=1 locks_hold=0
behave may_delete=1 locks_hold=0 busy_deletes=1000
rm -rf "$T/r" "$T/r.kit"
new_store r
grep -q 'answers 429' "$T/said" && ! grep -qE 'deleting' "$T/said" && [ ! -e "$T/r/replicas/vault.json" ]
ok $? "a server that is too busy for a question has not answered it" || diag "$(cat "$T/said")"
behave lock=0
rm -rf "$T/r" "$T/r.kit"
new_store r --retention 30d
grep -q 'without Object Lock' "$T/said"
ok $? "refused: a retention where there is no lock" || diag "$(cat "$T/said")"
behave
rm -rf "$T/r" "$T/r.kit"
new_store r --retention 90d
grep -qE 'object lock +COMPLIANCE, for what is put now until [0-9T:-]+$' "$T/said"
ok $? "a retention of our own" || diag "$(cat "$T/said")"
AWS_ACCESS_KEY_ID='' fails "no credentials" 2 'set AWS_ACCESS_KEY_ID' hf replica add "$T/r" "$(place vault x)" --name x
printf '[default]\naws_access_key_id = WRITER\naws_secret_access_key = writersecret\n' > "$T/credentials"
AWS_SHARED_CREDENTIALS_FILE=$T/credentials fails "a file that others may read" 2 'chmod 600' hf replica add "$T/r" "$(place vault x)" --name x
chmod 600 "$T/credentials"
AWS_SHARED_CREDENTIALS_FILE=$T/credentials try "credentials from a file" hf replica add "$T/r" "$(place vault x)" --name x
fails "http to elsewhere" 2 'http:// is for this machine' as WRITER hf replica add "$T/r" 's3://vault/x?endpoint=http://192.0.2.1' --name y
AWS_ACCESS_KEY_ID=WRITER AWS_SECRET_ACCESS_KEY=wrong fails "a wrong secret" 2 'answers 403 SignatureDoesNotMatch \(no\) to putting an object: the secret key is wrong' hf replica add "$T/r" \
	"$(place vault z)" --name y
rm -rf "$T/r"

# --- the writer, when answers fail

log > /dev/null
mounted a
settled a plain 9000000
as WRITER try "a second one, while it is mounted" hf replica add "$T/mnt" "$(place vault second)" --name second
grep -qE 'object lock +COMPLIANCE' "$T/.out"
ok $? "tried and told as well" || diag "$(cat "$T/.out")"
eventually 20 eval '[ "$(keys OWNER vault second | is_log | wc -l)" -ge 2 ]'
ok $? "it gets the past"
try "and is removed again" hf replica remove "$T/mnt" second
is "$(log | grep -c ' PUT /vault/a/.*0000000001-')" "$(keys OWNER vault a | is_log | wc -l)" "each object was put once"
behave busy=3
settled a busy
behave mute_puts=3
settled a mute
behave first_wins=0 mute_puts=3
settled a mute-and-more
behave md5_etags=0
settled a no-md5
behave slow_ms=200
settled a slow
unmounted
behave md5_etags=0 spoil_puts=1
mounted a
echo more > "$T/mnt/spoilt" && sync "$T/mnt/spoilt"
eventually 30 is_current "$T/a"
ok $? "bytes that a server spoils are not taken for kept: the right ones are put over them" || diag "$(hf status "$T/a")"
contents "$T/mnt" > "$T/a.live"
unmounted
behave
comes_back a "after all that"

# --- how often

as WRITER try "a store that puts little once a minute" hf init "$T/p" --kit-file "$T/p.kit" --replica "$(place vault p)&interval=60"
hf mount "$T/p" "$T/mnt" -o sync=replica,commit=0.1 || bail "it does not mount"
try "who waits for the bucket need not wait for the minute" eval 'echo now > "$T/mnt/now" && sync "$T/mnt/now"'
log > /dev/null
for i in 1 2 3; do
	echo little > "$T/mnt/little-$i"
	eventually 10 eval '[ "$(hf status "$T/p" --json | json head_tid)" = "$(hf status "$T/p" --json | json committed_tid)" ]'
	sleep 0.5
done
is "$(log | grep -c ' PUT ')" 0 "little that nobody waits for waits for more"
head -c 9000000 /dev/urandom > "$T/mnt/much"
eventually 30 eval 'log | grep -q "^200 WRITER PUT "'
ok $? "and when there is much, that goes at once" || diag "$(hf status "$T/p")"
try "the rest goes when it is unmounted" hf unmount "$T/mnt" --timeout 30

# --- lists

behave page=2
mounted a
settled a pages
unmounted
comes_back a "with two on a page"
behave endless=1
rm -rf "$T/new"
fails "a list without end is no list" 2 'goes on' as OWNER hf recover --from "$(place vault a)" --kit "$T/a.kit" "$T/new"
behave may_list=0
log > /dev/null
mounted a
settled a no-list
unmounted
is "$(log | grep -c '^412')" 0 "without leave to list its end is found, and nothing put twice"
behave

# --- retention, which the owner renews

volume=$(hf status "$T/a" --json | json volume_id)
oldest=$(versions OWNER vault "a/$volume" | is_log | head -n 1 | sed 's/ /?versionId=/')
kept_until() { ask OWNER HEAD "vault/$oldest" && grep -i 'retain-until-date: ' "$T/answer" | grep -o '[0-9-]*T[0-9:]*'; }
before=$(kept_until)
fails "the writer renews nothing" 2 'answers 403' as WRITER hf replica renew "$(place vault a)" --volume "$volume" --retention 60d
is "$(kept_until)" "$before" "the oldest object is kept for as long as it was"
try "the owner renews" as OWNER hf replica renew "$(place vault a)" --volume "$volume" --retention 60d
is "$(kept_until | cut -dT -f1)" "$(date -u -d '+60 days' +%F)" "it is kept for sixty days"
try "a shorter one changes nothing" as OWNER hf replica renew "$(place vault a)" --volume "$volume" --retention 5d
grep -q '^0 locked for 5 days' "$T/.out"
ok $? "and says so" || diag "$(cat "$T/.out")"

# --- what hides, and what lies on top

for key in $(keys OWNER vault a | is_log | head -n 3); do ask OWNER DELETE "vault/$key"; done
before=$(keys OWNER vault a | is_log | wc -l)
comes_back a "behind delete markers"
mounted a
settled a markers
unmounted
[ "$(keys OWNER vault a | is_log | wc -l)" -ge $((before + 3)) ]
ok $? "the writer puts what is hidden again"
head -c 5000 /dev/urandom > "$T/junk"
for key in $(keys OWNER vault a | is_log); do ask OWNER PUT "vault/$key" "$T/junk"; done
comes_back a "under newer versions of everything"
mounted a
settled a junk
unmounted
comes_back a "and the writer goes on"
# What nobody but the thief can read, over the writer's last object and where his next will be: before a mount, and during it.
seal()
{
	local last offset key='x-amz-server-side-encryption-customer-algorithm: AES256'

	last=$(keys OWNER vault a | is_log | tail -n 1) offset=${last##*-}
	ask OWNER GET "vault/$last" && cp "$T/answer" "$T/last"
	ask WRITER PUT "vault/$last" "$T/last" "$key"
	answered 200 "a thief seals the last object"
	offset=$(printf %010d $((10#$offset + $(stat -c %s "$T/last"))))
	ask WRITER PUT "vault/${last%-*}-$offset" "$T/junk" "$key"
	answered 200 "and the next"
}
seal
mounted a
settled a sealed
seal
settled a sealed-again
unmounted
comes_back a "all was put over it"
# Where a header belongs: nothing, what is sealed with the thief's own key, and what is only too old to be looked at.
: > "$T/empty"
for folder in 0000000001-0000000000000000 0000000009-0000000000000000; do
	ask WRITER PUT "vault/a/$volume/$folder/0000000001-0000000000" "$T/empty"
	ask WRITER PUT "vault/a/$volume/$folder/0000000002-0000000000" "$T/junk" 'x-amz-server-side-encryption-customer-algorithm: AES256'
done
answered 200 "a thief puts headers that nobody can read"
comes_back a "beside them"
mounted a
settled a unreadable
unmounted
comes_back a "the writer is not kept by them"
behave expire=3
rm -rf "$T/new"
fails "credentials that run out on the way are no end of the log" 2 'ExpiredToken' as OWNER hf recover --from "$(place vault a)" \
	--kit "$T/a.kit" "$T/new"
behave
try "and with others it goes on" as OWNER hf recover --from "$(place vault a)" --kit "$T/a.kit" "$T/new"
mounted new
contents "$T/mnt" | cmp -s - "$T/a.live"
ok $? "with every file"
unmounted
behave no_ranges=100 cut_gets=5
comes_back a "ranges not known, and bodies that end too early"
behave bad_ranges=100
comes_back a "other parts than were asked for"
behave short_gets=1000
rm -rf "$T/new"
fails "bodies that are all cut short" 2 "owner's signature|verif|beginning" as OWNER hf recover --from "$(place vault a)" --kit "$T/a.kit" "$T/new"

# --- TLS, and a bucket before the host's name

behave
openssl_quiet() { openssl "$@" 2> "$T/openssl.err" || bail "openssl: $(cat "$T/openssl.err")"; }
for name in ca other; do
	openssl_quiet req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$name" \
		-keyout "$T/$name.key" -out "$T/$name.pem"
done
openssl_quiet req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout "$T/server.pem" -out "$T/server.csr"
echo 'subjectAltName=DNS:localhost,DNS:vault.localhost' > "$T/server.ext"
openssl_quiet x509 -req -days 2 -in "$T/server.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -CAcreateserial -extfile "$T/server.ext" >> "$T/server.pem"
start_server "$T/tls.port" "$T/server.pem"
tls="s3://vault/t?endpoint=https://localhost:$(cat "$T/tls.port")&style=host"
add_tls() { as WRITER hf replica add "$T/a" "$1" --name tls; }
fails "a server whose authority is not known" 2 'name the authority.s file with &ca=FILE' add_tls "$tls"
fails "another authority than the server's" 2 'name the authority.s file with &ca=FILE' add_tls "$tls&ca=$T/other.pem"
fails "a certificate for another name" 2 'certificate subject name .*127\.0\.0\.1' \
	add_tls "s3://vault/t?endpoint=https://127.0.0.1:$(cat "$T/tls.port")&ca=$T/ca.pem"
fails "a server that speaks no TLS" 2 "https://localhost:$(cat "$T/port"): " add_tls "s3://vault/t?endpoint=https://localhost:$(cat "$T/port")"
try "its own authority" add_tls "$tls&ca=$T/ca.pem"
mounted a
settled a tls
unmounted
curl -s --cacert "$T/ca.pem" "https://localhost:$(cat "$T/tls.port")/_log" > "$T/requests"
grep -q "^200 WRITER PUT /t/$volume/" "$T/requests" && ! grep -q ' /vault' "$T/requests"
ok $? "the bucket stands before the host's name, and not in the path" || diag "$(head "$T/requests")"
rm -rf "$T/new"
try "recovered over TLS" as OWNER hf recover --from "$tls&ca=$T/ca.pem" --kit "$T/a.kit" "$T/new"
mounted new
contents "$T/mnt" | cmp -s - "$T/a.live"
ok $? "with every file"
unmounted
hf replica remove "$T/a" tls

# --- another history

behave
try "another store" new_store b
mounted b
settled b first
unmounted
cp -a "$T/b" "$T/b.old"
mounted b
settled b second
unmounted
cp -a "$T/b" "$T/thief"
head=$(hf head "$T/b")
behave forget=2
fails "an older state is refused, by a saved head" 2 "is not in this replica's log: .*older state" as OWNER hf recover --head "$head" \
	--from "$(place vault b)" --kit "$T/b.kit" "$T/new"
rm -rf "$T/new"
as OWNER hf recover --from "$(place vault b)" --kit "$T/b.kit" "$T/new" > "$T/said"
grep -q '^freshness unproven' "$T/said"
ok $? "without one it is said that nothing proves it the newest" || diag "$(cat "$T/said")"
behave
rm -rf "$T/new"
as OWNER hf recover --head "$head" --from "$(place vault b)" --kit "$T/b.kit" "$T/new" > "$T/said"
grep -q '^freshness proven' "$T/said"
ok $? "and the true one is proven" || diag "$(cat "$T/said")"
rm -rf "$T/b" && mv "$T/b.old" "$T/b"
mounted b
echo other > "$T/mnt/other" && sync "$T/mnt/other"
eventually 20 eval 'hf status "$T/b" | grep -q "another history than this store, or more of it"'
ok $? "a store that was rolled back is told so" || diag "$(hf status "$T/b")"
unmounted 1
comes_back b "and what it would have covered"

# --- epochs

as WRITER try "the new store ships to the same bucket" hf replica add "$T/new" "$(place vault b)"
mounted new
fill "$T/mnt/new"
eventually 20 is_current "$T/new"
ok $? "its epoch is in the bucket" || diag "$(hf status "$T/new")"
contents "$T/mnt" > "$T/b.live"
unmounted
mounted b
eventually 20 eval 'hf status "$T/b" | grep -q "is over"'
ok $? "the old store's epoch is over" || diag "$(hf status "$T/b")"
unmounted 1
comes_back b "of two epochs"
# The old key, and credentials that nobody has revoked: lists would tell him that his epoch is over.
behave may_list=0
mounted thief
echo stolen > "$T/mnt/stolen" && sync "$T/mnt/stolen"
eventually 20 is_current "$T/thief"
ok $? "a thief goes on in the old epoch" || diag "$(hf status "$T/thief")"
unmounted
behave
as WRITER try "the newest store ships there" hf replica add "$T/new" "$(place vault b)"
mounted new
fill "$T/mnt/more"
eventually 20 is_current "$T/new"
ok $? "and is not kept from it" || diag "$(hf status "$T/new")"
contents "$T/mnt" > "$T/b.live"
unmounted
comes_back b "without what the thief put"
last=$(keys OWNER vault b | is_log | tail -n 1)
head -c 400 /dev/urandom > "$T/litter"
ask WRITER PUT "vault/${last%/*}/0000000001-0000000000?n=[1-1001]" "$T/litter"
comes_back b "with a thousand false headers before the true one of its last epoch"

# --- an epoch that ends by plan

try "a third store" new_store k
mounted k
settled k before
unmounted
try "it is given a new key" hf rekey "$T/k" --kit "$T/k.kit"
grep -q 'a bucket, which checks no keys' "$T/.out"
ok $? "and what that means for a bucket is told" || diag "$(cat "$T/.out")"
mounted k
settled k after
unmounted
comes_back k "of both"
fails "nothing of this volume" 2 'nothing of this volume' as OWNER hf recover --from "$(place vault c)" --kit "$T/b.kit" "$T/none"

# --- a recovery rehearsed: read with the owner's credentials, tried with those that are in the store

drilled() { as OWNER hf drill "$@" --moments 0 --dir "$T" > "$T/said" 2>&1; echo "$? $(grep -oE '^[A-Z]+  (compare|delete|overwrite|fork)' "$T/said" | tr -s ' \n' ' ')"; }
is "$(drilled "$T/k")" "0 PASS compare PASS delete PASS overwrite SKIP fork " "a drill of a bucket that keeps what it has" || diag "$(cat "$T/said")"
grep -q 'PASS  delete .*deleting a version: refused; deleting: refused' "$T/said"
ok $? "says what was refused" || diag "$(cat "$T/said")"
is "$(drilled --from "$(place vault k)" --kit "$T/k.kit")" "0 PASS compare SKIP delete SKIP overwrite SKIP fork " \
	"with the kit alone the primary's credentials are not tried" || diag "$(cat "$T/said")"
behave may_delete=1 locks_hold=0
is "$(drilled "$T/k")" "1 PASS compare FAIL delete PASS overwrite SKIP fork " "a lock that does not hold any more is a drill that fails" ||
	diag "$(cat "$T/said")"
behave lock=0
new_store w --without-lock
mounted w
settled w words
unmounted
is "$(drilled "$T/w")" "0 PASS compare WEAK delete PASS overwrite SKIP fork " "one that was known to have none is weak" ||
	diag "$(cat "$T/said")"
behave
fails "a bucket is not sampled" 2 'whole or not at all' as OWNER hf drill "$T/k" --sample 1M
done_testing
