/* SPDX-License-Identifier: MIT */
/*
 * What a simulated disk holds: as the running system sees it (`now`), as it would be found after a power cut
 * at the worst (`durable`), and the changes between the two. No locks, no faults: sim_os.c has those.
 */
#ifndef TESTS_SIM_SIM_DISK_H
#define TESTS_SIM_SIM_DISK_H

#include <stdbool.h>

#include "tests/sim/sim_content.h"

enum { SIM_NAME_BYTES = 256 };

/* A change of a file's contents that was not synced: bytes written, or (data NULL) a new length. */
struct sim_write {
	uint8_t *data;
	size_t len;
	uint64_t offset; /* or the length */
};

struct sim_node {
	struct sim_node *next; /* all there are, and what a cut has not yet swept away */
	uint64_t number;       /* by order of making */
	bool is_dir;
	bool reached;  /* while a cut sweeps: a name leads to it */
	unsigned open; /* descriptors on it */
	struct sim_content now, durable;
	struct sim_write *writes; /* from durable to now */
	size_t n_writes, cap_writes;
	size_t n_late; /* of them, those that the last sync should have made durable (sim_node_sync_late) */
};

struct sim_entry {
	struct sim_node *dir, *node;
	char name[SIM_NAME_BYTES];
};

struct sim_entries {
	struct sim_entry *entry;
	size_t n, cap;
};

/* A change of names that was not synced: `from` goes, `to` comes; both for a rename, else one has no dir. */
struct sim_naming {
	struct sim_entry from, to;
};

struct sim_disk {
	uint64_t random;
	struct sim_node *nodes, *root;
	struct sim_entries now, durable;
	struct sim_naming *namings; /* from durable to now */
	size_t n_namings, cap_namings;
	uint64_t made; /* nodes */
	/* what cuts decided, and failed syncs lost */
	uint64_t kept, dropped, torn, names_kept, names_dropped, lost;
};

void sim_disk_init(struct sim_disk *d, uint64_t seed);
void sim_disk_release(struct sim_disk *d);
uint64_t sim_disk_random(struct sim_disk *d, uint64_t below);
uint64_t sim_disk_used(const struct sim_disk *d);

/* The folder a path is in and its last name ("" for "/"): 0, -ENOENT, -ENOTDIR, -ENAMETOOLONG. What "." and
 * ".." mean is taken from the path alone. */
int sim_disk_parent(struct sim_disk *d, const char *path, struct sim_node **ret_dir,
		    char name[SIM_NAME_BYTES]);
struct sim_node *sim_disk_lookup(const struct sim_disk *d, const struct sim_node *dir, const char *name);
int sim_disk_walk(struct sim_disk *d, const char *path, struct sim_node **ret);

struct sim_node *sim_disk_create(struct sim_disk *d, struct sim_node *dir, const char *name, bool is_dir);
void sim_disk_unlink(struct sim_disk *d, struct sim_node *dir, const char *name);
void sim_disk_rename(struct sim_disk *d, struct sim_node *from_dir, const char *from, struct sim_node *to_dir,
		     const char *to);
void sim_disk_sync_dir(struct sim_disk *d, const struct sim_node *dir);

void sim_node_write(struct sim_node *node, const void *data, size_t len, uint64_t offset);
void sim_node_resize(struct sim_node *node, uint64_t len);
void sim_node_sync(struct sim_node *node);
void sim_node_sync_late(struct sim_node *node); /* what the sync before this one should have */
/* Forget by chance what a sync that failed was to make durable. */
void sim_node_lose(struct sim_disk *d, struct sim_node *node);

/* Decide by chance what of the changes since the last syncs is there, and make that both now and durable. */
void sim_disk_power_cut(struct sim_disk *d);

/* As found after a power cut at the worst. NULL: no durable name leads there. */
const struct sim_node *sim_disk_walk_durable(const struct sim_disk *d, const char *path);

#endif
