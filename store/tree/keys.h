/* SPDX-License-Identifier: MIT */
/*
 * Keys of the index (layer 3). The first byte is the kind; numbers are big-endian so that keys sort as they
 * do. In INDEX_PAST the same key has the tid that ended the value behind it (be64).
 *
 *   HEAD, PAST   i ino                      inode (inode.h)
 *                d ino hash name NUL        directory entry: varint tid, varint inode, type (1 byte: mode >>
 *                12)
 *                l ino dir hash             a name more than the one the inode keeps: varint tid (names.c)
 *                x ino name NUL             extended attribute: varint tid, bytes
 *                b ino generation(4) block  pieces of a block (map.h)
 *   META         g first-tid                notes of a group's operations (notes.c)
 *                T first-time first-tid     nothing: finds the group of a time
 *                n name                     tag: varint tid
 *                t tid                      operation on a tag: varint tid + 1 (0: taken away), name
 *                o ino                      nothing: an inode that has no name
 *                r last-number              retired chunks: varint number of the first (retire.c)
 *
 * hash is the low 62 bits of the keyed hash of the name, with 2 added, so that it can serve as a directory
 * cookie.
 */
#ifndef STORE_TREE_KEYS_H
#define STORE_TREE_KEYS_H

#include <string.h>

#include "store/base/buf.h"
#include "store/format/format.h"

enum { KEY_BYTES_MAX = 1 + 8 + 8 + NAME_BYTES_MAX + 1 + 8 };

struct key {
	size_t len;
	uint8_t bytes[KEY_BYTES_MAX];
};

static inline struct span key_span(const struct key *k)
{
	return (struct span){ k->bytes, k->len };
}

static inline struct key key_number(char kind, uint64_t number)
{
	struct key k = { .len = 9 };

	k.bytes[0] = (uint8_t)kind;
	put_be64(k.bytes + 1, number);
	return k;
}

static inline void key_add_be64(struct key *k, uint64_t v)
{
	put_be64(k->bytes + k->len, v);
	k->len += 8;
}

/*
 * The caller has checked the length (at most NAME_BYTES_MAX). The NUL behind it keeps the past of one name
 * from lying among that of a longer one.
 */
static inline void key_add_name(struct key *k, const void *name, size_t len)
{
	memcpy(k->bytes + k->len, name, len);
	k->len += len;
	k->bytes[k->len++] = 0;
}

static inline struct key key_inode(uint64_t ino)
{
	return key_number('i', ino);
}

static inline uint64_t key_name_hash(const struct keyring *keys, const void *name, size_t len)
{
	return (keyring_name_hash(keys, name, len) & ((UINT64_C(1) << 62) - 1)) + 2;
}

static inline struct key key_entry(const struct keyring *keys, uint64_t dir, struct span name)
{
	struct key k = key_number('d', dir);

	key_add_be64(&k, key_name_hash(keys, name.data, name.len));
	key_add_name(&k, name.data, name.len);
	return k;
}

enum { ENTRY_KEY_PREFIX = 17 }; /* kind, directory, hash: the name follows */

static inline struct key key_link(uint64_t ino, uint64_t dir, uint64_t name_hash)
{
	struct key k = key_number('l', ino);

	key_add_be64(&k, dir);
	key_add_be64(&k, name_hash);
	return k;
}

enum { LINK_KEY_PREFIX = 9, LINK_KEY_BYTES = 25 };

static inline struct key key_xattr(uint64_t ino, struct span name)
{
	struct key k = key_number('x', ino);

	key_add_name(&k, name.data, name.len);
	return k;
}

enum { XATTR_KEY_PREFIX = 9 };

static inline struct key key_block(uint64_t ino, uint32_t generation, uint64_t block)
{
	struct key k = key_number('b', ino);

	for (int shift = 24; shift >= 0; shift -= 8)
		k.bytes[k.len++] = (uint8_t)(generation >> shift);
	key_add_be64(&k, block);
	return k;
}

enum { BLOCK_KEY_PREFIX = 13 };

/* The first key behind all that begin with this one. */
static inline struct key key_after_prefix(struct key k)
{
	while (k.len > 0 && k.bytes[k.len - 1] == 0xff)
		k.len--;
	if (k.len > 0)
		k.bytes[k.len - 1]++;
	return k;
}

#endif
