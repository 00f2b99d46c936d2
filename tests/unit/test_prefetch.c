/* SPDX-License-Identifier: MIT */
/* Reading ahead of a peer: what is wanted is used, what is not is dropped, errors come where they belong. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include "store/replica/prefetch.h"

/* A peer whose segments have SEGMENT_LEN bytes each, and every byte says where it is. */
enum { SEGMENT_LEN = 1000, BAD_SEGMENT = 9 };

struct fake {
	struct peer peer;
	unsigned asked;
	sem_t begun, go; /* used when it waits */
	bool waits;
};

static uint8_t byte_at(uint32_t segment, size_t offset)
{
	return (uint8_t)(segment * 101 + offset * 7);
}

static ssize_t fake_read(struct peer *p, struct log_pos at, size_t max, struct buf *out, struct hf_error *err)
{
	struct fake *f = (struct fake *)p;
	size_t n = at.offset < SEGMENT_LEN ? SEGMENT_LEN - at.offset : 0;

	f->asked++;
	if (f->waits) {
		(void)sem_post(&f->begun);
		(void)sem_wait(&f->go);
	}
	if (at.segment == BAD_SEGMENT)
		return hf_error_set(err, -ECONNRESET, "segment %d is not to be had", BAD_SEGMENT);
	n = n < max ? n : max;
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = byte_at(at.segment, at.offset + i);

		buf_add(out, &byte, 1);
	}
	return (ssize_t)n;
}

static const struct peer_ops fake_ops = { .read = fake_read };

static void check_bytes(const struct buf *b, size_t from, uint32_t segment, uint32_t offset, size_t n)
{
	assert_int_equal(b->len, from + n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(b->data[from + i], byte_at(segment, offset + i));
}

static void test_wanted_and_not(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct fake f = { .peer.ops = &fake_ops };
	struct prefetch p;

	(void)state;
	prefetch_init(&p, &f.peer);
	assert_int_equal(prefetch_read(&p, (struct log_pos){ 1, 0 }, 300, &out, NULL), 300);
	check_bytes(&out, 0, 1, 0, 300);
	prefetch_start(&p, (struct log_pos){ 1, 300 }, 300);
	assert_int_equal(prefetch_read(&p, (struct log_pos){ 1, 300 }, 300, &out, NULL), 300);
	check_bytes(&out, 300, 1, 300, 300); /* behind what is there */
	assert_int_equal(f.asked, 2);

	prefetch_start(&p, (struct log_pos){ 1, 600 }, 300); /* another place is wanted */
	buf_clear(&out);
	assert_int_equal(prefetch_read(&p, (struct log_pos){ 2, 0 }, 300, &out, NULL), 300);
	check_bytes(&out, 0, 2, 0, 300);
	assert_int_equal(f.asked, 4);
	buf_clear(&out); /* and what was read ahead before is not found later */
	assert_int_equal(prefetch_read(&p, (struct log_pos){ 1, 600 }, 300, &out, NULL), 300);
	check_bytes(&out, 0, 1, 600, 300);
	assert_int_equal(f.asked, 5);

	prefetch_start(&p, (struct log_pos){ 1, 900 }, 300); /* another length is */
	buf_clear(&out);
	assert_int_equal(prefetch_read(&p, (struct log_pos){ 1, 900 }, 50, &out, NULL), 50);
	check_bytes(&out, 0, 1, 900, 50);

	prefetch_start(&p, (struct log_pos){ 1, 900 }, 300);
	prefetch_start(&p, (struct log_pos){ 1, SEGMENT_LEN }, 300); /* the last one counts */
	buf_clear(&out);
	assert_int_equal(prefetch_read(&p, (struct log_pos){ 1, SEGMENT_LEN }, 300, &out, NULL), 0);
	assert_int_equal(out.len, 0);
	prefetch_start(&p, (struct log_pos){ 1, 0 }, 300); /* and one that nobody takes is waited for */
	prefetch_release(&p);
}

static void test_errors(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct fake f = { .peer.ops = &fake_ops };
	struct hf_error err = HF_ERROR_INIT;
	struct prefetch p;

	(void)state;
	prefetch_init(&p, &f.peer);
	prefetch_start(&p, (struct log_pos){ BAD_SEGMENT, 0 }, 300);
	assert_int_equal(prefetch_read(&p, (struct log_pos){ 1, 0 }, 300, &out, &err), 300);
	assert_int_equal(err.code, 0); /* nobody wanted that segment */
	prefetch_start(&p, (struct log_pos){ BAD_SEGMENT, 0 }, 300);
	assert_int_equal(prefetch_read(&p, (struct log_pos){ BAD_SEGMENT, 0 }, 300, &out, &err), -ECONNRESET);
	assert_int_equal(err.code, -ECONNRESET);
	assert_non_null(strstr(err.text, "segment 9"));
	assert_int_equal(out.len, 300);
	assert_int_equal(prefetch_read(&p, (struct log_pos){ 1, 300 }, 300, &out, NULL), 300);
	check_bytes(&out, 300, 1, 300, 300);
	prefetch_release(&p);
}

/* The request is under way while its caller does something else. */
static void test_meanwhile(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct fake f = { .peer.ops = &fake_ops, .waits = true };
	struct prefetch p;

	(void)state;
	assert_int_equal(sem_init(&f.begun, 0, 0), 0);
	assert_int_equal(sem_init(&f.go, 0, 0), 0);
	prefetch_init(&p, &f.peer);
	prefetch_start(&p, (struct log_pos){ 1, 0 }, 300);
	assert_int_equal(sem_wait(&f.begun), 0); /* it runs, and prefetch_start has returned */
	assert_int_equal(sem_post(&f.go), 0);
	assert_int_equal(prefetch_read(&p, (struct log_pos){ 1, 0 }, 300, &out, NULL), 300);
	check_bytes(&out, 0, 1, 0, 300);
	prefetch_release(&p);
	(void)sem_destroy(&f.begun);
	(void)sem_destroy(&f.go);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wanted_and_not),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
