/* SPDX-License-Identifier: MIT */
/*
 * The replica node: keeps other machines' logs, takes appends at the exact end and nothing else. Protocol:
 * docs/PROTOCOL.md.
 */
#ifndef HOLDFAST_NODE_H
#define HOLDFAST_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/alarm.h"
#include "holdfast/error.h"
#include "holdfast/kit.h"
#include "holdfast/store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hf_node;

/*
 * Make a node's folder: its identity key, its TLS certificate, where it listens ("127.0.0.1:7443",
 * "[::]:7443", port 0: any).
 */
int hf_node_init(const char *dir, const char *listen, struct hf_error *err);

struct hf_node_options {
	const char *listen;
	unsigned silent_after_s; /* a volume not heard for so long is alarmed of; 0: a day */
	const char *alarm_hook;  /* absolute path of a program; NULL: none. PROTOCOL.md §9 */
	const char *alarm_url;   /* https, or http to this machine; NULL: none */
};
/* hf_node_init with more to say. -EINVAL: what is said cannot be used, and nothing is made. */
int hf_node_make(const char *dir, const struct hf_node_options *options, struct hf_error *err);

/*
 * A one-time invitation, malloc'ed, one line: for a new volume (volume_id NULL), or to let the owner of an
 * existing one in again. host (may be NULL: as it listens) is the name or address others reach this node by.
 * Works while the node is being served or not. Valid for valid_seconds (0: a day) on the node's clock.
 */
int hf_node_invite(const char *dir, const char *volume_id, const char *host, unsigned valid_seconds,
		   char **ret, struct hf_error *err);

/*
 * Serve on threads of its own; returns when it listens. A volume whose log is damaged, or cannot be read, is
 * not served, and an alarm; the others are. -EBUSY: served already; -EADDRINUSE; -EUCLEAN and others: there
 * are volumes, and none can be served.
 */
int hf_node_start(const char *dir, struct hf_node **ret, struct hf_error *err);
/* Where it really listens, as "https://127.0.0.1:43211". Borrowed. */
const char *hf_node_url(const struct hf_node *node);
void hf_node_stop(struct hf_node *node); /* finishes requests at hand; NULL is fine */

/*
 * How many bytes of log a volume may have here (UINT64_MAX: as much as there is); volume_id NULL: volumes
 * that will be enrolled. Durable; a node that is served goes by it from the next append on. PROTOCOL.md §8.1.
 * -ENOENT: not a node's folder, or no such volume; -EINVAL: not a volume id.
 */
int hf_node_set_budget(const char *dir, const char *volume_id, uint64_t bytes, struct hf_error *err);

/* --- how a node is: asked of its folder, while it is served or not */

struct hf_node_volume {
	char volume_id[HF_VOLUME_ID_TEXT_BYTES];
	uint32_t epoch; /* enrolled */
	uint64_t tid, commit, time_ns, bytes;
	uint32_t segments;
	uint64_t heard_ns;              /* its writer, on the node's clock; 0: not known */
	uint64_t said_tid, said_commit; /* how far that said its log is; 0: it did not */
	bool silent;
	uint64_t budget_bytes;                   /* UINT64_MAX: none */
	uint64_t budget_used_bytes;              /* of it: bytes, but that a short segment counts more */
	char budget_failed[HF_ERROR_TEXT_BYTES]; /* why it cannot be read, and nothing is taken; "": it can */
};

struct hf_node_status {
	bool served;
	bool read_only;        /* its file system: it takes nothing */
	uint64_t budget_bytes; /* of volumes that will be enrolled; UINT64_MAX: none */
	uint64_t free_bytes, total_bytes, silent_after_ns;
	struct hf_alarm *alarms; /* open ones, in the order of their numbers */
	size_t n_alarms;
	struct hf_node_volume *volumes;
	size_t n_volumes;
	/* why a volume is not here, or not what new ones get: it cannot be read. "": it can */
	char failed[HF_ERROR_TEXT_BYTES];
};

/* -ENOENT: not a node's folder. What is wrong with a volume is in `failed`. Changes nothing. */
int hf_node_status(const char *dir, struct hf_node_status *ret, struct hf_error *err);
void hf_node_status_release(struct hf_node_status *s);

/*
 * Acknowledge an open alarm by its number, or all that are open ("all"), durably: as often as each has been
 * raised by now. *ret_n: how many. -ENOENT: no such open alarm; -EINVAL: not a number.
 */
int hf_node_acknowledge(const char *dir, const char *alarm, unsigned *ret_n, struct hf_error *err);

struct hf_node_check_summary {
	uint64_t volumes, segments, bytes; /* verified */
};

/*
 * Read every byte of a volume's log (volume_id NULL: of all) and verify it as far as that can be without its
 * key: headers, the chain, every signature. Changes nothing, and takes no lock: a process that serves the
 * node goes on. Each fault goes to `found` as words; a damaged segment hides nothing beyond it. Returns how
 * many; -ENOENT: not a node's folder, or no such volume; -EINVAL: not a volume id; and what reading says.
 */
long hf_node_check(const char *dir, const char *volume_id, void (*found)(void *arg, const char *what),
		   void *arg, struct hf_node_check_summary *ret, const struct hf_progress *progress,
		   struct hf_error *err);

/*
 * The same, and heal what is damaged from `from`: a folder with any other copy of the log (a store, a
 * replica's folder, a node's). Nothing in it is believed: only what leads, by a hash, to bytes that this node
 * has itself is put in the place of bytes that do not verify (PROTOCOL.md §8.3). What was damaged is kept in
 * volumes/ID/damaged. Then it is checked again. options: repair and copies are of no meaning. 0, also when
 * faults remain; -EBUSY: it is served; -ENOENT: as hf_node_check, or no such log in `from`.
 */
struct hf_repair_options;
struct hf_repair;
int hf_node_repair(const char *dir, const char *volume_id, const char *from,
		   const struct hf_repair_options *options, struct hf_repair *ret,
		   struct hf_node_check_summary *ret_check, struct hf_error *err);

/* --- letting old bytes go: PROTOCOL.md §10. Nothing else makes a node remove any */

enum hf_prune_state {
	HF_PRUNE_NEW,       /* the node, when it is served, will announce it */
	HF_PRUNE_ANNOUNCED, /* it waits */
	HF_PRUNE_RUNNING,   /* bytes are being taken away */
	HF_PRUNE_DONE,
	HF_PRUNE_CANCELLED, /* for good, like the next: the same list is not taken again */
	HF_PRUNE_REFUSED,
	/* another node's: what a store was recovered without, and so this node is given without */
	HF_PRUNE_KNOWN,
};
const char *hf_prune_state_name(enum hf_prune_state state); /* "new", "announced" … */

struct hf_node_prune {
	uint32_t number; /* its name on this node */
	char volume_id[HF_VOLUME_ID_TEXT_BYTES];
	enum hf_prune_state state;
	bool frozen; /* an open alarm holds it up */
	/* what the owner signed */
	uint64_t made_ns;               /* by the signer's clock */
	uint64_t before_tid, before_ns; /* the first moment that stays whole */
	uint64_t segments, bytes;
	/* what became of it */
	uint64_t announced_ns;      /* by the node's wall clock, for people only */
	uint64_t delay_s, waited_s; /* to be served, and served, without an alarm */
	uint64_t segments_done, freed_bytes;
	char words[HF_ERROR_TEXT_BYTES]; /* why it was refused or cancelled; "" */
};

/*
 * Hand a signed list (hf_prune_plan, prune.h) to the node in `dir`, served or not. It is verified, every
 * segment that it names is read, and it is put where the node finds it, durably; the node announces it by an
 * alarm within seconds of being served, and only then does the delay begin.
 *
 *  -EKEYREJECTED  not signed by the owner of a volume here, or for another node
 *  -ENOENT        no such volume here, or not a node's folder
 *  -ENODATA       the node does not have the commit that it rests on: the store has not shipped it yet
 *  -EEXIST        this very list was handed in before; or the volume has another one under way
 *  -ESTALE        the volume has begun another epoch since: plan anew
 *  -EUCLEAN       it is no such list, or a segment is not as it says
 */
int hf_node_prune(const char *dir, const void *list, size_t len, struct hf_node_prune *ret,
		  struct hf_error *err);
/*
 * Durably; what has been taken away by then stays away (ret->segments_done). -ENOENT; -EALREADY: it is over.
 */
int hf_node_prune_cancel(const char *dir, uint32_t number, struct hf_node_prune *ret, struct hf_error *err);
/* All there ever were, by number; malloc'ed, the caller frees. */
int hf_node_prunes(const char *dir, struct hf_node_prune **ret, size_t *ret_n, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
