/* SPDX-License-Identifier: MIT */
/*
 * One request to a node, from its headers to its answer (layer 4; PROTOCOL.md §2 to §7). node.c runs the
 * server and hands requests on; request.c reads and judges headers and takes the body; handlers.c does what
 * is asked; answer.c answers.
 *
 * A request is used by one thread: that of its connection.
 */
#ifndef STORE_NODE_REQUEST_H
#define STORE_NODE_REQUEST_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/alarm/alarms.h"
#include "store/base/journal.h"
#include "store/node/counts.h"
#include "store/node/evidence.h"
#include "store/node/gate.h"
#include "store/node/identity.h"
#include "store/node/volumes.h"

enum {
	REQUEST_BODY_BYTES_MAX = 96 << 20,
	REQUEST_HEADERS_BYTES_MAX = 16 << 10,
	LIST_SEGMENTS_MAX = 1000,
};

/* What all requests share. Immutable but for what is counted. */
struct service {
	const struct os *os;
	const char *dir;
	bool read_only; /* its file system: no body is taken */
	struct identity *identity;
	struct volumes *volumes;
	struct evidence *evidence;
	struct alarms *alarms;
	struct gate *gate;
	struct counts counts;
	atomic_uint active; /* requests not answered yet */
	pthread_mutex_t
		told_lock; /* for what follows: lines about requests refused, and of the server itself */
	struct journal_quota of_strangers, of_known, of_server;
};

enum route { ROUTE_NONE, ROUTE_VOLUME, ROUTE_LIST, ROUTE_SEGMENT, ROUTE_PRUNES, ROUTE_PRUNE };

struct request {
	struct service *service;
	struct MHD_Connection *connection;
	struct guest *guest;                        /* the gate's; NULL: it is being cut off */
	char target[HTTP_SIG_TARGET_BYTES_MAX + 1]; /* as it came; empty when it was longer */
	char path[HTTP_SIG_TARGET_BYTES_MAX + 1];
	char query[HTTP_SIG_TARGET_BYTES_MAX + 1]; /* with its question mark; "?" when there is none */
	const char *method;
	uint64_t began_ns; /* monotonic */

	enum route route;
	uint8_t volume_id[VOLUME_ID_BYTES];
	uint32_t number; /* segment, first of a list, or prune */
	uint32_t offset; /* of an append */
	bool says_own;   /* of a position: how far the writer's own log is */
	uint64_t own_tid, own_commit;

	bool begun;      /* headers have been judged */
	bool understood; /* it asks for one of those things that a node can be asked */
	bool answered;
	bool has_body;
	size_t body_len; /* as announced */
	struct buf body;

	/* from the headers, borrowed from the connection until the request is over */
	const char *digest, *invitation, *signature_input, *signature;
	struct http_sig_params params;
	uint8_t sig[SIGNATURE_BYTES];
	struct volume *volume;
	enum volume_key key;
	bool proved; /* signed by the owner or the writer of now, of a volume that is here */
};

/* One line more about who is refused, or of the server, as journal_quota_take. */
bool service_may_tell(struct service *s, struct journal_quota *of, char note[JOURNAL_NOTE_BYTES]);

/* Called by the server in this order; request_take until the body is whole. */
struct request *request_new(struct service *service, struct MHD_Connection *connection, const char *target);
enum MHD_Result request_take(struct request *q, const char *method, const char *data, size_t *len);
void request_free(struct request *q);

/* What request.c and handlers.c have for each other. */
void request_target_parse(struct request *q);
struct http_sig_request request_covered(const struct request *q);
const char *request_said_twice(const struct request *q); /* a header that may not be; NULL: none (once.c) */
/* The signature itself, then, if that makes it proved, the nonce: true, or it has been answered. */
bool request_prove(struct request *q);
/* One more at once of a proved request's key: true, or it has been answered. */
MUST_USE bool request_admit(struct request *q);
/* As nonces_add, among those of v and this key's; what is to be told has been. */
int request_remember(struct request *q, struct volume *v);
void request_alarm_past_writer(struct request *q); /* it was proved by the key of an epoch that is over */
/*
 * The body is there: is the key still the writer's? true: it is, and no epoch begins before volume_let_go;
 * false: it has been answered.
 */
MUST_USE bool request_hold(struct request *q);

bool handle_append_early(struct request *q); /* an append is proved: true, or it has been answered */
void handle(struct request *q);              /* the request is proved (but for PUT) and its body whole */

/* --- answers: each is the one answer of its request */

void answer_error(struct request *q, unsigned status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void answer_gap(struct request *q, unsigned status, const char *code, const struct log_point *point,
		const char *words);
void answer_over_budget(struct request *q, uint64_t limit, uint64_t used, const char *words);
void answer_json(struct request *q, const struct buf *text);
void answer_receipt(struct request *q, struct volume *v);
void answer_position(struct request *q, struct volume *v); /* that, and what the node tells of itself */
void answer_file(struct request *q, int fd, uint64_t from, uint64_t len, uint64_t size,
		 bool whole); /* takes fd */

#endif
