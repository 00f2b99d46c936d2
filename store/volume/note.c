/* SPDX-License-Identifier: MIT */
#include "store/volume/note.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/json.h"
#include "store/volume/kit.h"

enum { NOTE_BYTES_MAX = 4096 };

int note_write(const struct os *os, const char *path, const char *name,
	       const uint8_t volume_id[VOLUME_ID_BYTES], const struct note *note)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	char id[HF_VOLUME_ID_TEXT_BYTES], time[24];

	volume_id_text(volume_id, id);
	(void)snprintf(time, sizeof(time), "%" PRIu64, note->time_ns);
	o = json_pack("{s:i,s:s,s:s}", "version", 1, "volume", id, "time_ns", time);
	if (o && note->problem[0]) {
		/* cut short it may end within a character; that it went wrong is kept all the same */
		json_t *problem = json_string(note->problem);

		if (json_object_set_new(o, "problem", problem ? problem : json_string("?")) < 0)
			return -ENOMEM;
	}
	if (!o || json_write(o, &text) < 0 || !os_join(&file, path, name))
		return -ENOMEM;
	buf_add_u8(&text, '\n');
	if (buf_status(&text) < 0)
		return -ENOMEM;
	return os_write_file(os, (const char *)file.data, text.data, text.len, 0600);
}

void note_read(const struct os *os, const char *path, const char *name,
	       const uint8_t volume_id[VOLUME_ID_BYTES], struct note *ret)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	uint8_t id[VOLUME_ID_BYTES];
	struct note got;
	uint32_t version;

	memset(ret, 0, sizeof(*ret));
	memset(&got, 0, sizeof(got));
	if (!os_join(&file, path, name) ||
	    os_read_file(os, (const char *)file.data, NOTE_BYTES_MAX, &text) < 0)
		return;
	o = json_read(text.data, text.len);
	if (!o || json_get_u32(o, "version", &version) < 0 || version != 1 ||
	    json_get_hex(o, "volume", id, sizeof(id)) < 0 || memcmp(id, volume_id, sizeof(id)) != 0 ||
	    json_get_u64(o, "time_ns", &got.time_ns) < 0)
		return;
	if (json_has(o, "problem") && json_get_text(o, "problem", got.problem, sizeof(got.problem)) < 0)
		return;
	*ret = got;
}
