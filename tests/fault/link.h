/* SPDX-License-Identifier: MIT */
/*
 * The way between a store and its node, in place of libcurl's transfers and of libmicrohttpd: requests and
 * answers as the one makes them and the other takes them, without sockets and TLS. All of the code on both
 * sides is the real one, from the replicator to the shelf: headers, signatures, nonces, receipts.
 *
 * By chance a request is lost, or late (and comes after others, or after the sender has given up), breaks
 * off, comes twice, or comes again much later; an answer is lost, or late. All of that by sched.h's chance
 * and time.
 */
#ifndef TESTS_FAULT_LINK_H
#define TESTS_FAULT_LINK_H

#include "tests/fault/fault.h"

/* The node's machine. Each answer with a receipt is shown to `receipt` as it leaves, lost or not. */
void link_begin(struct machine *node, struct totals *t,
		void (*receipt)(void *arg, const void *text, size_t len, const char *signature), void *arg);
void link_end(void);
/* So many of a hundred requests meet something; 0: none. */
void link_trouble(unsigned percent);
void link_up(bool up); /* down: nobody can be reached */

#endif
