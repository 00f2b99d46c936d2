/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a mounted store (layer 6): STORE/socket, a stream, one JSON object a line. The client
 * sends one request (operations.h) and reads lines until one has "ok":
 *
 *   {"progress": "words", "done": N, "total": N}     now and then
 *   {"found": "words"}                               a fault (check), or what was asked to be told
 *   {"row": {…}}                                     a line of a long answer
 *   {"data": N}                                      and N bytes of a file behind it
 *   {"ok": true, "answer": {…}}                      the last one
 *   {"ok": false, "code": -errno, "error": "words"}  or this
 *
 * and may then send another. {"do": "linger"} is answered, and the server keeps its end open until its
 * process has ended, having let go of the store: the client reads until the end of the stream.
 */
#ifndef FS_CLI_CONTROL_H
#define FS_CLI_CONTROL_H

#include <stdio.h>

#include <jansson.h>

#include "fs/cli/operations.h"

#define CONTROL_LINE_BYTES (1 << 20)
#define CONTROL_DATA_BYTES (1 << 20) /* at most, at a time */

struct control {
	FILE *in;
	int fd;
};

/*
 * Reach the process that has the store open. -ENOENT or -ECONNREFUSED: there is none; -EACCES: it is another
 * user's.
 */
int control_connect(const char *store, struct control *ret, struct hf_error *err);
void control_close(struct control *c);

/*
 * A new reference to the answer, or NULL with err set. The listener's stop is not heeded. -ECANCELED: it
 * wanted no more; then the connection is of no use any more.
 */
json_t *control_ask(struct control *c, const json_t *request, const struct operation_listener *listener,
		    struct hf_error *err);

/* After {"do": "linger"}: wait until the process has ended. -ETIMEDOUT. */
int control_wait_gone(struct control *c, unsigned timeout_ms);

/* For both ends: the address of STORE/socket, however long STORE's path is; *ret_dirfd must stay open while
 * it is used. */
struct sockaddr_un;
int control_address(const char *store, struct sockaddr_un *ret, int *ret_dirfd);
/* One object as a line, all of it. */
int control_send(int fd, const json_t *object);
char *control_line(const json_t *object, size_t *ret_len); /* that line alone; malloc'ed */

#endif
