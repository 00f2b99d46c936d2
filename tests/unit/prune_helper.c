/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/node/identity.h"
#include "store/volume/kit.h"
#include "tests/unit/prune_helper.h"
#include "tests/unit/scratch.h"

enum { SEGMENT_BYTES = 256 << 10, DAY_S = 86400, START_S = 1000000, TRIES = 10, LONG_MS = 60000 };

static const uint64_t second = UINT64_C(1000000000);

static void must(int r, const struct hf_error *err)
{
	if (r < 0)
		fail_msg("%s", err->text);
}

static void ship(struct past *p)
{
	struct hf_error err = HF_ERROR_INIT;

	must(hf_store_drain(p->store.store, LONG_MS, &err), &err);
}

void past_plan(struct past *p)
{
	const struct hf_point before = { p->second, 1 };
	struct hf_error err = HF_ERROR_INIT;

	store_open(&p->store, 0);
	free(p->list);
	p->list = NULL;
	must(hf_prune_plan(p->store.store, p->store.kit, &before, NULL, &p->list, &p->len, &p->plan, &err),
	     &err);
	ship(p);
	store_close(&p->store);
}

/* What is written at the end keeps the file's contents, old and new, out of the last segment. */
static void write_past(struct past *p)
{
	uint8_t rest[64 << 10];

	p->ino = make_file(&p->store, "file");
	put(&p->store, p->ino, 0, p->old, PAST_BYTES);
	commit(&p->store);
	p->first = head(&p->store);
	put(&p->store, p->ino, 0, p->new, PAST_BYTES);
	commit(&p->store);
	p->second = head(&p->store);
	for (int i = 0; i < 8; i++) {
		fill_random(rest, sizeof(rest), 77 + (uint64_t)i);
		put(&p->store, make_file(&p->store, (char[]){ 'r', (char)('0' + i), 0 }), 0, rest,
		    sizeof(rest));
		commit(&p->store);
	}
}

/* On a machine that has much else to do TLS may take longer than a client waits; then the invitation is good
 * still. */
static void enrol(struct past *p, const char *line)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = -ETIMEDOUT;

	for (int i = 0; r == -ETIMEDOUT && i < TRIES; i++)
		r = hf_replica_add(p->store.path, line, "node", &err);
	must(r, &err);
}

void past_init(struct past *p)
{
	char *line;

	memset(p, 0, sizeof(*p));
	p->old = malloc(PAST_BYTES);
	p->new = malloc(PAST_BYTES);
	assert_true(p->old && p->new);
	fill_random(p->old, PAST_BYTES, 1);
	fill_random(p->new, PAST_BYTES, 2);
	node_fixture_init(&p->node);
	store_fixture_init(&p->store, NULL);
	store_close(&p->store);
	line = node_fixture_invite(&p->node, NULL);
	enrol(p, line);
	free(line);
	p->store.options.flags = 0;
	p->store.options.segment_bytes = SEGMENT_BYTES;
	store_open(&p->store, 0);
	write_past(p);
	ship(p);
	store_close(&p->store);
	past_plan(p);
}

void past_release(struct past *p)
{
	store_fixture_release(&p->store);
	node_fixture_release(&p->node);
	free(p->old);
	free(p->new);
	free(p->list);
}

const uint8_t *past_volume(const struct past *p)
{
	return owner_volume_id(kit_owner(p->store.kit));
}

uint64_t past_blocks(const struct past *p)
{
	char dir[256], path[600];
	uint64_t sum = 0;
	struct dirent *e;
	struct stat st;
	DIR *d;

	node_fixture_path(&p->node, past_volume(p), "log", dir);
	d = opendir(dir);
	assert_non_null(d);
	while ((e = readdir(d))) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.' && stat(path, &st) == 0)
			sum += (uint64_t)st.st_blocks * 512;
	}
	closedir(d);
	return sum;
}

/* --- the node that is not served */

static int no_sync(void *state, int fd)
{
	(void)state;
	(void)fd;
	return 0;
}

static int no_sync_dir(void *state, const char *path)
{
	(void)state;
	(void)path;
	return 0;
}

static void open_node(struct still *s)
{
	struct pruner_options o;

	assert_int_equal(volumes_open(&s->os, s->past->node.dir, false, &s->volumes, NULL), 0);
	assert_int_equal(alarms_open(&s->os, s->past->node.dir, &s->alarms, NULL), 0);
	o = (struct pruner_options){ &s->os, s->volumes, s->alarms, s->name, s->delay_s };
	assert_int_equal(pruner_new(&o, &s->pruner, NULL), 0);
}

static void close_node(struct still *s)
{
	pruner_free(s->pruner);
	alarms_close(s->alarms);
	volumes_close(s->volumes);
}

void still_init(struct still *s, struct past *p)
{
	struct identity id;

	memset(s, 0, sizeof(*s));
	memset(&id, 0, sizeof(id));
	s->past = p;
	s->delay_s = 14 * DAY_S;
	s->mono = START_S * second;
	s->os = *os_posix();
	s->os.fsync = s->os.fdatasync = no_sync;
	s->os.sync_dir = no_sync_dir;
	node_fixture_stop(&p->node);
	assert_int_equal(identity_load(&s->os, p->node.dir, &id, NULL), 0);
	memcpy(s->name, id.name, sizeof(s->name));
	identity_release(&id);
	open_node(s);
}

void still_release(struct still *s)
{
	close_node(s);
}

void still_again(struct still *s)
{
	close_node(s);
	s->mono = 17 * second; /* another boot */
	open_node(s);
}

void still_look(struct still *s, uint64_t after_s)
{
	s->mono += after_s * second;
	pruner_look(s->pruner, s->mono);
}

void still_wait(struct still *s, uint64_t days)
{
	for (uint64_t i = 0; i < days * DAY_S / PRUNER_STEP_S_MAX; i++)
		still_look(s, PRUNER_STEP_S_MAX);
}

struct hf_node_prune still_prune(const struct still *s, uint32_t number)
{
	struct hf_node_prune *all = NULL, found;
	struct hf_error err = HF_ERROR_INIT;
	size_t n = 0;

	memset(&found, 0, sizeof(found));
	must(hf_node_prunes(s->past->node.dir, &all, &n, &err), &err);
	for (size_t i = 0; i < n; i++)
		if (all[i].number == number)
			found = all[i];
	free(all);
	assert_int_equal(found.number, number);
	return found;
}

/* Read as many bytes as the file has, at a moment. */
static ssize_t read_file(struct hf_store *store, uint64_t ino, uint64_t tid, uint8_t *out,
			 struct hf_error *err)
{
	const struct hf_view view = { store, tid };

	return hf_view_read(&view, ino, 0, out, PAST_BYTES, err);
}

void past_expect(struct past *p, struct hf_store *store, bool old_is_there)
{
	uint8_t *got = malloc(PAST_BYTES);
	struct hf_error err = HF_ERROR_INIT;

	assert_non_null(got);
	assert_int_equal(read_file(store, p->ino, HF_TID_HEAD, got, NULL), PAST_BYTES);
	assert_memory_equal(got, p->new, PAST_BYTES);
	assert_int_equal(read_file(store, p->ino, p->second, got, NULL), PAST_BYTES);
	assert_memory_equal(got, p->new, PAST_BYTES);
	if (old_is_there) {
		assert_int_equal(read_file(store, p->ino, p->first, got, NULL), PAST_BYTES);
		assert_memory_equal(got, p->old, PAST_BYTES);
	} else {
		assert_int_equal(read_file(store, p->ino, p->first, got, &err), -ENODATA);
		assert_non_null(strstr(err.text, "pruned by the owner"));
	}
	free(got);
}
