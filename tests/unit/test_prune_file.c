/* SPDX-License-Identifier: MIT */
/* A list is put into a volume's folder by the process that serves, behind a filter that refuses chown. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "store/node/prune_file.h"
#include "tests/unit/node_helper.h"

/* In place of the system's, for this program. */
int chown(const char *path, uid_t owner, gid_t group)
{
	(void)path;
	(void)owner;
	(void)group;
	errno = EPERM;
	return -1;
}

static void test_put_without_chown(void **state)
{
	struct volumes *volumes = NULL;
	struct hf_error err = HF_ERROR_INIT;
	struct node_bench b;
	uint32_t number = 0;
	int turn;

	(void)state;
	node_bench_init(&b, 1);
	node_bench_enrol(&b);
	node_fixture_stop(&b.node);
	assert_int_equal(volumes_open(os_posix(), b.node.dir, false, &volumes, NULL), 0);
	turn = prune_file_turn(b.node.dir, NULL);
	assert_true(turn >= 0);
	if (prune_file_put(os_posix(), volumes, volumes_nth(volumes, 0), "list", 4, &number, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(number, 1);
	assert_int_equal(prune_file_put(os_posix(), volumes, volumes_nth(volumes, 0), "list", 4, &number,
					&err),
			 -EEXIST);
	(void)close(turn);
	volumes_close(volumes);
	node_bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_without_chown),
	};

	return cmocka_run_group_tests_name("prune file", tests, NULL, NULL);
}
