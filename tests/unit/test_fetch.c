/* SPDX-License-Identifier: MIT */
/* A log is brought back over a line that breaks: what may pass is asked for again, and nothing else is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/fetch.h"
#include "store/replica/patience.h"
#include "tests/sim/sim_os.h"
#include "tests/unit/log_helper.h"

enum { GROUPS = 60, GROUP_BYTES = 3000, SEGMENT = 24 << 10 };

/* A peer that reads the log's own files, and fails where it is told to. */
struct fake {
	struct peer peer;
	struct log_fixture f;
	struct log_point end;
	unsigned asked;
	unsigned fails_at, times; /* from this request on, so often */
	int code;
	unsigned told; /* of the progress: that it is asked again */
};

static ssize_t fake_read(struct peer *p, struct log_pos at, size_t max, struct buf *out, struct hf_error *err)
{
	struct fake *f = (struct fake *)p;
	CLEANUP(buf_release) struct buf all = BUF_INIT;
	char name[160];
	size_t n;

	if (++f->asked >= f->fails_at && f->asked < f->fails_at + f->times)
		return hf_error_set(err, f->code, "no luck at request %u", f->asked);
	if (at.segment > f->end.end.segment)
		return hf_error_set(err, -ENOENT, "no such segment");
	log_fixture_segment(&f->f, at.segment, name);
	assert_int_equal(os_read_file(os_posix(), name, 1 << 20, &all), 0);
	if (at.segment == f->end.end.segment)
		all.len = f->end.end.offset;
	n = at.offset < all.len ? all.len - at.offset : 0;
	n = n < max ? n : max;
	buf_add(out, all.data + at.offset, n);
	return (ssize_t)n;
}

static const struct peer_ops fake_ops = { .read = fake_read };

static void note_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	((struct fake *)arg)->told += strcmp(what, "asking the replica again") == 0 && done < total + 1;
}

static void fake_init(struct fake *f)
{
	struct log *log;

	memset(f, 0, sizeof(*f));
	log = log_fixture_create(&f->f, SEGMENT);
	log_put_groups(log, 1, GROUPS, GROUP_BYTES);
	log_durable(log, &f->end);
	log_close(log);
	f->peer.ops = &fake_ops;
	assert_true(f->end.end.segment > 3);
}

/* What fetching all of it comes to, and whether all of it is there. */
static int fetch(struct fake *f, unsigned fails_at, unsigned times, int code, struct hf_error *err)
{
	const uint8_t *id = owner_volume_id(f->f.owner);
	const struct hf_progress progress = { .fn = note_progress, .arg = f };
	struct sim *sim = sim_new(1);
	struct log_point here;
	struct shelf *shelf;
	int r;

	f->asked = f->told = 0;
	f->fails_at = fails_at;
	f->times = times;
	f->code = code;
	assert_int_equal(shelf_make(sim_os(sim), "/copy", NULL), 0);
	assert_int_equal(shelf_open(sim_os(sim), "/copy", id, false, &shelf, NULL, NULL), 0);
	r = fetch_log(&f->peer, &f->end, shelf, &progress, err);
	shelf_position(shelf, &here);
	assert_int_equal(r == 0, log_pos_compare(here.end, f->end.end) == 0);
	shelf_close(shelf);
	sim_free(sim);
	return r;
}

static void test_goes_on(void **state)
{
	static const int passing[] = { -ECONNRESET, -ETIMEDOUT, -EBUSY, -ECONNREFUSED };
	struct hf_error err = HF_ERROR_INIT;
	struct fake f;
	unsigned whole;

	(void)state;
	fake_init(&f);
	assert_int_equal(fetch(&f, 0, 0, 0, &err), 0);
	assert_int_equal(f.told, 0);
	whole = f.asked;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		if (fetch(&f, 1 + (unsigned)i, 2, passing[i], &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(f.asked, whole + 2);
		assert_int_equal(f.told, 2);
	}
	log_fixture_release(&f.f);
}

static void test_refusals_count(void **state)
{
	static const int lasting[] = {
		-EACCES, -EKEYREJECTED, -EUCLEAN, -EPROTO, -ENOENT, -ENOMEM, -ECANCELED
	};
	struct hf_error err = HF_ERROR_INIT;
	struct fake f;

	(void)state;
	fake_init(&f);
	for (size_t i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++) {
		assert_int_equal(fetch(&f, 1, 1, lasting[i], &err), lasting[i]);
		assert_int_equal(f.asked, 1);
		assert_int_equal(f.told, 0);
	}
	log_fixture_release(&f.f);
}

static void test_ends_some_time(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct fake f;

	(void)state;
	fake_init(&f);
	assert_int_equal(fetch(&f, 1, 1000, -ECONNRESET, &err), -ECONNRESET);
	assert_int_equal(f.asked, PATIENCE_TRIES);
	assert_non_null(strstr(err.text, "asked 8 times: no luck"));
	log_fixture_release(&f.f);
}

/* Who was never met may be at a wrong address. */
static void test_not_met(void **state)
{
	struct patience p = { .met = false };
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	assert_false(patience_again(&p, -ECONNREFUSED, &err));
	assert_false(patience_again(&p, -ETIMEDOUT, &err));
	assert_true(patience_again(&p, -EBUSY, &err));
	assert_false(patience_again(&p, 0, &err));
	assert_true(patience_again(&p, -ECONNREFUSED, &err));
	assert_int_equal(p.tries, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_refusals_count),
		cmocka_unit_test(test_ends_some_time),
		cmocka_unit_test(test_not_met),
	};

	return crypto_init() < 0 || cmocka_run_group_tests_name("fetch", tests, NULL, NULL);
}
