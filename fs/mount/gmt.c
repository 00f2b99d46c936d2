/* SPDX-License-Identifier: MIT */
/*
 * .history/gmt: moments by the names that Samba's vfs_shadow_copy2 makes of the times that Windows asks
 * for, in UTC and to the second: @GMT-2026.11.21-10.15.30. The tree just after the last operation at or
 * before that second's beginning; so an operation is named by the second that follows it.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/mount/mount_internal.h"

#define NS_PER_S UINT64_C(1000000000)

void gmt_format(uint64_t time_s, char out[GMT_NAME_BYTES])
{
	time_t t = (time_t)time_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(out, GMT_NAME_BYTES, "@GMT-%Y.%m.%d-%H.%M.%S", &tm) == 0)
		out[0] = '\0';
}

/* Only what gmt_format gives, so that a moment has one name. */
bool gmt_parse(const char *name, uint64_t *ret_time_s)
{
	struct tm tm = { 0 };
	char again[GMT_NAME_BYTES];
	time_t t;

	if (sscanf(name, "@GMT-%4d.%2d.%2d-%2d.%2d.%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	t = timegm(&tm);
	if (t < 0)
		return false;
	gmt_format((uint64_t)t, again);
	*ret_time_s = (uint64_t)t;
	return strcmp(name, again) == 0;
}

static uint64_t second_behind(uint64_t time_ns)
{
	return (time_ns + NS_PER_S - 1) / NS_PER_S;
}

void gmt_lookup(fuse_req_t req, const char *name)
{
	struct mount *m = mount_of(req);
	struct hf_status status;
	struct hf_point point;
	uint64_t time_s, now_s;
	struct timespec now;
	bool settled;
	int r;

	if (!gmt_parse(name, &time_s))
		return reply_code(req, -ENOENT);
	clock_gettime(CLOCK_REALTIME, &now);
	now_s = second_behind((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec);
	hf_store_status(m->store, &status);
	if (time_s > now_s && time_s > second_behind(status.head_time_ns))
		return reply_code(req, -ENOENT);           /* to come */
	settled = time_s * NS_PER_S < status.head_time_ns; /* as at/: later operations have later times */
	r = hf_point_of_time(m->store, time_s * NS_PER_S, &point, NULL);
	if (r < 0)
		return reply_code(req, r);
	history_reply_root(req, point.tid, settled ? FOREVER_S : 0);
}

/* Newest first. */
int gmt_list(struct listing *l)
{
	struct hf_point *points = NULL;
	uint64_t last_s = UINT64_MAX;
	ssize_t n = listing_moments(l, &points);

	for (ssize_t i = 0; i < n; i++) {
		uint64_t time_s = second_behind(points[i].time_ns);
		struct node node = { .kind = NODE_PAST, .ino = HF_ROOT_INO };
		char name[GMT_NAME_BYTES];
		struct hf_point named;

		if (time_s == last_s || (l->from >= OFF_FIRST && time_s + OFF_FIRST >= l->from))
			continue;
		last_s = time_s;
		if (hf_point_of_time(l->m->store, time_s * NS_PER_S, &named, NULL) < 0)
			continue;
		node.tid = named.tid;
		gmt_format(time_s, name);
		if (!listing_add_bare(l, name, &node, S_IFDIR, time_s + OFF_FIRST))
			break;
	}
	free(points);
	return n < 0 ? (int)n : 0;
}
