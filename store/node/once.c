/* SPDX-License-Identifier: MIT */
/*
 * A header that is there twice can mean one thing to us and another to whoever stands before us (RFC 9112
 * §6.3 has it of Content-Length): none that counts may be.
 */
#include <string.h>
#include <strings.h>

#include "store/node/request.h"

static const char *const counting[] = {
	MHD_HTTP_HEADER_CONTENT_LENGTH,
	MHD_HTTP_HEADER_TRANSFER_ENCODING,
	MHD_HTTP_HEADER_RANGE,
	"Content-Digest",
	"Holdfast-Node",
	"Holdfast-Invitation",
	"Signature-Input",
	"Signature",
};

enum { COUNTING = sizeof(counting) / sizeof(counting[0]) };

struct tally {
	unsigned seen[COUNTING];
};

static enum MHD_Result note_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct tally *t = arg;

	(void)kind;
	(void)value;
	for (size_t i = 0; i < COUNTING; i++)
		t->seen[i] += strcasecmp(name, counting[i]) == 0;
	return MHD_YES;
}

const char *request_said_twice(const struct request *q)
{
	struct tally t = { { 0 } };

	(void)MHD_get_connection_values(q->connection, MHD_HEADER_KIND, note_header, &t);
	for (size_t i = 0; i < COUNTING; i++)
		if (t.seen[i] > 1)
			return counting[i];
	return NULL;
}
