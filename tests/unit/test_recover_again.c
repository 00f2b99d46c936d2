/* SPDX-License-Identifier: MIT */
/* Recovery that was interrupted and is run again, and one against an old writer that is still there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/volume/kit.h"
#include "tests/unit/recover_helper.h"

struct stop {
	uint64_t after;
	struct rescue *b;
	bool done;
};

/* Take the node away in the middle. */
static void stop_node(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct stop *s = arg;

	(void)what;
	(void)total;
	if (done >= s->after && !s->done) {
		s->done = true;
		node_fixture_stop(&s->b->node);
	}
}

static void test_resumes(void **state)
{
	struct rescue b;
	struct stop stop = { .after = SEGMENT_BYTES_NOMINAL, .b = &b }; /* behind the first segment */
	struct hf_progress progress = { stop_node, &stop };
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	CLEANUP(buf_release) struct buf url = BUF_INIT;

	(void)state;
	rescue_init(&b);
	assert_true(hf_recover(b.url, b.kit, b.path, &progress, &got, &err) < 0);
	assert_true(stop.done);
	assert_true(rescue_has(b.path, "log/0000000001.seg") && rescue_has(b.path, "recovery"));
	assert_true(!rescue_has(b.path, "volume"));
	assert_int_equal(node_fixture_start(&b.node), 0);
	memcpy(b.node.place.volume_id, b.id, VOLUME_ID_BYTES);
	assert_int_equal(place_url(&b.node.place, &url), 0);
	(void)rescue_recover(&b, buf_cstr(&url));
	rescue_check_store(&b, 2, GROUPS);
	rescue_release(&b);
}

/* As it is when interrupted behind the point where the epoch was begun, before it became a store. */
static void make_unfinished(const struct rescue *b)
{
	char path[200], id[HF_VOLUME_ID_TEXT_BYTES];

	volume_id_text(b->id, id);
	(void)snprintf(path, sizeof(path), "%s/volume", b->path);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/recovery", b->path);
	assert_int_equal(os_write_file(os_posix(), path, id, strlen(id), 0600), 0);
}

static void test_resumes_at_the_end(void **state)
{
	struct rescue b;

	(void)state;
	rescue_init(&b);
	(void)rescue_recover(&b, b.url);
	make_unfinished(&b);
	assert_int_equal(rescue_recover(&b, b.url).epoch, 2);
	rescue_check_store(&b, 2, GROUPS);
	rescue_release(&b);
}

/* The earlier run was stopped while it had the log open to begin the epoch: behind it, and before it. */
static void test_resumes_with_space_laid_out(void **state)
{
	struct rescue b;
	char log_dir[200], path[300];
	uint32_t epoch;

	(void)state;
	rescue_init(&b);
	epoch = b.head.end.segment + 1;
	(void)snprintf(log_dir, sizeof(log_dir), "%s/log", b.path);
	(void)snprintf(path, sizeof(path), "%s/%010u.seg", log_dir, epoch);
	(void)rescue_recover(&b, b.url);
	for (int before = 0; before < 2; before++) {
		make_unfinished(&b);
		if (before)
			assert_int_equal(unlink(path), 0);
		for (uint32_t segment = epoch - 1; segment <= epoch + 1; segment++)
			if (before || segment >= epoch)
				rescue_lay_out(log_dir, segment);
		assert_int_equal(rescue_recover(&b, b.url).epoch, 2);
	}
	rescue_check_store(&b, 2, GROUPS);
	rescue_release(&b);
}

/* The node does not know of the epoch that the earlier run began: it is told before anybody says that it was.
 */
static void test_resumes_with_one_untold(void **state)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT, again = BUF_INIT;
	struct rescue b;
	char copy[160];
	struct wire w;

	(void)state;
	rescue_init(&b);
	node_fixture_stop(&b.node);
	node_fixture_copy(&b.node, copy);
	assert_int_equal(node_fixture_start(&b.node), 0);
	memcpy(b.node.place.volume_id, b.id, VOLUME_ID_BYTES);
	assert_int_equal(place_url(&b.node.place, &url), 0);
	(void)rescue_recover(&b, buf_cstr(&url));
	make_unfinished(&b);
	node_fixture_put_back(&b.node, copy);
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 200, NULL);
	memcpy(b.node.place.volume_id, b.id, VOLUME_ID_BYTES);
	assert_int_equal(place_url(&b.node.place, &again), 0);
	assert_int_equal(rescue_recover(&b, buf_cstr(&again)).goes_on, 1);
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 403, "epoch_over");
	rescue_check_store(&b, 2, GROUPS);
	rescue_release(&b);
}

/* The new epoch was enrolled, and then that machine died too: the next recovery takes its place. */
static void test_enrolled_and_lost(void **state)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT;
	struct rescue b;
	struct keyring *keys;
	struct epoch_cert cert;
	struct wire w;

	(void)state;
	rescue_init(&b);
	assert_int_equal(owner_keyring(b.volume.owner, &keys), 0);
	log_fixture_cert(&b.volume, keys, 2, &b.head, &cert);
	cert.created_ns = UINT64_MAX / 2; /* by a clock far ahead */
	epoch_cert_sign(&cert, b.volume.owner);
	w = wire_enrol(&b.node, http_signer_of_owner(b.volume.owner), &cert, &body, NULL);
	(void)wire_expect(&w, 200, NULL);
	(void)rescue_recover(&b, b.url);
	rescue_check_store(&b, 2, GROUPS);
	w = wire_position(&b.node, http_signer_of_writer(keys), b.id);
	(void)wire_expect(&w, 403, "not_allowed");
	keyring_free(keys);
	rescue_release(&b);
}

struct rival {
	struct rescue *b;
	uint64_t next;
	int left;
};

/* The old store goes on writing while its log is fetched. */
static void write_more(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct rival *r = arg;

	(void)what;
	(void)done;
	(void)total;
	if (r->left-- <= 0)
		return;
	log_put_groups(r->b->log, r->next, r->next + 1, GROUP_BYTES);
	r->next += 2;
	wire_send_log(&r->b->node, r->b->writer, r->b->log, r->b->id);
}

static void test_old_writer_is_still_there(void **state)
{
	struct rescue b;
	struct rival rival = { .b = &b, .next = GROUPS + 1, .left = 4 };
	struct hf_progress progress = { write_more, &rival };
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	rescue_init(&b);
	if (hf_recover(b.url, b.kit, b.path, &progress, &got, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(got.tid, rival.next - 1);
	rescue_check_store(&b, 2, rival.next - 1);
	rescue_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resumes),
		cmocka_unit_test(test_resumes_at_the_end),
		cmocka_unit_test(test_resumes_with_space_laid_out),
		cmocka_unit_test(test_resumes_with_one_untold),
		cmocka_unit_test(test_enrolled_and_lost),
		cmocka_unit_test(test_old_writer_is_still_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
