#!/bin/bash
# SPDX-License-Identifier: MIT
# What programs have written and only the kernel has yet: of a mapping, and with -o coalesce of any file. What is told
# of now has it, a moment that is named too, and it does not come after what a restore has put there.
. "$(dirname "$0")/lib.sh"
need_fuse

SIZE=$((96 << 20)) # more than the kernel hands out at a time

# Keeps FILE open, filled with the letter by HOW (map, write), until a line comes in, or for a minute.
cat > "$T/hold" <<- 'END'
	import mmap, os, select, sys
	path, size, how, letter, ready = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4].encode(), sys.argv[5]
	file = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
	if how == "map":
	    os.ftruncate(file, size)
	    mapping = mmap.mmap(file, size)
	    mapping[:] = letter * size
	else:
	    os.pwrite(file, letter * size, 0)
	open(ready, "w").close()
	select.select([0], [], [], 60)
END

# hold FILE HOW LETTER: returns when FILE is filled; let_go ends it
hold()
{
	mkfifo "$T/fifo"
	python3 "$T/hold" "$1" "$SIZE" "$2" "$3" "$T/ready" < "$T/fifo" &
	holder=$!
	exec 7> "$T/fifo"
	rm "$T/fifo"
	eventually 30 test -e "$T/ready" || bail "nobody holds $1"
	rm "$T/ready"
}
let_go()
{
	exec 7>&-
	wait "$holder"
}
only() { printf '%s %s' "$(wc -c < "$1")" "$(tr -d "$2" < "$1" | wc -c)"; } # its bytes, and those that are others

mkdir "$T/mnt"
hf init "$T/store" --kit-file "$T/kit" > /dev/null 2>&1 || bail "cannot make a volume"
for how in map write; do
	options=rw
	[ "$how" = write ] && options=coalesce
	hf mount "$T/store" "$T/mnt" -o "$options" || bail "cannot mount"

	hold "$T/mnt/$how" "$how" a
	hf snapshot "$T/mnt" "$how-a" > /dev/null
	is "$(only "$T/mnt/.history/tags/$how-a/$how" a)" "$SIZE 0" "$how: a named moment has what was written before"
	let_go

	hold "$T/mnt/$how" "$how" b
	hf restore "$T/mnt/$how@$how-a" > /dev/null 2>&1
	is "$(only "$T/mnt/$how" a)" "$SIZE 0" "$how: a file that somebody has just written to is restored"
	let_go
	is "$(only "$T/mnt/$how" a)" "$SIZE 0" "$how: and stays so when it is closed"
	hf unmount "$T/mnt" || bail "cannot unmount"
	hf mount "$T/store" "$T/mnt" || bail "cannot mount"
	is "$(only "$T/mnt/$how" a)" "$SIZE 0" "$how: and when it is mounted anew"
	hf unmount "$T/mnt" || bail "cannot unmount"
done

# --- whose it was the kernel does not say with it: a save is one doing all the same
if [ "$(id -u)" -eq 0 ]; then
	cat > "$T/save" <<- 'END'
		import mmap, os, sys
		path, how, text = sys.argv[1], sys.argv[2], sys.argv[3].encode()
		os.setgroups([])
		os.setgid(65534)
		os.setuid(65534)
		file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o644)
		if how == "map":
		    os.ftruncate(file, len(text))
		    mapping = mmap.mmap(file, len(text))
		    mapping[:] = text
		    mapping.close()
		else:
		    os.write(file, text)
		os.close(file)
	END
	chmod 755 "$T" "$T/mnt"
	save() { python3 "$T/save" "$@"; } # save FILE HOW TEXT
	for how in map write; do
		options=allow_other
		[ "$how" = write ] && options=allow_other,coalesce
		hf mount "$T/store" "$T/mnt" -o "$options" || bail "cannot mount"
		mkdir "$T/mnt/$how-user" && chown 65534 "$T/mnt/$how-user"
		f=$T/mnt/$how-user/file
		save "$f" "$how" good && sleep 1.2 && save "$f" "$how" "not so good" && sleep 1.2
		hf log "$f" > "$T/said"
		is "$(grep -c ' root ' "$T/said")" 0 "$how: what a user saved root has not written" || diag "$(cat "$T/said")"
		hf undo "$f" --yes > "$T/said"
		is "$(cat "$f")" good "$how: the save is undone whole" || diag "$(cat "$T/said")"
		grep -q ' of uid 65534,' "$T/said"
		ok $? "$how: as that user's" || diag "$(cat "$T/said")"
		sleep 1.2 && save "$f" "$how" more && echo root > "$f" && hf undo "$f" --yes > "$T/said"
		is "$(cat "$f")" more "$how: what root did just after it is root's" || diag "$(cat "$T/said")"
		hf unmount "$T/mnt" || bail "cannot unmount"
	done
else
	for i in $(seq 8); do ok 0 "# SKIP needs root ($i)"; done
fi

# --- whatever tells or names what is now has it; what is of the past does not wait for it
cat > "$T/keep" <<- 'END'
	import mmap, os, sys
	path, how, ready = sys.argv[1:]
	file = os.open(path, os.O_RDWR)
	mapping = mmap.mmap(file, 4) if how == "map" else None
	for line in sys.stdin:
	    if mapping:
	        mapping[:] = line[0].encode() * 4
	    else:
	        os.pwrite(file, line[0].encode() * 4, 0)
	    open(ready, "w").close()
END
# put LETTER: the file that is kept open is filled with it
put()
{
	echo "$1" >&7
	eventually 30 test -e "$T/ready" || bail "nobody holds the file"
	rm "$T/ready"
}
wrote() { hf log "$1" | grep -c wrote; }
for how in map write; do
	options=rw
	[ "$how" = write ] && options=coalesce
	hf mount "$T/store" "$T/mnt" -o "$options" || bail "cannot mount"
	f=$T/mnt/$how-kept
	printf 0000 > "$f" && hf snapshot "$T/mnt" "$how-0" > /dev/null
	mkfifo "$T/fifo"
	python3 "$T/keep" "$f" "$how" "$T/ready" < "$T/fifo" &
	holder=$!
	exec 7> "$T/fifo"
	rm "$T/fifo"

	put a && is "$(hf cat "$f")" aaaa "$how: cat"
	put b && hf restore "$f@now" --to "$T/out-$how" > /dev/null
	is "$(cat "$T/out-$how/$how-kept")" bbbb "$how: what is written out elsewhere"
	put c && hf snapshot "$T/mnt" "$how-c" --at now > /dev/null
	is "$(cat "$T/mnt/.history/tags/$how-c/$how-kept")" cccc "$how: a snapshot of now by its name"
	before=$(wrote "$f")
	put d && is "$(wrote "$f")" $((before + 1)) "$how: the log"
	hf snapshot "$T/mnt" "$how-d" > /dev/null
	put e && is "$(hf diff "$how-d" now "$f" | grep -c "$how-kept")" 1 "$how: what has changed"
	put f && is "$(hf cat "$f@$how-0")" 0000 "$how: what it was is told"
	is "$(cat "$T/mnt/.history/at/now/$how-kept")" eeee "$how: without asking the kernel for more"
	let_go
	hf unmount "$T/mnt" || bail "cannot unmount"
done
done_testing
