/* SPDX-License-Identifier: MIT */
/*
 * replicas/NAME.json (layer 4): where a store ships to, and what proves that it is the same node still. And
 * NAME.receipt, the newest receipt kept: derived, so that after a start the lag of a replica that is away can
 * be told.
 */
#ifndef STORE_REPLICA_CONFIG_H
#define STORE_REPLICA_CONFIG_H

#include "store/replica/place.h"
#include "store/replica/receipt.h"

enum { CONFIG_NAME_BYTES = 64 }; /* with NUL */

/* 1 to 63 of A-Z a-z 0-9 . _ -, the first not . or -: 0 or -EINVAL. */
MUST_USE int config_check_name(const char *name, struct hf_error *err);
/* A name made from where it is: host, or last part of the path. */
void config_make_name(const struct place *place, char ret[CONFIG_NAME_BYTES]);

/* A bucket comes with its credentials. -ENOENT; -EUCLEAN: not what config_write writes; -EPROTONOSUPPORT. The
 * place has no token; its volume is that of the store. */
MUST_USE int config_read(const struct os *os, const char *store, const char *name, struct place *ret,
			 struct hf_error *err);
/* Durable, mode 0600. -EEXIST: there is one of this name. */
MUST_USE int config_write(const struct os *os, const char *store, const char *name, const struct place *place,
			  struct hf_error *err);
/* Bytes a second that may be sent to it; 0: no limit is written there, or none that can be read. */
uint64_t config_read_limit(const struct os *os, const char *store, const char *name);
/* Durable. -ENOENT; -EUCLEAN: the file cannot be read as one. */
MUST_USE int config_write_limit(const struct os *os, const char *store, const char *name, uint64_t bytes_s,
				struct hf_error *err);
bool config_exists(const struct os *os, const char *store, const char *name);
/* With what is known of it beside (receipt, regress.h, credentials), which goes first. -ENOENT. */
MUST_USE int config_remove(const struct os *os, const char *store, const char *name, struct hf_error *err);

/* Names in replicas/, sorted, malloc'ed array of malloc'ed strings (config_free_names). A store without the
 * folder has none. */
MUST_USE int config_list(const struct os *os, const char *store, char ***ret, size_t *ret_n,
			 struct hf_error *err);
void config_free_names(char **names, size_t n);

/* The point of the last receipt kept. 0, or negative when there is none that can be read. */
MUST_USE int config_read_receipt(const struct os *os, const char *store, const char *name,
				 struct log_point *ret);
int config_write_receipt(const struct os *os, const char *store, const char *name, const struct receipt *r);

#endif
