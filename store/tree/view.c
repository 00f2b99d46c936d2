/* SPDX-License-Identifier: MIT */
/* Names and attributes at any moment. Contents are in contents.c. */
#include <errno.h>
#include <sys/stat.h>

#include "store/tree/acl.h"
#include "store/tree/tx.h"
#include "store/tree/view_internal.h"

int view_inode(const struct tree *t, uint64_t tid, uint64_t ino, struct node *ret, struct hf_error *err)
{
	struct key key = key_inode(ino);
	int r = past_get(t->index, tid, &key, &ret->raw, err);

	if (r < 0)
		return r;
	if (r == 0) {
		if (ino != ROOT_INO)
			return hf_error_set(err, -ESTALE, "inode %llu is not there at that moment",
					    (unsigned long long)ino);
		inode_root(t->created_ns, &ret->i);
		return 0;
	}
	if (inode_decode(ino, span_of(&ret->raw), &ret->i) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "the index is damaged at inode %llu: mount with -o rebuild",
				    (unsigned long long)ino);
	return 0;
}

int tree_getattr(const struct tree *t, uint64_t tid, uint64_t ino, struct hf_attr *ret, struct hf_error *err)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	int r = view_inode(t, tid, ino, &n, err);

	if (r == 0)
		inode_to_attr(&n.i, ret);
	return r;
}

int tree_parent(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t *ret, struct hf_error *err)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	int r = view_inode(t, tid, ino, &n, err);

	if (r < 0)
		return r;
	if (!S_ISDIR(n.i.mode))
		return hf_error_set(err, -ENOTDIR, "inode %llu is not a directory", (unsigned long long)ino);
	*ret = n.i.parent;
	return 0;
}

int tree_lookup(const struct tree *t, uint64_t tid, uint64_t parent, const char *name, struct hf_attr *ret,
		struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	const struct span span = span_text(name);
	struct entry entry;
	struct key key;
	int r;

	if (strcmp(name, ".") == 0)
		return tree_getattr(t, tid, parent, ret, err);
	if (strcmp(name, "..") == 0) {
		uint64_t above;

		r = tree_parent(t, tid, parent, &above, err);
		return r < 0 ? r : tree_getattr(t, tid, above, ret, err);
	}
	r = name_check(name, span.len);
	if (r < 0)
		return hf_error_set(err, r == -ENAMETOOLONG ? r : -ENOENT, "%.64s: not a name", name);
	key = key_entry(t->keys, parent, span);
	r = past_get(t->index, tid, &key, &value, err);
	if (r < 0)
		return r;
	if (r == 0) {
		struct hf_attr dir;

		r = tree_getattr(t, tid, parent, &dir, err);
		if (r == 0 && !S_ISDIR(dir.mode))
			return hf_error_set(err, -ENOTDIR, "inode %llu is not a directory",
					    (unsigned long long)parent);
		return r < 0 ? r : hf_error_set(err, -ENOENT, "there is no %s", name);
	}
	if (entry_decode(span_of(&value), &entry) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "the index is damaged in directory %llu: mount with -o rebuild",
				    (unsigned long long)parent);
	r = tree_getattr(t, tid, entry.ino, ret, err);
	/* Removed between the two looks: then the name is gone too. */
	return r == -ESTALE ? hf_error_set(err, -ENOENT, "there is no %s", name) : r;
}

struct readdir {
	const struct tree *t;
	uint64_t tid;
	unsigned flags;
	hf_readdir_fn *each;
	void *arg;
	struct hf_error *err;
};

static int readdir_entry(void *arg, struct span key, struct span value)
{
	struct readdir *d = arg;
	struct hf_attr attr;
	struct entry entry;
	int r;

	if (key.len <= ENTRY_KEY_PREFIX + 1 || entry_decode(value, &entry) < 0)
		return hf_error_set(d->err, -EUCLEAN,
				    "the index is damaged in a directory: mount with -o rebuild");
	if (d->flags & HF_READDIR_ATTR) {
		r = tree_getattr(d->t, d->tid, entry.ino, &attr, d->err);
		if (r == -ESTALE)
			return 0; /* removed since the row was read */
		if (r < 0)
			return r;
	}
	return d->each(d->arg, (const char *)key.data + ENTRY_KEY_PREFIX, entry.ino, entry.type,
		       get_be64(key.data + ENTRY_KEY_PREFIX - 8), d->flags & HF_READDIR_ATTR ? &attr : NULL);
}

int tree_readdir(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t cookie, unsigned flags,
		 hf_readdir_fn *each, void *arg, struct hf_error *err)
{
	struct readdir d = { t, tid, flags, each, arg, err };
	CLEANUP(node_release) struct node n = NODE_INIT;
	struct key from = key_number('d', ino), to = key_after_prefix(from);
	int r;

	r = view_inode(t, tid, ino, &n, err);
	if (r < 0)
		return r;
	if (!S_ISDIR(n.i.mode))
		return hf_error_set(err, -ENOTDIR, "inode %llu is not a directory", (unsigned long long)ino);
	key_add_be64(&from, cookie ? cookie + 1 : 0);
	r = past_scan(t->index, tid, key_span(&from), key_span(&to), readdir_entry, &d, err);
	return r < 0 ? r : 0;
}

ssize_t tree_readlink(const struct tree *t, uint64_t tid, uint64_t ino, char *out, size_t size,
		      struct hf_error *err)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	int r = view_inode(t, tid, ino, &n, err);

	if (r < 0)
		return r;
	if (!S_ISLNK(n.i.mode))
		return hf_error_set(err, -EINVAL, "inode %llu is not a symbolic link",
				    (unsigned long long)ino);
	if (n.i.target.len > size)
		return hf_error_set(err, -ERANGE, "the link's target has %zu bytes", n.i.target.len);
	memcpy(out, n.i.target.data, n.i.target.len);
	if (n.i.target.len < size)
		out[n.i.target.len] = 0;
	return (ssize_t)n.i.target.len;
}

static bool name_known(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0 ||
	       strncmp(name, "security.", 9) == 0 || strcmp(name, ACL_ACCESS_NAME) == 0 ||
	       strcmp(name, ACL_DEFAULT_NAME) == 0;
}

int tree_check_xattr_name(const char *name, struct hf_error *err)
{
	if (!name_known(name))
		return hf_error_set(
			err, -EOPNOTSUPP,
			"attributes begin with user., trusted. or security., or are the two ACLs");
	if (strlen(name) > NAME_BYTES_MAX || strchr(name, '.')[1] == 0)
		return hf_error_set(err, strlen(name) > NAME_BYTES_MAX ? -ERANGE : -EINVAL,
				    "an attribute's name has 1 to %d bytes", NAME_BYTES_MAX);
	return 0;
}

int tree_xattr(const struct tree *t, uint64_t tid, uint64_t ino, const char *name, struct buf *out,
	       struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	CLEANUP(node_release) struct node n = NODE_INIT;
	struct key key;
	struct cursor c;
	int r = view_inode(t, tid, ino, &n, err);

	if (r < 0 || !(n.i.flags & INODE_HAS_XATTRS))
		return r;
	key = key_xattr(ino, span_text(name));
	r = past_get(t->index, tid, &key, &value, err);
	if (r <= 0)
		return r;
	c = cursor_of(value.data, value.len);
	(void)cursor_varint(&c);
	if (cursor_status(&c) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "the index is damaged at inode %llu: mount with -o rebuild",
				    (unsigned long long)ino);
	buf_clear(out);
	buf_add(out, c.data + c.pos, c.len - c.pos);
	return buf_status(out) < 0 ? -ENOMEM : 1;
}

ssize_t tree_getxattr(const struct tree *t, uint64_t tid, uint64_t ino, const char *name, void *out,
		      size_t size, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	int r = tree_check_xattr_name(name, err);

	if (r < 0)
		return r;
	r = tree_xattr(t, tid, ino, name, &value, err);
	if (r < 0)
		return r;
	if (r == 0)
		return hf_error_set(err, -ENODATA, "there is no attribute %s", name);
	if (size > 0 && value.len > size)
		return hf_error_set(err, -ERANGE, "the attribute has %zu bytes", value.len);
	if (size > 0 && value.len > 0)
		memcpy(out, value.data, value.len);
	return (ssize_t)value.len;
}

static int list_name(void *arg, struct span key, struct span value)
{
	struct buf *names = arg;

	(void)value;
	buf_add(names, key.data + XATTR_KEY_PREFIX, key.len - XATTR_KEY_PREFIX); /* with the NUL */
	return buf_status(names);
}

ssize_t tree_listxattr(const struct tree *t, uint64_t tid, uint64_t ino, char *out, size_t size,
		       struct hf_error *err)
{
	struct key from = key_number('x', ino), to = key_after_prefix(from);
	CLEANUP(node_release) struct node n = NODE_INIT;
	CLEANUP(buf_release) struct buf names = BUF_INIT;
	int r;

	r = view_inode(t, tid, ino, &n, err);
	if (r == 0 && n.i.flags & INODE_HAS_XATTRS)
		r = past_scan(t->index, tid, key_span(&from), key_span(&to), list_name, &names, err);
	if (r < 0)
		return r;
	if (size > 0 && names.len > size)
		return hf_error_set(err, -ERANGE, "the attributes' names have %zu bytes", names.len);
	if (size > 0 && names.len > 0)
		memcpy(out, names.data, names.len);
	return (ssize_t)names.len;
}
