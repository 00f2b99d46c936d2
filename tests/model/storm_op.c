/* SPDX-License-Identifier: MIT */
/* One random operation: what is asked, what the model says to it, what the store says. */
#include <errno.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "tests/model/arena.h"
#include "tests/model/storm.h"

#define DOING(s, ...) ((void)snprintf((s)->doing, sizeof((s)->doing), __VA_ARGS__))

static uint64_t pick_number(struct storm *s, const uint64_t *from, size_t n)
{
	return from[storm_random(s, n)];
}
#define PICK(s, ...)                                      \
	pick_number(s, (const uint64_t[]){ __VA_ARGS__ }, \
		    sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

/* --- choosing inodes and names */

/* An inode of this type, if chance finds one; now and then of another, or none at all. */
static uint64_t pick_inode(struct storm *s, uint32_t type)
{
	for (int tries = 0; tries < 40; tries++) {
		const struct model_inode *i = s->now->inodes[storm_random(s, s->now->n)];

		if (!type || (i->mode & S_IFMT) == type || (tries == 0 && storm_chance(s, 3)))
			return i->ino;
	}
	return storm_chance(s, 5) ? UINT64_C(1) << 40 : HF_ROOT_INO;
}

static const char *pick_new_name(struct storm *s)
{
	static const char *const names[] = { "a",   "b", "c",       "d",   "e",
					     "f",   "g", "h",       "i",   "j",
					     "k",   "l", "m",       "ab",  "abc",
					     "A",   " ", "...",     "\n",  "\xc3\xa4\xff",
					     "-rf", "*", ".hidden", "long" };
	static const char *const bad[] = { "", ".", "..", "a/b", "/" };
	size_t k = storm_random(s, sizeof(names) / sizeof(names[0]));

	if (storm_chance(s, 2))
		return bad[storm_random(s, sizeof(bad) / sizeof(bad[0]))];
	if (strcmp(names[k], "long") == 0) {
		char *name = arena_alloc(260);

		memset(name, 'x', storm_chance(s, 20) ? 256 : 255);
		return name;
	}
	return names[k];
}

/* Mostly one that is in the directory. */
static const char *pick_name(struct storm *s, uint64_t parent)
{
	const struct model_inode *dir = model_find(s->now, parent);

	if (!dir || dir->n_entries == 0 || storm_chance(s, 10))
		return pick_new_name(s);
	return dir->entries[storm_random(s, dir->n_entries)].name;
}

/* --- names */

static int do_create(struct storm *s)
{
	static const uint32_t types[] = { S_IFREG, S_IFREG, S_IFREG, S_IFREG, S_IFDIR,  S_IFDIR,
					  S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK, 0 };
	const uint32_t type = types[storm_random(s, sizeof(types) / sizeof(types[0]))];
	const struct hf_cred cred = { (uint32_t)PICK(s, 0, 1000, 4294967294),
				      (uint32_t)PICK(s, 0, 100, 65534) };
	const uint32_t mode = type | (uint32_t)PICK(s, 0644, 0755, 0666, 0777, 0600, 04755, 02775, 01777, 0);
	const uint32_t umask = (uint32_t)PICK(s, 0, 022, 077);
	const uint64_t parent = pick_inode(s, S_IFDIR), rdev = makedev(8, (unsigned)storm_random(s, 300));
	const char *name = pick_new_name(s), *target = "../some where";
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	struct hf_attr attr = { 0 };
	int wanted, got;

	if (storm_chance(s, 5))
		target = storm_chance(s, 50) ? "" : memset(arena_alloc(5000), 't', PICK(s, 4095, 4096));
	wanted = model_create(s->now, parent, name, mode, umask, rdev, target, &cred, &next);
	s->pending = next;
	DOING(s, "create %.40s of mode 0%o in %" PRIu64, name, mode, parent);
	got = hf_create(s->store, parent, name, mode, umask, rdev, target, &cred, &attr, &err);
	if (got == 0 && attr.ino != s->now->next_ino)
		return storm_fail(s, "makes inode %" PRIu64 " and not %" PRIu64, attr.ino, s->now->next_ino);
	return storm_answer(s, wanted, got, next, &err);
}

static int do_create_nameless(struct storm *s)
{
	const struct hf_cred cred = { (uint32_t)PICK(s, 0, 1000), 100 };
	const uint64_t parent = pick_inode(s, S_IFDIR);
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	struct hf_attr attr = { 0 };
	int wanted, got;

	if (!storm_ref(s, s->now->next_ino, 1))
		return 0;
	wanted = model_create(s->now, parent, NULL, 0600, 022, 0, NULL, &cred, &next);
	s->pending = next;
	DOING(s, "create without a name in %" PRIu64, parent);
	got = hf_create_nameless(s->store, parent, 0600, 022, &cred, &attr, &err);
	if (got < 0) {
		for (size_t k = 0; k < STORM_REFS_MAX; k++) {
			if (s->refs[k][0] == s->now->next_ino)
				s->refs[k][1] = 0;
		}
	}
	return storm_answer(s, wanted, got, next, &err);
}

static int do_link(struct storm *s)
{
	const uint64_t ino = pick_inode(s, storm_chance(s, 70) ? S_IFREG : 0),
		       parent = pick_inode(s, S_IFDIR);
	const char *name = pick_new_name(s);
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	int wanted = model_link(s->now, ino, parent, name, &next);

	s->pending = next;
	DOING(s, "link %" PRIu64 " as %.40s in %" PRIu64, ino, name, parent);
	return storm_answer(s, wanted, hf_link(s->store, ino, parent, name, NULL, &err), next, &err);
}

static int do_remove(struct storm *s)
{
	const uint64_t parent = pick_inode(s, S_IFDIR);
	const char *name = pick_name(s, parent);
	const struct model_inode *dir = model_find(s->now, parent);
	const struct model_entry *e = dir ? model_entry(dir, name) : NULL;
	bool directory = e && S_ISDIR(model_find(s->now, e->ino)->mode);
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	uint64_t ino = 0;
	int wanted, got;

	if (storm_chance(s, 5))
		directory = !directory;
	if (e && !storm_has_ref(s, e->ino) && storm_chance(s, 30) && storm_ref(s, e->ino, 2))
		hf_ref(s->store, e->ino, 2);
	wanted = model_remove(s->now, parent, name, directory, &next);
	s->pending = next;
	DOING(s, "%s %.40s in %" PRIu64, directory ? "rmdir" : "unlink", name, parent);
	got = directory ? hf_rmdir(s->store, parent, name, &ino, &err) :
			  hf_unlink(s->store, parent, name, &ino, &err);
	if (got == 0 && (!e || ino != e->ino))
		return storm_fail(s, "says it was inode %" PRIu64, ino);
	return storm_answer(s, wanted, got, next, &err);
}

static int do_rename(struct storm *s)
{
	const uint64_t parent = pick_inode(s, S_IFDIR),
		       new_parent = storm_chance(s, 40) ? parent : pick_inode(s, S_IFDIR);
	const char *name = pick_name(s, parent);
	const char *new_name = storm_chance(s, 50) ? pick_name(s, new_parent) : pick_new_name(s);
	unsigned flags = (unsigned)PICK(s, 0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE);
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	int wanted;

	if (storm_chance(s, 2))
		flags = (unsigned)PICK(s, RENAME_WHITEOUT, RENAME_NOREPLACE | RENAME_EXCHANGE, 128);
	wanted = model_rename(s->now, parent, name, new_parent, new_name, flags, &next);
	s->pending = next;
	DOING(s, "rename %.40s in %" PRIu64 " to %.40s in %" PRIu64 ", flags %u", name, parent, new_name,
	      new_parent, flags);
	return storm_answer(s, wanted, hf_rename(s->store, parent, name, new_parent, new_name, flags, &err),
			    next, &err);
}

static int do_ref(struct storm *s)
{
	uint64_t ino = pick_inode(s, 0);

	if (storm_chance(s, 40)) {
		storm_unref_one(s);
	} else if (model_find(s->now, ino) && storm_ref(s, ino, 3)) {
		hf_ref(s->store, ino, 1);
		hf_ref(s->store, ino, 2);
	}
	return 0;
}

/* --- attributes */

static struct timespec pick_time(struct storm *s)
{
	static const struct timespec times[] = { { 0, 0 },
						 { 1, 1 },
						 { -1, 999999999 },
						 { 1700000000, 5 },
						 { -62135596800, 0 },
						 { 253402300799, 999999999 },
						 { 7, 1000000000 } };

	return times[storm_random(s, sizeof(times) / sizeof(times[0]) - !storm_chance(s, 5))];
}

static int do_setattr(struct storm *s)
{
	const uint64_t ino = pick_inode(s, 0);
	struct hf_setattr c = { 0 };
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	int wanted;

	c.mask =
		(unsigned)PICK(s, HF_SET_MODE, HF_SET_MODE, HF_SET_UID | HF_SET_KILL_PRIV,
			       HF_SET_UID | HF_SET_GID | HF_SET_KILL_PRIV, HF_SET_GID, HF_SET_ATIME,
			       HF_SET_MTIME, HF_SET_ATIME | HF_SET_MTIME, HF_SET_ATIME_NOW | HF_SET_MTIME_NOW,
			       HF_SET_ATIME_NOW, HF_SET_ATIME | HF_SET_MTIME | HF_SET_CTIME, HF_SET_KILL_PRIV,
			       HF_SET_MODE | HF_SET_UID | HF_SET_MTIME_NOW);
	c.mode = (uint32_t)PICK(s, 0, 0644, 0750, 04755, 06775, 02644, 07777, 0100644);
	c.uid = (uint32_t)PICK(s, 0, 1, 1000, 4294967294);
	c.gid = (uint32_t)PICK(s, 0, 5, 100000);
	c.atime = pick_time(s);
	c.mtime = pick_time(s);
	c.ctime = pick_time(s);
	wanted = model_setattr(s->now, ino, &c, &next);
	s->pending = next;
	DOING(s, "setattr of %" PRIu64 ", mask 0x%x, mode 0%o", ino, c.mask, c.mode);
	return storm_answer(s, wanted, hf_setattr(s->store, ino, &c, NULL, &err), next, &err);
}

static int do_truncate(struct storm *s)
{
	const uint64_t ino = pick_inode(s, S_IFREG);
	const struct model_inode *i = model_find(s->now, ino);
	struct hf_setattr c = { .mask = HF_SET_SIZE };
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	int wanted;

	if (storm_chance(s, 20))
		c.mask |= HF_SET_KILL_PRIV;
	if (storm_chance(s, 60))
		c.size_bytes = storm_random(s, (i ? i->size : 0) % 2000000 + 1);
	else
		c.size_bytes = PICK(s, 0, 1, 4096, 65535, 65536, 65537, 200000, 1000000, INT64_MAX,
				    (uint64_t)INT64_MAX + 1, UINT64_C(1) << 40);
	wanted = model_setattr(s->now, ino, &c, &next);
	s->pending = next;
	DOING(s, "truncate %" PRIu64 " (%" PRIu64 " bytes) to %" PRIu64, ino, i ? i->size : 0, c.size_bytes);
	return storm_answer(s, wanted, hf_setattr(s->store, ino, &c, NULL, &err), next, &err);
}

static size_t pick_acl(struct storm *s, uint8_t *out)
{
	const struct {
		uint16_t tag;
		uint32_t id;
	} many[] = { { 1, UINT32_MAX }, { 2, 7 },           { 2, 1000 },       { 4, UINT32_MAX },
		     { 8, 9 },          { 16, UINT32_MAX }, { 32, UINT32_MAX } };
	const bool small = storm_chance(s, 30);
	struct model_acl acl = { 0 };
	size_t len;

	for (size_t k = 0; k < 7; k++) {
		if (small && many[k].tag != 1 && many[k].tag != 4 && many[k].tag != 32)
			continue;
		acl.e[acl.n++] =
			(struct model_acl_entry){ many[k].tag, (uint16_t)storm_random(s, 8), many[k].id };
	}
	len = model_acl_print(&acl, out);
	if (storm_chance(s, 10))
		out[storm_random(s, len)] ^= (uint8_t)(1 << storm_random(s, 8));
	if (storm_chance(s, 5))
		len -= PICK(s, 1, 8, 4);
	return len;
}

static int do_xattr(struct storm *s)
{
	static const char *const names[] = { "user.a",
					     "user.b",
					     "user.ab",
					     "trusted.x",
					     "security.capability",
					     "security.selinux",
					     MODEL_ACL_ACCESS,
					     MODEL_ACL_ACCESS,
					     MODEL_ACL_DEFAULT,
					     MODEL_ACL_DEFAULT,
					     "system.other",
					     "user.",
					     "nothing" };
	const uint64_t ino = pick_inode(s, (uint32_t)PICK(s, 0, S_IFREG, S_IFDIR, S_IFDIR));
	const char *name = names[storm_random(s, sizeof(names) / sizeof(names[0]))];
	const bool acl = strncmp(name, "system.p", 8) == 0, drop = storm_chance(s, 20);
	const int flags = (int)PICK(s, 0, 0, 0, XATTR_CREATE, XATTR_REPLACE),
		  kill = acl && storm_chance(s, 30);
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	uint8_t raw[4 + 8 * MODEL_ACL_ENTRIES_MAX];
	const void *value = s->data + storm_random(s, 1000);
	size_t len = PICK(s, 0, 1, 10, 100, 100, 3000, 65536, 65537);
	int wanted;

	if (acl) {
		value = raw;
		len = pick_acl(s, raw);
	}
	if (storm_chance(s, 2)) {
		char *longest = arena_alloc(300);

		memset(longest, 'n', PICK(s, 255, 256));
		name = memcpy(longest, "user.", 5);
	}
	wanted = drop ? model_removexattr(s->now, ino, name, &next) :
			model_setxattr(s->now, ino, name, value, len, flags, kill, &next);
	s->pending = next;
	DOING(s, "%s %.40s (%zu bytes, flags %d, kill %d) of %" PRIu64, drop ? "removexattr" : "setxattr",
	      name, len, flags, kill, ino);
	return storm_answer(s, wanted,
			    drop ? hf_removexattr(s->store, ino, name, &err) :
				   hf_setxattr(s->store, ino, name, value, len, flags, kill, &err),
			    next, &err);
}

static int do_tag(struct storm *s)
{
	static const char *const names[] = { "v1", "v2", "before-the-move", "A_b.c", "x", "-x",
					     ".x", "",   "no/slash" };
	const char *name = names[storm_random(s, sizeof(names) / sizeof(names[0]))];
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	uint64_t tid = HF_TID_HEAD;
	int wanted;

	if (storm_chance(s, 35)) {
		wanted = model_untag(s->now, name, &next);
		s->pending = next;
		DOING(s, "untag %s", name);
		return storm_answer(s, wanted, hf_untag(s->store, name, &err), next, &err);
	}
	if (storm_chance(s, 60))
		tid = s->moments[storm_random(s, s->n_moments)].tid;
	wanted = model_tag(s->now, name, tid, &next);
	s->pending = next;
	DOING(s, "tag %s at %" PRId64, name, (int64_t)tid);
	return storm_answer(s, wanted, hf_tag(s->store, name, tid, &err), next, &err);
}

/* --- contents */

static size_t pick_len(struct storm *s)
{
	switch (storm_random(s, 10)) {
	case 0:
	case 1:
	case 2:
		return 1 + storm_random(s, 100);
	case 3:
	case 4:
		return 1 + storm_random(s, 5000);
	case 5:
	case 6:
		return 4096;
	case 7:
		return PICK(s, 8192, 16384, 65535, 65536, 65537);
	case 8:
		return 1 + storm_random(s, 100000);
	default:
		return storm_chance(s, 20) ? 1 + storm_random(s, STORM_WRITE_BYTES_MAX - 1) :
					     1 + storm_random(s, 1000);
	}
}

static uint64_t pick_offset(struct storm *s, uint64_t size)
{
	const uint64_t near = size < 600000 ? size : 600000;

	switch (storm_random(s, 20)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		return size < 2000000 ? size : storm_random(s, near + 1);
	case 5:
	case 6:
	case 7:
	case 8:
		return storm_random(s, near / 4096 + 1) * 4096;
	case 9:
		return storm_random(s, near / 65536 + 1) * 65536;
	case 10:
		return near + storm_random(s, 200000);
	case 11:
		return storm_chance(s, 80) ? 0 :
					     PICK(s, UINT64_C(1) << 33, (UINT64_C(1) << 50) - 3,
						  INT64_MAX - 10, INT64_MAX, UINT64_MAX);
	default:
		return storm_random(s, near + 1);
	}
}

static int write_once(struct storm *s, uint64_t ino, uint64_t offset, size_t len)
{
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	const unsigned flags = storm_chance(s, 10) ? HF_WRITE_KILL_PRIV : 0;
	const uint8_t *data =
		s->data + (storm_chance(s, 30) ? 0 : storm_random(s, STORM_WRITE_BYTES_MAX - len));
	int wanted = model_write(s->now, ino, offset, data, len, flags, &next);

	s->pending = next;
	DOING(s, "write %zu at %" PRIu64 " of %" PRIu64 ", flags %u", len, offset, ino, flags);
	return storm_answer(s, wanted < 0 ? wanted : (int64_t)len,
			    hf_write(s->store, ino, offset, data, len, flags, &err), next, &err);
}

static int do_write(struct storm *s)
{
	const uint64_t ino = pick_inode(s, S_IFREG);
	const struct model_inode *i = model_find(s->now, ino);

	return write_once(s, ino, pick_offset(s, i ? i->size : 0), storm_chance(s, 2) ? 0 : pick_len(s));
}

/* Several appends in a row, which may share a moment, or many small writes to one block, which gets a long
 * list. */
static int do_writes(struct storm *s)
{
	const uint64_t ino = pick_inode(s, S_IFREG);
	const bool append = storm_chance(s, 60);
	const uint64_t base = storm_random(s, 3) * 65536,
		       times = append ? 2 + storm_random(s, 8) : 20 + storm_random(s, 80);
	const uint64_t most = s->ops_max - s->ops < times ? s->ops_max - s->ops : times;

	for (uint64_t k = 0; k < most; k++) {
		const struct model_inode *i = model_find(s->now, ino);
		uint64_t offset = append && i && i->size < 3000000 ? i->size : base + storm_random(s, 65000);

		if (write_once(s, ino, offset, append ? pick_len(s) % 30000 + 1 : 1 + storm_random(s, 300)) <
		    0)
			return -1;
		s->ops += k > 0;
		if (!i || !S_ISREG(i->mode))
			break;
	}
	return 0;
}

static int do_fallocate(struct storm *s)
{
	const uint64_t ino = pick_inode(s, S_IFREG);
	const struct model_inode *i = model_find(s->now, ino);
	const uint64_t offset = pick_offset(s, i ? i->size : 0);
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	const unsigned flags = storm_chance(s, 10) ? HF_WRITE_KILL_PRIV : 0;
	uint64_t len = storm_chance(s, 2) ? 0 : 1 + storm_random(s, 300000);
	int mode = (int)PICK(s, 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE),
	    wanted;

	if (storm_chance(s, 3))
		mode = (int)PICK(s, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE);
	if (mode & FALLOC_FL_PUNCH_HOLE && storm_chance(s, 10))
		len = PICK(s, UINT64_C(1) << 40, INT64_MAX - offset % INT64_MAX, INT64_MAX);
	wanted = model_fallocate(s->now, ino, mode, offset, len, flags, &next);
	s->pending = next;
	DOING(s, "fallocate %" PRIu64 " at %" PRIu64 " of %" PRIu64 ", mode %d", len, offset, ino, mode);
	return storm_answer(s, wanted, hf_fallocate(s->store, ino, mode, offset, len, flags, &err), next,
			    &err);
}

static int do_copy_range(struct storm *s)
{
	const uint64_t src = pick_inode(s, S_IFREG), ino = storm_chance(s, 30) ? src : pick_inode(s, S_IFREG);
	const struct model_inode *from = model_find(s->now, src), *to = model_find(s->now, ino);
	const uint64_t src_offset = pick_offset(s, from ? from->size : 0),
		       offset = pick_offset(s, to ? to->size : 0);
	const size_t len = storm_chance(s, 50) ? pick_len(s) : storm_random(s, 1000000);
	struct hf_error err = HF_ERROR_INIT;
	const struct model *next = s->now;
	ssize_t wanted;

	wanted = model_copy_range(s->now, src, src_offset, ino, offset, len, 0, &next);
	s->pending = next;
	DOING(s, "copy %zu from %" PRIu64 " of %" PRIu64 " to %" PRIu64 " of %" PRIu64, len, src_offset, src,
	      offset, ino);
	return storm_answer(s, wanted, hf_copy_range(s->store, src, src_offset, ino, offset, len, 0, &err),
			    next, &err);
}

static int do_commit(struct storm *s)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_status status;
	const bool fsync = storm_chance(s, 50);
	int r;

	hf_store_status(s->store, &status);
	DOING(s, fsync ? "fsync" : "commit");
	r = fsync ? hf_fsync(s->store, HF_ROOT_INO, &err) : hf_store_commit(s->store, &err);
	if (r < 0 && err.code == r && s->excused && s->excused(s, r)) {
		s->refused = r;
		return 0;
	}
	if (r < 0)
		return storm_fail(s, "fails: %d %s", r, err.text);
	s->durable_tid = status.head_tid;
	hf_store_status(s->store, &status);
	if (status.committed_tid < s->durable_tid)
		return storm_fail(s, "says it is done, and is not");
	return s->committed ? s->committed(s, fsync) : 0;
}

int storm_op(struct storm *s)
{
	static const struct {
		unsigned weight;
		int (*fn)(struct storm *s);
	} table[] = {
		{ 14, do_create },   { 2, do_create_nameless }, { 5, do_link },
		{ 12, do_remove },   { 8, do_rename },          { 4, do_ref },
		{ 9, do_setattr },   { 7, do_truncate },        { 9, do_xattr },
		{ 2, do_tag },       { 30, do_write },          { 3, do_writes },
		{ 8, do_fallocate }, { 6, do_copy_range },      { 3, do_commit },
	};
	unsigned sum = 0, at;

	if (s->now->n > STORM_INODES_MAX && storm_chance(s, 50))
		return do_remove(s);
	for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++)
		sum += table[k].weight;
	at = (unsigned)storm_random(s, sum);
	for (size_t k = 0;; k++) {
		if (at < table[k].weight)
			return table[k].fn(s);
		at -= table[k].weight;
	}
}
