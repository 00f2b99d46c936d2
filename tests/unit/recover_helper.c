/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/volume/files.h"
#include "store/volume/kit.h"
#include "tests/unit/recover_helper.h"

void rescue_init(struct rescue *b)
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

void rescue_release(struct rescue *b)
{
	hf_kit_free(b->kit);
	log_close(b->log);
	log_fixture_release(&b->volume);
	node_fixture_release(&b->node);
}

struct hf_recovery rescue_recover(struct rescue *b, const char *place)
{
	struct hf_recovery got;
	struct hf_error err = HF_ERROR_INIT;

	memset(&got, 0, sizeof(got));
	if (hf_recover(place, b->kit, b->path, NULL, &got, &err) < 0)
		fail_msg("%s", err.text);
	return got;
}

bool rescue_has(const char *dir, const char *name)
{
	char path[400];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0;
}

void rescue_check_store(struct rescue *b, uint32_t epoch, uint64_t groups)
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
	assert_true(!rescue_has(b->path, "recovery") && !rescue_has(b->path, "append"));
	log_close(log);
	keyring_free(keys);
}

/* Zeros behind what there is of a segment. */
void rescue_lay_out(const char *log_dir, uint32_t segment)
{
	char path[300];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%010u.seg", log_dir, segment);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8 << 20), 0);
	assert_int_equal(close(fd), 0);
}
