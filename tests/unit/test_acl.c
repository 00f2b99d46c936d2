/* SPDX-License-Identifier: MIT */
/* POSIX access control lists: acl(5), and what a chmod, a new file and a mode make of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/tree/acl.h"

enum { U = 1, USER = 2, G = 4, GROUP = 8, MASK = 16, OTHER = 32 };

struct entry {
	unsigned tag, perm, id;
};

static uint8_t raw[4 + 8 * 64];

static struct span list(const struct entry *e, size_t n)
{
	memset(raw, 0, sizeof(raw));
	raw[0] = 2;
	for (size_t k = 0; k < n; k++) {
		uint8_t *p = raw + 4 + 8 * k;

		p[0] = (uint8_t)e[k].tag;
		p[2] = (uint8_t)e[k].perm;
		for (int b = 0; b < 4; b++)
			p[4 + b] = (uint8_t)(e[k].id >> 8 * b);
	}
	return (struct span){ raw, 4 + 8 * n };
}
#define LIST(...)                                   \
	list((const struct entry[]){ __VA_ARGS__ }, \
	     sizeof((const struct entry[]){ __VA_ARGS__ }) / sizeof(struct entry))

static void test_check(void **state)
{
	struct span s;

	(void)state;
	assert_int_equal(acl_check(LIST({ U, 7, 0 }, { G, 5, 0 }, { OTHER, 4, 0 })), 0);
	assert_int_equal(acl_check(LIST({ U, 7, 0 }, { USER, 6, 5 }, { USER, 6, 6 }, { G, 5, 0 },
					{ GROUP, 1, 5 }, { MASK, 7, 0 }, { OTHER, 4, 0 })),
			 0);
	assert_int_equal(acl_check(LIST({ U, 7, 0 }, { G, 5, 0 }, { MASK, 5, 0 }, { OTHER, 4, 0 })), 0);
	/* named without a mask; one of the three missing; out of order; twice; unknown tag; too many rights
	 */
	assert_int_equal(acl_check(LIST({ U, 7, 0 }, { USER, 6, 5 }, { G, 5, 0 }, { OTHER, 4, 0 })), -EINVAL);
	assert_int_equal(acl_check(LIST({ U, 7, 0 }, { G, 5, 0 })), -EINVAL);
	assert_int_equal(acl_check(LIST({ G, 5, 0 }, { U, 7, 0 }, { OTHER, 4, 0 })), -EINVAL);
	assert_int_equal(acl_check(LIST({ U, 7, 0 }, { U, 7, 0 }, { G, 5, 0 }, { OTHER, 4, 0 })), -EINVAL);
	assert_int_equal(acl_check(LIST({ U, 7, 0 }, { USER, 6, 6 }, { USER, 6, 5 }, { G, 5, 0 },
					{ MASK, 7, 0 }, { OTHER, 4, 0 })),
			 -EINVAL);
	assert_int_equal(acl_check(LIST({ U, 7, 0 }, { USER, 6, 5 }, { USER, 6, 5 }, { G, 5, 0 },
					{ MASK, 7, 0 }, { OTHER, 4, 0 })),
			 -EINVAL);
	assert_int_equal(acl_check(LIST({ U, 7, 0 }, { 3, 5, 0 }, { G, 5, 0 }, { OTHER, 4, 0 })), -EINVAL);
	assert_int_equal(acl_check(LIST({ U, 8, 0 }, { G, 5, 0 }, { OTHER, 4, 0 })), -EINVAL);
	/* no list at all: empty, a version nobody knows, half an entry */
	assert_int_equal(acl_check((struct span){ raw, 0 }), -EINVAL);
	assert_int_equal(acl_check((struct span){ raw, 4 }), -EINVAL);
	s = LIST({ U, 7, 0 }, { G, 5, 0 }, { OTHER, 4, 0 });
	s.len -= 1;
	assert_int_equal(acl_check(s), -EINVAL);
	s = LIST({ U, 7, 0 }, { G, 5, 0 }, { OTHER, 4, 0 });
	raw[0] = 3;
	assert_int_equal(acl_check(s), -EINVAL);
}

static void test_mode(void **state)
{
	uint32_t mode = S_IFREG | 06000;

	(void)state;
	assert_int_equal(acl_to_mode(LIST({ U, 6, 0 }, { G, 5, 0 }, { OTHER, 3, 0 }), &mode), 1);
	assert_int_equal(mode, S_IFREG | 06653);
	/* the mask, not the group, is what the group's bits show */
	assert_int_equal(acl_to_mode(LIST({ U, 6, 0 }, { USER, 7, 9 }, { G, 5, 0 }, { MASK, 2, 0 },
					  { OTHER, 0, 0 }),
				     &mode),
			 0);
	assert_int_equal(mode, S_IFREG | 06620);
}

static void expect_list(const struct buf *got, struct span wanted)
{
	assert_int_equal(got->len, wanted.len);
	assert_memory_equal(got->data, wanted.data, wanted.len);
}

static void test_chmod(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(acl_chmod(LIST({ U, 6, 0 }, { USER, 7, 9 }, { G, 5, 0 }, { MASK, 2, 0 },
					{ OTHER, 0, 0 }),
				   0741, &out),
			 0);
	expect_list(&out, LIST({ U, 7, 0 }, { USER, 7, 9 }, { G, 5, 0 }, { MASK, 4, 0 }, { OTHER, 1, 0 }));
	assert_int_equal(acl_chmod(LIST({ U, 6, 0 }, { G, 5, 0 }, { OTHER, 0, 0 }), 0123, &out), 0);
	expect_list(&out, LIST({ U, 1, 0 }, { G, 2, 0 }, { OTHER, 3, 0 }));
	assert_int_equal(acl_chmod((struct span){ raw, 3 }, 0, &out), -EINVAL);
}

static void test_inherit(void **state)
{
	CLEANUP(buf_release) struct buf access = BUF_INIT;
	CLEANUP(buf_release) struct buf deflt = BUF_INIT;
	uint32_t mode = S_IFREG | 0664;

	(void)state;
	/* a file: no more than was asked for, and nothing to hand on */
	assert_int_equal(acl_inherit(LIST({ U, 7, 0 }, { USER, 7, 9 }, { G, 5, 0 }, { MASK, 7, 0 },
					  { OTHER, 5, 0 }),
				     &mode, &access, &deflt),
			 0);
	assert_int_equal(mode, S_IFREG | 0664);
	expect_list(&access, LIST({ U, 6, 0 }, { USER, 7, 9 }, { G, 5, 0 }, { MASK, 6, 0 }, { OTHER, 4, 0 }));
	assert_int_equal(deflt.len, 0);
	/* a folder hands on what it was given */
	mode = S_IFDIR | 0777;
	assert_int_equal(acl_inherit(LIST({ U, 7, 0 }, { GROUP, 7, 9 }, { G, 5, 0 }, { MASK, 3, 0 },
					  { OTHER, 0, 0 }),
				     &mode, &access, &deflt),
			 -EINVAL);
	assert_int_equal(acl_inherit(LIST({ U, 7, 0 }, { G, 5, 0 }, { GROUP, 7, 9 }, { MASK, 3, 0 },
					  { OTHER, 0, 0 }),
				     &mode, &access, &deflt),
			 0);
	assert_int_equal(mode, S_IFDIR | 0730);
	expect_list(&deflt, LIST({ U, 7, 0 }, { G, 5, 0 }, { GROUP, 7, 9 }, { MASK, 3, 0 }, { OTHER, 0, 0 }));
	expect_list(&access,
		    LIST({ U, 7, 0 }, { G, 5, 0 }, { GROUP, 7, 9 }, { MASK, 3, 0 }, { OTHER, 0, 0 }));
	/* three entries say what the mode says */
	mode = S_IFREG | 0666;
	assert_int_equal(acl_inherit(LIST({ U, 6, 0 }, { G, 4, 0 }, { OTHER, 0, 0 }), &mode, &access, &deflt),
			 0);
	assert_int_equal(mode, S_IFREG | 0640);
	assert_int_equal(access.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_chmod),
		cmocka_unit_test(test_inherit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
