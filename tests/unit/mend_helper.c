/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/mend_helper.h"

void mend_copy_log(const char *from_log, const char *to, char to_log[170])
{
	(void)mkdir(to, 0700);
	(void)snprintf(to_log, 170, "%s/log", to);
	copy_folder(from_log, to_log);
}

void mend_bench_init(struct mend_bench *b)
{
	struct log *l;

	memset(b, 0, sizeof(*b));
	l = log_fixture_create(&b->f, SEGMENT);
	do {
		b->groups++;
		log_put_groups(l, b->groups, b->groups, FRAME);
		log_durable(l, &b->end);
	} while (b->end.end.segment < SEGMENTS || b->end.end.offset < 4000);
	log_close(l);
	log_fixture_path(&b->f, "work", b->work);
	log_fixture_path(&b->f, "good", b->good);
	mend_copy_log(b->f.dir, b->work, b->work_log);
	mend_copy_log(b->f.dir, b->good, b->good_log);
	copies_init(&b->copies, os_posix());
	assert_int_equal(copies_add_folder(&b->copies, "good", b->good), 0);
}

void mend_bench_release(struct mend_bench *b)
{
	copies_release(&b->copies);
	log_fixture_release(&b->f);
}

void mend_segment_path(const char *log_dir, uint32_t segment, char out[200])
{
	(void)snprintf(out, 200, "%s/%010u.seg", log_dir, segment);
}

struct mend mend_bench_mend(struct mend_bench *b)
{
	return (struct mend){ .os = os_posix(),
			      .dir = b->work,
			      .volume_id = keyring_volume_id(b->f.keys),
			      .grants = &b->none,
			      .known = b->known,
			      .n_known = b->known != NULL,
			      .offer = copies_offer,
			      .arg = &b->copies };
}

int mend_one(struct mend_bench *b, uint32_t segment, struct mended *ret, struct hf_error *err)
{
	struct mend m = mend_bench_mend(b);
	struct hf_error local = HF_ERROR_INIT;

	return mend_segment(&m, segment, ret, err ? err : &local);
}

bool mend_is_whole(const struct mend_bench *b)
{
	return same_folders(b->work_log, b->good_log);
}
