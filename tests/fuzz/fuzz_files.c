/* SPDX-License-Identifier: MIT */
/*
 * Small files that somebody else may have written: a node's folder, a store's, and what a person types or
 * pastes. The first byte of the input picks a reader, the rest is the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/mount.h"
#include "holdfast/moment.h"
#include "store/alarm/alarm_file.h"
#include "store/alarm/settings.h"
#include "store/node/invitation.h"
#include "store/node/pulse.h"
#include "store/node/setup.h"
#include "store/replica/config.h"
#include "store/replica/freshness.h"
#include "store/replica/shelf_scan.h"
#include "store/tree/acl.h"
#include "store/volume/kit.h"
#include "store/volume/volume.h"
#include "tests/fuzz/memory_os.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t id[VOLUME_ID_BYTES] = { 1, 2, 3 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void fuzz_setup(const struct os *os)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_alarm_settings settings;
	char url[SETUP_ADDRESS_BYTES];
	struct setup s;

	if (settings_read(os, "/store", &settings, &err) < 0)
		must(err.text[0]);
	err = (struct hf_error)HF_ERROR_INIT;
	if (setup_read(os, "/node", &s, &err) < 0) {
		must(err.text[0]);
		return;
	}
	must(s.port <= 65535 && memchr(s.host, 0, sizeof(s.host)));
	setup_url(s.host, s.port, url);
}

static void fuzz_replica(const struct os *os)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct log_point point;
	char name[CONFIG_NAME_BYTES];
	struct place place;

	if (config_read(os, "/store", "there", &place, &err) == 0) {
		config_make_name(&place, name);
		must(config_check_name(name, NULL) == 0);
		(void)!config_write(os, "/store", name, &place, &err);
		(void)place_url(&place, &url);
		place_release(&place);
	} else {
		must(err.text[0]);
	}
	(void)config_read_receipt(os, "/store", "there", &point);
}

static void fuzz_alarms(const struct os *os)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_alarm *alarms = NULL;
	uint32_t next;
	size_t n = 0;

	if (alarm_files_read(os, "/node", &alarms, &n, &next, &err) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		CLEANUP(buf_release) struct buf text = BUF_INIT;

		must(alarm_file_text(&alarms[i], NULL, NULL, &text) == 0 && text.len > 0);
		must(alarms[i].number < next);
		(void)alarm_file_is_acknowledged(os, "/node", &alarms[i]);
	}
	free(alarms);
}

static void fuzz_notes(const struct os *os, const uint8_t *data, size_t len)
{
	static const uint8_t token[PLACE_TOKEN_BYTES];
	struct hf_error err = HF_ERROR_INIT;
	struct volume_state state;
	struct shelf_note note;
	struct pulse pulse;

	pulse_init(&pulse, 1);
	pulse_load(&pulse, os, "/node/volumes/x");
	(void)pulse_silence(&pulse, 2, 1);
	pulse_save(&pulse, os, "/node/volumes/x");
	pulse_release(&pulse);
	(void)kit_note_read(os, "/store", id);
	if (invitation_use(os, "/node", token, id, len % 2, &err) < 0)
		must(err.text[0]);
	(void)shelf_note_decode(data, len, &note);
	(void)volume_state_decode(data, len, &state);
}

static void fuzz_heads(const char *text)
{
	const char *const texts[] = { text };
	const struct hf_heads heads = { texts, 1, false };
	struct hf_error err = HF_ERROR_INIT;
	struct freshness f = { .n = 0 };

	if (freshness_begin(&f, &heads, id, &err) < 0)
		must(err.text[0]);
	freshness_release(&f);
}

static void fuzz_options(const char *text)
{
	struct hf_error err = HF_ERROR_INIT;
	struct mount_options o;

	if (mount_parse_options(text, &o, &err) < 0)
		must(err.text[0]);
}

/* What a time is printed as is that time. */
static void fuzz_moment(const char *text)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_moment m, again;
	char out[40];

	if (hf_moment_parse(text, UINT64_C(1795412730123456789), &m, &err) < 0) {
		must(err.text[0]);
		return;
	}
	if (m.kind != HF_MOMENT_TIME)
		return;
	must(hf_moment_parse(hf_moment_format(m.time_ns, out, sizeof(out)), 0, &again, &err) == 0);
	must(again.kind == HF_MOMENT_TIME && again.time_ns == m.time_ns);
}

static void fuzz_acl(const uint8_t *data, size_t len)
{
	CLEANUP(buf_release) struct buf access = BUF_INIT, inherited = BUF_INIT, changed = BUF_INIT;
	const struct span acl = { data, len };
	uint32_t mode = 0777;

	if (acl_check(acl) < 0)
		return;
	must(acl_to_mode(acl, &mode) >= 0);
	must(acl_chmod(acl, 0640, &changed) == 0);
	if (changed.len > 0)
		must(acl_check((struct span){ changed.data, changed.len }) == 0);
	mode = 0777;
	must(acl_inherit(acl, &mode, &access, &inherited) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "000001.json", "000001.ack", "there.json", NULL };
	struct memory_disk disk = { .names = names };
	const struct os os = memory_os(&disk);
	char *text;

	if (len == 0 || len > 8192 || crypto_init() < 0)
		return 0;
	disk.data = data + 1;
	disk.len = len - 1;
	text = strndup((const char *)data + 1, len - 1);
	must(text != NULL);
	switch (data[0] % 8) {
	case 0:
		fuzz_setup(&os);
		break;
	case 1:
		fuzz_replica(&os);
		break;
	case 2:
		fuzz_alarms(&os);
		break;
	case 3:
		fuzz_notes(&os, data + 1, len - 1);
		break;
	case 4:
		fuzz_heads(text);
		break;
	case 5:
		fuzz_options(text);
		break;
	case 6:
		fuzz_moment(text);
		break;
	default:
		fuzz_acl(data + 1, len - 1);
	}
	free(text);
	return 0;
}
