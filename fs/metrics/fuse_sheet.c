/* SPDX-License-Identifier: MIT */
/* What the kernel asks of the mount. */
#include "fs/metrics/sheets.h"
#include "fs/mount/mount.h"

void fuse_sheet(struct sheet *s)
{
	struct mount_counts c;

	mount_counted(&c);
	sheet_metric(s, "holdfast_fuse_request_duration_seconds", SHEET_HISTOGRAM,
		     "Requests of the kernel, by kind, and how long each took.");
	for (unsigned i = 0; i < MOUNT_REQUEST_KINDS; i++)
		sheet_histogram(s, &c.requests[i], "op", mount_request_name(i), NULL);
	sheet_metric(s, "holdfast_fuse_errors_total", SHEET_COUNTER,
		     "Requests answered with an error, by errno.");
	for (unsigned i = 0; i < MOUNT_ERRORS; i++)
		sheet_count(s, c.errors[i], "errno", mount_error_name(i), NULL);
	sheet_one(s, "holdfast_fuse_read_bytes_total", SHEET_COUNTER, c.read_bytes,
		  "Bytes of contents given to the kernel.");
	sheet_one(s, "holdfast_fuse_written_bytes_total", SHEET_COUNTER, c.written_bytes,
		  "Bytes of contents taken from the kernel.");
}
