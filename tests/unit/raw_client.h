/* SPDX-License-Identifier: MIT */
/*
 * For tests of nodes: a client below HTTP, which sends the bytes it is told to, as fast or slowly as it
 * likes, from any address of this machine.
 */
#ifndef TESTS_UNIT_RAW_CLIENT_H
#define TESTS_UNIT_RAW_CLIENT_H

#include "tests/unit/node_helper.h"

struct raw {
	int fd;    /* -1: closed */
	void *tls; /* NULL: TCP alone */
};

/* Connect from this address (NULL: whichever); with_tls: and shake hands. Fails the test when it cannot. */
struct raw raw_connect(const struct node_fixture *n, const char *from, bool with_tls);
/* The same; false when the node does not let it. */
bool raw_try_connect(const struct node_fixture *n, const char *from, bool with_tls, struct raw *ret);
void raw_close(struct raw *r);
bool raw_send(struct raw *r, const void *data, size_t len); /* false: the node has closed it */
/* Has the node closed it? Looks, and waits for at most wait_ms. What it says meanwhile is dropped. */
bool raw_is_closed(struct raw *r, int wait_ms);

/* Wait for "100 Continue": the headers of a request with that wish were judged. */
bool raw_goes_on(struct raw *r);
/* The next answer: its status, 0 when the node has closed without one. The body is read, and dropped when
 * NULL. */
unsigned raw_answer(struct raw *r, struct buf *body);

/*
 * A signed request as bytes, into out: all of its headers; the body (of w) only with with_body. w as for
 * wire_send. More header lines ("Name: value\r\n") may be put in; NULL: none.
 */
void raw_request(const struct wire *w, const char *more, bool with_body, struct buf *out);

#endif
