/* SPDX-License-Identifier: MIT */
#include "tests/fault/copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/shelf.h"
#include "store/volume/kit.h"

enum { STEP_BYTES = 64 << 10 };

static int wrong(struct copy *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct copy *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(c->words, sizeof(c->words), fmt, args);
	va_end(args);
	return -1;
}

static int read_node_key(struct copy *c, const char *node_dir, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, seed = BUF_INIT;
	struct signer *key = NULL;
	int r;

	buf_add_text(&path, "%s/keys/receipt.key", node_dir);
	r = os_read_file(&c->to->os, buf_cstr(&path), SEED_BYTES, &seed);
	if (r == 0)
		r = signer_new(seed.data, &key);
	if (r < 0)
		return hf_error_set(err, r, "cannot read the node's key");
	memcpy(c->node_key, signer_public(key), PUBLIC_KEY_BYTES);
	signer_free(key);
	return 0;
}

int copy_begin(struct copy *c, struct machine *from, struct machine *to, const char *store,
	       const char *node_dir, const struct hf_kit *kit, struct hf_error *err)
{
	char id[HF_VOLUME_ID_TEXT_BYTES];

	*c = (struct copy){ .from = from, .to = to, .compared = { 1, 0 } };
	hf_kit_volume_id(kit, id);
	memcpy(c->volume_id, owner_volume_id(kit_owner(kit)), VOLUME_ID_BYTES);
	(void)snprintf(c->from_log, sizeof(c->from_log), "%s/log", store);
	(void)snprintf(c->to_dir, sizeof(c->to_dir), "%s/volumes/%s", node_dir, id);
	return read_node_key(c, node_dir, err);
}

void copy_end(struct copy *c)
{
	*c = (struct copy){ .from = NULL };
}

static void segment_path_of(char out[MACHINE_PATH_BYTES + 160], const char *dir, const char *below,
			    uint32_t segment)
{
	(void)snprintf(out, MACHINE_PATH_BYTES + 160, "%s%s/%010" PRIu32 ".seg", dir, below, segment);
}

/*
 * Bytes of a segment from `at` up to `end` (0: to the end of the node's file) stand on the node's disk, and
 * durably on the primary's, and are the same. surely: on the node's durably, too.
 */
static int compare_segment(struct copy *c, struct log_pos at, uint64_t end, bool surely)
{
	char ours[MACHINE_PATH_BYTES + 160], theirs[MACHINE_PATH_BYTES + 160];
	static uint8_t a[STEP_BYTES], b[STEP_BYTES];
	uint64_t offset = at.offset;

	segment_path_of(ours, c->from_log, "", at.segment);
	segment_path_of(theirs, c->to_dir, "/log", at.segment);
	for (;;) {
		const size_t want = end && end - offset < sizeof(b) ? (size_t)(end - offset) : sizeof(b);
		ssize_t n = surely ? sim_read_durable(c->to->sim, theirs, b, want, offset) :
				     sim_read_now(c->to->sim, theirs, b, want, offset);

		if (n < 0)
			return wrong(c, "the node has no segment %" PRIu32, at.segment);
		if (n > 0 && sim_read_durable(c->from->sim, ours, a, (size_t)n, offset) != n)
			return wrong(c,
				     "segment %" PRIu32 ", offset %" PRIu64
				     ": the primary has less than the node",
				     at.segment, offset);
		if (memcmp(a, b, (size_t)n) != 0)
			return wrong(c,
				     "segment %" PRIu32 ", from offset %" PRIu64 ": the node has other bytes",
				     at.segment, offset);
		offset += (uint64_t)n;
		if ((end && offset == end) || (!end && n == 0))
			break;
		if (n == 0)
			return wrong(c,
				     "segment %" PRIu32 " ends at %" PRIu64 " for sure, and %" PRIu64
				     " was promised",
				     at.segment, offset, end);
	}
	return 0;
}

static int compare(struct copy *c, struct log_pos from, struct log_pos end, bool surely)
{
	for (; from.segment < end.segment; from = (struct log_pos){ from.segment + 1, 0 })
		if (compare_segment(c, from, 0, surely) < 0)
			return -1;
	return from.offset < end.offset ? compare_segment(c, from, end.offset, surely) : 0;
}

/* From where was compared before, up to `end`. */
static int compare_on(struct copy *c, struct log_pos end)
{
	if (log_pos_compare(end, c->compared) <= 0)
		return 0;
	if (compare(c, c->compared, end, true) < 0)
		return -1;
	c->compared = end;
	return 0;
}

int copy_receipt(struct copy *c, const void *text, size_t len, const char *signature)
{
	struct hf_error err = HF_ERROR_INIT;
	struct receipt r;

	if (receipt_read(text, len, signature, c->node_key, &r, &err) < 0)
		return wrong(c, "it cannot be read: %s", err.text);
	if (memcmp(r.volume_id, c->volume_id, VOLUME_ID_BYTES) != 0)
		return wrong(c, "it is of another volume");
	if (log_pos_compare(r.point.end, c->promised.end) <= 0)
		return 0;
	c->promised = r.point;
	return compare_on(c, r.point.end);
}

/* `promised` was so before the shelf was opened: the node may be served, and go on. */
static int check_shelf(struct copy *c, struct shelf *shelf, struct log_pos promised, bool whole)
{
	const struct log_pos start = { 1, 0 };
	struct log_point p;

	shelf_position(shelf, &p);
	if (log_pos_compare(p.end, promised) < 0)
		return wrong(c,
			     "the node ends at segment %" PRIu32 ", offset %" PRIu32
			     ", and has promised %" PRIu32 ", %" PRIu32,
			     p.end.segment, p.end.offset, promised.segment, promised.offset);
	if (p.end.segment == 0)
		return 0;
	if (whole)
		c->compared = start;
	return compare_on(c, c->promised.end) < 0 ? -1 : compare(c, c->compared, p.end, false);
}

int copy_check(struct copy *c, bool whole)
{
	struct machine *before = machine_enter(c->to);
	const struct log_pos promised = c->promised.end;
	struct hf_error err = HF_ERROR_INIT;
	struct shelf *shelf = NULL;
	int r;

	sim_faults_off(c->to->sim);
	r = shelf_open(&c->to->os, c->to_dir, c->volume_id, true, &shelf, NULL, &err);
	r = r < 0 ? wrong(c, "the node's copy cannot be opened: %d %s", r, err.text) :
		    check_shelf(c, shelf, promised, whole);
	shelf_close(shelf);
	sim_faults_on(c->to->sim);
	(void)machine_enter(before);
	return r;
}
