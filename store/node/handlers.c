/* SPDX-License-Identifier: MIT */
/* What a request asks for (PROTOCOL.md §3, §4 and §6). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/log/grants.h"
#include "store/base/journal.h"
#include "store/node/prune_file.h"
#include "store/node/request.h"
#include "store/volume/kit.h"

/* --- PUT: enrol */

static bool judge_cert(struct request *q, struct epoch_cert *ret)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = epoch_cert_decode(q->body.data, q->body.len, ret, &err);

	if (r == -EKEYREJECTED)
		answer_error(q, MHD_HTTP_FORBIDDEN, "bad_log_signature", "%s", err.text);
	else if (r == -EPROTONOSUPPORT)
		answer_error(q, MHD_HTTP_UNPROCESSABLE_CONTENT, "unknown_version", "%s", err.text);
	else if (r < 0)
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_request", "%s", err.text);
	else if (memcmp(ret->volume_id, q->volume_id, VOLUME_ID_BYTES) != 0)
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_request",
			     "the certificate is of another volume than the path");
	else
		return true;
	return false;
}

static void answer_enrol_failure(struct request *q, int r, const struct hf_error *err)
{
	struct log_point point;

	switch (r) {
	case -EACCES:
		answer_error(q, MHD_HTTP_FORBIDDEN, "invitation", "%s", err->text);
		break;
	case -EKEYREJECTED:
		if (q->volume && volume_judge_key(q->volume, q->params.key) == VOLUME_KEY_PAST_WRITER)
			request_alarm_past_writer(q);
		answer_error(q, MHD_HTTP_FORBIDDEN, "epoch_over", "%s", err->text);
		break;
	case -EPROTONOSUPPORT:
		if (q->volume)
			alarms_raise(q->service->alarms, "below_floor", volume_id_words(q->volume), "%s",
				     err->text);
		answer_error(q, MHD_HTTP_FORBIDDEN, "below_floor", "%s", err->text);
		break;
	case -EEXIST:
		shelf_position(volume_shelf(q->volume), &point);
		answer_gap(q, MHD_HTTP_CONFLICT, "conflict", &point, err->text);
		break;
	case -ENOSPC:
	case -EDQUOT:
		answer_error(q, MHD_HTTP_INSUFFICIENT_STORAGE, "full", "the node has no room");
		break;
	default:
		journal_line(LOG_ERR, "enrolment: %s", err->text);
		answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
			     "the node could not do it: its log says why");
	}
}

static void handle_enrol(struct request *q)
{
	struct hf_error err = HF_ERROR_INIT;
	uint8_t token[PLACE_TOKEN_BYTES];
	struct epoch_cert cert;
	struct volume *v;
	bool by_owner;
	int r;

	if (!judge_cert(q, &cert))
		return;
	by_owner = memcmp(q->params.key, cert.owner_public, PUBLIC_KEY_BYTES) == 0;
	if (!by_owner && memcmp(q->params.key, cert.writer_public, PUBLIC_KEY_BYTES) != 0) {
		answer_error(q, MHD_HTTP_FORBIDDEN, "not_allowed",
			     "an enrolment is signed by the owner key or the writer key "
			     "in its certificate");
		return;
	}
	if (!request_prove(q) || (q->proved && !request_admit(q)))
		return;
	if (q->invitation && wire_unbase64_exact(WIRE_BASE64URL, q->invitation, strlen(q->invitation), token,
						 sizeof(token)) < 0) {
		answer_error(q, MHD_HTTP_FORBIDDEN, "invitation", "this is no invitation");
		return;
	}
	r = volumes_enrol(q->service->volumes, &cert, by_owner, q->invitation ? token : NULL, &v, &err);
	crypto_wipe(token, sizeof(token));
	if (r < 0) {
		answer_enrol_failure(q, r, &err);
		return;
	}
	if (r == 1)
		gate_begin_epoch(q->service->gate, q->guest, v);
	if (!q->proved) /* else it is remembered; and what is not finds its certificate here, and changes
			   nothing */
		(void)request_remember(q, v);
	answer_receipt(q, v);
}

/* --- POST: append */

/* The evidence is kept before the alarm that names it. */
static void alarm_of_append(struct request *q, const char *kind, const char *why)
{
	char id[HF_VOLUME_ID_TEXT_BYTES];
	struct evidence_item item = {
		.volume = id,
		.at = { q->number, q->offset },
		.target = q->target,
		.why = why,
		.signature_input = q->signature_input,
		.signature = q->signature,
		.digest = q->digest,
		.body = q->body.data,
		.body_len = q->body.len,
	};
	unsigned number = 0;
	char kept[80];
	int r;

	volume_id_text(q->volume_id, id);
	r = evidence_keep(q->service->evidence, &item, &number);
	if (r == 0)
		(void)snprintf(kept, sizeof(kept), "Kept as evidence/%06u", number);
	else
		(void)snprintf(kept, sizeof(kept), "Not kept as evidence: %s",
			       r == -EDQUOT ? "there is enough" : strerror(-r));
	alarms_raise(q->service->alarms, kind, id, "segment %" PRIu32 ", offset %" PRIu32 ": %s. %s",
		     q->number, q->offset, why, kept);
}

static void answer_append_failure(struct request *q, int r, const struct hf_error *err)
{
	struct log_point point;

	shelf_position(volume_shelf(q->volume), &point);
	switch (r) {
	case -ERANGE:
		answer_gap(q, MHD_HTTP_RANGE_NOT_SATISFIABLE, "gap", &point, err->text);
		break;
	case -EEXIST:
		alarm_of_append(q, "conflict", err->text);
		answer_gap(q, MHD_HTTP_CONFLICT, "conflict", &point, err->text);
		break;
	case -EUCLEAN:
		alarm_of_append(q, "not_verified", err->text);
		answer_error(q, MHD_HTTP_UNPROCESSABLE_CONTENT, "not_verified", "%s", err->text);
		break;
	case -EKEYREJECTED:
		alarm_of_append(q, "bad_log_signature", err->text);
		answer_error(q, MHD_HTTP_FORBIDDEN, "bad_log_signature", "%s", err->text);
		break;
	case -EPROTONOSUPPORT:
		answer_error(q, MHD_HTTP_UNPROCESSABLE_CONTENT, "unknown_version", "%s", err->text);
		break;
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		journal_line(LOG_CRIT, "%s", err->text);
		answer_error(q, MHD_HTTP_INSUFFICIENT_STORAGE, "full", "the node has no room: %s",
			     strerror(-r));
		break;
	default:
		journal_line(LOG_CRIT, "%s", err->text);
		answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
			     "the node's disk failed: its log says more");
	}
}

static void look_at_budget(struct request *q, const struct budget_append *a)
{
	const struct os *os = q->service->os;
	struct volume *v = q->volume;

	if (a->look)
		budget_look(volume_budget(v), os, volume_dir(v), volume_shelf(v), q->service->alarms,
			    volume_id_words(v), os->monotonic_ns(os->state));
}

/* Before the body is taken: what would be refused for the budget need not come. */
bool handle_append_early(struct request *q)
{
	struct budget_append a = { .at = { q->number, q->offset }, .len = q->body_len };
	struct hf_error err = HF_ERROR_INIT;
	int r = budget_admit(volume_budget(q->volume), q->service->os, volume_dir(q->volume),
			     volume_shelf(q->volume), &a, &err);

	look_at_budget(q, &a);
	if (r == 0 || !a.over) /* what else is wrong is found with the body */
		return true;
	answer_over_budget(q, a.limit, a.used, err.text);
	return false;
}

static void handle_append(struct request *q)
{
	struct budget_append a = { .at = { q->number, q->offset }, .data = q->body.data, .len = q->body.len };
	struct hf_error err = HF_ERROR_INIT;
	struct log_point point;
	int r = 0;

	if (!request_hold(q))
		return;
	if (q->offset == 0)
		r = volume_check_header(q->volume, q->body.data, q->body.len, &err);
	if (r == 0)
		r = budget_append(volume_budget(q->volume), q->service->os, volume_dir(q->volume),
				  volume_shelf(q->volume), &a, &point, &err);
	volume_let_go(q->volume);
	look_at_budget(q, &a);
	if (a.over)
		answer_over_budget(q, a.limit, a.used, err.text);
	else if (r < 0)
		answer_append_failure(q, r, &err);
	else
		answer_receipt(q, q->volume);
	if (r == 0)
		meter_count(&q->service->counts.received_bytes, q->body.len);
}

/* --- GET */

static void answer_shelf_failure(struct request *q, int r, const struct hf_error *err)
{
	if (r == -ENOENT) {
		answer_error(q, MHD_HTTP_NOT_FOUND, "not_found", "%s", err->text);
		return;
	}
	journal_line(LOG_CRIT, "%s", err->text);
	answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, r == -EUCLEAN ? "damaged" : "failed",
		     "the node cannot read it: its "
		     "log says more");
}

static void handle_list(struct request *q)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct shelf *shelf = volume_shelf(q->volume);
	uint32_t n = q->number ? q->number : 1, listed = 0;
	struct log_point end;

	shelf_position(shelf, &end);
	buf_add_text(&text, "{\"segments\":[");
	for (; n <= end.end.segment && listed < LIST_SEGMENTS_MAX; listed++) {
		struct hf_error err = HF_ERROR_INIT;
		uint64_t bytes;
		int r = shelf_segment_bytes(shelf, n, &bytes, &err);

		if (r < 0) {
			answer_shelf_failure(q, r, &err);
			return;
		}
		buf_add_text(&text, "%s{\"segment\":%" PRIu32 ",\"bytes\":%" PRIu64 "}", listed ? "," : "", n,
			     bytes);
		if (n++ == UINT32_MAX)
			break;
	}
	buf_add_text(&text, "],\"more\":%s}",
		     n <= end.end.segment && listed == LIST_SEGMENTS_MAX ? "true" : "false");
	if (buf_status(&text) < 0)
		answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed", "no memory");
	else
		answer_json(q, &text);
}

/* "bytes=A-" or "bytes=A-B", B not before A. */
static bool parse_range(const char *text, uint64_t *from, uint64_t *to)
{
	unsigned long long a, b = UINT64_MAX;
	char end = 0;
	int n;

	if (strlen(text) > 40 || strspn(text, "bytes=0123456789-") != strlen(text))
		return false;
	n = sscanf(text, "bytes=%12llu-%12llu%c", &a, &b, &end);
	if (n != 1 && n != 2)
		return false;
	if (n == 1 && text[strlen(text) - 1] != '-')
		return false;
	*from = a;
	*to = n == 2 ? b : UINT64_MAX;
	return *to >= *from;
}

static void handle_read(struct request *q)
{
	const char *range =
		MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_RANGE);
	struct hf_error err = HF_ERROR_INIT;
	uint64_t from = 0, to = UINT64_MAX, size = 0;
	struct log_point end;
	int fd;

	if (range && !parse_range(range, &from, &to)) {
		answer_error(q, MHD_HTTP_BAD_REQUEST, "bad_request", "a range here is bytes=A- or bytes=A-B");
		return;
	}
	fd = shelf_open_segment(volume_shelf(q->volume), q->number, &size, &err);
	if (fd < 0) {
		answer_shelf_failure(q, fd, &err);
		return;
	}
	if (from >= size) {
		(void)close(fd);
		shelf_position(volume_shelf(q->volume), &end);
		answer_gap(q, MHD_HTTP_RANGE_NOT_SATISFIABLE, "gap", &end, "the segment ends before that");
		return;
	}
	if (to >= size)
		to = size - 1;
	meter_count(&q->service->counts.sent_bytes, to - from + 1);
	answer_file(q, fd, from, to - from + 1, size, range == NULL);
}

/* --- what the owner let go. Nothing that a request can do announces a prune of this node, hurries or cancels
 * it. */

static void handle_prunes(struct request *q)
{
	CLEANUP(cleanup_free) uint32_t *numbers = NULL;
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	size_t n = 0;
	int r = grants_numbers(q->service->os, volume_dir(q->volume), &numbers, &n, &err);

	if (r < 0) {
		answer_shelf_failure(q, r, &err);
		return;
	}
	buf_add_text(&text, "{\"prunes\":[");
	for (size_t i = 0; i < n; i++)
		buf_add_text(&text, "%s%" PRIu32, i ? "," : "", numbers[i]);
	buf_add_text(&text, "]}");
	if (buf_status(&text) < 0)
		answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed", "no memory");
	else
		answer_json(q, &text);
}

static void handle_prune(struct request *q)
{
	const struct os *os = q->service->os;
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	uint64_t size = 0;
	int fd, r;

	fd = grants_path(volume_dir(q->volume), q->number, "list", &path) ?
		     os->open(os->state, (const char *)path.data, O_RDONLY, 0) :
		     -ENOMEM;
	if (fd == -ENOENT) {
		answer_error(q, MHD_HTTP_NOT_FOUND, "not_found", "there is no prune %" PRIu32, q->number);
		return;
	}
	r = fd < 0 ? fd : os->size(os->state, fd, &size);
	if (r == 0) {
		answer_file(q, fd, 0, size, size, true);
		return;
	}
	if (fd >= 0)
		(void)os->close(os->state, fd);
	journal_line(LOG_CRIT, "cannot read %s: %s", (const char *)path.data, strerror(-r));
	answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
		     "the node cannot read it: its log says more");
}

/* Is it the owner's, and not for this node, where only who administers it hands one in? */
static bool judge_known(struct request *q)
{
	struct hf_error err = HF_ERROR_INIT;
	struct prune_list list;
	bool ours, mine;
	int r = prune_list_decode(q->body.data, q->body.len, &list, &err);

	if (r < 0) {
		answer_error(q, r == -EKEYREJECTED ? MHD_HTTP_FORBIDDEN : MHD_HTTP_UNPROCESSABLE_CONTENT,
			     r == -EKEYREJECTED ? "bad_log_signature" : "not_verified", "%s", err.text);
		return false;
	}
	ours = memcmp(list.volume_id, q->volume_id, VOLUME_ID_BYTES) == 0;
	mine = prune_is_for(&list, q->service->identity->name);
	prune_list_release(&list);
	if (!ours || mine)
		answer_error(q, MHD_HTTP_FORBIDDEN, "not_allowed",
			     mine ? "a list for this node is handed in on it, by who administers it" :
				    "the list is of another volume");
	return ours && !mine;
}

/* 0: it is here now, or q has been answered. */
static int keep_known(struct request *q, struct hf_error *err)
{
	CLEANUP(cleanup_fd) int turn = prune_file_turn(q->service->dir, err);
	uint32_t number;
	int r = turn;

	if (r >= 0 && !request_hold(q))
		return 0;
	if (r >= 0) {
		r = prune_file_put(q->service->os, q->service->volumes, q->volume, q->body.data, q->body.len,
				   &number, err);
		volume_let_go(q->volume);
	}
	return r == -EEXIST ? 0 : r;
}

/* A list of another node: so that the log of a store that was recovered from there can be kept here. */
static void handle_known(struct request *q)
{
	struct hf_error err = HF_ERROR_INIT;
	int r;

	if (!judge_known(q))
		return;
	r = keep_known(q, &err);
	if (q->answered)
		return;
	if (r == 0)
		r = shelf_load_grants(volume_shelf(q->volume), &err);
	if (r == 0) {
		answer_receipt(q, q->volume);
	} else if (r == -ENOSPC || r == -EDQUOT) {
		answer_error(q, MHD_HTTP_INSUFFICIENT_STORAGE, "full", "the node has no room");
	} else {
		journal_line(LOG_CRIT, "%s", err.text);
		answer_error(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
			     "the node could not do it: its log says why");
	}
}

static void handle_position(struct request *q)
{
	const struct os *os = q->service->os;
	struct log_point here;

	if (q->says_own && q->key == VOLUME_KEY_WRITER) {
		shelf_position(volume_shelf(q->volume), &here);
		pulse_said(volume_pulse(q->volume), q->own_tid, q->own_commit, here.commit,
			   os->monotonic_ns(os->state));
	}
	answer_position(q, q->volume);
}

void handle(struct request *q)
{
	switch (q->route) {
	case ROUTE_VOLUME:
		if (q->has_body)
			handle_enrol(q);
		else
			handle_position(q);
		break;
	case ROUTE_LIST:
		handle_list(q);
		break;
	case ROUTE_SEGMENT:
		if (q->has_body)
			handle_append(q);
		else
			handle_read(q);
		break;
	case ROUTE_PRUNES:
		if (q->has_body)
			handle_known(q);
		else
			handle_prunes(q);
		break;
	case ROUTE_PRUNE:
		handle_prune(q);
		break;
	case ROUTE_NONE:
		answer_error(q, MHD_HTTP_NOT_FOUND, "not_found", "there is nothing at this path");
	}
}
