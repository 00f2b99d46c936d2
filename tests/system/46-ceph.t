#!/bin/bash
# SPDX-License-Identifier: MIT
# A bucket of a real S3 server, Ceph's gateway, with Object Lock. A store ships to it with credentials that may put, get and
# list. Then whoever has stolen those credentials, and the writer key with them, does his worst; then the bucket's owner does.
# What comes back from the bucket and the kit alone is what was there, to the byte.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root "Ceph's daemons are started"
for tool in ceph-mon ceph-osd radosgw radosgw-admin ceph; do
	command -v $tool > /dev/null || skip_all "no $tool (apt-get install ceph-mon ceph-osd radosgw ceph-common)"
done
# shellcheck source=tests/s3/s3.sh
. "$TOP/tests/s3/s3.sh"

# shellcheck disable=SC2034 # as, ask
declare -A secret=([OWNER]=ownersecret [WRITER]=writersecret)
trap '"$TOP/tests/s3/ceph.sh" down "$T/ceph"; cleanup' EXIT
"$TOP/tests/s3/ceph.sh" up "$T/ceph" > "$T/ceph.out" 2>&1 || bail "Ceph does not start: $(tail -n 20 "$T/ceph.out")"
endpoint=$(cat "$T/ceph/endpoint")
mkdir "$T/mnt"

# --- a bucket as PROTOCOL.md §11.6 wants it

cat > "$T/lock.xml" <<'END'
<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>
END
cat > "$T/policy.json" <<'END'
{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/writer"]},
"Action":["s3:PutObject","s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::vault","arn:aws:s3:::vault/*"]}]}
END
ask OWNER PUT vault "" 'x-amz-bucket-object-lock-enabled: true'
answered 200 "a bucket with Object Lock"
ask OWNER PUT 'vault?object-lock=' "$T/lock.xml"
answered 200 "thirty days by default"
ask OWNER PUT 'vault?policy=' "$T/policy.json"
answered 204 "the writer may put, get and list"

as WRITER hf init "$T/store" --kit-file "$T/kit" --replica "$(place vault backups)" > "$T/said" 2>&1
ok $? "a volume that ships there" || diag "$(cat "$T/said")"
for line in 'versions +kept' 'object lock +COMPLIANCE' 'shortening a retention +refused' 'deleting a version +refused' 'deleting +refused'; do
	grep -qE "$line" "$T/said"
	ok $? "told: ${line//+/}" || diag "$(cat "$T/said")"
done
volume=$(hf status "$T/store" --json | json volume_id)
root=backups/$volume

ask OWNER PUT plain ""
fails "a bucket without a lock is refused" 2 'without-lock' as OWNER hf replica add "$T/store" "$(place plain x)"
as OWNER hf replica add "$T/store" "$(place plain x)" --name plain --without-lock > "$T/said" 2>&1
grep -qE 'DANGER +versions' "$T/said"
ok $? "or taken, with a warning" || diag "$(cat "$T/said")"
hf replica remove "$T/store" plain
fails "a retention shorter than the bucket's own" 2 'keeps objects for 30 days' as OWNER hf replica add "$T/store" "$(place vault y)" --name y --retention 5d

hf mount "$T/store" "$T/mnt" || bail "it does not mount"
for i in $(seq 6); do
	mkdir "$T/mnt/$i" && head -c $((i * 1500000)) /dev/urandom > "$T/mnt/$i/data" && cp "$0" "$T/mnt/$i/text" && sync "$T/mnt/$i/data"
done
eventually 30 is_current "$T/store"
ok $? "all is in the bucket" || diag "$(hf status "$T/store")"
contents "$T/mnt" > "$T/live"
hf unmount "$T/mnt" > /dev/null
log_keys=$(keys OWNER vault "$root" | is_log)
[ "$(wc -l <<< "$log_keys")" -ge 4 ]
ok $? "in several objects"

# --- what the owner ought to do now and then

try "the owner renews the lock, from anywhere" as OWNER hf replica renew "$(place vault backups)" --volume "$volume" --retention 60d
ask OWNER HEAD "vault/$(versions OWNER vault "$root" | is_log | head -n 1 | sed 's/ /?versionId=/')"
grep -qi "retain-until-date: $(date -u -d '+60 days' +%F)" "$T/answer"
ok $? "the oldest object is kept for sixty days" || diag "$(cat "$T/answer")"
try "a shorter one changes nothing" as OWNER hf replica renew "$(place vault backups)" --volume "$volume" --retention 5d
grep -q '^0 locked for 5 days' "$T/.out"
ok $? "and says so" || diag "$(cat "$T/.out")"
fails "the writer may not" 2 'answers 403' as WRITER hf replica renew "$(place vault backups)" --volume "$volume" --retention 60d

# --- what the writer's credentials can do

head -c 4000 /dev/urandom > "$T/junk"
key=$(head -n 2 <<< "$log_keys" | tail -n 1)
version=$(versions OWNER vault "$key" | cut -d' ' -f2)
ask WRITER DELETE "vault/$key"
answered 403 "the thief deletes an object: refused"
ask WRITER DELETE "vault/$key?versionId=$version"
answered 403 "a version: refused"
ask WRITER DELETE "vault/$key?versionId=$version" "" 'x-amz-bypass-governance-retention: true'
answered 403 "a version, with a bypass: refused"
printf '<Delete><Object><Key>%s</Key><VersionId>%s</VersionId></Object></Delete>' "$key" "$version" > "$T/delete.xml"
ask WRITER POST 'vault?delete=' "$T/delete.xml"
! grep -q '<Deleted>' "$T/answer"
ok $? "many at once: none" || diag "$(cat "$T/answer")"
printf '<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>' "$(date -u -d '+1 minute' +%FT%TZ)" > "$T/short.xml"
ask WRITER PUT "vault/$key?retention=&versionId=$version" "$T/short.xml"
answered 403 "shortens a retention: refused"
printf '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>' > "$T/suspend.xml"
ask WRITER PUT 'vault?versioning=' "$T/suspend.xml"
answered 403 "suspends versioning: refused"
ask WRITER PUT 'vault?policy=' "$T/policy.json"
answered 403 "gives itself rights: refused"
for key in $log_keys; do ask WRITER PUT "vault/$key" "$T/junk"; done
answered 200 "overwrites every object: this server lets him"
ask WRITER GET "vault/$key"
cmp -s "$T/answer" "$T/junk"
ok $? "and a plain read gives what he put"

# --- what the owner's can do

for one in $(head -n 3 <<< "$log_keys"); do ask OWNER DELETE "vault/$one"; done
answered 204 "the owner deletes objects: markers"
[ "$(keys OWNER vault "$root" | is_log | wc -l)" -lt "$(wc -l <<< "$log_keys")" ]
ok $? "they are not to be seen any more"
ask OWNER DELETE "vault/$(versions OWNER vault "$root" | is_log | head -n 1 | sed 's/ /?versionId=/')"
answered 403 "he deletes a version: refused"
ask OWNER PUT "vault/$(versions OWNER vault "$root" | is_log | head -n 1 | sed 's/ /?retention=\&versionId=/')" "$T/short.xml"
answered 403 "he shortens a retention: refused"
ask OWNER PUT 'vault?versioning=' "$T/suspend.xml"
answered 409 "he suspends versioning: refused"
ask OWNER DELETE vault
answered 409 "he deletes the bucket: refused"

# Halves of true objects over the true ones, true bytes at wrong places, keys between and behind, and of an epoch nobody began.
first=$(head -n 1 <<< "$log_keys")
ask OWNER GET "vault/$(versions OWNER vault "$first" | tail -n 1 | sed 's/ /?versionId=/')"
cp "$T/answer" "$T/header"
ask OWNER GET "vault/$(versions OWNER vault "$key" | tail -n 1 | sed 's/ /?versionId=/')"
head -c 2000 "$T/answer" > "$T/half" && cp "$T/answer" "$T/whole"
ask OWNER PUT "vault/$key" "$T/half"
ask OWNER PUT "vault/${first%-*}-0000000007" "$T/whole"
ask OWNER PUT "vault/${first%/*}/0000000001-0099999999" "$T/whole"
ask OWNER PUT "vault/${first%/*}/0000000002-0000000000" "$T/header"
ask OWNER PUT "vault/$root/0000000002-0123456789abcdef/0000000002-0000000000" "$T/header"
ask OWNER PUT "vault/$root/what-is-this%21%0A" "$T/junk"
answered 200 "and he puts things in between"

# --- and what comes back

recovered() # NAME
{
	rm -rf "$T/new"
	try "$1" as OWNER hf recover --from "$(place vault backups)" --kit "$T/kit" "$T/new" || return
	grep 'lie behind the end' "$T/.out" > "$T/behind"
	hf mount "$T/new" "$T/mnt" -o ro || bail "it does not mount"
	contents "$T/mnt" | cmp -s - "$T/live"
	ok $? "every file of it, to the byte"
	hf unmount "$T/mnt" > /dev/null
}
rm -rf "$T/store"
recovered "recovered from the bucket and the kit alone"
[ -s "$T/behind" ]
ok $? "what does not belong there is told"
try "no fault in it" hf check "$T/new"

as WRITER try "the new store ships there again" hf replica add "$T/new" "$(place vault backups)"
hf mount "$T/new" "$T/mnt" || bail "it does not mount"
echo after > "$T/mnt/after" && sync "$T/mnt/after"
eventually 60 is_current "$T/new"
ok $? "and puts over it what others lay over its log" || diag "$(hf status "$T/new")"
contents "$T/mnt" > "$T/live"
hf unmount "$T/mnt" > /dev/null
recovered "recovered again, of two epochs"
is "$(hf status "$T/new" --json | json epoch)" 3 "the third has begun"
done_testing
