/* SPDX-License-Identifier: MIT */
/* All that a node keeps is verified while it goes on, and what is damaged is found, wherever it is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/volume/kit.h"
#include "tests/unit/node_helper.h"

enum { GROUPS = 200 };

/* Of the last check: the faults found, one behind the other. */
static char words[4096];
static struct hf_node_check_summary sum;

static void note(void *arg, const char *what)
{
	size_t len = strlen(words);

	(void)arg;
	(void)snprintf(words + len, sizeof(words) - len, "%s\n", what);
}

static long check(const struct node_bench *b, const char *volume)
{
	struct hf_error err = HF_ERROR_INIT;
	long n;

	words[0] = 0;
	n = hf_node_check(b->node.dir, volume, note, NULL, &sum, NULL, &err);
	if (n != 0)
		print_message("%ld %s\n%s", n, err.text, words);
	return n;
}

/* Turn a bit of a segment's file over; an offset below 0 is from its end. */
static void damage(const struct node_bench *b, uint32_t segment, off_t offset)
{
	char path[256];
	uint8_t byte;
	int fd;

	node_fixture_path(&b->node, b->id, "log", path);
	(void)snprintf(path + strlen(path), 32, "/%010u.seg", segment);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	if (offset < 0)
		offset += lseek(fd, 0, SEEK_END);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= 16;
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	(void)close(fd);
}

struct sender {
	struct node_bench *b;
	_Atomic bool done;
};

static void *send_groups(void *arg)
{
	struct sender *s = arg;

	wire_send_log(&s->b->node, s->b->writer, s->b->log, s->b->id);
	for (uint64_t n = GROUPS + 1; n <= 4 * GROUPS; n += 10) {
		log_put_groups(s->b->log, n, n + 9, NODE_BENCH_GROUP_BYTES);
		wire_send_log(&s->b->node, s->b->writer, s->b->log, s->b->id);
	}
	atomic_store(&s->done, true);
	return NULL;
}

/* Appends go on meanwhile, and never look like damage. */
static void test_beside_appends(void **state)
{
	struct sender s = { .done = false };
	struct wire w;
	struct node_bench b;
	pthread_t thread;
	unsigned times = 0;

	(void)state;
	node_bench_init(&b, GROUPS);
	node_bench_enrol(&b);
	s.b = &b;
	assert_int_equal(check(&b, NULL), 0); /* nothing there yet */
	assert_int_equal(sum.volumes, 1);
	assert_int_equal(sum.bytes, 0);
	assert_int_equal(pthread_create(&thread, NULL, send_groups, &s), 0);
	for (; !atomic_load(&s.done) || times == 0; times++)
		assert_int_equal(check(&b, times % 2 ? b.id_text : NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(check(&b, NULL), 0);
	w = wire_position(&b.node, b.writer, b.id);
	assert_int_equal(sum.segments, wire_expect(&w, 200, NULL).point.end.segment);
	assert_in_range(sum.segments, 5, 100);
	node_bench_release(&b);
}

static void test_damage(void **state)
{
	struct wire w;
	struct node_bench b;
	uint32_t last;
	char path[256], away[300];

	(void)state;
	node_bench_init(&b, GROUPS);
	node_bench_enrol(&b);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	w = wire_position(&b.node, b.writer, b.id);
	last = wire_expect(&w, 200, NULL).point.end.segment;
	assert_true(last >= 4);
	assert_int_equal(check(&b, NULL), 0);
	/* In the middle of a sealed segment, of which the node that is served knows nothing; and in the
	 * header of another. */
	damage(&b, 1, 20000);
	damage(&b, 3, 100);
	assert_int_equal(check(&b, NULL), 2);
	assert_non_null(strstr(words, b.id_text));
	assert_non_null(strstr(words, "segment 1 is damaged"));
	assert_non_null(strstr(words, "segment 3"));
	assert_int_equal(sum.segments, last - 2); /* the others all the same */
	damage(&b, 1, 20000);
	damage(&b, 3, 100);
	assert_int_equal(check(&b, NULL), 0);
	/* The end of a sealed one. */
	damage(&b, 2, -30);
	assert_int_equal(check(&b, NULL), 1);
	assert_non_null(strstr(words, "segment 2"));
	damage(&b, 2, -30);
	/* In the last one. */
	node_fixture_stop(&b.node);
	damage(&b, last, 400);
	assert_int_equal(check(&b, NULL), 1);
	damage(&b, last, 400);
	/* One that is gone. */
	node_fixture_path(&b.node, b.id, "log/0000000002.seg", path);
	(void)snprintf(away, sizeof(away), "%s.away", path);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(check(&b, NULL), 1);
	assert_non_null(strstr(words, "put back"));
	assert_int_equal(rename(away, path), 0);
	assert_int_equal(check(&b, NULL), 0);
	node_bench_release(&b);
}

/* Whole in itself, and not what belongs there: of the same volume with another past. */
static void test_foreign_segment(void **state)
{
	struct node_bench b;
	char path[256], from[300];
	struct log *other;
	struct log_options o;

	(void)state;
	node_bench_init(&b, GROUPS);
	node_bench_enrol(&b);
	wire_send_log(&b.node, b.writer, b.log, b.id);
	o = b.volume.options;
	(void)snprintf(path, sizeof(path), "%s/other", b.node.dir);
	o.dir = path;
	assert_int_equal(mkdir(path, 0700), 0);
	o.os = os_posix();
	assert_int_equal(log_create(&o, &b.volume.cert, &other, NULL), 0);
	log_put_groups(other, 1000, 1000 + GROUPS, NODE_BENCH_GROUP_BYTES);
	log_close(other);
	(void)snprintf(from, sizeof(from), "%s/0000000002.seg", path);
	node_fixture_path(&b.node, b.id, "log/0000000002.seg", path);
	assert_int_equal(rename(from, path), 0);
	assert_int_equal(check(&b, NULL), 2); /* it does not follow the first, nor the third it */
	assert_non_null(strstr(words, "segment 2"));
	assert_non_null(strstr(words, "segment 3"));
	node_bench_release(&b);
}

/* A certificate that is damaged is found; what is only named much like one is somebody else's. */
static void test_certificates(void **state)
{
	static const struct {
		const char *name;
		int faults;
	} cases[] = {
		{ "epoch-0000000002.cert", 1 }, { "epoch-00000000x2.cert", 0 },
		{ "epoch-000000002.cert", 0 },  { "epoch-0000000002.cert~", 0 },
		{ "epoch-          .cert", 0 },
	};
	struct node_bench b;
	char path[300];
	FILE *f;

	(void)state;
	node_bench_init(&b, GROUPS);
	node_bench_enrol(&b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		node_fixture_path(&b.node, b.id, cases[i].name, path);
		f = fopen(path, "w");
		assert_non_null(f);
		assert_true(fputs("nonsense", f) >= 0 && fclose(f) == 0);
		assert_int_equal(check(&b, NULL), cases[i].faults);
		assert_int_equal(unlink(path), 0);
	}
	node_bench_release(&b);
}

static void test_which(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct node_bench b;

	(void)state;
	node_bench_init(&b, GROUPS);
	node_bench_enrol(&b);
	assert_int_equal(hf_node_check("/", NULL, NULL, NULL, &sum, NULL, &err), -ENOENT);
	assert_int_equal(hf_node_check(b.node.dir, "some", NULL, NULL, &sum, NULL, &err), -EINVAL);
	assert_int_equal(hf_node_check(b.node.dir, "00000000000000000000000000000000", NULL, NULL, &sum, NULL,
				       &err),
			 -ENOENT);
	node_bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beside_appends),  cmocka_unit_test(test_damage),
		cmocka_unit_test(test_foreign_segment), cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_which),
	};

	return crypto_init() < 0 || cmocka_run_group_tests_name("node check", tests, NULL, NULL);
}
