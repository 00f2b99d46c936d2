/* SPDX-License-Identifier: MIT */
#include "store/node/budget.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "holdfast/node.h"
#include "store/crypto/wire.h"
#include "store/node/setup.h"
#include "store/replica/json.h"

enum { BUDGET_FILE_BYTES_MAX = 1024, FULL_PERCENT = 100 };

static const uint64_t second_ns = UINT64_C(1000000000);

void budget_init(struct budget *b)
{
	memset(b, 0, sizeof(*b));
	(void)pthread_mutex_init(&b->lock, NULL);
}

void budget_release(struct budget *b)
{
	(void)pthread_mutex_destroy(&b->lock);
}

/* --- the file */

int budget_read(const struct os *os, const char *dir, uint64_t *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	uint32_t version;
	uint64_t bytes;
	int r;

	if (!os_join(&path, dir, "budget"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)path.data, BUDGET_FILE_BYTES_MAX, &data);
	if (r == -ENOENT) {
		*ret = BUDGET_NONE;
		return 0;
	}
	if (r < 0 && r != -EFBIG)
		return hf_error_set(err, r, "cannot read %s: %s", (const char *)path.data, strerror(-r));
	o = r == 0 ? json_read(data.data, data.len) : NULL;
	if (!o || json_get_u32(o, "version", &version) < 0 || version != 1 ||
	    json_get_u64(o, "bytes", &bytes) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "%s is damaged: set the budget anew with holdfast node budget",
				    (const char *)path.data);
	*ret = bytes;
	return 0;
}

/* Often by root, and read by the node's own user; the folder is closed to others. */
int budget_write(const struct os *os, const char *dir, uint64_t bytes, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	int r;

	buf_add_text(&text, "{\"version\":1,\"bytes\":\"%" PRIu64 "\"}\n", bytes);
	if (!os_join(&path, dir, "budget") || buf_status(&text) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)path.data, text.data, text.len, 0644);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

static int remove_file(const struct os *os, const char *dir, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int r;

	if (!os_join(&path, dir, "budget"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->unlink(os->state, (const char *)path.data);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = os->sync_dir(os->state, dir);
	return r < 0 ? hf_error_set(err, r, "cannot remove %s: %s", (const char *)path.data, strerror(-r)) :
		       0;
}

static void count_entry(void *arg, const char *name)
{
	(void)name;
	++*(size_t *)arg;
}

/* The volume's folder, which must be there. */
static int find_folder(const struct os *os, const char *dir, const char *volume_id, struct buf *out,
		       struct hf_error *err)
{
	uint8_t id[VOLUME_ID_BYTES];
	size_t n = 0;

	if (strlen(volume_id) != 2 * sizeof(id) ||
	    wire_unhex(volume_id, strlen(volume_id), id, sizeof(id)) < 0)
		return hf_error_set(err, -EINVAL, "%.60s is not the id of a volume", volume_id);
	buf_add_text(out, "%s/volumes/%s", dir, volume_id);
	(void)buf_cstr(out);
	if (buf_status(out) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (os->list(os->state, (const char *)out->data, count_entry, &n) < 0)
		return hf_error_set(err, -ENOENT, "there is no volume %s in %s", volume_id, dir);
	return 0;
}

int hf_node_set_budget(const char *dir, const char *volume_id, uint64_t bytes, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf folder = BUF_INIT;
	const struct os *os = os_posix();
	struct setup setup;
	int r = setup_read(os, dir, &setup, err);

	if (r == 0 && volume_id) {
		r = find_folder(os, dir, volume_id, &folder, err);
		dir = (const char *)folder.data;
	}
	if (r < 0)
		return r;
	return bytes == BUDGET_NONE ? remove_file(os, dir, err) : budget_write(os, dir, bytes, err);
}

/* --- counting. Requires b->lock. */

uint64_t budget_charge(uint64_t bytes)
{
	return bytes > BUDGET_SEGMENT_BYTES ? bytes : BUDGET_SEGMENT_BYTES;
}

/* Segments before this one, which have ended and do not change. One whose file is gone takes no room. */
static int count_before(struct budget *b, struct shelf *s, uint32_t segment, struct hf_error *err)
{
	while (b->counted + 1 < segment) {
		uint64_t bytes = 0;
		int r = shelf_segment_bytes(s, b->counted + 1, &bytes, err);

		if (r < 0 && r != -EUCLEAN)
			return r;
		if (r == 0) {
			b->bytes += bytes;
			b->charged += budget_charge(bytes);
		}
		b->counted++;
	}
	return 0;
}

static int used(struct budget *b, struct shelf *s, const struct log_point *end, uint64_t *ret,
		struct hf_error *err)
{
	int r = count_before(b, s, end->end.segment, err);

	if (r == 0)
		*ret = b->charged + end->end.offset;
	return r;
}

int budget_used(struct budget *b, struct shelf *s, uint64_t *ret, uint64_t *ret_bytes, struct hf_error *err)
{
	struct log_point end;
	int r;

	(void)pthread_mutex_lock(&b->lock);
	shelf_position(s, &end);
	r = used(b, s, &end, ret, err);
	if (r == 0 && ret_bytes)
		*ret_bytes = b->bytes + end.end.offset;
	(void)pthread_mutex_unlock(&b->lock);
	return r;
}

/* --- judging */

static bool near(uint64_t limit, uint64_t bytes)
{
	return bytes >= limit / FULL_PERCENT * BUDGET_NEAR_PERCENT;
}

static bool is_at_end(struct log_pos at, struct log_pos end)
{
	return at.segment == end.segment ? at.offset == end.offset :
					   at.offset == 0 && at.segment == end.segment + 1;
}

/* What would count more: a segment that begins ends the one before. */
static uint64_t cost(const struct budget_append *a, struct log_pos end)
{
	bool ends_one = a->at.segment != end.segment && end.segment > 0;

	return a->len + (ends_one ? budget_charge(end.offset) - end.offset : 0);
}

static int refuse(struct budget *b, struct budget_append *a, uint64_t limit, uint64_t bytes)
{
	b->refused = true;
	a->over = true;
	a->limit = limit;
	a->used = bytes;
	a->look = b->told_percent < FULL_PERCENT || b->told_limit != limit;
	return -EDQUOT;
}

/* unread: why the limit is not known, NULL when it is. */
static int judge(struct budget *b, struct shelf *s, struct budget_append *a, uint64_t limit,
		 const char *unread, struct hf_error *err)
{
	struct log_point end;
	uint64_t bytes = 0, more;
	int r;

	shelf_position(s, &end);
	if (!is_at_end(a->at, end.end))
		return 0;
	r = used(b, s, &end, &bytes, err);
	if (r < 0)
		return r;
	if (unread)
		return hf_error_set(err, refuse(b, a, 0, bytes), "full: %s", unread);
	more = cost(a, end.end);
	if (bytes <= limit && more <= limit - bytes) {
		a->look = b->told_percent == 0 && near(limit, bytes + more);
		return 0;
	}
	return hf_error_set(err, refuse(b, a, limit, bytes),
			    "full: the volume has used %" PRIu64 " bytes of its budget of %" PRIu64
			    " bytes on this node, and %" PRIu64
			    " more do not fit. The node's operator can raise it: "
			    "holdfast node budget",
			    bytes, limit, more);
}

int budget_admit(struct budget *b, const struct os *os, const char *dir, struct shelf *s,
		 struct budget_append *a, struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	uint64_t limit = 0;
	int r = budget_read(os, dir, &limit, &why);

	a->over = a->look = false;
	if (r == 0 && limit == BUDGET_NONE)
		return 0;
	(void)pthread_mutex_lock(&b->lock);
	r = judge(b, s, a, limit, r < 0 ? why.text : NULL, err);
	(void)pthread_mutex_unlock(&b->lock);
	return r;
}

int budget_append(struct budget *b, const struct os *os, const char *dir, struct shelf *s,
		  struct budget_append *a, struct log_point *ret, struct hf_error *err)
{
	int r = budget_admit(b, os, dir, s, a, err);

	return r == 0 ? shelf_append(s, a->at, a->data, a->len, ret, err) : r;
}

/* --- telling */

static unsigned percent_of(const struct budget *b, uint64_t limit, uint64_t bytes)
{
	if (b->refused || bytes >= limit)
		return FULL_PERCENT;
	return near(limit, bytes) ? BUDGET_NEAR_PERCENT : 0;
}

/* Whether there is something to tell, which then counts as told. Requires b->lock. */
static bool news(struct budget *b, uint64_t limit, uint64_t bytes, uint64_t mono_ns, unsigned *ret_percent)
{
	unsigned percent;

	if (limit != b->told_limit) {
		b->refused = b->refused && bytes >= limit; /* the new one is judged anew */
		b->told_limit = limit;
		b->told_percent = 0;
	}
	percent = percent_of(b, limit, bytes);
	if (percent <= b->told_percent && (percent == 0 || mono_ns - b->told_ns < BUDGET_AGAIN_S * second_ns))
		return false;
	b->told_percent = percent;
	b->told_ns = mono_ns;
	*ret_percent = percent;
	return true;
}

void budget_look(struct budget *b, const struct os *os, const char *dir, struct shelf *s,
		 struct alarms *alarms, const char *volume, uint64_t mono_ns)
{
	const struct alarm_about worse = { .volume = volume, .worse = true };
	struct hf_error err = HF_ERROR_INIT;
	uint64_t limit = 0, bytes = 0;
	unsigned percent = 0;
	bool tell;
	int r = budget_read(os, dir, &limit, &err);

	if (r == 0 && budget_used(b, s, &bytes, NULL, &err) < 0)
		return; /* appends and reads say so, each */
	(void)pthread_mutex_lock(&b->lock);
	tell = news(b, limit, bytes, mono_ns, &percent);
	(void)pthread_mutex_unlock(&b->lock);
	if (!tell)
		return;
	if (r < 0)
		alarms_raise_about(alarms, "budget", &worse, "no append is taken: %s", err.text);
	else if (percent == FULL_PERCENT)
		alarms_raise_about(
			alarms, "budget", &worse,
			"its budget is used up: %" PRIu64 " of %" PRIu64
			" bytes. Appends are refused, and nothing is given up; raise it with holdfast node "
			"budget",
			bytes, limit);
	else
		alarms_raise(alarms, "budget", volume,
			     "it has used %" PRIu64 " of its budget of %" PRIu64
			     " bytes; when that is used up, appends are refused. Did it grow as you expect?",
			     bytes, limit);
}
