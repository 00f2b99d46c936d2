/* SPDX-License-Identifier: MIT */
/* Recovery: from a node and from a folder, interrupted, with the wrong kit, against an old writer that is
 * still there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holdfast/replica.h"
#include "store/replica/config.h"
#include "store/replica/replica.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"
#include "tests/unit/node_helper.h"

enum { GROUP_BYTES = 3000, GROUPS = 120 };

struct bench {
	struct node_fixture node;
	struct log_fixture volume;
	struct log *log;
	struct hf_kit *kit;
	const uint8_t *id;
	struct http_signer writer;
	char url[512];  /* as status prints it */
	char path[160]; /* of the store to be */
	struct log_point head;
};

/* A node that has the whole log of GROUPS groups. */
static void bench_init(struct bench *b)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT, url = BUF_INIT;
	struct wire w;

	memset(b, 0, sizeof(*b));
	node_fixture_init(&b->node);
	log_fixture_init(&b->volume, NULL, 64 << 10);
	b->id = owner_volume_id(b->volume.owner);
	b->kit = log_fixture_kit(&b->volume);
	b->writer = http_signer_of_writer(b->volume.keys);
	assert_int_equal(log_create(&b->volume.options, &b->volume.cert, &b->log, NULL), 0);
	log_put_groups(b->log, 1, GROUPS, GROUP_BYTES);
	log_durable(b->log, &b->head);
	w = wire_enrol(&b->node, b->writer, &b->volume.cert, &body, b->node.place.token);
	(void)wire_expect(&w, 200, NULL);
	wire_send_log(&b->node, b->writer, b->log, b->id);
	memcpy(b->node.place.volume_id, b->id, VOLUME_ID_BYTES);
	assert_int_equal(place_url(&b->node.place, &url), 0);
	(void)snprintf(b->url, sizeof(b->url), "%s", buf_cstr(&url));
	log_fixture_path(&b->volume, "new", b->path);
}

static void bench_release(struct bench *b)
{
	hf_kit_free(b->kit);
	log_close(b->log);
	log_fixture_release(&b->volume);
	node_fixture_release(&b->node);
}

static struct hf_recovery recover(struct bench *b, const char *place)
{
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;

	memset(&got, 0, sizeof(got));
	if (hf_recover(place, b->kit, b->path, NULL, &got, &err) < 0)
		fail_msg("%s", err.text);
	return got;
}

static bool is_there(const char *dir, const char *name)
{
	char path[400];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0;
}

/* The store at b->path opens with its own keys, in `epoch`, and has every group. */
static void check_store(struct bench *b, uint32_t epoch, uint64_t groups)
{
	struct volume_descriptor d;
	struct hf_error err = HF_ERROR_INIT;
	struct log_point point;
	struct keyring *keys = NULL;
	struct log_options o = b->volume.options;
	struct log *log;
	char dir[200];

	if (files_read_descriptor(os_posix(), b->path, &d, &err) < 0 ||
	    files_read_keys(os_posix(), b->path, &d, &keys, &err) < 0)
		fail_msg("%s", err.text);
	assert_memory_equal(d.volume_id, b->id, VOLUME_ID_BYTES);
	assert_int_equal(d.created_ns, b->volume.cert.created_ns);
	assert_int_equal(keyring_writer_epoch(keys), epoch);
	(void)snprintf(dir, sizeof(dir), "%s/log", b->path);
	o.dir = dir;
	o.keys = keys;
	if (log_open(&o, NULL, &log, &err) < 0)
		fail_msg("%s", err.text);
	log_durable(log, &point);
	assert_int_equal(point.epoch, epoch);
	assert_int_equal(log_check_groups(log, NULL, GROUP_BYTES), groups);
	assert_true(!is_there(b->path, "recovery") && !is_there(b->path, "append"));
	log_close(log);
	keyring_free(keys);
}

static void test_from_node(void **state)
{
	struct bench b;
	struct hf_recovery got;
	struct wire w;

	(void)state;
	bench_init(&b);
	got = recover(&b, b.url);
	assert_int_equal(got.tid, GROUPS);
	assert_int_equal(got.time_ns, 1000 * GROUPS);
	assert_int_equal(got.epoch, 2);
	assert_int_equal(got.segments, b.head.end.segment);
	assert_true(got.bytes > GROUPS * 100);
	check_store(&b, 2, GROUPS);
	/* The old writer is locked out, and the new store ships to where it came from. */
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 403, "epoch_over");
	struct hf_error err = HF_ERROR_INIT;
	struct hf_recovery again;
	assert_int_equal(hf_recover(b.url, b.kit, b.path, NULL, &again, &err), -EEXIST);
	bench_release(&b);
}

static void test_replication_goes_on(void **state)
{
	struct bench b;
	struct hf_replica_status status;
	struct hf_error err = HF_ERROR_INIT;
	struct volume_descriptor d;
	struct log_options o;
	struct log_point point;
	struct keyring *keys;
	struct replica_set *set;
	struct log *log;
	char dir[200], *line;

	(void)state;
	bench_init(&b);
	line = node_fixture_invite(&b.node, NULL);
	(void)recover(&b, line); /* an invitation names the node, and is not used up */
	assert_int_equal(files_read_descriptor(os_posix(), b.path, &d, NULL), 0);
	assert_int_equal(files_read_keys(os_posix(), b.path, &d, &keys, NULL), 0);
	(void)snprintf(dir, sizeof(dir), "%s/log", b.path);
	o = b.volume.options;
	o.dir = dir;
	o.keys = keys;
	assert_int_equal(log_open(&o, NULL, &log, NULL), 0);
	log_put_groups(log, GROUPS + 1, GROUPS + 20, GROUP_BYTES);
	assert_int_equal(replica_set_start(os_posix(), b.path, log, keys, true, &set, NULL), 0);
	log_durable(log, &point);
	if (replica_set_wait(set, &point, 20000, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(replica_set_status(set, &status, 1), 1);
	assert_int_equal(status.acked_tid, GROUPS + 20);
	replica_set_stop(set);
	log_close(log);
	keyring_free(keys);
	/* And once more from there. */
	log_fixture_path(&b.volume, "newer", b.path);
	assert_int_equal(recover(&b, line).epoch, 3);
	check_store(&b, 3, GROUPS + 20);
	free(line);
	bench_release(&b);
}

static void test_from_directory(void **state)
{
	struct bench b;
	char place[160], inside[400], id[HF_VOLUME_ID_TEXT_BYTES], volume[256];

	(void)state;
	bench_init(&b);
	volume_id_text(b.id, id);
	node_fixture_path(&b.node, b.id, "", volume);
	log_fixture_path(&b.volume, "disk", place);
	assert_int_equal(mkdir(place, 0700), 0);
	(void)snprintf(inside, sizeof(inside), "%s/%s", place, id);
	assert_int_equal(mkdir(inside, 0700), 0);
	(void)snprintf(inside, sizeof(inside), "%s/%s/log", place, id);
	(void)snprintf(volume + strlen(volume), 8, "log");
	copy_folder(volume, inside);
	assert_int_equal(recover(&b, place).tid, GROUPS);
	check_store(&b, 2, GROUPS);
	assert_true(is_there(b.path, "replicas/disk.json"));
	/* From the volume's folder itself. */
	log_fixture_path(&b.volume, "second", b.path);
	*strrchr(inside, '/') = 0;
	assert_int_equal(recover(&b, inside).tid, GROUPS);
	check_store(&b, 2, GROUPS);
	assert_true(is_there(b.path, "replicas/disk.json"));
	/* From a folder under another name: it comes back, and is no replica. */
	(void)snprintf(volume, sizeof(volume), "%s-copy", place);
	assert_int_equal(rename(inside, volume), 0);
	log_fixture_path(&b.volume, "third", b.path);
	(void)recover(&b, volume);
	check_store(&b, 2, GROUPS);
	assert_true(!is_there(b.path, "replicas/disk-copy.json"));
	bench_release(&b);
}

/* Zeros behind what there is of a segment. */
static void lay_out(const char *log_dir, uint32_t segment)
{
	char path[300];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%010u.seg", log_dir, segment);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8 << 20), 0);
	assert_int_equal(close(fd), 0);
}

/*
 * A store's own folder, as it is when its machine stops: space is laid out behind the log's end, and one or
 * two files more. In a replica's folder, which has no such files, a segment of zeros is one that was lost.
 */
static void test_from_a_store(void **state)
{
	struct bench b;
	char place[160], log_dir[200], path[300];

	(void)state;
	bench_init(&b);
	log_fixture_path(&b.volume, "old", place);
	assert_int_equal(mkdir(place, 0700), 0);
	(void)snprintf(log_dir, sizeof(log_dir), "%s/log", place);
	copy_folder(b.volume.dir, log_dir); /* it is open */
	for (uint32_t segment = b.head.end.segment; segment < b.head.end.segment + 3; segment++)
		lay_out(log_dir, segment);
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	assert_int_equal(hf_recover(place, b.kit, b.path, NULL, &got, &err), -EUCLEAN);
	(void)snprintf(path, sizeof(path), "%s/volume", place);
	assert_int_equal(os_write_file(os_posix(), path, "HFVOLUME", 8, 0600), 0);
	assert_int_equal(recover(&b, place).tid, GROUPS);
	check_store(&b, 2, GROUPS);
	bench_release(&b);
}

/* Groups that take many requests each, in segments of their own. */
static void test_long_groups(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	for (uint64_t i = GROUPS + 1; i <= GROUPS + 2; i++) {
		struct log_frame frames[2];

		memset(frames, 0, sizeof(frames));
		for (int f = 0; f < 2; f++) {
			frames[f].type = FRAME_DATA;
			assert_int_equal(buf_reserve(&frames[f].plain, 9 << 20), 0);
			crypto_random(frames[f].plain.data, 9 << 20);
			frames[f].plain.len = 9 << 20;
		}
		assert_int_equal(log_pack(b.log, frames, 2), 0);
		assert_int_equal(log_commit(b.log, frames, 2, i, 1000 * i, NULL), 0);
		log_frame_release(&frames[0]);
		log_frame_release(&frames[1]);
	}
	wire_send_log(&b.node, b.writer, b.log, b.id);
	assert_int_equal(recover(&b, b.url).tid, GROUPS + 2);
	bench_release(&b);
}

static void test_wrong_kit(void **state)
{
	struct bench b;
	struct hf_kit *other;
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	char place[256], *line;

	(void)state;
	bench_init(&b);
	assert_int_equal(hf_kit_generate(&other, NULL), 0);
	assert_int_equal(hf_recover(b.url, other, b.path, NULL, &got, &err), -EKEYREJECTED);
	node_fixture_path(&b.node, b.id, "", place);
	assert_int_equal(hf_recover(place, other, b.path, NULL, &got, &err), -EKEYREJECTED);
	(void)snprintf(place, sizeof(place), "%s/volumes", b.node.dir);
	assert_int_equal(hf_recover(place, other, b.path, NULL, &got, &err), -EKEYREJECTED);
	line = node_fixture_invite(&b.node, NULL);
	assert_int_equal(hf_recover(line, other, b.path, NULL, &got, &err), -ENOENT);
	assert_true(!is_there(b.path, "."));
	free(line);
	hf_kit_free(other);
	bench_release(&b);
}

/* Ship the recovered store's log until everything is acknowledged, or the replica refuses. */
static void ship(struct bench *b, struct hf_replica_status *ret, size_t n)
{
	struct volume_descriptor d;
	struct log_options o = b->volume.options;
	struct log_point point;
	struct keyring *keys;
	struct replica_set *set;
	struct log *log;
	char dir[200];

	assert_int_equal(files_read_descriptor(os_posix(), b->path, &d, NULL), 0);
	assert_int_equal(files_read_keys(os_posix(), b->path, &d, &keys, NULL), 0);
	(void)snprintf(dir, sizeof(dir), "%s/log", b->path);
	o.dir = dir;
	o.keys = keys;
	assert_int_equal(log_open(&o, NULL, &log, NULL), 0);
	assert_int_equal(replica_set_start(os_posix(), b->path, log, keys, true, &set, NULL), 0);
	log_durable(log, &point);
	if (replica_set_wait(set, &point, 5000, NULL) < 0)
		print_message("not all took it\n");
	assert_int_equal(replica_set_status(set, ret, n), n);
	replica_set_stop(set);
	log_close(log);
	keyring_free(keys);
}

/* A second node that had got less, or more, than the one recovered from. */
static void second_node(bool behind_it, uint64_t groups_ahead)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT;
	struct hf_replica_status status[2];
	struct hf_error err = HF_ERROR_INIT;
	struct node_fixture second;
	struct bench b;
	struct log_point behind;
	struct wire w;
	char *line;

	bench_init(&b);
	node_fixture_init(&second);
	w = wire_enrol(&second, b.writer, &b.volume.cert, &body, second.place.token);
	(void)wire_expect(&w, 200, NULL);
	if (behind_it) {
		log_raw(b.log, (struct log_pos){ 1, 0 }, 20000, &body, &behind);
		w = wire_append(&second, b.writer, b.id, (struct log_pos){ 1, 0 }, body.data, body.len);
		(void)wire_expect(&w, 200, NULL);
	} else {
		log_put_groups(b.log, GROUPS + 1, GROUPS + groups_ahead, GROUP_BYTES);
		wire_send_log(&second, b.writer, b.log, b.id);
	}
	(void)recover(&b, b.url);
	line = node_fixture_invite(&second, b.id);
	if (groups_ahead > 10) { /* past the segment where the new epoch begins */
		assert_int_equal(hf_replica_add(b.path, line, "second", &err), -EEXIST);
	} else {
		if (hf_replica_add(b.path, line, "second", &err) < 0)
			fail_msg("%s", err.text);
		ship(&b, status, 2);
		assert_string_equal(status[0].error, "");
		if (groups_ahead) {
			assert_int_equal(status[1].state, HF_REPLICA_REFUSED);
		} else {
			assert_int_equal(status[1].acked_tid, GROUPS);
			assert_int_equal(status[1].lag_bytes, 0);
		}
		w = wire_position(&second, b.writer, b.id);
		(void)wire_expect(&w, 403, "epoch_over");
	}
	free(line);
	node_fixture_release(&second);
	bench_release(&b);
}

static void test_second_node(void **state)
{
	(void)state;
	second_node(true, 0);
	second_node(false, 1);
	second_node(false, 100);
}

struct stop {
	uint64_t after;
	struct bench *b;
	bool done;
};

/* Take the node away in the middle. */
static void stop_node(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct stop *s = arg;

	(void)what;
	(void)total;
	if (done >= s->after && !s->done) {
		s->done = true;
		node_fixture_stop(&s->b->node);
	}
}

static void test_resumes(void **state)
{
	struct bench b;
	struct stop stop = { .after = SEGMENT_BYTES_NOMINAL, .b = &b }; /* behind the first segment */
	struct hf_progress progress = { stop_node, &stop };
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	CLEANUP(buf_release) struct buf url = BUF_INIT;

	(void)state;
	bench_init(&b);
	assert_true(hf_recover(b.url, b.kit, b.path, &progress, &got, &err) < 0);
	assert_true(stop.done);
	assert_true(is_there(b.path, "log/0000000001.seg") && is_there(b.path, "recovery"));
	assert_true(!is_there(b.path, "volume"));
	assert_int_equal(node_fixture_start(&b.node), 0);
	memcpy(b.node.place.volume_id, b.id, VOLUME_ID_BYTES);
	assert_int_equal(place_url(&b.node.place, &url), 0);
	(void)recover(&b, buf_cstr(&url));
	check_store(&b, 2, GROUPS);
	bench_release(&b);
}

/* As it is when interrupted behind the point where the epoch was begun, before it became a store. */
static void make_unfinished(const struct bench *b)
{
	char path[200], id[HF_VOLUME_ID_TEXT_BYTES];

	volume_id_text(b->id, id);
	(void)snprintf(path, sizeof(path), "%s/volume", b->path);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "%s/recovery", b->path);
	assert_int_equal(os_write_file(os_posix(), path, id, strlen(id), 0600), 0);
}

static void test_resumes_at_the_end(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	(void)recover(&b, b.url);
	make_unfinished(&b);
	assert_int_equal(recover(&b, b.url).epoch, 2);
	check_store(&b, 2, GROUPS);
	bench_release(&b);
}

/* The earlier run was stopped while it had the log open to begin the epoch: behind it, and before it. */
static void test_resumes_with_space_laid_out(void **state)
{
	struct bench b;
	char log_dir[200], path[300];
	uint32_t epoch;

	(void)state;
	bench_init(&b);
	epoch = b.head.end.segment + 1;
	(void)snprintf(log_dir, sizeof(log_dir), "%s/log", b.path);
	(void)snprintf(path, sizeof(path), "%s/%010u.seg", log_dir, epoch);
	(void)recover(&b, b.url);
	for (int before = 0; before < 2; before++) {
		make_unfinished(&b);
		if (before)
			assert_int_equal(unlink(path), 0);
		for (uint32_t segment = epoch - 1; segment <= epoch + 1; segment++)
			if (before || segment >= epoch)
				lay_out(log_dir, segment);
		assert_int_equal(recover(&b, b.url).epoch, 2);
	}
	check_store(&b, 2, GROUPS);
	bench_release(&b);
}

/* The node does not know of the epoch that the earlier run began: it is told before anybody says that it was. */
static void test_resumes_with_one_untold(void **state)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT, again = BUF_INIT;
	struct bench b;
	char copy[160];
	struct wire w;

	(void)state;
	bench_init(&b);
	node_fixture_stop(&b.node);
	node_fixture_copy(&b.node, copy);
	assert_int_equal(node_fixture_start(&b.node), 0);
	memcpy(b.node.place.volume_id, b.id, VOLUME_ID_BYTES);
	assert_int_equal(place_url(&b.node.place, &url), 0);
	(void)recover(&b, buf_cstr(&url));
	make_unfinished(&b);
	node_fixture_put_back(&b.node, copy);
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 200, NULL);
	memcpy(b.node.place.volume_id, b.id, VOLUME_ID_BYTES);
	assert_int_equal(place_url(&b.node.place, &again), 0);
	assert_int_equal(recover(&b, buf_cstr(&again)).goes_on, 1);
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 403, "epoch_over");
	check_store(&b, 2, GROUPS);
	bench_release(&b);
}

/* The new epoch was enrolled, and then that machine died too: the next recovery takes its place. */
static void test_enrolled_and_lost(void **state)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT;
	struct bench b;
	struct keyring *keys;
	struct epoch_cert cert;
	struct wire w;

	(void)state;
	bench_init(&b);
	assert_int_equal(owner_keyring(b.volume.owner, &keys), 0);
	log_fixture_cert(&b.volume, keys, 2, &b.head, &cert);
	cert.created_ns = UINT64_MAX / 2; /* by a clock far ahead */
	epoch_cert_sign(&cert, b.volume.owner);
	w = wire_enrol(&b.node, http_signer_of_owner(b.volume.owner), &cert, &body, NULL);
	(void)wire_expect(&w, 200, NULL);
	(void)recover(&b, b.url);
	check_store(&b, 2, GROUPS);
	w = wire_position(&b.node, http_signer_of_writer(keys), b.id);
	(void)wire_expect(&w, 403, "not_allowed");
	keyring_free(keys);
	bench_release(&b);
}

struct rival {
	struct bench *b;
	uint64_t next;
	int left;
};

/* The old store goes on writing while its log is fetched. */
static void write_more(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct rival *r = arg;

	(void)what;
	(void)done;
	(void)total;
	if (r->left-- <= 0)
		return;
	log_put_groups(r->b->log, r->next, r->next + 1, GROUP_BYTES);
	r->next += 2;
	wire_send_log(&r->b->node, r->b->writer, r->b->log, r->b->id);
}

static void test_old_writer_is_still_there(void **state)
{
	struct bench b;
	struct rival rival = { .b = &b, .next = GROUPS + 1, .left = 4 };
	struct hf_progress progress = { write_more, &rival };
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	bench_init(&b);
	if (hf_recover(b.url, b.kit, b.path, &progress, &got, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(got.tid, rival.next - 1);
	check_store(&b, 2, rival.next - 1);
	bench_release(&b);
}

static void test_damaged_copy(void **state)
{
	struct bench b;
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	char place[256], file[256];

	(void)state;
	bench_init(&b);
	node_fixture_path(&b.node, b.id, "", place);
	node_fixture_path(&b.node, b.id, "log/0000000002.seg", file);
	flip_byte(file, 5000, 8);
	assert_int_equal(hf_recover(place, b.kit, b.path, NULL, &got, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "segment 2"));
	assert_int_equal(hf_recover(b.url, b.kit, b.path, NULL, &got, &err), -EUCLEAN);
	/* From another replica that is whole, it goes on from where it stopped. */
	flip_byte(file, 5000, 8);
	(void)recover(&b, b.url);
	check_store(&b, 2, GROUPS);
	bench_release(&b);
}

static void test_folder_in_use(void **state)
{
	struct bench b;
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	char path[200];

	(void)state;
	bench_init(&b);
	assert_int_equal(mkdir(b.path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/mine", b.path);
	assert_int_equal(os_write_file(os_posix(), path, "x", 1, 0600), 0);
	assert_int_equal(hf_recover(b.url, b.kit, b.path, NULL, &got, &err), -ENOTEMPTY);
	assert_true(is_there(b.path, "mine"));
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_node),
		cmocka_unit_test(test_replication_goes_on),
		cmocka_unit_test(test_from_directory),
		cmocka_unit_test(test_from_a_store),
		cmocka_unit_test(test_long_groups),
		cmocka_unit_test(test_wrong_kit),
		cmocka_unit_test(test_second_node),
		cmocka_unit_test(test_resumes),
		cmocka_unit_test(test_resumes_at_the_end),
		cmocka_unit_test(test_resumes_with_space_laid_out),
		cmocka_unit_test(test_resumes_with_one_untold),
		cmocka_unit_test(test_enrolled_and_lost),
		cmocka_unit_test(test_old_writer_is_still_there),
		cmocka_unit_test(test_damaged_copy),
		cmocka_unit_test(test_folder_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
