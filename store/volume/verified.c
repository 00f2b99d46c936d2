/* SPDX-License-Identifier: MIT */
#include "store/volume/verified.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/json.h"
#include "store/volume/kit.h"

enum { FILE_BYTES_MAX = 1 << 20 };
static const char file_name[] = "verified.json";

/* --- reading */

static bool read_damage(const json_t *one, struct hf_damage *ret)
{
	return json_get_u32(one, "segment", &ret->segment) == 0 &&
	       json_get_u32(one, "offset", &ret->offset) == 0 &&
	       json_get_u64(one, "found_ns", &ret->found_ns) == 0 &&
	       json_get_bool(one, "retired", &ret->retired) == 0 &&
	       json_get_text(one, "words", ret->words, sizeof(ret->words)) == 0 && ret->segment > 0;
}

static bool read_all(const json_t *o, const uint8_t volume_id[VOLUME_ID_BYTES], struct verified *ret)
{
	const json_t *list = json_object_get(o, "damage"), *one;
	uint8_t id[VOLUME_ID_BYTES];
	uint32_t version;
	size_t i;

	if (!o || json_get_u32(o, "version", &version) < 0 || version != 1 ||
	    json_get_hex(o, "volume", id, sizeof(id)) < 0 || memcmp(id, volume_id, sizeof(id)) != 0 ||
	    json_get_u64(o, "complete_ns", &ret->complete_ns) < 0 ||
	    json_get_u64(o, "complete_tid", &ret->complete_tid) < 0 ||
	    json_get_u64(o, "began_ns", &ret->began_ns) < 0 ||
	    json_get_u32(o, "segment", &ret->segment) < 0 || !json_is_array(list))
		return false;
	if (json_get_bool(o, "more", &ret->more) < 0)
		ret->more = false;
	json_array_foreach(list, i, one) {
		if (ret->n < HF_DAMAGE_MAX && read_damage(one, &ret->damage[ret->n]))
			ret->n++;
	}
	return true;
}

void verified_read(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
		   struct verified *ret)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;

	memset(ret, 0, sizeof(*ret));
	if (!os_join(&file, path, file_name) ||
	    os_read_file(os, (const char *)file.data, FILE_BYTES_MAX, &text) < 0)
		return;
	o = json_read(text.data, text.len);
	if (!read_all(o, volume_id, ret))
		memset(ret, 0, sizeof(*ret));
}

/* --- writing */

static void decimal(uint64_t n, char out[24])
{
	(void)snprintf(out, 24, "%" PRIu64, n);
}

static json_t *damage_to_json(const struct hf_damage *d)
{
	char found[24];

	decimal(d->found_ns, found);
	return json_pack("{s:I, s:I, s:s, s:b, s:s}", "segment", (json_int_t)d->segment, "offset",
			 (json_int_t)d->offset, "found_ns", found, "retired", d->retired, "words", d->words);
}

int verified_write(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
		   const struct verified *v)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	char id[HF_VOLUME_ID_TEXT_BYTES], complete[24], tid[24], began[24];
	json_t *list = json_array();

	for (size_t i = 0; list && i < v->n; i++)
		if (json_array_append_new(list, damage_to_json(&v->damage[i])) < 0) {
			json_decref(list);
			return -ENOMEM;
		}
	volume_id_text(volume_id, id);
	decimal(v->complete_ns, complete);
	decimal(v->complete_tid, tid);
	decimal(v->began_ns, began);
	o = json_pack("{s:i, s:s, s:s, s:s, s:s, s:I, s:b, s:o}", "version", 1, "volume", id, "complete_ns",
		      complete, "complete_tid", tid, "began_ns", began, "segment", (json_int_t)v->segment,
		      "more", v->more, "damage", list);
	if (!o || json_write(o, &text) < 0 || !os_join(&file, path, file_name))
		return -ENOMEM;
	return os_write_file(os, (const char *)file.data, text.data, text.len, 0600);
}

/* --- places */

size_t verified_find(const struct verified *v, struct log_pos pos)
{
	size_t i = 0;

	while (i < v->n && (v->damage[i].segment != pos.segment || v->damage[i].offset != pos.offset))
		i++;
	return i;
}

int verified_add(struct verified *v, struct log_pos pos, const char *words, uint64_t now_ns)
{
	struct hf_damage *d;

	if (verified_find(v, pos) < v->n)
		return 0;
	if (v->n == HF_DAMAGE_MAX) {
		v->more = true;
		return 0;
	}
	d = &v->damage[v->n++];
	*d = (struct hf_damage){ .segment = pos.segment, .offset = pos.offset, .found_ns = now_ns };
	(void)snprintf(d->words, sizeof(d->words), "%s", words);
	for (char *c = d->words; *c; c++) /* a text that was cut within a letter is none for JSON */
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	return 1;
}
