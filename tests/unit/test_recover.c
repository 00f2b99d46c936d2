/* SPDX-License-Identifier: MIT */
/* Recovery: from a node, a folder and a store, with the wrong kit, of a damaged copy, beside a second node.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/replica/replica.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"
#include "tests/unit/recover_helper.h"

static void test_from_node(void **state)
{
	struct rescue b;
	struct hf_recovery got;
	struct wire w;

	(void)state;
	rescue_init(&b);
	got = rescue_recover(&b, b.url);
	assert_int_equal(got.tid, GROUPS);
	assert_int_equal(got.time_ns, 1000 * GROUPS);
	assert_int_equal(got.epoch, 2);
	assert_int_equal(got.segments, b.head.end.segment);
	assert_true(got.bytes > GROUPS * 100);
	rescue_check_store(&b, 2, GROUPS);
	/* The old writer is locked out, and the new store ships to where it came from. */
	w = wire_position(&b.node, b.writer, b.id);
	(void)wire_expect(&w, 403, "epoch_over");
	struct hf_error err = HF_ERROR_INIT;
	struct hf_recovery again;
	assert_int_equal(hf_recover(b.url, b.kit, b.path, NULL, &again, &err), -EEXIST);
	rescue_release(&b);
}

static void test_replication_goes_on(void **state)
{
	struct rescue b;
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
	rescue_init(&b);
	line = node_fixture_invite(&b.node, NULL);
	(void)rescue_recover(&b, line); /* an invitation names the node, and is not used up */
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
	assert_int_equal(rescue_recover(&b, line).epoch, 3);
	rescue_check_store(&b, 3, GROUPS + 20);
	free(line);
	rescue_release(&b);
}

static void test_from_directory(void **state)
{
	struct rescue b;
	char place[160], inside[400], id[HF_VOLUME_ID_TEXT_BYTES], volume[256];

	(void)state;
	rescue_init(&b);
	volume_id_text(b.id, id);
	node_fixture_path(&b.node, b.id, "", volume);
	log_fixture_path(&b.volume, "disk", place);
	assert_int_equal(mkdir(place, 0700), 0);
	(void)snprintf(inside, sizeof(inside), "%s/%s", place, id);
	assert_int_equal(mkdir(inside, 0700), 0);
	(void)snprintf(inside, sizeof(inside), "%s/%s/log", place, id);
	(void)snprintf(volume + strlen(volume), 8, "log");
	copy_folder(volume, inside);
	assert_int_equal(rescue_recover(&b, place).tid, GROUPS);
	rescue_check_store(&b, 2, GROUPS);
	assert_true(rescue_has(b.path, "replicas/disk.json"));
	/* From the volume's folder itself, which was told of that epoch. */
	log_fixture_path(&b.volume, "second", b.path);
	*strrchr(inside, '/') = 0;
	assert_int_equal(rescue_recover(&b, inside).tid, GROUPS);
	rescue_check_store(&b, 3, GROUPS);
	assert_true(rescue_has(b.path, "replicas/disk.json"));
	/* From a folder under another name: it comes back, and is no replica. */
	(void)snprintf(volume, sizeof(volume), "%s-copy", place);
	assert_int_equal(rename(inside, volume), 0);
	log_fixture_path(&b.volume, "third", b.path);
	(void)rescue_recover(&b, volume);
	rescue_check_store(&b, 4, GROUPS);
	assert_true(!rescue_has(b.path, "replicas/disk-copy.json"));
	rescue_release(&b);
}

/*
 * A store's own folder, as it is when its machine stops: space is laid out behind the log's end, and one or
 * two files more. In a replica's folder, which has no such files, a segment of zeros is one that was lost.
 */
static void test_from_a_store(void **state)
{
	struct rescue b;
	char place[160], log_dir[200], path[300];

	(void)state;
	rescue_init(&b);
	log_fixture_path(&b.volume, "old", place);
	assert_int_equal(mkdir(place, 0700), 0);
	(void)snprintf(log_dir, sizeof(log_dir), "%s/log", place);
	copy_folder(b.volume.dir, log_dir); /* it is open */
	for (uint32_t segment = b.head.end.segment; segment < b.head.end.segment + 3; segment++)
		rescue_lay_out(log_dir, segment);
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	assert_int_equal(hf_recover(place, b.kit, b.path, NULL, &got, &err), -EUCLEAN);
	(void)snprintf(path, sizeof(path), "%s/volume", place);
	assert_int_equal(os_write_file(os_posix(), path, "HFVOLUME", 8, 0600), 0);
	assert_int_equal(rescue_recover(&b, place).tid, GROUPS);
	rescue_check_store(&b, 2, GROUPS);
	rescue_release(&b);
}

/* Groups that take many requests each, in segments of their own. */
static void test_long_groups(void **state)
{
	struct rescue b;

	(void)state;
	rescue_init(&b);
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
	assert_int_equal(rescue_recover(&b, b.url).tid, GROUPS + 2);
	rescue_release(&b);
}

static void test_wrong_kit(void **state)
{
	struct rescue b;
	struct hf_kit *other;
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	char place[256], *line;

	(void)state;
	rescue_init(&b);
	assert_int_equal(hf_kit_generate(&other, NULL), 0);
	assert_int_equal(hf_recover(b.url, other, b.path, NULL, &got, &err), -EKEYREJECTED);
	node_fixture_path(&b.node, b.id, "", place);
	assert_int_equal(hf_recover(place, other, b.path, NULL, &got, &err), -EKEYREJECTED);
	(void)snprintf(place, sizeof(place), "%s/volumes", b.node.dir);
	assert_int_equal(hf_recover(place, other, b.path, NULL, &got, &err), -EKEYREJECTED);
	line = node_fixture_invite(&b.node, NULL);
	assert_int_equal(hf_recover(line, other, b.path, NULL, &got, &err), -ENOENT);
	assert_true(!rescue_has(b.path, "."));
	free(line);
	hf_kit_free(other);
	rescue_release(&b);
}

/* Ship the recovered store's log until everything is acknowledged, or the replica refuses. */
static void ship(struct rescue *b, struct hf_replica_status *ret, size_t n)
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
	struct rescue b;
	struct log_point behind;
	struct wire w;
	char *line;

	rescue_init(&b);
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
	(void)rescue_recover(&b, b.url);
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
	rescue_release(&b);
}

static void test_second_node(void **state)
{
	(void)state;
	second_node(true, 0);
	second_node(false, 1);
	second_node(false, 100);
}

static void test_damaged_copy(void **state)
{
	struct rescue b;
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	char place[256], file[256];

	(void)state;
	rescue_init(&b);
	node_fixture_path(&b.node, b.id, "", place);
	node_fixture_path(&b.node, b.id, "log/0000000002.seg", file);
	flip_byte(file, 5000, 8);
	assert_int_equal(hf_recover(place, b.kit, b.path, NULL, &got, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "segment 2"));
	assert_int_equal(hf_recover(b.url, b.kit, b.path, NULL, &got, &err), -EUCLEAN);
	/* From another replica that is whole, it goes on from where it stopped. */
	flip_byte(file, 5000, 8);
	(void)rescue_recover(&b, b.url);
	rescue_check_store(&b, 2, GROUPS);
	rescue_release(&b);
}

static void test_folder_in_use(void **state)
{
	struct rescue b;
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;
	char path[200];

	(void)state;
	rescue_init(&b);
	assert_int_equal(mkdir(b.path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/mine", b.path);
	assert_int_equal(os_write_file(os_posix(), path, "x", 1, 0600), 0);
	assert_int_equal(hf_recover(b.url, b.kit, b.path, NULL, &got, &err), -ENOTEMPTY);
	assert_true(rescue_has(b.path, "mine"));
	rescue_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_node),      cmocka_unit_test(test_replication_goes_on),
		cmocka_unit_test(test_from_directory), cmocka_unit_test(test_from_a_store),
		cmocka_unit_test(test_long_groups),    cmocka_unit_test(test_wrong_kit),
		cmocka_unit_test(test_second_node),    cmocka_unit_test(test_damaged_copy),
		cmocka_unit_test(test_folder_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
