/* SPDX-License-Identifier: MIT */
/*
 * Errors, as every call of libholdfast reports them.
 *
 * A call returns 0 or a count on success and a negative errno value on failure. The number is for
 * programs; the words for a person are in an optional `struct hf_error` that the caller owns and
 * passes by address: what went wrong, with which file, and what to do about it. Outputs other than
 * the error are written only on success.
 *
 * Some errno values have one fixed meaning throughout the library:
 *
 *   -EUCLEAN          bytes read back are not the bytes that were written: damage, or tampering
 *   -EKEYREJECTED     a key or kit that does not belong to this volume, or a signature by nobody we know
 *   -EPROTONOSUPPORT  a format or protocol version, or a reserved bit, that this build does not know
 *   -EBUSY            the store is open in another process (the words name it)
 *   -EROFS            a change was asked of a moment in the past, or of a store opened read-only
 *   -ESTALE           an inode that no longer exists at the moment asked for
 *   -EIO              the disk below failed; the store accepts no more changes until opened anew
 *   -ENOSPC           no room below for the change; nothing of it was done
 *   -ENOMEM           memory ran out
 *   -EINVAL           an argument that could never be right: a mistake of the caller's
 */
#ifndef HOLDFAST_ERROR_H
#define HOLDFAST_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_ERROR_TEXT_BYTES 512

struct hf_error {
	int code;                       /* negative errno, 0 when nothing was set */
	char text[HF_ERROR_TEXT_BYTES]; /* one line, no newline at the end, always terminated */
};

#define HF_ERROR_INIT \
	{             \
		0, "" \
	}

/*
 * Record `code` (negative errno) and the words for it. `err` may be NULL: then only the code counts.
 * Returns `code`, so that a failing function can end with it. Safe from any thread that owns `err`.
 */
int hf_error_set(struct hf_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Put words in front of what is already recorded ("open volume: " + what was there) and return the
 * code recorded. When nothing was recorded, behaves as hf_error_set(err, code, …).
 */
int hf_error_prefix(struct hf_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The field's words for one of the codes above ("data damaged"), or strerror's. Never NULL. */
const char *hf_strerror(int code);

/*
 * Log lines for a person, of a process that serves a node (one a refusal, enrolment, start, stop) or has a
 * store mounted (its alarms, replicas that begin or cease to take nothing); default: none. Set before either
 * is started.
 */
void hf_set_log(void (*fn)(void *arg, int priority /* as syslog(3) */, const char *line), void *arg);

#ifdef __cplusplus
}
#endif
#endif
