/* SPDX-License-Identifier: MIT */
#define os_posix os_posix_real
#include "store/os/os_posix.c"
#undef os_posix
const struct os *os_posix(void);

#include <dirent.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tests/fault/machine.h"
#include "tests/sim/sched.h"
#include "tests/unit/scratch.h"

enum { MACHINES_MAX = 4, COPY_BYTES = 1 << 16 };

static char *top;  /* of all processes */
static char *base; /* of this one, below it */
static pid_t base_of;
static struct machine *machines[MACHINES_MAX];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

/* --- in place of the system: in a machine's thread its disk, elsewhere the real one */

const struct os *os_posix(void)
{
	const struct machine *m = sched_tag();

	return m ? &m->os : os_posix_real();
}

static const char *random_name(void)
{
	return "the scheduler's";
}

static void random_bytes(void *out, size_t len)
{
	if (sched_is_on())
		sched_random_bytes(out, len);
	else
		must(getrandom(out, len, 0) == (ssize_t)len, "random bytes");
}

static uint32_t random_number(void)
{
	uint32_t n;

	random_bytes(&n, sizeof(n));
	return n;
}

static randombytes_implementation implementation = {
	.implementation_name = random_name,
	.random = random_number,
	.buf = random_bytes,
};

/* --- real folders */

void folder_remove(const char *path)
{
	char name[MACHINE_PATH_BYTES + 300];
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (unlink(name) < 0)
			folder_remove(name);
	}
	(void)closedir(dir);
	(void)rmdir(path);
}

static void copy_file(const char *from, const char *to)
{
	static char bytes[COPY_BYTES];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;

	must(in >= 0 && out >= 0, from);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		must(write(out, bytes, (size_t)n) == n, to);
	must(n == 0, from);
	(void)close(in);
	(void)close(out);
}

void folder_copy(const char *from, const char *to)
{
	char a[MACHINE_PATH_BYTES + 300], b[MACHINE_PATH_BYTES + 300];
	DIR *dir = opendir(from);
	struct dirent *e;

	folder_remove(to);
	if (!dir)
		return;
	must(mkdir(to, 0700) == 0, to);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
		(void)snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
		copy_file(a, b);
	}
	(void)closedir(dir);
}

/* Memory where there is some: how RocksDB's files reach a disk is nothing that is tried here. */
void machines_begin(void)
{
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 1);
	top = scratch_make();
	(void)setenv("TMPDIR", top, 1);
	(void)randombytes_set_implementation(&implementation);
	must(sodium_init() >= 0, "libsodium");
}

void machines_end(void)
{
	scratch_remove(&top);
}

static const char *base_folder(void)
{
	if (base_of != getpid()) {
		base = scratch_make();
		base_of = getpid();
	}
	return base;
}

/* --- a machine */

/* All the folders that lead there, durably. */
static void make_folders(struct machine *m)
{
	char path[MACHINE_PATH_BYTES];

	for (const char *at = m->dir; at;) {
		at = strchr(at + 1, '/');
		(void)snprintf(path, sizeof(path), "%.*s", at ? (int)(at - m->dir) : (int)strlen(m->dir),
			       m->dir);
		must(m->os.mkdir(m->os.state, path, 0700) == 0, path);
		(void)strcat(path, "/..");
		must(m->os.sync_dir(m->os.state, path) == 0, path);
	}
}

static uint64_t call_ns(enum sim_call call)
{
	if (call & (SIM_SYNC | SIM_SYNC_DIR))
		return 100000 + sched_random(5000000);
	return call & (SIM_PREAD | SIM_PWRITE | SIM_ALLOCATE) ? 5000 + sched_random(200000) : 1000;
}

static void before_call(void *unused, enum sim_call call)
{
	(void)unused;
	if (!sched_is_on())
		return;
	sched_pass(call_ns(call));
	sched_pause();
}

static void no_hint(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	(void)fd;
	(void)offset;
	(void)len;
}

struct machine *machine_new(const char *name, uint64_t seed)
{
	struct machine *m = calloc(1, sizeof(*m));
	size_t at = 0;

	must(m != NULL, "memory");
	(void)snprintf(m->dir, sizeof(m->dir), "%s/%s", base_folder(), name);
	folder_remove(m->dir);
	must(mkdir(m->dir, 0700) == 0, m->dir);
	m->sim = sim_new(seed);
	must(m->sim != NULL, "memory");
	m->os = *sim_os(m->sim);
	if (seed % 2) { /* then large groups are written in parts */
		m->os.write_back = no_hint;
		m->os.forget = no_hint;
	}
	sim_faults_off(m->sim);
	make_folders(m);
	sim_faults_on(m->sim);
	sim_before_call(m->sim, before_call, NULL);
	while (machines[at])
		must(++at < MACHINES_MAX, "too many machines");
	machines[at] = m;
	return m;
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < MACHINES_MAX; i++)
		if (machines[i] == m)
			machines[i] = NULL;
	sim_free(m->sim);
	folder_remove(m->dir);
	free(m);
}

struct machine *machine_enter(struct machine *m)
{
	struct machine *before = sched_tag();

	sched_set_tag(m);
	return before;
}

void machines_pass(void *unused, uint64_t ns)
{
	(void)unused;
	for (size_t i = 0; i < MACHINES_MAX; i++)
		if (machines[i])
			sim_advance(machines[i]->sim, ns);
}

/* --- failing */

uint64_t machine_failed_calls(struct machine *m)
{
	struct sim_counts c;
	uint64_t n = 0;

	sim_counts(m->sim, &c);
	for (size_t i = 0; i < SIM_CALLS; i++)
		n += c.failed[i];
	return n + c.no_space + c.cuts;
}

void machine_arm(struct machine *m, const struct arm *arm)
{
	m->failed_before = machine_failed_calls(m);
	sim_fail(m->sim, 0, 0, 0, 0);
	sim_power_cut_at(m->sim, 0);
	switch (arm->kind) {
	case ARM_NONE:
		break;
	case ARM_FAIL:
		sim_fail(m->sim, arm->calls, arm->at, arm->more, arm->code);
		break;
	case ARM_SHORT:
		sim_fail(m->sim, SIM_ANY, arm->at, arm->more, SIM_SHORT);
		break;
	case ARM_CUT:
		sim_power_cut_at(m->sim, arm->at);
	}
}

void machine_mend(struct machine *m)
{
	sim_fail(m->sim, 0, 0, 0, 0);
	sim_power_cut_at(m->sim, 0);
	sim_short_io(m->sim, 0);
	sim_set_capacity(m->sim, UINT64_MAX);
	sim_power_on(m->sim);
}

bool machine_was_hit(struct machine *m)
{
	return machine_failed_calls(m) > m->failed_before || !sim_power_is_on(m->sim);
}
