#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that know nothing of holdfast, on the mount, as they are.
. "$(dirname "$0")/lib.sh"
need_fuse
make_volume || bail "no volume"
cd "$T/mnt" || exit 2

have() { command -v "$1" > /dev/null || { ok 0 "$2 # SKIP no $1"; return 1; }; }

if have sqlite3 "sqlite"; then
	for mode in delete wal truncate; do
		sqlite3 "$mode.db" "pragma journal_mode=$mode; create table t(id integer primary key, text); create index i on t(text);" > /dev/null
		for round in 1 2 3; do
			sqlite3 "$mode.db" "begin; with recursive n(x) as (select 1 union all select x + 1 from n where x < 2000)
				insert into t(text) select hex(randomblob(20)) || $round from n; delete from t where id % 7 = $round; commit;
				update t set text = text || 'x' where id % 11 = 0;" || break
			hf snapshot "$T/mnt" "$mode-$round" > /dev/null
		done
		is "$(sqlite3 "$mode.db" 'pragma integrity_check')" ok "sqlite with journal_mode=$mode"
	done
	for round in 1 2 3; do
		is "$(sqlite3 "file:$T/mnt/.history/tags/delete-$round/delete.db?immutable=1" 'pragma integrity_check; select count(*) > 1000 from t' |
			tr '\n' ' ')" "ok 1 " "the database as it was after round $round"
	done
	sqlite3 busy.db "create table t(x)"
	for p in 1 2 3; do
		( for _ in $(seq 15); do sqlite3 -cmd ".timeout 20000" busy.db "insert into t values($p)"; done ) &
	done
	wait
	is "$(sqlite3 busy.db 'select count(*) from t; pragma integrity_check' | tr '\n' ' ')" "45 ok " "three processes at one database"
fi

try "tar out and in" eval 'tar -C "$TOP" -cf all.tar docs include store && mkdir untar && tar -C untar -xpf all.tar &&
	tar -C "$TOP" --compare -f all.tar && diff -r "$TOP/store" untar/store'
if have rsync "rsync"; then
	try "rsync -aHAX, then -c finds nothing to do" eval 'rsync -aHAX "$TOP/store" "$TOP/docs" synced &&
		[ -z "$(rsync -aHAXc --itemize-changes --dry-run "$TOP/store" "$TOP/docs" synced)" ]'
	try "rsync --inplace of a file that changed" eval 'head -c 5000000 /dev/urandom > "$T/big" && rsync --inplace "$T/big" big &&
		printf changed | dd of="$T/big" bs=1 seek=1234567 conv=notrunc status=none && rsync -I --inplace --no-whole-file "$T/big" big && cmp "$T/big" big'
fi
if have gcc "gcc"; then
	mkdir build && cp -r "$TOP/store/base" "$TOP/include" build/
	printf '%s\n' 'objects := $(patsubst %.c,%.o,$(wildcard store/base/*.c)) main.o' 'prog: $(objects)' \
		'	$(CC) -o $@ $^ -pthread' 'CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -Iinclude -w' > build/Makefile
	mkdir build/store && mv build/base build/store/
	printf '#include "store/base/buf.h"\nint main(void) { struct buf b = BUF_INIT; buf_add(&b, "x", 1); return b.len != 1; }\n' > build/main.c
	try "make with gcc" make -s -C build -j4
	try "what was built runs" build/prog
	try "make sees that nothing is to do" eval 'make -C build | grep -qi "up to date"'
	try "and what is, when a file is touched" eval 'sleep 0.01; touch build/main.c; make -C build | grep -q main.c'
fi
if have fio "fio"; then
	try "fio: random overwrites and reads, verified" fio --name=verify --directory="$T/mnt" --size=16m --bs=4k-64k --rw=randrw --ioengine=psync \
		--verify=crc32c --verify_fatal=1 --do_verify=1 --fsync=64 --numjobs=2 --minimal --fallocate=none
	try "fio: mapped" fio --name=mapped --directory="$T/mnt" --size=8m --bs=4k --rw=randwrite --ioengine=mmap --verify=crc32c --verify_fatal=1 --minimal
fi
if have perl "perl"; then
	try "two thousand files made, moved, listed, removed" perl -e '
		mkdir "many" or die; for my $n (1 .. 2000) { open(my $f, ">", "many/$n") or die; print $f $n; }
		for my $n (1 .. 2000) { rename("many/$n", "many/moved $n") or die "$n: $!"; }
		opendir(my $d, "many"); my @l = grep { /moved/ } readdir($d); @l == 2000 or die scalar @l;
		for (@l) { unlink("many/$_") or die; } rmdir("many") or die $!'
fi
try "cp --reflink=auto, mv, cmp" eval 'cp --reflink=auto all.tar copy.tar && mv copy.tar moved.tar && cmp all.tar moved.tar'
try "dd with holes, cp --sparse, du" eval 'dd if=/dev/zero of=holes bs=1 count=1 seek=100M status=none && cp --sparse=always holes holes2 &&
	[ "$(du -k holes2 | cut -f 1)" -lt 200 ] && cmp holes holes2'
try "find, grep, sort, sed -i" eval '[ "$(find untar -name "*.c" | wc -l)" = "$(find "$TOP/store" -name "*.c" | wc -l)" ] &&
	grep -rq "MUST_USE" untar && sed -i s/MIT/mit/ untar/store/base/buf.c && ! cmp -s untar/store/base/buf.c "$TOP/store/base/buf.c"'
try "mktemp, install, ln -f, touch -d" eval 'x=$(mktemp -p .) && install -m 751 "$x" installed && ln -f installed again && ln -sfn a s && ln -sfn b s &&
	touch -d 1999-01-01T12:00:00 again && [ "$(stat -c "%a %Y %h" installed)" = "751 $(date -d 1999-01-01T12:00:00 +%s) 2" ] && [ "$(readlink s)" = b ]'
try "tail -f sees what is appended" eval 'echo 1 > tailed; timeout 5 tail -n 0 -f tailed > "$T/tailed" & sleep 0.5; echo 2 >> tailed; sleep 1.5; kill %% 2> /dev/null; grep -q 2 "$T/tailed"'
if [ "$(id -u)" -eq 0 ] && truncate -s 64M image && mkfs.ext4 -qF image 2> /dev/null && mkdir "$T/loop" && mount -o loop image "$T/loop" 2> /dev/null; then
	try "an ext4 in a file" eval 'cp -a "$TOP/docs" "$T/loop" && umount "$T/loop" && e2fsck -fn image && mount -o loop,ro image "$T/loop" && diff -r "$TOP/docs" "$T/loop/docs"'
	umount "$T/loop"
else
	ok 0 "an ext4 in a file # SKIP no loop devices"
fi
cd / || exit 2
try "unmounts" hf unmount "$T/mnt"
try "no fault in the store" hf check "$T/store"
done_testing
