/* SPDX-License-Identifier: MIT */
/* Headers are judged before a byte of the body is taken: who is not known here costs the node next to
 * nothing. */
#include "store/node/request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char prefix[] = "/v1/volumes/";

struct request *request_new(struct service *service, struct MHD_Connection *connection, const char *target)
{
	struct request *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->service = service;
	q->connection = connection;
	q->began_ns = service->os->monotonic_ns(service->os->state);
	q->guest = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	gate_go(service->gate, q->guest, GATE_HEADERS, 0);
	buf_init(&q->body);
	if (strlen(target) < sizeof(q->target))
		memcpy(q->target, target, strlen(target));
	(void)atomic_fetch_add(&service->active, 1);
	return q;
}

static enum hf_node_request kind_of(const struct request *q)
{
	if (!q->understood)
		return HF_NODE_OTHER;
	switch (q->route) {
	case ROUTE_VOLUME:
		return q->has_body ? HF_NODE_ENROL : HF_NODE_POSITION;
	case ROUTE_LIST:
		return HF_NODE_LIST;
	case ROUTE_SEGMENT:
		return q->has_body ? HF_NODE_APPEND : HF_NODE_READ;
	case ROUTE_PRUNES:
	case ROUTE_PRUNE:
		return HF_NODE_PRUNES;
	case ROUTE_NONE:
		break;
	}
	return HF_NODE_OTHER;
}

void request_free(struct request *q)
{
	const struct os *os;

	if (!q)
		return;
	os = q->service->os;
	meter_add(&q->service->counts.requests[kind_of(q)], os->monotonic_ns(os->state) - q->began_ns);
	(void)atomic_fetch_sub(&q->service->active, 1);
	buf_release(&q->body);
	gate_go(q->service->gate, q->guest, GATE_IDLE, 0);
	free(q);
}

/* --- the target */

/* Decimal without leading zeros, up to `end` (a character, or NUL). NULL when it is not that. */
static const char *read_long_number(const char *at, char end, uint64_t *ret)
{
	uint64_t n = 0;
	const char *start = at;

	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return NULL;
		n = n * 10 + digit;
	}
	if (at == start || (*start == '0' && at - start > 1) || *at != end)
		return NULL;
	*ret = n;
	return at;
}

static const char *read_number(const char *at, char end, uint32_t *ret)
{
	uint64_t n;

	at = read_long_number(at, end, &n);
	if (!at || n > UINT32_MAX)
		return NULL;
	*ret = (uint32_t)n;
	return at;
}

static void split(struct request *q)
{
	const char *mark = strchr(q->target, '?');
	size_t path_len = mark ? (size_t)(mark - q->target) : strlen(q->target);

	memcpy(q->path, q->target, path_len);
	q->path[path_len] = 0;
	(void)snprintf(q->query, sizeof(q->query), "%s", mark ? mark : "?");
}

/* Sets route, volume_id and, for a segment or prune, number. */
void request_target_parse(struct request *q)
{
	const char *at = q->path + strlen(prefix);
	size_t digits = 2 * VOLUME_ID_BYTES;

	q->route = ROUTE_NONE;
	split(q);
	if (strncmp(q->path, prefix, strlen(prefix)) != 0 || strlen(at) < digits ||
	    wire_unhex(at, digits, q->volume_id, VOLUME_ID_BYTES) < 0)
		return;
	at += digits;
	if (*at == 0)
		q->route = ROUTE_VOLUME;
	else if (strcmp(at, "/log") == 0)
		q->route = ROUTE_LIST;
	else if (strncmp(at, "/log/", 5) == 0 && read_number(at + 5, 0, &q->number) && q->number > 0)
		q->route = ROUTE_SEGMENT;
	else if (strcmp(at, "/prunes") == 0)
		q->route = ROUTE_PRUNES;
	else if (strncmp(at, "/prunes/", 8) == 0 && read_number(at + 8, 0, &q->number) && q->number > 0 &&
		 q->number <= GRANTS_MAX)
		q->route = ROUTE_PRUNE;
}

/* "?tid=N&commit=N" */
static bool parse_own(struct request *q)
{
	static const char tid[] = "?tid=", commit[] = "&commit=";
	const char *at = q->query;

	if (strncmp(at, tid, strlen(tid)) != 0)
		return false;
	at = read_long_number(at + strlen(tid), '&', &q->own_tid);
	q->says_own = at && strncmp(at, commit, strlen(commit)) == 0 &&
		      read_long_number(at + strlen(commit), 0, &q->own_commit);
	return q->says_own;
}

/* The query belongs to the method: ?offset= for an append, ?from= for a list, ?tid=… for a position. */
static bool parse_query(struct request *q)
{
	static const char offset[] = "?offset=", from[] = "?from=";

	if (q->route == ROUTE_SEGMENT && strcmp(q->method, "POST") == 0)
		return strncmp(q->query, offset, strlen(offset)) == 0 &&
		       read_number(q->query + strlen(offset), 0, &q->offset);
	if (q->route == ROUTE_LIST && strcmp(q->query, "?") != 0)
		return strncmp(q->query, from, strlen(from)) == 0 &&
		       read_number(q->query + strlen(from), 0, &q->number);
	if (q->route == ROUTE_VOLUME && strcmp(q->method, "GET") == 0 && strcmp(q->query, "?") != 0)
		return parse_own(q);
	return strcmp(q->query, "?") == 0;
}

static bool method_allowed(const struct request *q)
{
	if (strcmp(q->method, "GET") == 0)
		return true;
	return strcmp(q->method, q->route == ROUTE_VOLUME  ? "PUT" :
				 q->route == ROUTE_SEGMENT ? "POST" :
				 q->route == ROUTE_PRUNES  ? "POST" :
							     "") == 0;
}

/* --- headers */

static const char *header(const struct request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

static bool judge_size(struct request *q)
{
	const union MHD_ConnectionInfo *size =
		MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	if (size && size->header_size <= REQUEST_HEADERS_BYTES_MAX)
		return true;
	answer_error(q, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "too_large",
		     "the headers are longer than %d bytes", REQUEST_HEADERS_BYTES_MAX);
	return false;
}

static bool judge_form(struct request *q)
{
	const char *twice = request_said_twice(q);

	if (twice) {
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_request", "there is more than one header %s",
			     twice);
		return false;
	}
	if (!q->target[0]) {
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_request",
			     "the request target is longer than %d bytes", HTTP_SIG_TARGET_BYTES_MAX);
		return false;
	}
	request_target_parse(q);
	if (q->route == ROUTE_NONE) {
		answer_error(q, MHD_HTTP_NOT_FOUND, "not_found", "there is nothing at this path");
		return false;
	}
	if (!method_allowed(q)) {
		answer_error(q, MHD_HTTP_METHOD_NOT_ALLOWED, "method",
			     "nothing here can be deleted, replaced or changed: a node "
			     "takes appends, and lets read");
		return false;
	}
	if (!parse_query(q)) {
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_request",
			     "this query is not one of PROTOCOL.md §3");
		return false;
	}
	q->has_body = strcmp(q->method, "GET") != 0;
	q->understood = true;
	return true;
}

/* How long the body is said to be, and whether there is room for it. */
static bool judge_length(struct request *q)
{
	const char *length = header(q, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint32_t max = q->route == ROUTE_VOLUME ? EPOCH_CERT_BYTES :
		       q->route == ROUTE_PRUNES ? PRUNE_LIST_BYTES_MAX :
						  REQUEST_BODY_BYTES_MAX,
		 n = 0;

	if (header(q, MHD_HTTP_HEADER_TRANSFER_ENCODING) || (q->has_body && !length)) {
		answer_error(q, MHD_HTTP_LENGTH_REQUIRED, "length_required",
			     "the length of the body must be said");
		return false;
	}
	if (!q->has_body) {
		if (!length || strcmp(length, "0") == 0)
			return true;
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_request", "a GET has no body");
		return false;
	}
	if (!read_number(length, 0, &n) || n > max) {
		answer_error(q, MHD_HTTP_CONTENT_TOO_LARGE, "too_large",
			     "a body here is at most %" PRIu32 " bytes", max);
		return false;
	}
	q->body_len = n;
	return true;
}

struct http_sig_request request_covered(const struct request *q)
{
	return (struct http_sig_request){
		.method = q->method,
		.path = q->path,
		.query = q->query,
		.node = q->service->identity->name,
		.digest = q->has_body ? q->digest : NULL,
		.invitation = q->invitation,
	};
}

/* Who says to have signed this, for which node, and when. */
static bool judge_signature_form(struct request *q)
{
	const char *node = header(q, "Holdfast-Node");
	uint8_t hash[SHA256_BYTES];
	struct hf_error err = HF_ERROR_INIT;
	struct http_sig_request covered;

	q->signature_input = header(q, "Signature-Input");
	q->signature = header(q, "Signature");
	q->digest = header(q, "Content-Digest");
	q->invitation = header(q, "Holdfast-Invitation");
	if (!node || !q->signature_input || !q->signature) {
		answer_error(q, MHD_HTTP_UNAUTHORIZED, "unsigned",
			     "every request is signed: see PROTOCOL.md §2");
		return false;
	}
	if (q->has_body && (!q->digest || content_digest_parse(q->digest, hash) < 0)) {
		answer_error(q, MHD_HTTP_BAD_REQUEST, "digest", "a body needs Content-Digest with sha-256");
		return false;
	}
	if (strcmp(node, q->service->identity->name) != 0) {
		answer_error(q, MHD_HTTP_UNAUTHORIZED, "wrong_node",
			     "the request was signed for another node");
		return false;
	}
	if (q->invitation && strlen(q->invitation) > HTTP_SIG_HEADER_BYTES_MAX) {
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_request", "this is no invitation");
		return false;
	}
	covered = request_covered(q);
	if (http_sig_parse(&covered, q->signature_input, q->signature, &q->params, q->sig, &err) < 0) {
		answer_error(q, MHD_HTTP_UNAUTHORIZED, "unsigned", "%s", err.text);
		return false;
	}
	return true;
}

static uint64_t now_s(const struct request *q)
{
	return q->service->os->now_ns(q->service->os->state) / 1000000000u;
}

static bool judge_clock(struct request *q)
{
	uint64_t now = now_s(q), created = q->params.created_s;

	if (created + HTTP_SIG_CLOCK_SLACK_S >= now && created <= now + HTTP_SIG_CLOCK_SLACK_S)
		return true;
	answer_error(q, MHD_HTTP_UNAUTHORIZED, "clock",
		     "the request was signed at %" PRIu64 ", and it is %" PRIu64
		     " here: more than %d seconds apart",
		     created, now, HTTP_SIG_CLOCK_SLACK_S);
	return false;
}

/* A stranger's nonsense under a key of his own is refused, and no alarm. */
static void alarm_of_forgery(struct request *q)
{
	if (q->volume && volume_judge_key(q->volume, q->params.key) != VOLUME_KEY_UNKNOWN)
		alarms_raise(q->service->alarms, "bad_signature", volume_id_words(q->volume),
			     "%s %s: signed by another key than it names, %s", q->method, q->target,
			     q->params.keyid);
}

/* Whoever has the key of an epoch that is over did not get it from here, and its machine should not be
 * running. */
static void alarm_of_past_writer(struct request *q)
{
	struct http_sig_request covered = request_covered(q);

	if (http_sig_check(&covered, &q->params, q->sig) == 0)
		request_alarm_past_writer(q);
	else
		alarm_of_forgery(q);
}

void request_alarm_past_writer(struct request *q)
{
	alarms_raise(
		q->service->alarms, "epoch_over", volume_id_words(q->volume),
		"%s %s: signed by the writer key of an earlier epoch, %s. Was it stolen, or does the old machine "
		"run still?",
		q->method, q->target, q->params.keyid);
}

/* By what q->key is now. */
static void refuse_key(struct request *q)
{
	struct epoch_cert cert;

	volume_newest_cert(q->volume, &cert);
	if (q->key == VOLUME_KEY_PAST_WRITER)
		answer_error(
			q, MHD_HTTP_FORBIDDEN, "epoch_over",
			"epoch over: this volume is written by the writer of epoch %" PRIu32
			" now, and this key is of an earlier one: a store that signs with it is a copy from "
			"before",
			cert.epoch);
	else
		answer_error(q, MHD_HTTP_FORBIDDEN, "not_allowed", "%s",
			     q->key == VOLUME_KEY_UNKNOWN ?
				     "this key is neither this volume's owner nor its writer" :
				     "the owner key does not append: only the epoch's writer does");
}

/* May this key ask this? A PUT is judged with its certificate. */
static bool judge_key(struct request *q)
{
	q->volume = volumes_find(q->service->volumes, q->volume_id);
	if (volumes_fault_of(q->service->volumes, q->volume_id)) {
		answer_error(
			q, MHD_HTTP_INTERNAL_SERVER_ERROR, "damaged",
			"this volume could not be opened when the node was started, and is not served: the "
			"node's log says why");
		return false;
	}
	if (q->route == ROUTE_VOLUME && q->has_body)
		return true;
	if (!q->volume) {
		answer_error(q, MHD_HTTP_NOT_FOUND, "unknown_volume", "this node has no such volume");
		return false;
	}
	q->key = volume_judge_key(q->volume, q->params.key);
	if (q->key == VOLUME_KEY_WRITER || (q->key == VOLUME_KEY_OWNER && !q->has_body))
		return true;
	if (q->key == VOLUME_KEY_PAST_WRITER)
		alarm_of_past_writer(q);
	refuse_key(q);
	return false;
}

/* An epoch has begun since the headers were judged. */
static void refuse_late(struct request *q, enum volume_key now)
{
	q->key = now;
	q->proved = false;
	if (q->key == VOLUME_KEY_PAST_WRITER)
		request_alarm_past_writer(q);
	refuse_key(q);
}

bool request_hold(struct request *q)
{
	enum volume_key now = volume_hold(q->volume, q->params.key);

	if (now == q->key)
		return true;
	volume_let_go(q->volume);
	refuse_late(q, now);
	return false;
}

static void note_pulse(struct request *q)
{
	const struct os *os = q->service->os;

	if (q->key == VOLUME_KEY_WRITER)
		pulse_heard(volume_pulse(q->volume), os->monotonic_ns(os->state), os->now_ns(os->state));
}

int request_remember(struct request *q, struct volume *v)
{
	bool is_owner = volume_judge_key(v, q->params.key) == VOLUME_KEY_OWNER;
	int r = nonces_add(volume_nonces(v, is_owner), &q->params, now_s(q));

	if (r == 1)
		journal_line(
			LOG_WARNING,
			"volume %s: its %s has made more requests in the last minutes than are remembered "
			"(%d): what it signed before the last of them is refused",
			volume_id_words(v), is_owner ? "owner" : "writer", NONCES_MAX);
	return r == 1 ? 0 : r;
}

/*
 * Is it of a volume that is here, and by a key of now? Anybody can sign for one of his own, without end, and
 * whoever stole an old writer key for that volume: of such nothing is remembered.
 */
static bool counts(const struct request *q)
{
	enum volume_key key = q->volume ? volume_judge_key(q->volume, q->params.key) : VOLUME_KEY_UNKNOWN;

	return key == VOLUME_KEY_WRITER || key == VOLUME_KEY_OWNER;
}

static void refuse_nonce(struct request *q, int r)
{
	if (r == -EEXIST)
		answer_error(q, MHD_HTTP_FORBIDDEN, "replayed", "this request has been made already");
	else if (r == -ESTALE)
		answer_error(q, MHD_HTTP_UNAUTHORIZED, "clock",
			     "this key makes so many requests that what was signed at %" PRIu64
			     " may have been made already: sign by the node's clock",
			     q->params.created_s);
	else
		answer_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
			     "too many requests by this key in the last minutes");
}

bool request_prove(struct request *q)
{
	struct http_sig_request covered = request_covered(q);
	int r = http_sig_check(&covered, &q->params, q->sig);

	if (r < 0) {
		if (r == -EKEYREJECTED)
			alarm_of_forgery(q);
		answer_error(q, MHD_HTTP_FORBIDDEN, "bad_signature",
			     "the signature is not by the key it names");
		return false;
	}
	q->proved = counts(q);
	r = q->proved ? request_remember(q, q->volume) : 0;
	if (r == 0) {
		note_pulse(q);
		return true;
	}
	refuse_nonce(q, r);
	return false;
}

bool request_admit(struct request *q)
{
	bool is_owner = volume_judge_key(q->volume, q->params.key) == VOLUME_KEY_OWNER;

	if (gate_know(q->service->gate, q->guest, q->volume, is_owner))
		return true;
	answer_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", "this key has %d requests under way already",
		     GATE_OF_KEY_MAX);
	return false;
}

/* An epoch that begins either finds this guest, or is found here. */
static bool admit_by_key(struct request *q)
{
	enum volume_key now;

	if (!request_admit(q))
		return false;
	now = volume_judge_key(q->volume, q->params.key);
	if (now == q->key)
		return true;
	refuse_late(q, now);
	return false;
}

/* As much at once as one client may, and a share of the memory for bodies. */
static bool take_share(struct request *q)
{
	struct gate *gate = q->service->gate;

	if (!(q->route == ROUTE_VOLUME && q->has_body) && !admit_by_key(q))
		return false;
	if (!q->has_body ||
	    (gate_reserve(gate, q->guest, q->volume, q->body_len) && buf_reserve(&q->body, q->body_len) == 0))
		return true;
	answer_error(q, MHD_HTTP_SERVICE_UNAVAILABLE, "busy", "too much at once: come again");
	return false;
}

static bool judge_headers(struct request *q)
{
	if (!judge_size(q) || !judge_form(q) || !judge_length(q) || !judge_signature_form(q) ||
	    !judge_clock(q) || !judge_key(q))
		return false;
	if (q->has_body && q->service->read_only) {
		answer_error(q, MHD_HTTP_INSUFFICIENT_STORAGE, "read_only",
			     "full: the node's file system is read-only; it lets read, and takes nothing");
		return false;
	}
	/* The key of a PUT is judged by the certificate in the body, which is short. */
	if (!(q->route == ROUTE_VOLUME && q->has_body) && !request_prove(q))
		return false;
	if (q->route == ROUTE_SEGMENT && q->has_body && !handle_append_early(q))
		return false;
	return take_share(q);
}

/* --- the body */

static bool check_digest(struct request *q)
{
	uint8_t want[SHA256_BYTES], have[SHA256_BYTES];

	if (!q->has_body)
		return true;
	wire_sha256(q->body.data, q->body.len, have);
	if (q->body.len == q->body_len && content_digest_parse(q->digest, want) == 0 &&
	    memcmp(want, have, sizeof(want)) == 0)
		return true;
	answer_error(q, MHD_HTTP_BAD_REQUEST, "digest", "the body is not the one that was signed");
	return false;
}

enum MHD_Result request_take(struct request *q, const char *method, const char *data, size_t *len)
{
	if (!q->begun) {
		q->begun = true;
		q->method = method;
		if (judge_headers(q))
			gate_go(q->service->gate, q->guest, q->has_body ? GATE_BODY : GATE_WORK, q->body_len);
		return MHD_YES;
	}
	if (*len > 0) {
		if (!q->answered && *len <= q->body_len - q->body.len)
			buf_add(&q->body, data, *len);
		*len = 0;
		return MHD_YES;
	}
	if (q->answered)
		return MHD_YES;
	gate_go(q->service->gate, q->guest, GATE_WORK, 0);
	if (check_digest(q))
		handle(q);
	return MHD_YES;
}
