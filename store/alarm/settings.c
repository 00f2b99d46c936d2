/* SPDX-License-Identifier: MIT */
#include "store/alarm/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/alarm/target.h"
#include "store/replica/json.h"

enum { SETTINGS_FILE_BYTES_MAX = 8192, YEAR_S = 366 * 86400, FILES_MAX = 1000000000 };

enum unit { SECONDS, FILES, PERCENT };

static const struct setting {
	const char *name; /* as a person writes it */
	const char *key;  /* in the file */
	enum unit unit;
	uint32_t otherwise, min, max;
	bool may_be_off;
	size_t off;
} settings[] = {
#define AT(field) offsetof(struct hf_alarm_settings, field)
	{ "lag", "lag_s", SECONDS, 600, 1, YEAR_S, true, AT(lag_s) },
	{ "unreachable", "unreachable_s", SECONDS, 3600, 1, YEAR_S, true, AT(unreachable_s) },
	{ "window", "window_s", SECONDS, 300, 3, 86400, false, AT(window_s) },
	{ "young", "young_s", SECONDS, 60, 0, 86400, true, AT(young_s) },
	{ "files", "files", FILES, 1000, 1, FILES_MAX, false, AT(files) },
	{ "deletion", "deletion_percent", PERCENT, 20, 1, 100, true, AT(deletion_percent) },
	{ "overwrite", "overwrite_percent", PERCENT, 50, 1, 100, true, AT(overwrite_percent) },
	{ "encryption", "encryption_files", FILES, 50, 1, FILES_MAX, true, AT(encryption_files) },
	{ "drill", "drill_s", SECONDS, 30 * 86400, 1, YEAR_S, true, AT(drill_s) },
#undef AT
};
enum { N_SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static uint32_t *field(struct hf_alarm_settings *s, const struct setting *of)
{
	return (uint32_t *)(void *)((char *)s + of->off);
}

/* --- the file */

static bool in_range(const struct setting *of, uint32_t n)
{
	return (n == 0 && of->may_be_off) || (n >= of->min && n <= of->max);
}

void settings_default(struct hf_alarm_settings *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < N_SETTINGS; i++)
		*field(ret, &settings[i]) = settings[i].otherwise;
}

static int parse(const json_t *o, struct hf_alarm_settings *ret)
{
	settings_default(ret);
	for (size_t i = 0; i < N_SETTINGS; i++) {
		uint32_t *n = field(ret, &settings[i]);

		if (json_has(o, settings[i].key) &&
		    (json_get_u32(o, settings[i].key, n) < 0 || !in_range(&settings[i], *n)))
			return -EUCLEAN;
	}
	if ((json_has(o, "alarm_hook") && json_get_text(o, "alarm_hook", ret->hook, sizeof(ret->hook)) < 0) ||
	    (json_has(o, "alarm_url") && json_get_text(o, "alarm_url", ret->url, sizeof(ret->url)) < 0))
		return -EUCLEAN;
	return alarm_target_check(ret->hook, ret->url, NULL) < 0 ? -EUCLEAN : 0;
}

/* The file's object, or an empty one when there is none. */
static int load(const struct os *os, const char *dir, struct buf *path, json_t **ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT;
	uint32_t version;
	json_t *o;
	int r;

	if (!os_join(path, dir, "alarms.json"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)path->data, SETTINGS_FILE_BYTES_MAX, &data);
	if (r < 0 && r != -ENOENT)
		return hf_error_set(err, r, "cannot read %s: %s", (const char *)path->data, strerror(-r));
	o = r == -ENOENT ? json_pack("{s:i}", "version", 1) : json_read(data.data, data.len);
	if (!o || json_get_u32(o, "version", &version) < 0 || version != 1) {
		json_decref(o);
		return hf_error_set(err, -EUCLEAN, "%s is damaged, or of a newer version: mend or remove it",
				    (const char *)path->data);
	}
	*ret = o;
	return 0;
}

int settings_read(const struct os *os, const char *dir, struct hf_alarm_settings *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	struct hf_alarm_settings s;
	int r = load(os, dir, &path, &o, err);

	if (r < 0)
		return r;
	if (parse(o, &s) < 0)
		return hf_error_set(err, -EUCLEAN, "%s has a value that cannot be: mend or remove it",
				    (const char *)path.data);
	*ret = s;
	return 0;
}

/* --- changing it */

/* "10m", "90", "90s", "2h", "3d"; "20%"; "1000". -EINVAL. */
static int parse_value(const struct setting *of, const char *text, uint32_t *ret)
{
	static const struct {
		char suffix;
		uint32_t factor;
	} durations[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	const size_t digits = strspn(text, "0123456789");
	uint64_t n = 0, factor = 0;

	if (of->may_be_off && strcmp(text, "off") == 0) {
		*ret = 0;
		return 0;
	}
	if (digits == 0 || digits > 9 || sscanf(text, "%9" SCNu64, &n) != 1)
		return -EINVAL;
	text += digits;
	if (*text == 0)
		factor = 1;
	else if (text[1] == 0 && of->unit == PERCENT && *text == '%')
		factor = 1;
	for (size_t i = 0; of->unit == SECONDS && *text && text[1] == 0 && i < 4; i++)
		if (*text == durations[i].suffix)
			factor = durations[i].factor;
	n *= factor;
	if (factor == 0 || n > UINT32_MAX || !in_range(of, (uint32_t)n))
		return -EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

static int refuse(const struct setting *of, const char *change, struct hf_error *err)
{
	static const char *const what[] = { "seconds, or with m, h or d", "a number of files", "percent" };

	return hf_error_set(err, -EINVAL, "%.80s: %s is %s, from %" PRIu32 " to %" PRIu32 "%s", change,
			    of->name, what[of->unit], of->min, of->max, of->may_be_off ? ", or off" : "");
}

static int change_target(json_t *o, const char *key, const char *text, struct hf_error *err)
{
	const bool hook = strcmp(key, "alarm_hook") == 0;
	json_t *value;
	int r;

	if (strcmp(text, "none") == 0)
		text = "";
	if (strlen(text) >= HF_ALARM_TARGET_BYTES)
		return hf_error_set(err, -EINVAL, "a hook or URL has less than %d bytes",
				    HF_ALARM_TARGET_BYTES);
	r = alarm_target_check(hook ? text : "", hook ? "" : text, err);
	if (r < 0)
		return r;
	value = json_string(text);
	if (!value)
		return hf_error_set(err, -EINVAL, "the hook or URL is not UTF-8");
	return json_object_set_new(o, key, value) < 0 ? hf_error_set(err, -ENOMEM, "no memory") : 0;
}

static int change_one(json_t *o, const char *change, struct hf_error *err)
{
	const char *equals = strchr(change, '=');
	const size_t len = equals ? (size_t)(equals - change) : 0;
	uint32_t n;

	if (len == 4 && strncmp(change, "hook", len) == 0)
		return change_target(o, "alarm_hook", equals + 1, err);
	if (len == 3 && strncmp(change, "url", len) == 0)
		return change_target(o, "alarm_url", equals + 1, err);
	for (size_t i = 0; equals && i < N_SETTINGS; i++) {
		if (strlen(settings[i].name) != len || strncmp(change, settings[i].name, len) != 0)
			continue;
		if (parse_value(&settings[i], equals + 1, &n) < 0)
			return refuse(&settings[i], change, err);
		return json_object_set_new(o, settings[i].key, json_integer(n)) < 0 ?
			       hf_error_set(err, -ENOMEM, "no memory") :
			       0;
	}
	return hf_error_set(err, -EINVAL,
			    "%.80s: what is set is hook=, url=, lag=, unreachable=, window=, young=, files=, "
			    "deletion=, overwrite=, encryption= or drill=",
			    change);
}

int settings_change(const struct os *os, const char *dir, const char *const *changes, size_t n,
		    struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	struct hf_alarm_settings s;
	int r = load(os, dir, &path, &o, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = change_one(o, changes[i], err);
	if (r < 0)
		return r;
	if (parse(o, &s) < 0)
		return hf_error_set(err, -EUCLEAN, "%s has a value that cannot be: mend or remove it",
				    (const char *)path.data);
	if (json_write(o, &text) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	buf_add_u8(&text, '\n');
	if (buf_status(&text) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)path.data, text.data, text.len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}
