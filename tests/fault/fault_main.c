/* SPDX-License-Identifier: MIT */
/*
 * faultsim: runs lives (fault.h), in TAP.
 *
 *   --store N    lives of a store, by chance            --pair N    of a store and a node, by chance
 *   --points N   short lives of a store, run again with each call (or each --stride-th) failing in each way
 *   --point W:C  one of those: in which way, which call
 *   --repeat N   lives run twice, which must be the same
 *   --lies       disks that lie: the simulator must notice each kind
 *   --ops N      operations of a life, about (100)
 *   --seed N     the first seed (1)                     --jobs N    processes (as many as processors)
 *   --report F   write the totals into F, between its marks, as of the command --how
 *
 * A life that fails says how to have it again, alone.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fault/fault.h"
#include "tests/model/arena.h"

enum {
	ARENA_BYTES_LOG2 = 33,
	JOBS_MAX = 64,
	OPS = 100,
	POINT_OPS = 12,
	POINT_SEEDS = 1000000, /* their seeds begin here, those of others further on */
	PAIR_SEEDS = 2000000,
	LIE_SEEDS = 3000000,
	LIE_TRIES = 60,
};

struct plan {
	uint64_t store, pair, points, repeat, ops, seed, stride;
	unsigned jobs;
	bool lies;
	const char *report, *how;
	size_t way; /* with point_at: that call alone, failing in this way */
	uint64_t point_at;
};

/* Shared with the children. */
struct job {
	struct totals store, pair;
	char doing[160]; /* how to have the life under way again */
};
static struct job *jobs;
static const char *program;
static volatile sig_atomic_t told_to_end;

static void *shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("memory");
		exit(2);
	}
	return p;
}

/* --- lives */

static void say_how(struct job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say_how(struct job *j, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(j->doing, sizeof(j->doing), fmt, args);
	va_end(args);
}

static int one_store(struct job *j, const struct plan *p, uint64_t seed)
{
	const struct life_options o = { .seed = seed, .ops = p->ops, .totals = &j->store };

	say_how(j, "--store 1 --seed %" PRIu64 " --ops %" PRIu64, seed, p->ops);
	return life_store(&o, NULL);
}

static int one_pair(struct job *j, const struct plan *p, uint64_t seed)
{
	const struct life_options o = { .seed = seed, .ops = p->ops, .totals = &j->pair };

	say_how(j, "--pair 1 --seed %" PRIu64 " --ops %" PRIu64, seed - PAIR_SEEDS, p->ops);
	return life_pair(&o, NULL);
}

static bool same(const struct life_mark *a, const struct life_mark *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static int one_twice(struct job *j, const struct plan *p, uint64_t seed, bool pair)
{
	struct totals unused = { .lives = 0 };
	const struct life_options o = { .seed = seed, .ops = p->ops, .totals = pair ? &j->pair : &j->store };
	struct life_options again = o;
	struct life_mark a = { 0 }, b = { 0 };
	int (*life)(const struct life_options *, struct life_mark *) = pair ? life_pair : life_store;

	again.totals = &unused;
	say_how(j, "--repeat 1 --seed %" PRIu64 " --ops %" PRIu64, pair ? seed - PAIR_SEEDS : seed, p->ops);
	if (life(&o, &a) < 0 || life(&again, &b) < 0)
		return -1;
	o.totals->repeated++;
	if (same(&a, &b))
		return 0;
	fprintf(stderr,
		"FAILED: FAULT_SEED=%" PRIu64 ": the same life is another: trace %" PRIx64 " and %" PRIx64
		", %" PRIu64 " and %" PRIu64 " turns, %" PRIu64 " and %" PRIu64 " calls\n",
		seed, a.trace, b.trace, a.switches, b.switches, a.calls, b.calls);
	return -1;
}

/* --- each point of a short life */

static const struct arm ways[] = {
	{ ARM_CUT, 0, 0, 0, 0 },
	{ ARM_FAIL, SIM_ANY, 0, 0, -EIO },
	{ ARM_FAIL, SIM_ANY, 0, UINT64_MAX, -EIO },
	{ ARM_FAIL, SIM_ANY, 0, 0, -ENOSPC },
	{ ARM_FAIL, SIM_ANY, 0, UINT64_MAX, -ENOSPC },
	{ ARM_SHORT, SIM_ANY, 0, 0, 0 },
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static int one_point(struct job *j, uint64_t seed, size_t way, uint64_t at)
{
	struct arm arm = ways[way];
	const struct life_options o = { .seed = seed, .ops = POINT_OPS, .only = &arm, .totals = &j->store };

	arm.at = at;
	say_how(j, "--point %zu:%" PRIu64 " --seed %" PRIu64, way, at, seed - POINT_SEEDS);
	j->store.points++;
	return life_store(&o, NULL);
}

/* The residue of the job's number is its share. */
static int all_points(struct job *j, const struct plan *p, unsigned job, uint64_t seed)
{
	const struct arm nothing = { .kind = ARM_NONE };
	struct totals unused = { .lives = 0 };
	const struct life_options o = { .seed = seed, .ops = POINT_OPS, .only = &nothing, .totals = &unused };
	struct life_mark end = { 0 };
	uint64_t k = 0;

	say_how(j, "--points 1 --seed %" PRIu64, seed - POINT_SEEDS);
	if (life_store(&o, &end) < 0)
		return -1;
	for (size_t way = 0; way < WAYS; way++) {
		const uint64_t last = ways[way].kind == ARM_CUT ? end.changes : end.calls;

		for (uint64_t at = 1 + (seed + way) % p->stride; at <= last; at += p->stride)
			if (k++ % p->jobs == job && one_point(j, seed, way, at) < 0)
				return -1;
	}
	return 0;
}

/* --- lies */

static const struct {
	const char *words;
	enum sim_lie lie;
	bool of_node;
} lies[] = {
	{ "a sync that makes nothing durable", SIM_LIE_SYNC, false },
	{ "a sync that makes durable what the one before should have", SIM_LIE_LATE, false },
	{ "a sync of a folder that makes no name durable", SIM_LIE_SYNC_DIR, false },
	{ "a write that does a part and says it was all", SIM_LIE_SHORT, false },
	{ "a read that gives other bits", SIM_LIE_READ, false },
	{ "a node's sync that makes nothing durable", SIM_LIE_SYNC, true },
	{ "a node's sync that comes after its receipt", SIM_LIE_LATE, true },
	{ "a node's sync of a folder that makes no name durable", SIM_LIE_SYNC_DIR, true },
	{ "a node's write that does a part and says it was all", SIM_LIE_SHORT, true },
};

/* In a process of its own, silent: 1, it was noticed; 0; -1: something else. */
static int lie_noticed(size_t k, uint64_t seed)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct totals unused = { .lives = 0 };
		struct life_options o = { .seed = seed, .ops = OPS, .totals = &unused };

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it is of the job, and ends with it */
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		arena_new((size_t)1 << ARENA_BYTES_LOG2);
		o.lie = lies[k].of_node ? SIM_LIE_NONE : lies[k].lie;
		o.node_lie = lies[k].of_node ? lies[k].lie : SIM_LIE_NONE;
		_exit((lies[k].of_node ? life_pair(&o, NULL) : life_store(&o, NULL)) < 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status) == 2 ? -1 : WEXITSTATUS(status);
}

static int one_lie(struct job *j, const struct plan *p, size_t k)
{
	say_how(j, "--lies --seed %" PRIu64, p->seed);
	for (uint64_t n = 0; n < LIE_TRIES; n++) {
		const int r = lie_noticed(k, LIE_SEEDS + p->seed + n);

		if (r < 0) {
			fprintf(stderr, "FAILED: seed %" PRIu64 ", %s: the simulator dies\n",
				LIE_SEEDS + p->seed + n, lies[k].words);
			return -1;
		}
		if (r == 0)
			continue;
		printf("# %s: noticed in life %" PRIu64 "\n", lies[k].words, n + 1);
		(void)fflush(stdout);
		return 0;
	}
	fprintf(stderr, "FAILED: %s is not noticed in %d lives\n", lies[k].words, LIE_TRIES);
	return -1;
}

/* --- all of it, in several processes */

static int work(const struct plan *p, unsigned job)
{
	struct job *j = &jobs[job];
	int r = 0;

	/* These first: they fork, and RocksDB has threads from its first opening on, which no child has. */
	for (size_t k = job; r == 0 && p->lies && k < sizeof(lies) / sizeof(lies[0]); k += p->jobs)
		r = one_lie(j, p, k);
	arena_new((size_t)1 << ARENA_BYTES_LOG2);
	if (p->point_at)
		return one_point(j, POINT_SEEDS + p->seed, p->way, p->point_at);
	for (uint64_t k = 0; r == 0 && k < p->points; k++)
		r = all_points(j, p, job, POINT_SEEDS + p->seed + k);
	for (uint64_t k = job; r == 0 && k < p->store; k += p->jobs)
		r = one_store(j, p, p->seed + k);
	for (uint64_t k = job; r == 0 && k < p->pair; k += p->jobs)
		r = one_pair(j, p, PAIR_SEEDS + p->seed + k);
	for (uint64_t k = job; r == 0 && k < p->repeat; k += p->jobs) {
		r = one_twice(j, p, p->seed + k, false);
		if (r == 0)
			r = one_twice(j, p, PAIR_SEEDS + p->seed + k, true);
	}
	return r;
}

/* How it ended: 0, or 1 with words. */
static int ended(unsigned job, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		printf("not ok - it died of signal %d\n", WTERMSIG(status));
	else
		printf("not ok - it failed\n");
	printf("# again: %s %s\n", program, jobs[job].doing);
	return 1;
}

static void end_all(int number)
{
	told_to_end = number;
}

/* Our children die of these; we remove what they leave. What was ignored (nohup) stays so. */
static void on_signals(void (*handler)(int))
{
	const struct sigaction action = { .sa_handler = handler };
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction before;

	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
		if (sigaction(numbers[k], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaction(numbers[k], &action, NULL);
}

/* A job in a process of its own. */
static pid_t begin(const struct plan *p, unsigned job)
{
	pid_t pid;
	int r;

	(void)fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	on_signals(SIG_DFL);
	r = work(p, job);
	(void)fflush(NULL);
	_exit(r < 0); /* threads of a life that has failed wait for ever: nobody tidies up behind them */
}

static int run(const struct plan *p)
{
	pid_t pids[JOBS_MAX];
	unsigned begun = 0;
	int failed = 0;

	while (begun < p->jobs && !told_to_end && (pids[begun] = begin(p, begun)) > 0)
		begun++;
	if (begun < p->jobs) {
		printf("not ok - %u of %u processes could be begun\n", begun, p->jobs);
		failed = 1;
	}
	for (unsigned k = 0; k < begun; k++) {
		int status = 0;

		do {
			for (unsigned i = k; told_to_end && i < begun; i++)
				(void)kill(pids[i], SIGTERM);
		} while (waitpid(pids[k], &status, 0) < 0 && errno == EINTR);
		failed |= ended(k, status);
	}
	return failed || told_to_end;
}

static int tell(const struct plan *p, double seconds)
{
	struct totals store = { .lives = 0 }, pair = { .lives = 0 };
	int n = 0;

	for (unsigned k = 0; k < p->jobs; k++) {
		totals_add(&store, &jobs[k].store);
		totals_add(&pair, &jobs[k].pair);
	}
	totals_print(&store, &pair, seconds);
	if (store.lives)
		printf("ok %d - %" PRIu64 " lives of a store\n", ++n, store.lives);
	if (pair.lives)
		printf("ok %d - %" PRIu64 " lives of a store and its node\n", ++n, pair.lives);
	if (p->lies)
		printf("ok %d - %zu lies of disks, each noticed\n", ++n, sizeof(lies) / sizeof(lies[0]));
	return p->report ? totals_report(&store, &pair, seconds, p->how, p->report) : 0;
}

static uint64_t number(const char *text)
{
	char *end;
	const uint64_t n = strtoull(text, &end, 10);

	if (!*text || *end) {
		fprintf(stderr, "faultsim: %s is no number\n", text);
		exit(2);
	}
	return n;
}

static int read_options(int argc, char **argv, struct plan *p)
{
	static const struct option options[] = {
		{ "store", 1, NULL, 's' },  { "pair", 1, NULL, 'p' },   { "points", 1, NULL, 'n' },
		{ "stride", 1, NULL, 'd' }, { "repeat", 1, NULL, 't' }, { "lies", 0, NULL, 'l' },
		{ "ops", 1, NULL, 'o' },    { "seed", 1, NULL, 'e' },   { "jobs", 1, NULL, 'j' },
		{ "report", 1, NULL, 'r' }, { "how", 1, NULL, 'h' },    { "point", 1, NULL, 'P' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			p->store = number(optarg);
			break;
		case 'p':
			p->pair = number(optarg);
			break;
		case 'n':
			p->points = number(optarg);
			break;
		case 'd':
			p->stride = number(optarg);
			break;
		case 't':
			p->repeat = number(optarg);
			break;
		case 'l':
			p->lies = true;
			break;
		case 'o':
			p->ops = number(optarg);
			break;
		case 'e':
			p->seed = number(optarg);
			break;
		case 'j':
			p->jobs = (unsigned)number(optarg);
			break;
		case 'r':
			p->report = optarg;
			break;
		case 'h':
			p->how = optarg;
			break;
		case 'P':
			if (sscanf(optarg, "%zu:%" SCNu64, &p->way, &p->point_at) != 2 || p->way >= WAYS ||
			    p->point_at == 0) {
				fprintf(stderr, "faultsim: --point is WAY:CALL\n");
				return -1;
			}
			break;
		default:
			return -1;
		}
	}
	if (p->jobs == 0 || p->jobs > JOBS_MAX)
		p->jobs = JOBS_MAX;
	if (p->point_at)
		p->jobs = 1;
	return p->stride == 0 || p->ops == 0 ? -1 : 0;
}

static int run_and_tell(const struct plan *p)
{
	struct timespec from, to;
	double seconds;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	if (run(p))
		return 1;
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	return tell(p, seconds) < 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
	struct plan p = { .ops = OPS, .seed = 1, .stride = 1, .how = "make check-fault" };
	const long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	program = argv[0];
	p.jobs = processors > 0 ? (unsigned)processors : 1;
	if (read_options(argc, argv, &p) < 0)
		return 2;
	on_signals(end_all);
	machines_begin();
	jobs = shared(JOBS_MAX * sizeof(*jobs));
	r = run_and_tell(&p);
	machines_end();
	return r;
}
