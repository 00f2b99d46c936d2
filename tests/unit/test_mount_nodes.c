/* SPDX-License-Identifier: MIT */
/* Node ids of the past: counted, found, forgotten, and never mistaken for one another. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fs/mount/mount_internal.h"

static struct nodes nodes;

static int setup(void **state)
{
	(void)state;
	nodes_init(&nodes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nodes_release(&nodes);
	return 0;
}

static uint64_t ref(uint64_t tid, uint64_t ino)
{
	struct node node = { .kind = NODE_PAST, .tid = tid, .ino = ino };
	uint64_t id = 0;

	assert_int_equal(nodes_ref(&nodes, &node, &id), 0);
	assert_false(node_id_is_live(id));
	return id;
}

static void test_counted(void **state)
{
	struct node node;
	uint64_t id = ref(7, 3);

	(void)state;
	assert_int_equal(ref(7, 3), id);
	assert_int_not_equal(ref(7, 4), id);
	assert_int_not_equal(ref(8, 3), id);
	nodes_forget(&nodes, id, 1);
	assert_int_equal(nodes_find(&nodes, id, &node), 0);
	assert_true(node.kind == NODE_PAST && node.tid == 7 && node.ino == 3);
	nodes_forget(&nodes, id, 1);
	assert_int_equal(nodes_find(&nodes, id, &node), -ESTALE);
	nodes_forget(&nodes, id, 1);         /* of nothing */
	assert_int_not_equal(ref(7, 3), id); /* an id is never given out twice */
}

static void test_many(void **state)
{
	enum { N = 5000 };
	static uint64_t ids[N];
	struct node node;

	(void)state;
	for (uint64_t i = 0; i < N; i++)
		ids[i] = ref(i % 50, i);
	for (uint64_t i = 0; i < N; i += 2)
		nodes_forget(&nodes, ids[i], 1);
	for (uint64_t i = 0; i < N; i++) {
		assert_int_equal(nodes_find(&nodes, ids[i], &node), i % 2 ? 0 : -ESTALE);
		if (i % 2)
			assert_true(node.tid == i % 50 && node.ino == i);
	}
}

static void test_those_that_are_no_inodes(void **state)
{
	const enum node_kind kinds[] = { NODE_HISTORY, NODE_README, NODE_AT, NODE_TAGS, NODE_GMT };
	struct node node, found;
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		node = (struct node){ .kind = kinds[i] };
		assert_int_equal(nodes_ref(&nodes, &node, &id), 0);
		assert_false(node_id_is_live(id));
		nodes_forget(&nodes, id, 1);
		assert_int_equal(nodes_find(&nodes, id, &found), 0);
		assert_int_equal(found.kind, kinds[i]);
	}
	node = (struct node){ .kind = NODE_LIVE, .ino = 77 };
	assert_int_equal(nodes_ref(&nodes, &node, &id), 0);
	assert_int_equal(id, 77);
	assert_int_equal(nodes_find(&nodes, UINT64_C(1) << 63, &found), -ESTALE);
	assert_int_equal(nodes_find(&nodes, UINT64_C(1) << 63 | NODE_PAST, &found), -ESTALE);
}

static uint64_t ref_node(struct node node)
{
	uint64_t id = 0;

	assert_int_equal(nodes_ref(&nodes, &node, &id), 0);
	return id;
}

static void expect_path(uint64_t id, const char *wanted)
{
	char *path = NULL;

	assert_int_equal(nodes_path(&nodes, id, &path), 0);
	assert_string_equal(path, wanted);
	free(path);
}

static void test_paths(void **state)
{
	uint64_t root = ref_node(node_of_path("")), a = ref_node(node_of_path("a")),
		 ab = ref_node(node_of_path("a/b"));
	struct node forged = node_of_path("a"), node;
	char *path;

	(void)state;
	assert_true(root != a && a != ab && root != ab);
	assert_int_equal(ref_node(node_of_path("a/b")), ab);
	expect_path(root, "");
	expect_path(a, "a");
	expect_path(ab, "a/b");
	forged.path = "b"; /* of the same hash */
	assert_int_not_equal(ref_node(forged), a);
	assert_int_equal(nodes_find(&nodes, ab, &node), 0);
	assert_int_equal(node.kind, NODE_VERSIONS);
	nodes_forget(&nodes, ab, 2);
	assert_int_equal(nodes_path(&nodes, ab, &path), -ESTALE);
	assert_int_equal(nodes_find(&nodes, ab, &node), -ESTALE);
}

/* The same two numbers mean something else in each kind. */
static void test_kinds(void **state)
{
	const enum node_kind kinds[] = { NODE_PAST, NODE_DELETED, NODE_REMOVED };
	uint64_t ids[3], st_inos[3];
	struct node found;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct node node = { .kind = kinds[i], .tid = 7, .ino = 9 };

		ids[i] = ref_node(node);
		st_inos[i] = node_st_ino(&node);
		for (size_t k = 0; k < i; k++)
			assert_true(ids[k] != ids[i] && st_inos[k] != st_inos[i]);
	}
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(nodes_find(&nodes, ids[i], &found), 0);
		assert_true(found.kind == kinds[i] && found.tid == 7 && found.ino == 9);
	}
}

static void test_names_of_moments(void **state)
{
	static const char *const wrong[] = { "@GMT-2026.11.21-10.15.3",   "@GMT-2026.11.21-10.15.300",
					     "@GMT-2026.11.31-10.15.30",  "@GMT-2026.11.21-24.00.00",
					     "@GMT-2026.11.21-10.15.60",  "@GMT-2026.1.21-10.15.30",
					     "@GMT-1969.12.31-23.59.59",  "GMT-2026.11.21-10.15.30",
					     "@GMT-2026.11.21 10.15.30",  "@GMT- 026.11.21-10.15.30",
					     "@GMT-2026.11.21-10.15.30.", "" };
	char name[GMT_NAME_BYTES];
	uint64_t t = 0;

	(void)state;
	assert_true(gmt_parse("@GMT-2026.11.21-10.15.30", &t));
	assert_int_equal(t, 1795256130);
	gmt_format(t, name);
	assert_string_equal(name, "@GMT-2026.11.21-10.15.30");
	assert_true(gmt_parse("@GMT-2028.02.29-00.00.00", &t));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (gmt_parse(wrong[i], &t))
			fail_msg("%s", wrong[i]);
}

static void test_names_of_versions(void **state)
{
	static const char *const wrong[] = { "",
					     "~7",
					     "x~",
					     "x~07",
					     "x~0",
					     "x~-7",
					     "x~7~",
					     "x~7~delete",
					     "x~7~deleted~",
					     "x~7 ",
					     "x~99999999999999999999" };
	struct version v = { .tid = 42, .time_ns = 1795256130000000000 };
	char name[VERSION_NAME_BYTES];
	uint64_t tid;

	(void)state;
	version_format(&v, name);
	assert_string_equal(name, "2026-11-21T101530Z~42");
	assert_true(version_parse(name, &tid));
	assert_int_equal(tid, 42);
	v.removed = true;
	version_format(&v, name);
	assert_string_equal(name, "2026-11-21T101530Z~42~deleted");
	assert_true(version_parse(name, &tid));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (version_parse(wrong[i], &tid))
			fail_msg("\"%s\"", wrong[i]);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_st_ino(void **state)
{
	enum { TIDS = 40, INOS = 500 };
	static uint64_t seen[TIDS * INOS];
	struct node live = { .kind = NODE_LIVE, .ino = 5 };
	size_t n = 0;

	(void)state;
	assert_int_equal(node_st_ino(&live), 5);
	for (uint64_t tid = 0; tid < TIDS; tid++) {
		for (uint64_t ino = 1; ino <= INOS; ino++) {
			struct node node = { .kind = NODE_PAST, .tid = tid, .ino = ino };
			uint64_t st_ino = node_st_ino(&node);

			assert_int_equal(st_ino >> 62, 1); /* no live number, and positive in 64 bits */
			assert_int_equal(st_ino, node_st_ino(&node));
			seen[n++] = st_ino;
		}
	}
	qsort(seen, n, sizeof(seen[0]), compare);
	for (size_t i = 1; i < n; i++)
		assert_true(seen[i] != seen[i - 1]);
}

static void test_errno(void **state)
{
	(void)state;
	assert_int_equal(mount_errno(0), 0);
	assert_int_equal(mount_errno(-ENOENT), ENOENT);
	assert_int_equal(mount_errno(-ENOSPC), ENOSPC);
	assert_int_equal(mount_errno(-ESTALE), ESTALE);
	assert_int_equal(mount_errno(-EUCLEAN), EIO);
	assert_int_equal(mount_errno(-EKEYREJECTED), EIO);
	assert_int_equal(mount_errno(-EPROTONOSUPPORT), EIO);
	assert_int_equal(mount_errno(-ENOSYS), EIO); /* would take the operation away forever */
	assert_int_equal(mount_errno(-12345), EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_those_that_are_no_inodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test(test_names_of_moments),
		cmocka_unit_test(test_names_of_versions),
		cmocka_unit_test(test_st_ino),
		cmocka_unit_test(test_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
