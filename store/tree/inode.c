/* SPDX-License-Identifier: MIT */
#include "store/tree/inode.h"

#include <sys/stat.h>

enum { ROOT = 1, DIRECTORY_BYTES = 4096 };

static uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void time_encode(struct file_time t, struct buf *out)
{
	buf_add_varint(out, zigzag(t.sec));
	buf_add_varint(out, t.nsec);
}

static struct file_time time_decode(struct cursor *c)
{
	struct file_time t;

	t.sec = unzigzag(cursor_varint(c));
	t.nsec = (uint32_t)cursor_varint(c);
	return t;
}

void inode_encode(const struct inode *i, struct buf *out)
{
	buf_add_varint(out, i->tid);
	buf_add_varint(out, i->mode);
	buf_add_varint(out, i->nlink);
	buf_add_varint(out, i->uid);
	buf_add_varint(out, i->gid);
	buf_add_varint(out, i->flags);
	buf_add_varint(out, i->rdev);
	buf_add_varint(out, i->size);
	buf_add_varint(out, i->allocated);
	buf_add_varint(out, i->generation);
	buf_add_varint(out, i->parent);
	buf_add_u64(out, i->name_hash);
	time_encode(i->atime, out);
	time_encode(i->mtime, out);
	time_encode(i->ctime, out);
	time_encode(i->btime, out);
	buf_add_bytes(out, i->target.data, i->target.len);
}

int inode_decode(uint64_t ino, struct span value, struct inode *ret)
{
	struct cursor c = cursor_of(value.data, value.len);

	ret->ino = ino;
	ret->tid = cursor_varint(&c);
	ret->mode = (uint32_t)cursor_varint(&c);
	ret->nlink = (uint32_t)cursor_varint(&c);
	ret->uid = (uint32_t)cursor_varint(&c);
	ret->gid = (uint32_t)cursor_varint(&c);
	ret->flags = (uint32_t)cursor_varint(&c);
	ret->rdev = cursor_varint(&c);
	ret->size = cursor_varint(&c);
	ret->allocated = cursor_varint(&c);
	ret->generation = (uint32_t)cursor_varint(&c);
	ret->parent = cursor_varint(&c);
	ret->name_hash = cursor_u64(&c);
	ret->atime = time_decode(&c);
	ret->mtime = time_decode(&c);
	ret->ctime = time_decode(&c);
	ret->btime = time_decode(&c);
	ret->target.data = cursor_bytes(&c, TARGET_BYTES_MAX, &ret->target.len);
	return cursor_finish(&c);
}

static struct timespec timespec_of(struct file_time t)
{
	return (struct timespec){ .tv_sec = t.sec, .tv_nsec = (long)t.nsec };
}

void inode_to_attr(const struct inode *i, struct hf_attr *ret)
{
	*ret = (struct hf_attr){
		.ino = i->ino,
		.size_bytes = i->size,
		.blocks = (i->allocated + 511) / 512,
		.mode = i->mode,
		.nlink = i->nlink,
		.uid = i->uid,
		.gid = i->gid,
		.rdev = i->rdev,
		.generation = 0,
		.atime = timespec_of(i->atime),
		.mtime = timespec_of(i->mtime),
		.ctime = timespec_of(i->ctime),
		.btime = timespec_of(i->btime),
		.tid = i->tid,
	};
	if (S_ISDIR(i->mode)) {
		/* A directory's entries lie in the index; tools expect it to have a size all the same. */
		ret->size_bytes = DIRECTORY_BYTES;
		ret->blocks = DIRECTORY_BYTES / 512;
	}
}

void inode_root(uint64_t created_ns, struct inode *ret)
{
	struct file_time t = file_time_of(created_ns);

	*ret = (struct inode){
		.ino = ROOT,
		.mode = S_IFDIR | 0755,
		.nlink = 2,
		.parent = ROOT,
		.atime = t,
		.mtime = t,
		.ctime = t,
		.btime = t,
	};
}
