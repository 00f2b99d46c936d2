/* SPDX-License-Identifier: MIT */
/* What stands behind -o. */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "fs/mount/mount_internal.h"

enum { SYNC_RECEIPTS_MAX = 64, DAY_S = 86400, SCRUB_S = 30 * DAY_S, SCRUB_MAX_S = 3650 * DAY_S };

static const struct {
	const char *word;
	size_t field; /* of a bool */
	bool value;
} switches[] = {
#define FIELD(name) offsetof(struct mount_options, name)
	{ "ro", FIELD(read_only), true },
	{ "rw", FIELD(read_only), false },
	{ "allow_other", FIELD(allow_other), true },
	{ "noallow_other", FIELD(allow_other), false },
	{ "allow_root", FIELD(allow_root), true },
	{ "suid", FIELD(suid), true },
	{ "nosuid", FIELD(suid), false },
	{ "dev", FIELD(dev), true },
	{ "nodev", FIELD(dev), false },
	{ "noexec", FIELD(noexec), true },
	{ "exec", FIELD(noexec), false },
	{ "sync", FIELD(sync), true },
	{ "async", FIELD(sync), false },
	{ "dirsync", FIELD(dirsync), true },
	{ "history=visible", FIELD(history_visible), true },
	{ "history=hidden", FIELD(history_visible), false },
	{ "coalesce", FIELD(coalesce), true },
	{ "nocoalesce", FIELD(coalesce), false },
	{ "rebuild", FIELD(rebuild), true },
	{ "debug", FIELD(debug), true },
	{ "remount", FIELD(remount), true },
#undef FIELD
};

/*
 * Said by fstab and mount(8) to each other; or always so here (the kernel checks permissions, access times
 * are not kept by reading).
 */
static const char *const passed_over[] = {
	"",           "defaults",    "auto",          "noauto",
	"user",       "nouser",      "users",         "owner",
	"group",      "nofail",      "_netdev",       "loud",
	"silent",     "relatime",    "norelatime",    "diratime",
	"nodiratime", "strictatime", "nostrictatime", "lazytime",
	"nolazytime", "iversion",    "noiversion",    "default_permissions",
	"noatime",    "atime",
};

static const char *const passed_over_starts[] = { "x-",        "X-",        "comment=", "user=",  "user_id=",
						  "group_id=", "rootmode=", "subtype=", "fsname=" };

static bool is_passed_over(const char *word)
{
	for (size_t i = 0; i < sizeof(passed_over) / sizeof(passed_over[0]); i++)
		if (strcmp(word, passed_over[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(passed_over_starts) / sizeof(passed_over_starts[0]); i++)
		if (strncmp(word, passed_over_starts[i], strlen(passed_over_starts[i])) == 0)
			return true;
	return false;
}

/* "512M": bytes, or K, M, G, T of 1024. */
bool mount_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t n;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit)
			return false;
		for (const char *u = units; u <= unit; u++)
			if (__builtin_mul_overflow(n, UINT64_C(1024), &n))
				return false;
		end++;
		if (strcasecmp(end, "iB") == 0 || strcasecmp(end, "B") == 0)
			end = strchr(end, '\0');
	}
	*ret = n;
	return *end == '\0' && n > 0;
}

/* "2" or "0.5": seconds, to milliseconds. */
static bool parse_seconds(const char *text, unsigned *ret_ms)
{
	char *end;
	double s;

	if (!isdigit((unsigned char)*text))
		return false;
	s = strtod(text, &end);
	if (*end || !(s >= 0.01 && s <= 3600))
		return false;
	*ret_ms = (unsigned)(s * 1000);
	return true;
}

/* "30d", "12h", "45m" or "90s"; "off": 0. */
static bool parse_scrub(const char *text, uint64_t *ret_s)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', DAY_S }, { 'w', 7 * DAY_S } };
	unsigned long n;
	char *end;

	*ret_s = 0;
	if (strcmp(text, "off") == 0)
		return true;
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	n = strtoul(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (*end == units[i].unit && end[1] == 0 && !errno && n > 0 &&
		    n <= SCRUB_MAX_S / units[i].seconds)
			*ret_s = n * units[i].seconds;
	return *ret_s > 0;
}

/* "replica" or "replica:2". */
static bool parse_receipts(const char *text, unsigned *ret)
{
	unsigned long n = 1;
	char *end = NULL;

	if (strncmp(text, "replica", 7) != 0)
		return false;
	if (text[7] == ':' && isdigit((unsigned char)text[8])) {
		errno = 0;
		n = strtoul(text + 8, &end, 10);
	}
	if ((end ? *end : text[7]) || n < 1 || n > SYNC_RECEIPTS_MAX)
		return false;
	*ret = (unsigned)n;
	return true;
}

/* Of waiting for receipts: 1 when the word is of that. */
static int parse_sync_word(const char *word, struct mount_options *o, struct hf_error *err)
{
	if (strncmp(word, "sync=", 5) == 0) {
		if (parse_receipts(word + 5, &o->sync_receipts))
			return 1;
		return hf_error_set(err, -EINVAL,
				    "option %s: it is sync=replica, or sync=replica:N for N of them", word);
	}
	if (strncmp(word, "replica-timeout=", 16) == 0) {
		if (parse_seconds(word + 16, &o->sync_timeout_ms))
			return 1;
		return hf_error_set(err, -EINVAL,
				    "option %s: write seconds, 0.01 to 3600, as replica-timeout=30", word);
	}
	return 0;
}

static int parse_word(const char *word, struct mount_options *o, struct hf_error *err)
{
	int r;

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (strcmp(word, switches[i].word) == 0) {
			*(bool *)((char *)o + switches[i].field) = switches[i].value;
			return 0;
		}
	}
	if (strncmp(word, "cache=", 6) == 0) {
		if (mount_parse_size(word + 6, &o->cache_bytes))
			return 0;
		return hf_error_set(err, -EINVAL, "option %s: write a size, as cache=512M or cache=2G", word);
	}
	if (strncmp(word, "at=", 3) == 0) {
		if (strlen(word + 3) == 0 || strlen(word + 3) >= sizeof(o->at))
			return hf_error_set(err, -EINVAL,
					    "option %s: write a moment, as at=2026-11-21T101530Z", word);
		memcpy(o->at, word + 3, strlen(word + 3) + 1);
		return 0;
	}
	if (strncmp(word, "metrics=", 8) == 0) {
		if (strlen(word + 8) == 0 || strlen(word + 8) >= sizeof(o->metrics))
			return hf_error_set(err, -EINVAL, "option %s: write a port, as metrics=9480", word);
		memcpy(o->metrics, word + 8, strlen(word + 8) + 1);
		return 0;
	}
	if (strncmp(word, "log=", 4) == 0) {
		if (strlen(word + 4) == 0 || strlen(word + 4) >= sizeof(o->log))
			return hf_error_set(err, -EINVAL, "option %s: write a level, as log=warning", word);
		memcpy(o->log, word + 4, strlen(word + 4) + 1);
		return 0;
	}
	if (strncmp(word, "commit=", 7) == 0) {
		if (parse_seconds(word + 7, &o->commit_interval_ms))
			return 0;
		return hf_error_set(err, -EINVAL, "option %s: write seconds, 0.01 to 3600, as commit=5",
				    word);
	}
	r = parse_sync_word(word, o, err);
	if (r)
		return r < 0 ? r : 0;
	if (strncmp(word, "scrub=", 6) == 0) {
		if (parse_scrub(word + 6, &o->scrub_s))
			return 0;
		return hf_error_set(err, -EINVAL,
				    "option %s: write in how long all is to be verified once, as scrub=30d "
				    "or scrub=12h; or "
				    "scrub=off",
				    word);
	}
	if (strncmp(word, "history=", 8) == 0)
		return hf_error_set(err, -EINVAL, "option %s: it is history=visible or history=hidden", word);
	if (is_passed_over(word))
		return 0;
	return hf_error_set(err, -EINVAL, "unknown mount option \"%s\"; see holdfast mount --help", word);
}

int mount_parse_options(const char *text, struct mount_options *ret, struct hf_error *err)
{
	struct mount_options o = { .allow_other = geteuid() == 0, .scrub_s = SCRUB_S };
	char *copy = strdup(text), *rest = copy, *word;
	int r = copy ? 0 : hf_error_set(err, -ENOMEM, "out of memory");

	while (r == 0 && (word = strsep(&rest, ",")))
		r = parse_word(word, &o, err);
	free(copy);
	if (r == 0 && o.allow_root)
		o.allow_other = false;
	if (r == 0 && o.at[0])
		o.read_only = true;
	if (r == 0)
		*ret = o;
	return r;
}
