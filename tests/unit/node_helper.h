/* SPDX-License-Identifier: MIT */
/*
 * For tests of nodes: one that is served in this process, and a client that can sign anything, rightly or
 * wrongly, and send it.
 */
#ifndef TESTS_UNIT_NODE_HELPER_H
#define TESTS_UNIT_NODE_HELPER_H

#include "holdfast/node.h"
#include "store/replica/place.h"
#include "store/replica/receipt.h"
#include "tests/unit/log_helper.h"

struct node_fixture {
	char dir[128];
	struct hf_node *node;
	void *curl;
	struct place place; /* of an invitation: url, pin, key; the token is the last one asked for */
};

void node_fixture_init(struct node_fixture *n); /* made and started */
void node_fixture_stop(struct node_fixture *n);
/* 0 or what hf_node_start says. At another port than before: the place is read again. */
int node_fixture_start(struct node_fixture *n);
void node_fixture_release(struct node_fixture *n);
/* The folder of one that is stopped, kept beside it; and put back later, whereupon it is started anew. */
void node_fixture_copy(const struct node_fixture *n, char out[160]);
void node_fixture_put_back(struct node_fixture *n, const char *copy);
/* A new invitation, into n->place and as a line (the caller frees it). volume NULL: for a new one. */
char *node_fixture_invite(struct node_fixture *n, const uint8_t *volume_id);
unsigned node_fixture_evidence(const struct node_fixture *n); /* files in evidence/ */
void node_fixture_path(const struct node_fixture *n, const uint8_t *volume_id, const char *rest,
		       char out[256]);

/* --- a request, and what may be wrong with it */

struct wire {
	const struct node_fixture *node;
	struct http_signer signer;
	const char *method;
	char target[400];
	const void *body; /* NULL: none */
	size_t body_len;
	const uint8_t *token;          /* NULL: none */
	const char *range;             /* NULL: none */
	const char *node_name;         /* NULL: the right one */
	int64_t clock_s;               /* added to the time of signing */
	const char *signed_method;     /* NULL: the method */
	const char *digest;            /* NULL: the right one */
	bool unsigned_;                /* no signature headers */
	bool chunked;                  /* no Content-Length */
	const char *input, *signature; /* in place of those made; NULL: made */
};

struct wire_answer {
	long status;
	char code[32];
	struct buf body;
	char receipt_text[128];
	struct receipt receipt; /* of a 200 with one; checked */
	bool has_receipt;
	char input[1024], signature[256]; /* as sent */
};

void wire_send(const struct wire *w, struct wire_answer *ret);
void wire_answer_release(struct wire_answer *a);

/* wire_send, release, and fail the test unless the status and code are these (code NULL: none). Returns the
 * answer's receipt. */
struct receipt wire_expect(const struct wire *w, long status, const char *code);
/* Sent once, then the very same again. */
void wire_expect_again(struct wire w, long status, const char *code, long again_status,
		       const char *again_code);

/* Requests of the usual kinds. */
struct wire wire_enrol(const struct node_fixture *n, struct http_signer signer, const struct epoch_cert *cert,
		       struct buf *body, const uint8_t *token);
struct wire wire_position(const struct node_fixture *n, struct http_signer signer, const uint8_t *volume_id);
struct wire wire_append(const struct node_fixture *n, struct http_signer signer, const uint8_t *volume_id,
			struct log_pos at, const void *data, size_t len);
struct wire wire_read(const struct node_fixture *n, struct http_signer signer, const uint8_t *volume_id,
		      const char *rest, const char *range);

/* The log's raw bytes from `at` on (one call of log_read_raw). */
void log_raw(struct log *l, struct log_pos at, size_t max, struct buf *out, struct log_point *ret);
/* Send everything of the log from the node's position on, through the client; fails the test when anything is
 * refused. */
void wire_send_log(const struct node_fixture *n, struct http_signer signer, struct log *l,
		   const uint8_t *volume_id);

/* How many lines of the log have these words, since a node_fixture_init of this process. */
unsigned node_log_lines(const char *with);

/* --- a node and a volume, as most tests begin */

enum { NODE_BENCH_GROUP_BYTES = 3000 };

struct node_bench {
	struct node_fixture node;
	struct log_fixture volume;
	struct log *log; /* in segments of 64 KiB */
	const uint8_t *id;
	char id_text[HF_VOLUME_ID_TEXT_BYTES];
	struct http_signer writer, owner;
	struct buf body;        /* of the last request made */
	struct log_point point; /* the test's own */
};

/* The log has so many groups, and the node does not know the volume yet. */
void node_bench_init(struct node_bench *b, uint64_t groups);
/* The node has the volume, and the first `sent` groups of the log, up to b->point; the log goes on to
 * `groups`. */
void node_bench_init_sent(struct node_bench *b, uint64_t sent, uint64_t groups);
void node_bench_release(struct node_bench *b);
void node_bench_enrol(struct node_bench *b);
/* The log's bytes from `at` on, as a request; b->point is behind them. */
struct wire node_bench_append(struct node_bench *b, struct log_pos at, size_t max);

#endif
