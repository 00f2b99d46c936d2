/* SPDX-License-Identifier: MIT */
#include "store/node/prune_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/crypto/wire.h"
#include "store/replica/json.h"
#include "store/replica/trail.h"
#include "store/volume/kit.h"

enum { RECORD_BYTES_MAX = 4096 };

static const char *const state_names[] = { "new",       "announced", "running", "done",
					   "cancelled", "refused",   "known" };

const char *hf_prune_state_name(enum hf_prune_state state)
{
	return state_names[state];
}

/* --- records */

static void decimal(uint64_t n, char out[24])
{
	(void)snprintf(out, 24, "%" PRIu64, n);
}

int prune_file_write(const struct os *os, const char *dir, const struct hf_node_prune *p)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	char announced[24], delay[24], waited[24], segments[24], freed[24];

	decimal(p->announced_ns, announced);
	decimal(p->delay_s, delay);
	decimal(p->waited_s, waited);
	decimal(p->segments_done, segments);
	decimal(p->freed_bytes, freed);
	o = json_pack("{s:i,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "version", 1, "prune", (json_int_t)p->number,
		      "state", state_names[p->state], "announced_ns", announced, "delay_s", delay, "waited_s",
		      waited, "segments", segments, "freed_bytes", freed, "words", p->words);
	if (!o || json_write(o, &text) < 0 || !grants_path(dir, p->number, "json", &path))
		return -ENOMEM;
	return os_write_file(os, (const char *)path.data, text.data, text.len, 0644);
}

static bool parse_state(const char *name, enum hf_prune_state *ret)
{
	for (size_t i = 1; i < sizeof(state_names) / sizeof(state_names[0]); i++)
		if (strcmp(name, state_names[i]) == 0) {
			*ret = (enum hf_prune_state)i;
			return true;
		}
	return false;
}

static bool parse_record(const struct buf *text, struct hf_node_prune *ret)
{
	CLEANUP(json_decrefp) json_t *o = json_read(text->data, text->len);
	struct hf_node_prune p = *ret;
	uint32_t version, number;
	char state[16];

	if (!o || json_get_u32(o, "version", &version) < 0 || version != 1 ||
	    json_get_u32(o, "prune", &number) < 0 || number != p.number ||
	    json_get_text(o, "state", state, sizeof(state)) < 0 || !parse_state(state, &p.state) ||
	    json_get_u64(o, "announced_ns", &p.announced_ns) < 0 ||
	    json_get_u64(o, "delay_s", &p.delay_s) < 0 || json_get_u64(o, "waited_s", &p.waited_s) < 0 ||
	    json_get_u64(o, "segments", &p.segments_done) < 0 ||
	    json_get_u64(o, "freed_bytes", &p.freed_bytes) < 0 ||
	    json_get_text(o, "words", p.words, sizeof(p.words)) < 0 || p.segments_done > p.segments)
		return false;
	*ret = p;
	return true;
}

/* No record: it is new. One that cannot be read might be of anything: nothing is done for it any more. */
static int read_record(const struct os *os, const char *dir, struct hf_node_prune *p, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	int r;

	if (!grants_path(dir, p->number, "json", &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)path.data, RECORD_BYTES_MAX, &text);
	if (r == -ENOENT)
		return 0;
	if (r < 0 && r != -EFBIG)
		return hf_error_set(err, r, "cannot read %s: %s", (const char *)path.data, hf_strerror(r));
	if (r == 0 && parse_record(&text, p))
		return 0;
	p->state = HF_PRUNE_REFUSED;
	(void)snprintf(p->words, sizeof(p->words), "%.400s cannot be read: was somebody at it?",
		       (const char *)path.data);
	return 0;
}

/* --- cancelling */

bool prune_file_is_cancelled(const struct os *os, const char *dir, uint32_t number)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int fd;

	if (!grants_path(dir, number, "cancel", &path))
		return true;
	fd = os->open(os->state, (const char *)path.data, O_RDONLY, 0);
	if (fd >= 0)
		(void)os->close(os->state, fd);
	return fd != -ENOENT; /* what cannot be told is taken for cancelled */
}

int prune_file_cancel(const struct os *os, const char *dir, uint32_t number)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;

	buf_add_text(&text, "{\"version\":1,\"cancelled_ns\":\"%" PRIu64 "\"}\n", os->now_ns(os->state));
	if (!grants_path(dir, number, "cancel", &path) || buf_status(&text) < 0)
		return -ENOMEM;
	return os_write_file(os, (const char *)path.data, text.data, text.len, 0644);
}

/* --- putting one there */

static bool is_same(const struct os *os, const char *dir, uint32_t number, const void *list, size_t len)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;

	return grants_path(dir, number, "list", &path) &&
	       os_read_file(os, (const char *)path.data, PRUNE_LIST_BYTES_MAX, &data) == 0 &&
	       data.len == len && memcmp(data.data, list, len) == 0;
}

int prune_file_is_there(const struct os *os, struct volume *v, const void *list, size_t len, uint32_t *ret,
			struct hf_error *err)
{
	CLEANUP(cleanup_free) uint32_t *numbers = NULL;
	size_t n = 0;
	int r = grants_numbers(os, volume_dir(v), &numbers, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = is_same(os, volume_dir(v), numbers[i], list, len);
		if (r == 1)
			*ret = numbers[i];
	}
	return r;
}

/* Often this runs as root, and the node as a user of its own, which may not even call chown. */
static int give_to_owner_of(const char *dir, const char *path)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return -errno;
	if (st.st_uid == geteuid() && st.st_gid == getegid())
		return 0;
	return chown(path, st.st_uid, st.st_gid) < 0 ? -errno : 0;
}

static int make_folder(const struct os *os, const char *dir, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int r;

	if (!os_join(&path, dir, "prunes"))
		return hf_error_set(err, -ENOMEM, "no memory");
	if (mkdir((const char *)path.data, 0700) < 0)
		r = errno == EEXIST ? 0 : -errno;
	else
		r = give_to_owner_of(dir, (const char *)path.data);
	if (r == 0)
		r = os->sync_dir(os->state, dir);
	return r < 0 ? hf_error_set(err, r, "cannot make the folder %s: %s", (const char *)path.data,
				    hf_strerror(r)) :
		       0;
}

int prune_file_turn(const char *node_dir, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(cleanup_fd) int fd = -1;

	if (!os_join(&path, node_dir, "volumes"))
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = open((const char *)path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return hf_error_set(err, -errno, "cannot lock %s: %s", (const char *)path.data,
				    strerror(errno));
	return TAKE_FD(fd);
}

static int last_number_in(const struct os *os, const char *dir, size_t *ret_n, uint32_t *last,
			  struct hf_error *err)
{
	CLEANUP(cleanup_free) uint32_t *numbers = NULL;
	int r = grants_numbers(os, dir, &numbers, ret_n, err);

	if (r == 0 && *ret_n > 0 && numbers[*ret_n - 1] > *last)
		*last = numbers[*ret_n - 1];
	return r;
}

/* Of a volume that cannot be opened, too: no number is given twice. */
static int last_number(const struct os *os, struct volumes *volumes, const struct volume *of, size_t *ret_of,
		       uint32_t *ret, struct hf_error *err)
{
	const struct volume_fault *f;
	struct volume *v;
	size_t n = 0;
	int r = 0;

	*ret = 0;
	for (size_t i = 0; r == 0 && (v = volumes_nth(volumes, i)); i++) {
		r = last_number_in(os, volume_dir(v), &n, ret, err);
		if (v == of)
			*ret_of = n;
	}
	for (size_t i = 0; r == 0 && (f = volumes_nth_fault(volumes, i)); i++)
		r = last_number_in(os, f->dir, &n, ret, err);
	return r;
}

int prune_file_put(const struct os *os, struct volumes *volumes, struct volume *v, const void *list,
		   size_t len, uint32_t *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	uint32_t last = 0;
	size_t n = 0;
	int r = make_folder(os, volume_dir(v), err);

	if (r < 0)
		return r;
	r = prune_file_is_there(os, v, list, len, ret, err);
	if (r != 0)
		return r == 1 ? hf_error_set(err, -EEXIST, "the same list is here, as prune %" PRIu32, *ret) :
				r;
	r = last_number(os, volumes, v, &n, &last, err);
	if (r < 0)
		return r;
	if (n >= GRANTS_LISTS_MAX || last >= GRANTS_MAX)
		return hf_error_set(err, -ENOSPC, "there are as many prune lists as can be");
	if (!grants_path(volume_dir(v), last + 1, "list", &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)path.data, list, len, 0644);
	if (r < 0)
		return hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, hf_strerror(r));
	*ret = last + 1;
	return 0;
}

/* --- lists */

void prune_describe(const struct prune_list *list, struct hf_node_prune *ret)
{
	volume_id_text(list->volume_id, ret->volume_id);
	ret->made_ns = list->made_ns;
	ret->before_tid = list->before_tid;
	ret->before_ns = list->before_ns;
	ret->segments = list->n;
	ret->bytes = prune_list_bytes(list);
}

static int read_list(const struct os *os, const char *dir, uint32_t number, struct prune_list *ret,
		     struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	int r;

	if (!grants_path(dir, number, "list", &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)path.data, PRUNE_LIST_BYTES_MAX, &data);
	if (r < 0)
		return hf_error_set(err, r, "cannot read %s: %s", (const char *)path.data, hf_strerror(r));
	return prune_list_decode(data.data, data.len, ret, err);
}

int prune_file_read(const struct os *os, const char *dir, uint32_t number, struct prune_list *list,
		    struct hf_node_prune *ret, struct hf_error *err)
{
	struct hf_node_prune p;
	struct prune_list l;
	int r = read_list(os, dir, number, &l, err);

	if (r < 0)
		return r;
	memset(&p, 0, sizeof(p));
	p.number = number;
	prune_describe(&l, &p);
	r = read_record(os, dir, &p, err);
	if (r < 0) {
		prune_list_release(&l);
		return r;
	}
	*list = l;
	*ret = p;
	return 0;
}

bool prune_is_for(const struct prune_list *list, const char *node)
{
	char name[2 * PUBLIC_KEY_BYTES + 1];

	wire_hex(list->node, PUBLIC_KEY_BYTES, name);
	return strcmp(name, node) == 0;
}

static int has_commit(const struct os *os, const struct prune_list *list, struct volume *v,
		      struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct log_point here, point;
	int r;

	memset(&point, 0, sizeof(point));
	point.end = (struct log_pos){ list->at_segment, list->at_offset };
	point.commit = list->commit;
	point.tid = list->tid;
	point.epoch = list->epoch;
	memcpy(point.chain, list->chain, HASH_BYTES);
	shelf_position(volume_shelf(v), &here);
	if (!os_join(&dir, volume_dir(v), "log"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = trail_has(os, (const char *)dir.data, &point, &here, NULL);
	if (r < 0)
		return hf_error_set(err, r, "cannot read the log of volume %s: %s", volume_id_words(v),
				    hf_strerror(r));
	return r == 1 ? 0 :
			hf_error_set(err, -ENODATA,
				     "the log here does not have commit %" PRIu64
				     ", which the list rests on: let the "
				     "store ship it, then again",
				     list->commit);
}

int prune_judge(const struct os *os, const struct prune_list *list, struct volume *v, const char *node,
		struct hf_error *err)
{
	struct epoch_cert cert;

	volume_newest_cert(v, &cert);
	if (memcmp(list->volume_id, volume_id(v), VOLUME_ID_BYTES) != 0 ||
	    memcmp(list->owner_public, cert.owner_public, PUBLIC_KEY_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED, "the list is not by the owner of volume %s",
				    volume_id_words(v));
	if (!prune_is_for(list, node))
		return hf_error_set(err, -EKEYREJECTED, "the list is for another node");
	if (list->epoch != cert.epoch)
		return hf_error_set(err, -ESTALE,
				    "the list was made in epoch %" PRIu32
				    ", and the volume is in epoch %" PRIu32
				    ": it was taken over since. Plan anew",
				    list->epoch, cert.epoch);
	return has_commit(os, list, v, err);
}
