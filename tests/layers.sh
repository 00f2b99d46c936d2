#!/bin/sh
# SPDX-License-Identifier: MIT
# Includes point down only (docs/ARCHITECTURE.md). Prints each offence and exits 1 if there is one.
set -u
cd "$(dirname "$0")/.." || exit 2

find fs store include -name '*.[ch]' | sort | xargs awk '
function layer(path)
{
	if (path ~ /^store\/(base|os)\//) return 0
	if (path ~ /^store\/(format|crypto)\//) return 1
	if (path ~ /^store\/(chunk|log|index)\//) return 2
	if (path ~ /^store\/tree\//) return 3
	if (path ~ /^store\/(volume|history|replica|node|alarm|drill)\//) return 4
	if (path ~ /^fs\/mount\//) return 5
	if (path ~ /^fs\/(web|doctor)\//) return 5.5
	if (path ~ /^fs\/metrics\//) return 5.6
	if (path ~ /^fs\/cli\//) return 6
	return -1
}
function bad(why)
{
	printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0
	faults++
}
/^[ \t]*#[ \t]*include/ {
	name = $0
	sub(/^[^<"]*[<"]/, "", name)
	sub(/[>"].*$/, "", name)

	if (name ~ /^sodium/ && FILENAME !~ /^store\/crypto\//) bad("libsodium is for store/crypto alone")
	if (name ~ /^openssl/ && FILENAME !~ /^store\/crypto\//) bad("libcrypto is for store/crypto alone")
	if (name ~ /^rocksdb\// && FILENAME !~ /^store\/index\//) bad("RocksDB is for store/index alone")
	if (name ~ /^curl\// && FILENAME !~ /^store\/replica\//) bad("libcurl is for store/replica alone")
	if (name ~ /^expat/ && FILENAME !~ /^store\/replica\//) bad("libexpat is for store/replica alone")
	if (name ~ /^microhttpd/ && FILENAME !~ /^(store\/node|fs\/web)\//)
		bad("libmicrohttpd is for store/node and fs/web alone")
	if (name ~ /^fuse/ && FILENAME !~ /^fs\/mount\//) bad("libfuse is for fs/mount alone")

	if ($0 !~ /"/) next
	if (FILENAME ~ /^include\// && name !~ /^holdfast\//) bad("public headers include public headers only")
	if (FILENAME ~ /^fs\// && name !~ /^(holdfast|fs)\//) bad("fs sees the store through include/holdfast only")
	if (name !~ /^(holdfast|store|fs)\//) bad("includes are written from the top")
	if (layer(FILENAME) >= 0 && layer(name) > layer(FILENAME)) bad("includes point down only")
}
END { exit faults > 0 }
'
