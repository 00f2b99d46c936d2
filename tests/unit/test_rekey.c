/* SPDX-License-Identifier: MIT */
/* A planned end of an epoch: what every replica then takes from whom, and runs that were cut short. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "holdfast/key.h"
#include "holdfast/replica.h"
#include "store/os/os.h"
#include "tests/unit/node_helper.h"
#include "tests/unit/store_helper.h"

enum { LONG_MS = 20000 };

/* A store with a node ("node") and a folder ("folder") as replicas, both of which have all of it. */
struct bench {
	struct store_fixture f;
	struct node_fixture node;
	char folder[300];
};

static void drain(struct store_fixture *f)
{
	struct hf_error err = HF_ERROR_INIT;

	if (hf_store_drain(f->store, LONG_MS, &err) < 0)
		fail_msg("%s", err.text);
}

static void write_and_drain(struct store_fixture *f, const char *name)
{
	put_text(f, make_file(f, name), 0, name);
	commit(f);
	drain(f);
}

static void add(struct bench *b, const char *place, const char *name)
{
	struct hf_error err = HF_ERROR_INIT;

	if (hf_replica_add(b->f.path, place, name, &err) < 0)
		fail_msg("%s", err.text);
}

static void bench_init(struct bench *b)
{
	char *line;

	memset(b, 0, sizeof(*b));
	node_fixture_init(&b->node);
	store_fixture_init(&b->f, NULL);
	store_close(&b->f);
	b->f.options.flags = 0; /* it replicates */
	(void)snprintf(b->folder, sizeof(b->folder), "%s/folder", b->f.dir);
	line = node_fixture_invite(&b->node, NULL);
	add(b, line, "node");
	add(b, b->folder, "folder");
	free(line);
	store_open(&b->f, 0);
	write_and_drain(&b->f, "before");
	store_close(&b->f);
}

static void bench_release(struct bench *b)
{
	store_fixture_release(&b->f);
	node_fixture_release(&b->node);
}

static void __attribute__((format(printf, 1, 2))) run(const char *fmt, ...)
{
	char line[1200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert_int_equal(system(line), 0);
}

/* A copy of the store as somebody may have made it, or stolen it. */
static struct store_fixture copy_of(struct bench *b, const char *name)
{
	struct store_fixture copy = b->f;

	copy.store = NULL;
	(void)snprintf(copy.path, sizeof(copy.path), "%s/%s", b->f.dir, name);
	run("cp -a '%s' '%s'", b->f.path, copy.path);
	return copy;
}

struct heard {
	size_t took, missed, folders;
	struct hf_error last;
};

static void hear(void *arg, const char *name, enum hf_rekey_kind kind, const struct hf_error *err)
{
	struct heard *h = arg;

	assert_string_equal(name, kind == HF_REKEY_FOLDER ? "folder" : "node");
	h->folders += kind == HF_REKEY_FOLDER;
	h->took += !err;
	h->missed += err != NULL;
	if (err)
		h->last = *err;
}

static struct heard rekey(struct bench *b, int retry, uint32_t epoch)
{
	struct heard h = { 0 };
	const struct hf_rekey_told told = { hear, &h };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_rekey got;
	int r = hf_rekey(b->f.path, b->f.kit, retry, &told, &got, &err);

	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(got.epoch, epoch);
	assert_int_equal(got.replicas, 2);
	assert_int_equal(got.refused, r);
	assert_int_equal(h.missed, r);
	assert_int_equal(h.took, 2 - r);
	assert_int_equal(h.folders, 1);
	return h;
}

/* Opens with its own index and keys, writes, ships, and every byte of it verifies. */
static void goes_on(struct store_fixture *f, uint32_t epoch, const char *name)
{
	store_open(f, 0);
	write_and_drain(f, name);
	assert_int_equal(status_of(f).epoch, epoch);
	store_close(f);
	assert_int_equal(store_faults(f), 0);
}

/* Until replica `i` has refused, and nothing that was written in the meantime got there. */
static void expect_refused(struct store_fixture *f, size_t i, const char *words)
{
	const struct timespec pause = { 0, 20000000 };
	struct hf_replica_status status[2];

	for (int n = 0; n < LONG_MS / 20; n++) {
		assert_int_equal(hf_store_replicas(f->store, status, 2), 2);
		if (status[i].state == HF_REPLICA_REFUSED)
			break;
		nanosleep(&pause, NULL);
	}
	assert_int_equal(status[i].state, HF_REPLICA_REFUSED);
	if (!strstr(status[i].error, words))
		fail_msg("replica %s says: %s", status[i].name, status[i].error);
}

static void expect_alarm(struct bench *b, const char *kind)
{
	struct hf_node_status s;
	bool found = false;

	assert_int_equal(hf_node_status(b->node.dir, &s, NULL), 0);
	for (size_t i = 0; i < s.n_alarms; i++)
		found |= strcmp(s.alarms[i].kind, kind) == 0;
	assert_true(found);
	hf_node_status_release(&s);
}

static void expect_no_alarm(struct bench *b)
{
	struct hf_node_status s;

	assert_int_equal(hf_node_status(b->node.dir, &s, NULL), 0);
	assert_int_equal(s.n_alarms, 0);
	hf_node_status_release(&s);
}

static void the_old_writer_is_refused_everywhere(void **state)
{
	struct store_fixture copy;
	struct bench b;
	uint64_t tid;

	(void)state;
	bench_init(&b);
	copy = copy_of(&b, "copy");
	(void)rekey(&b, 0, 2);
	expect_no_alarm(&b);

	/* The copy opens, for nobody here can know; but it gets nothing anywhere, and that is said. */
	store_open(&copy, 0);
	put_text(&copy, make_file(&copy, "by the thief"), 0, "words");
	commit(&copy);
	tid = status_of(&copy).committed_tid;
	expect_refused(&copy, 0, "is in epoch 2, and this store in epoch 1");
	expect_refused(&copy, 1, "epoch over");
	expect_alarm(&b, "epoch_over");
	store_close(&copy);

	goes_on(&b.f, 2, "after");
	store_open(&copy, 0);
	expect_refused(&copy, 0, "copy from before");
	expect_refused(&copy, 1, "epoch over");
	assert_true(status_of(&copy).committed_tid >= tid);
	store_close(&copy);
	goes_on(&b.f, 2, "after that");
	bench_release(&b);
}

static void it_can_be_done_again(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	(void)rekey(&b, 0, 2);
	(void)rekey(&b, 0, 3); /* with nothing written in epoch 2 */
	(void)rekey(&b, 1, 3); /* the same once more changes nothing */
	goes_on(&b.f, 3, "one");
	(void)rekey(&b, 0, 4);
	goes_on(&b.f, 4, "two");
	expect_no_alarm(&b);
	bench_release(&b);
}

static void it_takes_no_passphrase_and_keeps_the_wrapping(void **state)
{
	struct hf_keeping by = { .how = HF_KEY_PASSPHRASE,
				 .passphrase = "p",
				 .passphrase_len = 1,
				 .passes = 1,
				 .memory_kib = 64 };
	CLEANUP(buf_release) struct buf writer = BUF_INIT;
	struct bench b;
	char path[400];

	(void)state;
	bench_init(&b);
	assert_int_equal(hf_key_keep(b.f.path, &by, NULL), 0);
	(void)rekey(&b, 0, 2); /* nobody could be asked */
	(void)snprintf(path, sizeof(path), "%s/keys/writer.key", b.f.path);
	assert_int_equal(os_read_file(os_posix(), path, 4096, &writer), 0);
	assert_int_equal(writer.len, WRAPPED_KEY_FILE_BYTES);
	store_open_fails(&b.f, 0, -ENOKEY, "passphrase");
	bench_release(&b);
}

static void who_may_not(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct store_fixture before;
	struct hf_rekey got;
	struct hf_kit *other;
	struct bench b;

	(void)state;
	bench_init(&b);
	before = copy_of(&b, "before");
	assert_int_equal(hf_kit_generate(&other, NULL), 0);
	assert_int_equal(hf_rekey(b.f.path, other, 0, NULL, &got, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "only its owner"));
	hf_kit_free(other);
	run("diff -r '%s' '%s'", b.f.path, before.path);
	store_open(&b.f, 0);
	assert_int_equal(hf_rekey(b.f.path, b.f.kit, 0, NULL, &got, &err), -EBUSY);
	store_close(&b.f);
	assert_int_equal(hf_rekey(b.f.dir, b.f.kit, 0, NULL, &got, &err), -ENOENT);
	goes_on(&b.f, 1, "all as it was");
	bench_release(&b);
}

/* Power went between the log's new header and the new key's taking its place. */
static void cut_short_behind_the_header(void **state)
{
	struct store_fixture before;
	struct bench b;

	(void)state;
	bench_init(&b);
	before = copy_of(&b, "before");
	(void)rekey(&b, 0, 2);
	run("mv '%s/keys/writer.key' '%s/keys/writer.next'", b.f.path, b.f.path);
	run("cp '%s/keys/writer.key' '%s/keys/writer.key'", before.path, b.f.path);
	store_open_fails(&b.f, 0, -EKEYREJECTED, "is in epoch 2");
	(void)rekey(&b, 0, 2); /* the same epoch is finished, and no other begun */
	goes_on(&b.f, 2, "after");
	bench_release(&b);
}

/* Or before it: what was written then is of no epoch. */
static void cut_short_before_the_header(void **state)
{
	struct store_fixture once;
	struct bench b;

	(void)state;
	bench_init(&b);
	once = copy_of(&b, "once");
	run("rm '%s/replicas/'*", once.path);
	assert_int_equal(hf_rekey(once.path, b.f.kit, 0, NULL, &(struct hf_rekey){ 0 }, NULL), 0);
	run("cp '%s/keys/writer.key' '%s/keys/writer.next'", once.path, b.f.path);
	goes_on(&b.f, 1, "with the old key as ever");
	(void)rekey(&b, 0, 2);
	goes_on(&b.f, 2, "after");
	bench_release(&b);
}

/* What a stolen key wrote before is not taken for ours, and is told; and it writes no more. */
static void a_fork_is_told(void **state)
{
	struct store_fixture thief;
	struct heard h;
	struct bench b;

	(void)state;
	bench_init(&b);
	thief = copy_of(&b, "thief");
	store_open(&thief, 0);
	write_and_drain(&thief, "forged");
	store_close(&thief);
	store_open(&b.f, HF_OPEN_NO_REPLICATION);
	put_text(&b.f, make_file(&b.f, "ours"), 0,
		 "longer than what was forged, so that it is not behind it");
	commit(&b.f);
	store_close(&b.f);
	h = rekey(&b, 0, 2);
	assert_int_equal(h.missed, 2);
	assert_int_equal(h.last.code, -EEXIST);
	store_open(&thief, 0);
	put_text(&thief, make_file(&thief, "more"), 0, "words");
	commit(&thief);
	expect_refused(&thief, 1, "epoch over");
	store_close(&thief);
	expect_alarm(&b, "epoch_over");
	bench_release(&b);
}

/* A replica that was behind gets the rest, signed by the old key, from the new one. */
static void a_replica_may_be_behind(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	store_open(&b.f, HF_OPEN_NO_REPLICATION);
	for (int i = 0; i < 20; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "unshipped%d", i);
		put_text(&b.f, make_file(&b.f, name), 0, name);
		commit(&b.f);
	}
	store_close(&b.f);
	(void)rekey(&b, 0, 2);
	goes_on(&b.f, 2, "after");
	expect_no_alarm(&b);
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_old_writer_is_refused_everywhere),
		cmocka_unit_test(it_can_be_done_again),
		cmocka_unit_test(it_takes_no_passphrase_and_keeps_the_wrapping),
		cmocka_unit_test(who_may_not),
		cmocka_unit_test(cut_short_behind_the_header),
		cmocka_unit_test(cut_short_before_the_header),
		cmocka_unit_test(a_fork_is_told),
		cmocka_unit_test(a_replica_may_be_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
