/* SPDX-License-Identifier: MIT */
/* What lies beside a log knows how far it was: a check tells when it is not, and nobody writes on. FORMAT.md
 * §16. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/log_helper.h"

enum { SEGMENT = 16 << 10, FRAME = 2000, SEGMENTS = 3, KNOWN = 3 };

struct bench {
	struct log_fixture f;
	struct log_point before_last, end;
	struct log_known known[KNOWN];
};

static void bench_init(struct bench *b)
{
	static const char *const who[KNOWN] = { "one has it", "another has it", "a third has it" };
	struct log *l;

	memset(b, 0, sizeof(*b));
	l = log_fixture_create(&b->f, SEGMENT);
	for (uint64_t group = 1; b->end.end.segment < SEGMENTS || b->end.end.offset < 4000; group++) {
		b->before_last = b->end;
		log_put_groups(l, group, group, FRAME);
		log_durable(l, &b->end);
	}
	log_close(l);
	for (size_t i = 0; i < KNOWN; i++) {
		strcpy(b->known[i].who, who[i]);
		b->known[i].point = i ? b->end : b->before_last;
	}
}

static long faults(struct bench *b)
{
	struct log_options o = b->f.options;
	struct log_check check = { .known = b->known, .n_known = KNOWN };
	struct log *l = NULL;
	long n;

	o.read_only = true;
	assert_int_equal(log_open(&o, NULL, &l, NULL), 0);
	n = log_verify(l, &check, NULL, NULL);
	log_close(l);
	return n;
}

/* To write to; err of the last. */
static int open_to_write(struct bench *b, struct hf_error *err)
{
	struct log_options o = b->f.options;
	struct log *l = NULL;
	int r;

	o.known = b->known;
	o.n_known = KNOWN;
	r = log_open(&o, NULL, &l, err);
	log_close(l);
	return r;
}

static void test_they_are_there(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct bench b;

	(void)state;
	bench_init(&b);
	assert_int_equal(faults(&b), 0);
	assert_int_equal(open_to_write(&b, &err), 0);
	assert_int_equal(faults(&b), 0);
	log_fixture_release(&b.f);
}

/* Another commit there, or none: one fault, however many know of it. */
static void test_another_commit(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.known[1].point.chain[5] ^= 1;
	assert_int_equal(faults(&b), 1);
	b.known[2].point.end.offset -= 5;
	assert_int_equal(faults(&b), 1);
	log_fixture_release(&b.f);
}

/* Behind the log's end, and behind that of a segment that is not the last. */
static void test_no_such_place(void **state)
{
	const struct log_pos places[] = { { SEGMENTS, SEGMENT_BYTES_MAX },
					  { SEGMENTS + 1, SEGMENT_HEADER_BYTES },
					  { UINT32_MAX, SEGMENT_HEADER_BYTES },
					  { 1, SEGMENT_BYTES_MAX } };
	struct hf_error err = HF_ERROR_INIT;
	struct bench b;
	char path[160];

	(void)state;
	bench_init(&b);
	assert_int_equal(b.end.end.segment, SEGMENTS);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		b.known[1].point.end = places[i];
		assert_int_equal(faults(&b), 1);
		err = (struct hf_error)HF_ERROR_INIT;
		assert_int_equal(open_to_write(&b, &err), -EUCLEAN);
		assert_non_null(strstr(err.text, "another has it up to"));
		assert_int_equal(strstr(err.text, "goes on where it ends") != NULL, places[i].segment > 1);
	}
	/* Nothing is cut off that looks torn. */
	b.known[1].point = b.end;
	log_fixture_segment(&b.f, b.end.end.segment, path);
	assert_int_equal(truncate(path, b.end.end.offset - 1), 0);
	assert_int_equal(open_to_write(&b, &err), -EUCLEAN);
	assert_int_equal(file_bytes(path), b.end.end.offset - 1);
	log_fixture_release(&b.f);
}

/* A segment in front of the last ends too early: that is told of once, and the sound one behind it not at
 * all. */
static void test_cut_in_front(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct bench b;
	char path[160];

	(void)state;
	bench_init(&b);
	log_fixture_segment(&b.f, 1, path);
	b.known[0].point.end = (struct log_pos){ 1, (uint32_t)file_bytes(path) };
	assert_int_equal(truncate(path, (off_t)(file_bytes(path) - 50)), 0);
	assert_int_equal(faults(&b), 1);
	assert_int_equal(open_to_write(&b, &err), -EUCLEAN);
	log_fixture_release(&b.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_are_there),
		cmocka_unit_test(test_another_commit),
		cmocka_unit_test(test_no_such_place),
		cmocka_unit_test(test_cut_in_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
