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
	struct sim_node *next; /* all there ever were; freed with the disk */
	bool is_dir;
	unsigned open; /* descriptors on it */
	struct sim_content now, durable;
	struct sim_write *writes; /* from durable to now */
	size_t n_writes, cap_writes;
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
};

void sim_disk_init(struct sim_disk *d, uint64_t seed);
void sim_disk_release(struct sim_disk *d);
uint64_t sim_disk_random(struct sim_disk *d, uint64_t below);
uint64_t sim_disk_used(const struct sim_disk *d);

/* The folder a path is in and its last name ("" for "/"): 0, -ENOENT, -ENOTDIR, -ENAMETOOLONG. */
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
/* Forget by chance what a sync that failed was to make durable. */
void sim_node_lose(struct sim_disk *d, struct sim_node *node);

/* Decide by chance what of the changes since the last syncs is there, and make that both now and durable. */
void sim_disk_power_cut(struct sim_disk *d);

#endif
