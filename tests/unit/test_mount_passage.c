/* SPDX-License-Identifier: MIT */
/* Waiting until what was read is answered: for a thread at a request, not for one that waits for the next. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/mount/mount_internal.h"

enum { READERS = 4 };

#define MS UINT64_C(1000000)

/* A request of a pipe is a header, and for a WRITE what follows it. */
struct request {
	struct fuse_in_header header;
	struct fuse_write_in write;
};

static struct passage passage;
static int requests[2], hold[2];
static pthread_t readers[READERS];
static struct sigaction kick_before;
static atomic_uint served, begun;

static void on_kick(int number)
{
	(void)number;
}

/* Serves a request whose unique is not 0 as long as nothing comes through `hold`. */
static void *reader_main(void *arg)
{
	unsigned index = passage_join(&passage);
	struct request r;
	ssize_t n;
	char c;

	(void)arg;
	for (;;) {
		passage_read(&passage, index);
		n = read(requests[0], &r, sizeof(r));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		passage_serve(&passage, index, &r.header);
		atomic_fetch_add(&begun, 1);
		while (r.header.unique && read(hold[0], &c, 1) < 0)
			;
		atomic_fetch_add(&served, 1);
	}
	passage_leave(&passage, index);
	return NULL;
}

static int setup(void **state)
{
	struct sigaction act = { .sa_handler = on_kick };

	(void)state;
	atomic_store(&served, 0);
	atomic_store(&begun, 0);
	memset(&passage, 0, sizeof(passage));
	passage_init(&passage);
	sigaction(SERVE_SIGNAL, &act, &kick_before);
	assert_int_equal(pipe(requests), 0);
	assert_int_equal(pipe(hold), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, reader_main, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(requests[1]);
	close(hold[1]);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	close(requests[0]);
	close(hold[0]);
	passage_release(&passage);
	sigaction(SERVE_SIGNAL, &kick_before, NULL);
	return 0;
}

static void ask(uint32_t opcode, uint32_t write_flags, bool held)
{
	struct request r = { .header = { .opcode = opcode, .unique = held },
			     .write = { .write_flags = write_flags } };

	assert_int_equal(write(requests[1], &r, sizeof(r)), sizeof(r));
}

static bool wait_ms(unsigned ms, struct passage_counts *ret)
{
	return passage_wait(&passage, now_ns() + ms * MS, ret);
}

static void until_begun(unsigned n)
{
	for (int i = 0; i < 10000 && atomic_load(&begun) < n; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&begun), n);
}

static void test_idle(void **state)
{
	struct passage_counts counts;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_true(wait_ms(10000, &counts));
	assert_true(counts.requests == 0 && counts.pages == 0);
}

static void test_held(void **state)
{
	struct passage_counts counts;

	(void)state;
	ask(FUSE_GETATTR, 0, true);
	until_begun(1);
	assert_false(wait_ms(50, &counts));
	assert_int_equal(write(hold[1], "x", 1), 1);
	assert_true(wait_ms(10000, &counts));
	assert_int_equal(atomic_load(&served), 1);
	assert_true(counts.requests == 1 && counts.pages == 0);
}

/* Whatever had been read when it was asked for is answered when it returns. */
static void test_all_that_were_read(void **state)
{
	struct passage_counts counts;
	unsigned before;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		ask(i % 2 ? FUSE_WRITE : FUSE_READ, i % 4 == 1 ? FUSE_WRITE_CACHE : 0, false);
		before = atomic_load(&begun);
		assert_true(wait_ms(10000, &counts));
		assert_true(atomic_load(&served) >= before);
		assert_true(counts.requests >= before);
	}
	until_begun(2000);
	assert_true(wait_ms(10000, &counts));
	assert_int_equal(atomic_load(&served), 2000);
	assert_true(counts.requests == 2000 && counts.pages == 500);
}

static void test_settled(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++)
		ask(FUSE_WRITE, FUSE_WRITE_CACHE, false);
	assert_true(settle(&passage, requests[0]));
	assert_int_equal(atomic_load(&served), 200);
}

/* Others go on asking, and bring no page. */
static void *asker_main(void *arg)
{
	atomic_bool *enough = arg;

	while (!atomic_load(enough))
		ask(FUSE_GETATTR, 0, false);
	return NULL;
}

static void test_settled_in_traffic(void **state)
{
	atomic_bool enough = false;
	pthread_t asker;

	(void)state;
	assert_int_equal(pthread_create(&asker, NULL, asker_main, &enough), 0);
	for (int i = 0; i < 10; i++)
		assert_true(settle(&passage, requests[0]));
	atomic_store(&enough, true);
	pthread_join(asker, NULL);
}

/* Nobody reads any more, and something is queued: that is not waited for. */
static void test_over(void **state)
{
	struct passage gone = { 0 };
	int queue[2];

	(void)state;
	passage_init(&gone);
	assert_int_equal(pipe(queue), 0);
	assert_int_equal(write(queue[1], "x", 1), 1);
	atomic_store(&gone.over, true);
	assert_false(settle(&gone, queue[0]));
	close(queue[0]);
	close(queue[1]);
	passage_release(&gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_that_were_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_settled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_settled_in_traffic, setup, teardown),
		cmocka_unit_test(test_over),
	};

	return cmocka_run_group_tests_name("passage", tests, NULL, NULL);
}
