/* SPDX-License-Identifier: MIT */
#include "store/replica/shelf_prune.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "store/log/verifier.h"

struct frame {
	uint32_t offset, len;
	uint8_t type;
};

struct job {
	const struct os *os;
	const char *dir;
	const struct grants *grants;
	const struct prune_list *list;
	const struct prune_segment *segment;
	struct buf bytes;  /* the whole file */
	struct buf frames; /* of struct frame, in order */
	struct buf path;
	struct shelf_pruned sum;
	struct hf_error *err;
};

static void job_release(struct job *j)
{
	buf_release(&j->bytes);
	buf_release(&j->frames);
	buf_release(&j->path);
}

static const struct frame *frame_of(const struct job *j, size_t i)
{
	return (const struct frame *)(const void *)j->frames.data + i;
}

static size_t n_frames(const struct job *j)
{
	return j->frames.len / sizeof(struct frame);
}

static int not_so(const struct job *j, const char *why)
{
	return hf_error_set(j->err, -EUCLEAN, "segment %" PRIu32 " is not as the prune list says: %s",
			    j->segment->segment, why);
}

/* --- reading and judging */

static const char *segment_path(struct job *j)
{
	char name[16];

	segment_file_name(j->segment->segment, name);
	buf_clear(&j->path);
	buf_add_text(&j->path, "%s/log/%s", j->dir, name);
	(void)buf_cstr(&j->path);
	return buf_status(&j->path) < 0 ? NULL : (const char *)j->path.data;
}

static int read_segment(struct job *j)
{
	const char *path = segment_path(j);
	int r = path ? os_read_file(j->os, path, SEGMENT_BYTES_MAX, &j->bytes) : -ENOMEM;

	if (r < 0)
		return hf_error_set(j->err, r, "cannot read segment %" PRIu32 ": %s", j->segment->segment,
				    hf_strerror(r));
	return j->bytes.len < SEGMENT_HEADER_BYTES ? not_so(j, "it is shorter than its header") : 0;
}

static void take_frame(void *arg, struct log_pos pos, const struct frame_header *h, const uint8_t *body)
{
	const struct frame f = { pos.offset, FRAME_HEADER_BYTES + h->body_len, h->type };

	(void)body;
	buf_add(arg, &f, sizeof(f));
}

/* Verify all of j->bytes, up to the list's chain value, exactly. */
static int verify(struct job *j)
{
	struct verifier_frames frames = { take_frame, &j->frames };
	struct verifier v;
	size_t used;
	int r;

	buf_clear(&j->frames);
	verifier_begin(&v, j->list->volume_id);
	verifier_grant(&v, j->grants);
	r = verifier_enter(&v, j->bytes.data, j->err);
	if (r == 0 && v.point.end.segment != j->segment->segment)
		r = not_so(j, "its header says that it is another");
	for (; r == 0 && v.point.end.offset < j->bytes.len;) {
		r = verifier_group(&v, j->bytes.data + v.point.end.offset, j->bytes.len - v.point.end.offset,
				   &used, &frames, j->err);
		r = r == 1 ? 0 : r == 0 ? not_so(j, "it ends in the middle of a group") : r;
	}
	if (r == 0 && memcmp(v.point.chain, j->segment->chain, HASH_BYTES) != 0)
		r = not_so(j, "its chain ends otherwise");
	return r == 0 && buf_status(&j->frames) < 0 ? hf_error_set(j->err, -ENOMEM, "no memory") : r;
}

static bool is_named(const struct job *j, const struct frame *f)
{
	return (f->type == FRAME_DATA || f->type == FRAME_PRUNED) &&
	       prune_segment_covers(j->segment, f->offset, f->len);
}

/* Frames do not overlap, and the ranges do not: so they are the same bytes when they are as many. */
static int check_ranges(struct job *j)
{
	uint64_t named = 0;

	for (size_t i = 0; i < n_frames(j); i++) {
		const struct frame *f = frame_of(j, i);

		if (!is_named(j, f))
			continue;
		named += f->len;
		j->sum.frames += f->type == FRAME_DATA;
		j->sum.bytes += f->type == FRAME_DATA ? f->len : 0;
	}
	return named == prune_segment_bytes(j->segment) ? 0 : not_so(j, "a range is not whole data frames");
}

static int look(struct job *j)
{
	int r = read_segment(j);

	if (r == 0)
		r = verify(j);
	return r == 0 ? check_ranges(j) : r;
}

/* --- taking away */

/* In memory. What comes of it is verified like anything else, before anything else is done. */
static int take_out(struct job *j)
{
	for (size_t i = 0; i < n_frames(j); i++) {
		const struct frame *f = frame_of(j, i);

		if (f->type == FRAME_DATA && is_named(j, f))
			pruned_frame_encode(j->bytes.data + f->offset, f->len);
	}
	return verify(j);
}

/* Every byte but the zeros of pruned frames, which a file system need not keep. */
static int write_kept(const struct job *j, int fd)
{
	size_t from = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_frames(j); i++) {
		const struct frame *f = frame_of(j, i);

		if (f->type != FRAME_PRUNED)
			continue;
		r = os_pwrite_full(j->os, fd, j->bytes.data + from, f->offset + PRUNED_FRAME_BYTES - from,
				   from);
		from = f->offset + f->len;
	}
	return r < 0 ? r : os_pwrite_full(j->os, fd, j->bytes.data + from, j->bytes.len - from, from);
}

static int write_new(const struct job *j, const char *path)
{
	int fd = j->os->open(j->os->state, path, O_RDWR | O_CREAT | O_TRUNC, 0600), r, closed;

	if (fd < 0)
		return fd;
	r = write_kept(j, fd);
	if (r == 0)
		r = j->os->fsync(j->os->state, fd);
	closed = j->os->close(j->os->state, fd);
	return r < 0 ? r : closed;
}

static int replace(struct job *j)
{
	CLEANUP(buf_release) struct buf temporary = BUF_INIT;
	const struct os *os = j->os;
	int r;

	if (!os_join(&temporary, j->dir, "prunes/segment") || !segment_path(j))
		return hf_error_set(j->err, -ENOMEM, "no memory");
	r = write_new(j, (const char *)temporary.data);
	if (r == 0)
		r = os->rename(os->state, (const char *)temporary.data, (const char *)j->path.data);
	if (r == 0)
		return 0;
	(void)os->unlink(os->state, (const char *)temporary.data);
	return hf_error_set(j->err, r, "cannot replace %s: %s", (const char *)j->path.data, hf_strerror(r));
}

/* Also of what was replaced before: that may have failed just here. */
static int sync_folder(struct job *j)
{
	CLEANUP(buf_release) struct buf folder = BUF_INIT;
	int r;

	if (!os_join(&folder, j->dir, "log"))
		return hf_error_set(j->err, -ENOMEM, "no memory");
	r = j->os->sync_dir(j->os->state, (const char *)folder.data);
	return r < 0 ? hf_error_set(j->err, r, "cannot sync the folder %s: %s", (const char *)folder.data,
				    hf_strerror(r)) :
		       0;
}

static int run(struct job *j, bool only_look, struct shelf_pruned *ret)
{
	int r = look(j);

	if (r == 0 && !only_look && j->sum.frames > 0) {
		r = take_out(j);
		if (r == 0)
			r = replace(j);
	}
	if (r == 0 && !only_look)
		r = sync_folder(j);
	if (r == 0)
		*ret = j->sum;
	return r;
}

int shelf_prune_check(const struct os *os, const char *dir, const struct grants *grants,
		      const struct prune_list *list, const struct prune_segment *segment,
		      struct shelf_pruned *ret, struct hf_error *err)
{
	CLEANUP(job_release)
	struct job j = {
		.os = os, .dir = dir, .grants = grants, .list = list, .segment = segment, .err = err
	};

	return run(&j, true, ret);
}

int shelf_prune(const struct os *os, const char *dir, const struct grants *grants,
		const struct prune_list *list, const struct prune_segment *segment, struct shelf_pruned *ret,
		struct hf_error *err)
{
	CLEANUP(job_release)
	struct job j = {
		.os = os, .dir = dir, .grants = grants, .list = list, .segment = segment, .err = err
	};

	return run(&j, false, ret);
}
