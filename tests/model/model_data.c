/* SPDX-License-Identifier: MIT */
/* Contents: pages of bytes, each byte there or in a hole. */
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/model/arena.h"
#include "tests/model/model.h"

enum { WRITE_MAX_BYTES = 16 << 20 };

static size_t page_at(const struct model_inode *i, uint64_t number)
{
	size_t low = 0, high = i->n_pages;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (i->pages[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct model_page *model_page(const struct model_inode *i, uint64_t number)
{
	size_t at = page_at(i, number);

	return at < i->n_pages && i->pages[at].number == number ? i->pages[at].page : NULL;
}

uint8_t model_byte(const struct model_inode *i, uint64_t offset, bool *ret_taken)
{
	const struct model_page *p = model_page(i, offset / MODEL_PAGE_BYTES);
	size_t at = offset % MODEL_PAGE_BYTES;

	if (ret_taken)
		*ret_taken = p && p->taken[at / 8] >> at % 8 & 1;
	return p ? p->bytes[at] : 0;
}

uint64_t model_taken_bytes(const struct model_inode *i)
{
	uint64_t sum = 0;

	for (size_t k = 0; k < i->n_pages; k++) {
		for (size_t b = 0; b < sizeof(i->pages[k].page->taken); b++)
			sum += (unsigned)__builtin_popcount(i->pages[k].page->taken[b]);
	}
	return sum;
}

/* A copy of the list of pages that has every page of the range, each its own copy. */
static struct model_extent *own_pages(struct model_inode *i, uint64_t offset, uint64_t len)
{
	const uint64_t first = offset / MODEL_PAGE_BYTES, last = (offset + len - 1) / MODEL_PAGE_BYTES;
	const size_t low = page_at(i, first), high = page_at(i, last + 1), n = (size_t)(last - first + 1);
	struct model_extent *all = arena_alloc((low + n + i->n_pages - high) * sizeof(*all));

	if (low > 0)
		memcpy(all, i->pages, low * sizeof(*all));
	for (size_t k = 0; k < n; k++) {
		const struct model_page *old = model_page(i, first + k);

		all[low + k].number = first + k;
		all[low + k].page = old ? arena_copy(old, sizeof(*old)) : arena_alloc(sizeof(*old));
	}
	if (high < i->n_pages)
		memcpy(all + low + n, i->pages + high, (i->n_pages - high) * sizeof(*all));
	i->n_pages = low + n + i->n_pages - high;
	i->pages = all;
	return all + low;
}

enum change { CHANGE_DATA, CHANGE_HOLE, CHANGE_ZERO, CHANGE_ALLOCATE };

static void change_byte(struct model_page *p, size_t at, enum change what, uint8_t byte)
{
	uint8_t bit = (uint8_t)(1 << at % 8);

	if (what != CHANGE_ALLOCATE)
		p->bytes[at] = byte;
	if (what == CHANGE_HOLE)
		p->taken[at / 8] &= (uint8_t)~bit;
	else
		p->taken[at / 8] |= bit;
}

static void change_range(struct model_inode *i, uint64_t offset, uint64_t len, enum change what,
			 const uint8_t *data)
{
	struct model_extent *e;

	if (len == 0)
		return;
	e = own_pages(i, offset, len);
	for (uint64_t k = 0, at = offset % MODEL_PAGE_BYTES; k < len; k++, at++)
		change_byte((struct model_page *)(uintptr_t)e[at / MODEL_PAGE_BYTES].page,
			    at % MODEL_PAGE_BYTES, what, what == CHANGE_DATA ? data[k] : 0);
}

/* Is something in the block that this is in? */
static bool has_block(const struct model_inode *i, uint64_t offset)
{
	const uint64_t first = offset - offset % MODEL_BLOCK_BYTES;
	const size_t at = page_at(i, first / MODEL_PAGE_BYTES);

	return at < i->n_pages && i->pages[at].number < (first + MODEL_BLOCK_BYTES) / MODEL_PAGE_BYTES;
}

/* A hole from offset to end, touching only pages that are there. */
static void punch(struct model_inode *i, uint64_t offset, uint64_t end)
{
	const size_t low = page_at(i, offset / MODEL_PAGE_BYTES);
	struct model_extent *all = arena_alloc((i->n_pages + 1) * sizeof(*all));
	size_t n = 0;

	for (size_t k = 0; k < i->n_pages; k++) {
		const uint64_t start = i->pages[k].number * MODEL_PAGE_BYTES;
		struct model_page *p;

		if (k < low || start >= end) {
			all[n++] = i->pages[k];
			continue;
		}
		if (start >= offset && start + MODEL_PAGE_BYTES <= end)
			continue;
		p = arena_copy(i->pages[k].page, sizeof(*p));
		for (size_t at = 0; at < MODEL_PAGE_BYTES; at++) {
			if (start + at >= offset && start + at < end)
				change_byte(p, at, CHANGE_HOLE, 0);
		}
		all[n++] = (struct model_extent){ i->pages[k].number, p };
	}
	i->pages = all;
	i->n_pages = n;
}

void model_set_size(struct model_inode *i, uint64_t size)
{
	/* A store may keep what is in front of the cut of a block, also where nothing was ever written to it:
	 * the page is there then, and takes no space. */
	if (size % MODEL_BLOCK_BYTES && has_block(i, size - 1))
		(void)own_pages(i, size - 1, 1);
	punch(i, size, UINT64_MAX);
	/* Growing gives zeros: what fallocate put behind the end without growing the file has none to lose.
	 */
	i->size = size;
}

static bool fits(uint64_t offset, uint64_t len)
{
	return offset <= INT64_MAX && len <= INT64_MAX - offset;
}

static void grow(struct model_inode *i, uint64_t end)
{
	if (end > i->size)
		i->size = end;
	model_touch(i);
}

int model_write(const struct model *m, uint64_t ino, uint64_t offset, const void *data, size_t len,
		unsigned flags, const struct model **ret)
{
	const struct model_inode *old;
	struct model_inode *i;
	struct model *next;
	int r;

	if (len > WRITE_MAX_BYTES)
		return -EINVAL;
	if (!fits(offset, len))
		return -EFBIG;
	*ret = m;
	if (len == 0)
		return 0;
	r = model_file(m, ino, &old);
	if (r < 0)
		return r;
	next = model_next(m);
	i = model_edit(next, ino);
	change_range(i, offset, len, CHANGE_DATA, data);
	if (flags & HF_WRITE_KILL_PRIV)
		model_kill_priv(i);
	grow(i, offset + len);
	*ret = next;
	return 0;
}

int model_fallocate(const struct model *m, uint64_t ino, int mode, uint64_t offset, uint64_t len,
		    unsigned flags, const struct model **ret)
{
	const struct model_inode *old;
	struct model_inode *i;
	struct model *next;
	int r;

	switch (mode) {
	case 0:
	case FALLOC_FL_KEEP_SIZE:
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (len == 0)
		return -EINVAL;
	if (!fits(offset, len))
		return -EFBIG;
	r = model_file(m, ino, &old);
	if (r < 0)
		return r;
	next = model_next(m);
	i = model_edit(next, ino);
	if (mode & FALLOC_FL_PUNCH_HOLE)
		punch(i, offset, offset + len);
	else
		change_range(i, offset, len, mode & FALLOC_FL_ZERO_RANGE ? CHANGE_ZERO : CHANGE_ALLOCATE,
			     NULL);
	if (flags & HF_WRITE_KILL_PRIV)
		model_kill_priv(i);
	grow(i, mode & FALLOC_FL_KEEP_SIZE ? 0 : offset + len);
	*ret = next;
	return 0;
}

ssize_t model_copy_range(const struct model *m, uint64_t src_ino, uint64_t src_offset, uint64_t ino,
			 uint64_t offset, size_t len, unsigned flags, const struct model **ret)
{
	const struct model_inode *src, *old;
	struct model_inode *i;
	struct model *next;
	int r = model_file(m, src_ino, &src);

	if (r < 0)
		return r;
	if (src_offset >= src->size)
		len = 0;
	else if (len > src->size - src_offset)
		len = (size_t)(src->size - src_offset);
	if (!fits(offset, len))
		return -EFBIG;
	if (len > 0 && src_ino == ino && src_offset < offset + len && offset < src_offset + len)
		return -EINVAL;
	*ret = m;
	if (len == 0)
		return 0;
	r = model_file(m, ino, &old);
	if (r < 0)
		return r;
	next = model_next(m);
	i = model_edit(next, ino);
	punch(i, offset, offset + len);
	/* A store may copy the whole of a block that is there, also where nothing was ever written to it. */
	for (uint64_t at = src_offset, n; at < src_offset + len; at += n) {
		n = MODEL_BLOCK_BYTES - at % MODEL_BLOCK_BYTES;
		if (n > src_offset + len - at)
			n = src_offset + len - at;
		if (has_block(src, at))
			(void)own_pages(i, offset + (at - src_offset), n);
	}
	for (size_t k = 0; k < src->n_pages; k++) {
		const uint64_t start = src->pages[k].number * MODEL_PAGE_BYTES;
		const uint64_t from = start > src_offset ? start : src_offset;
		const uint64_t end = src_offset + len, stop = start + MODEL_PAGE_BYTES;
		const uint64_t to = stop < end ? stop : end;
		struct model_extent *e;

		if (from >= to)
			continue;
		e = own_pages(i, offset + (from - src_offset), to - from);
		for (uint64_t at = from, out = (offset + (from - src_offset)) % MODEL_PAGE_BYTES; at < to;
		     at++, out++) {
			bool taken;
			uint8_t byte = model_byte(src, at, &taken);

			change_byte((struct model_page *)(uintptr_t)e[out / MODEL_PAGE_BYTES].page,
				    out % MODEL_PAGE_BYTES, taken ? CHANGE_DATA : CHANGE_HOLE, byte);
		}
	}
	if (flags & HF_WRITE_KILL_PRIV)
		model_kill_priv(i);
	grow(i, offset + len);
	*ret = next;
	return (ssize_t)len;
}
