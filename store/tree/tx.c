/* SPDX-License-Identifier: MIT */
#include "store/tree/tx.h"

#include <errno.h>
#include <sys/stat.h>

void node_release(struct node *n)
{
	buf_release(&n->raw);
}

int tx_get(struct tx *tx, const struct key *key, struct buf *out)
{
	return index_batch_get(tx->batch, INDEX_HEAD, key->bytes, key->len, out, tx->err);
}

/* What a key was until now goes to the past, unless this very moment made it. */
static int tx_supersede(struct tx *tx, const struct key *key, struct span old)
{
	struct key past = *key;
	uint64_t start;

	if (old.len == 0)
		return 0;
	if (past_value_tid(old, &start) < 0)
		return hf_error_set(tx->err, -EUCLEAN, "the index is damaged: mount with -o rebuild");
	if (start == tx->op->tid)
		return 0;
	key_add_be64(&past, tx->op->tid);
	index_batch_put(tx->batch, INDEX_PAST, past.bytes, past.len, old.data, old.len);
	return 0;
}

int tx_put(struct tx *tx, const struct key *key, struct span old, struct span value)
{
	int r = tx_supersede(tx, key, old);

	if (r == 0)
		index_batch_put(tx->batch, INDEX_HEAD, key->bytes, key->len, value.data, value.len);
	return r;
}

int tx_delete(struct tx *tx, const struct key *key, struct span old)
{
	int r = tx_supersede(tx, key, old);

	if (r == 0)
		index_batch_delete(tx->batch, INDEX_HEAD, key->bytes, key->len);
	return r;
}

int tx_inode(struct tx *tx, uint64_t ino, struct node *ret)
{
	struct key key = key_inode(ino);
	int r;

	r = tx_get(tx, &key, &ret->raw);
	if (r < 0)
		return r;
	if (r == 0) {
		if (ino != ROOT_INO)
			return hf_error_set(tx->err, -ESTALE, "inode %llu is gone", (unsigned long long)ino);
		inode_root(tx->t->created_ns, &ret->i);
		return 0;
	}
	if (inode_decode(ino, span_of(&ret->raw), &ret->i) < 0)
		return hf_error_set(tx->err, -EUCLEAN,
				    "the index is damaged at inode %llu: mount with -o rebuild",
				    (unsigned long long)ino);
	return 0;
}

int tx_directory(struct tx *tx, uint64_t ino, struct node *ret)
{
	int r = tx_inode(tx, ino, ret);

	if (r < 0)
		return r;
	if (!S_ISDIR(ret->i.mode))
		return hf_error_set(tx->err, -ENOTDIR, "inode %llu is not a directory",
				    (unsigned long long)ino);
	if (ret->i.nlink == 0)
		return hf_error_set(tx->err, -ENOENT, "the directory %llu has been removed",
				    (unsigned long long)ino);
	return 0;
}

int tx_file(struct tx *tx, uint64_t ino, struct node *ret)
{
	int r = tx_inode(tx, ino, ret);

	if (r < 0)
		return r;
	if (S_ISDIR(ret->i.mode))
		return hf_error_set(tx->err, -EISDIR, "inode %llu is a directory", (unsigned long long)ino);
	if (!S_ISREG(ret->i.mode))
		return hf_error_set(tx->err, -EINVAL, "inode %llu is not a regular file",
				    (unsigned long long)ino);
	return 0;
}

int tx_put_inode(struct tx *tx, struct node *n)
{
	struct key key = key_inode(n->i.ino);

	n->i.tid = tx->op->tid;
	buf_clear(&tx->value);
	inode_encode(&n->i, &tx->value);
	if (buf_status(&tx->value) < 0)
		return -ENOMEM;
	return tx_put(tx, &key, span_of(&n->raw), span_of(&tx->value));
}

int entry_decode(struct span value, struct entry *ret)
{
	struct cursor c = cursor_of(value.data, value.len);

	ret->tid = cursor_varint(&c);
	ret->ino = cursor_varint(&c);
	ret->type = (uint32_t)cursor_u8(&c) << 12;
	return cursor_finish(&c);
}

int tx_entry(struct tx *tx, uint64_t dir, struct span name, struct entry *ret, struct buf *raw)
{
	struct key key = key_entry(tx->t->keys, dir, name);
	int r = tx_get(tx, &key, raw);

	if (r == 1 && entry_decode(span_of(raw), ret) < 0)
		return hf_error_set(tx->err, -EUCLEAN,
				    "the index is damaged in directory %llu: mount with -o rebuild",
				    (unsigned long long)dir);
	return r;
}

int tx_put_entry(struct tx *tx, uint64_t dir, struct span name, struct span old, uint64_t ino, uint32_t mode)
{
	struct key key = key_entry(tx->t->keys, dir, name);

	buf_clear(&tx->value);
	buf_add_varint(&tx->value, tx->op->tid);
	buf_add_varint(&tx->value, ino);
	buf_add_u8(&tx->value, (uint8_t)(mode >> 12));
	if (buf_status(&tx->value) < 0)
		return -ENOMEM;
	return tx_put(tx, &key, old, span_of(&tx->value));
}

int tx_delete_entry(struct tx *tx, uint64_t dir, struct span name, struct span old)
{
	struct key key = key_entry(tx->t->keys, dir, name);

	return tx_delete(tx, &key, old);
}

int tx_put_xattr(struct tx *tx, struct inode *i, struct span name, struct span value)
{
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	struct key key = key_xattr(i->ino, name);
	int r = tx_get(tx, &key, &old);

	if (r < 0)
		return r;
	if (!value.data)
		return r == 0 ? 0 : tx_delete(tx, &key, span_of(&old));
	buf_clear(&tx->value);
	buf_add_varint(&tx->value, tx->op->tid);
	buf_add(&tx->value, value.data, value.len);
	if (buf_status(&tx->value) < 0)
		return -ENOMEM;
	i->flags |= INODE_HAS_XATTRS;
	return tx_put(tx, &key, span_of(&old), span_of(&tx->value));
}

void tx_orphan(struct tx *tx, const struct inode *i)
{
	struct key key = key_number('o', i->ino);

	index_batch_put(tx->batch, INDEX_META, key.bytes, key.len, NULL, 0);
	tx->state.live_bytes -= i->allocated;
	tx->state.live_inodes--;
}

void tx_adopt(struct tx *tx, const struct inode *i)
{
	struct key key = key_number('o', i->ino);

	index_batch_delete(tx->batch, INDEX_META, key.bytes, key.len);
	tx->state.live_bytes += i->allocated;
	tx->state.live_inodes++;
}

int tx_kill_priv(struct tx *tx, struct inode *i)
{
	if (i->mode & S_ISUID)
		i->mode &= ~(uint32_t)S_ISUID;
	if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		i->mode &= ~(uint32_t)S_ISGID;
	if (!(i->flags & INODE_HAS_CAPABILITY))
		return 0;
	i->flags &= ~(uint32_t)INODE_HAS_CAPABILITY;
	return tx_put_xattr(tx, i, span_text("security.capability"), (struct span){ NULL, 0 });
}
