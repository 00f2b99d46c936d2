/* SPDX-License-Identifier: MIT */
/*
 * How a node is, from its folder alone (layer 4): so that it can be asked whether the node is served or not,
 * and does not depend on an answer of a process that may be what is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#include "holdfast/node.h"
#include "store/alarm/acknowledge.h"
#include "store/node/setup.h"
#include "store/node/status.h"

enum { LOOKS_MAX = 3 };

/* Whoever serves it has its lock. */
static bool is_served(const char *dir)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(cleanup_fd) int fd = -1;

	if (!os_join(&path, dir, "lock"))
		return false;
	fd = open((const char *)path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static bool is_read_only(const char *dir)
{
	struct statvfs at;

	return statvfs(dir, &at) == 0 && (at.f_flag & ST_RDONLY);
}

/* --- volumes */

static int add_bytes(struct shelf *shelf, struct hf_node_volume *ret, struct hf_error *err)
{
	uint64_t bytes;
	int r = 0;

	for (uint32_t n = 1; r == 0 && n <= ret->segments; n++) {
		r = shelf_segment_bytes(shelf, n, &bytes, err);
		if (r < 0)
			break;
		ret->bytes += bytes;
		ret->budget_used_bytes += n < ret->segments ? budget_charge(bytes) : bytes;
	}
	return r;
}

void status_of_volume(const struct os *os, struct volume *v, uint64_t silent_after_ns,
		      struct hf_node_volume *ret)
{
	uint64_t now_ns = os->now_ns(os->state);
	struct hf_error why = HF_ERROR_INIT;
	struct pulse *p = volume_pulse(v);
	struct log_point here;
	struct epoch_cert cert;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->volume_id, sizeof(ret->volume_id), "%s", volume_id_words(v));
	volume_newest_cert(v, &cert);
	shelf_position(volume_shelf(v), &here);
	ret->epoch = cert.epoch;
	ret->tid = here.tid;
	ret->commit = here.commit;
	ret->time_ns = here.time_ns;
	ret->segments = here.end.segment;
	(void)pthread_mutex_lock(&p->lock);
	ret->heard_ns = p->heard_ns;
	ret->said_tid = p->said_tid;
	ret->said_commit = p->said_commit;
	(void)pthread_mutex_unlock(&p->lock);
	ret->silent = ret->heard_ns > 0 && now_ns > ret->heard_ns && now_ns - ret->heard_ns > silent_after_ns;
	ret->budget_bytes = BUDGET_NONE;
	if (budget_read(os, volume_dir(v), &ret->budget_bytes, &why) < 0)
		(void)snprintf(ret->budget_failed, sizeof(ret->budget_failed), "%s", why.text);
}

/* Others are described all the same. */
static int add_faults(const struct volumes *volumes, const struct hf_node_status *s, struct hf_error *err)
{
	const struct volume_fault *first = volumes_nth_fault(volumes, 0);
	size_t n = 0;

	if (!first)
		return 0;
	while (volumes_nth_fault(volumes, n))
		n++;
	if (n > 1)
		return hf_error_set(err, first->why.code,
				    "%zu of %zu volumes cannot be opened, the first: %s", n, n + s->n_volumes,
				    first->why.text);
	return hf_error_set(err, first->why.code, "%s", first->why.text);
}

static int try_describe_all(const struct os *os, const char *dir, struct hf_node_status *s,
			    struct hf_error *err)
{
	struct volumes *volumes;
	struct volume *v;
	int r = volumes_open(os, dir, true, &volumes, err);

	if (r < 0)
		return r;
	s->volumes = calloc(volumes_count(volumes) + 1, sizeof(*s->volumes));
	if (!s->volumes)
		r = hf_error_set(err, -ENOMEM, "no memory");
	for (size_t i = 0; r == 0 && (v = volumes_nth(volumes, i)); i++) {
		status_of_volume(os, v, s->silent_after_ns, &s->volumes[i]);
		r = add_bytes(volume_shelf(v), &s->volumes[i], err);
		s->n_volumes += r == 0;
	}
	if (r == 0)
		r = add_faults(volumes, s, err);
	volumes_close(volumes);
	return r;
}

/*
 * The log of a node that is served may be in the middle of an append, which looks like damage for as long as
 * it takes: then once more.
 */
static void describe_all(const struct os *os, const char *dir, struct hf_node_status *s)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = -EUCLEAN;

	for (int i = 0; r == -EUCLEAN && i < (s->served ? LOOKS_MAX : 1); i++) {
		free(s->volumes);
		s->volumes = NULL;
		s->n_volumes = 0;
		err = (struct hf_error)HF_ERROR_INIT;
		r = try_describe_all(os, dir, s, &err);
	}
	if (r == 0)
		return;
	(void)snprintf(s->failed, sizeof(s->failed), "%s", err.text[0] ? err.text : strerror(-r));
}

int hf_node_status(const char *dir, struct hf_node_status *ret, struct hf_error *err)
{
	const struct os *os = os_posix();
	struct hf_error why = HF_ERROR_INIT;
	struct hf_node_status s;
	struct setup setup;
	int r = setup_read(os, dir, &setup, err);

	if (r < 0)
		return r;
	memset(&s, 0, sizeof(s));
	s.served = is_served(dir);
	s.read_only = is_read_only(dir);
	s.budget_bytes = BUDGET_NONE;
	s.silent_after_ns = setup.silent_after_s * UINT64_C(1000000000);
	(void)os->free_bytes(os->state, dir, &s.free_bytes, &s.total_bytes);
	r = alarm_read_open(os, dir, &s.alarms, &s.n_alarms, err);
	if (r < 0)
		return r;
	describe_all(os, dir, &s);
	if (budget_read(os, dir, &s.budget_bytes, &why) < 0 && !s.failed[0])
		(void)snprintf(s.failed, sizeof(s.failed), "%s", why.text);
	*ret = s;
	return 0;
}

void hf_node_status_release(struct hf_node_status *s)
{
	free(s->alarms);
	free(s->volumes);
	memset(s, 0, sizeof(*s));
}

int hf_node_acknowledge(const char *dir, const char *alarm, unsigned *ret_n, struct hf_error *err)
{
	const struct os *os = os_posix();
	struct setup setup;
	int r = setup_read(os, dir, &setup, err);

	return r < 0 ? r : alarm_acknowledge(os, dir, alarm, ret_n, err);
}
