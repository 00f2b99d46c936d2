/* SPDX-License-Identifier: MIT */
/*
 * The one place where the library's codes become what a system call returns (holdfast/error.h has their
 * meanings).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#include "fs/mount/mount_internal.h"

/* Set before anything is mounted. */
static void (*log_fn)(void *arg, int priority, const char *line);
static void *log_arg;

void mount_set_log(void (*fn)(void *arg, int priority, const char *line), void *arg)
{
	log_fn = fn;
	log_arg = arg;
}

void mount_log(int priority, const char *fmt, ...)
{
	char line[HF_ERROR_TEXT_BYTES + 100];
	va_list args;

	if (!log_fn)
		return;
	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log_fn(log_arg, priority, line);
}

/*
 * ENOSYS must never get out: to the kernel it means that the whole operation does not exist, forever. Damage
 * and failed keys are EIO to a program; which it was is in the system's log and in the status.
 */
int mount_errno(int code)
{
	switch (-code) {
	case 0:
	case E2BIG:
	case EACCES:
	case EAGAIN:
	case EBUSY:
	case EEXIST:
	case EFBIG:
	case EINTR:
	case EINVAL:
	case EISDIR:
	case ELOOP:
	case EMLINK:
	case ENAMETOOLONG:
	case ENODATA:
	case ENOENT:
	case ENOMEM:
	case ENOSPC:
	case ENOTDIR:
	case ENOTEMPTY:
	case ENXIO:
	case EOPNOTSUPP:
	case EPERM:
	case ERANGE:
	case EROFS:
	case ESTALE:
	case EXDEV:
		return -code;
	default:
		return EIO;
	}
}

static bool is_callers(int code)
{
	return mount_errno(code) != EIO && code != -ENOMEM;
}

int mount_fault(int code, const struct hf_error *err, const char *what, uint64_t ino)
{
	static atomic_llong last_s;
	long long last = atomic_load(&last_s);
	struct timespec now;

	if (is_callers(code))
		return mount_errno(code);
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	/* A failing disk fails everything: one line a second says enough. */
	if (now.tv_sec != last && atomic_compare_exchange_strong(&last_s, &last, (long long)now.tv_sec))
		mount_log(LOG_ERR, "%s of inode %" PRIu64 ": %s", what, ino,
			  err && err->text[0] ? err->text : hf_strerror(code));
	return mount_errno(code);
}
