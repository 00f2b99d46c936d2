/* SPDX-License-Identifier: MIT */
/*
 * The mounted process' end of the control socket (layer 6; control.h). A thread accepts; each connection has
 * a thread of its own, at most CONTROL_CLIENTS at once, the others wait their turn. Only root and the user of
 * this process are answered.
 */
#ifndef FS_CLI_CONTROL_SERVER_H
#define FS_CLI_CONTROL_SERVER_H

#include "holdfast/store.h"

#define CONTROL_CLIENTS 8

struct control_server;

/*
 * Listen at STORE/socket for a store that is open here; a socket left there by a process that died is
 * replaced. What is handed over is borrowed until control_server_stop. mounted_on is told in the status, as
 * is where metrics are served ("": nowhere).
 */
int control_server_start(struct hf_store *store, const char *mounted_on, const char *metrics,
			 struct control_server **ret, struct hf_error *err);

/* Finish requests at hand, close everything but lingering connections, remove the socket. NULL is fine. */
void control_server_stop(struct control_server *server);

#endif
