/* SPDX-License-Identifier: MIT */
/* Private to tests/sim. */
#ifndef TESTS_SIM_SIM_STATE_H
#define TESTS_SIM_SIM_STATE_H

#include <pthread.h>

#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_os.h"

enum { SIM_FIRST_FD = 1 << 20, SIM_MAX_FDS = 1024 };

struct sim_fd {
	struct sim_node *node; /* NULL: free */
	int access;            /* O_RDONLY, O_WRONLY, O_RDWR */
};

struct sim {
	struct os os;         /* immutable */
	pthread_mutex_t lock; /* protects all below */
	struct sim_disk disk;
	struct sim_fd fds[SIM_MAX_FDS];
	int first_fd; /* number of fds[0]; another after each power cut, so that no old one is a new file */
	bool power;
	bool cutting; /* the call under way is the one the power is cut in */
	uint64_t cut_at, changes;
	unsigned fail_calls;
	uint64_t fail_at, fail_more;
	int fail_code;
	unsigned short_permille;
	bool short_now; /* the call under way comes up short */
	unsigned quiet; /* sim_faults_off, so many times */
	enum sim_lie lie;
	unsigned lie_permille;
	struct sim_counts counts;
	uint64_t calls, trace;
	void (*before)(void *arg, enum sim_call call); /* set while nobody calls */
	void *before_arg;
	uint64_t capacity;
	uint64_t now_ns, monotonic_ns;
};

void sim_state_cut(struct sim *s); /* requires the lock */

#endif
