/* SPDX-License-Identifier: MIT */
/* The calls of a simulated disk: sim_control.c has what a test does to it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tests/sim/sim_state.h"

static unsigned kind_of(enum sim_call call)
{
	return (unsigned)__builtin_ctz(call);
}

static void note(struct sim *s, uint64_t what)
{
	s->trace = (s->trace ^ what) * UINT64_C(0x9e3779b97f4a7c15);
	s->trace ^= s->trace >> 29;
}

/* The code of the armed fault when it is this call's turn, else 0. */
static int fault(struct sim *s, enum sim_call call)
{
	if (s->fail_at == 0 || !(s->fail_calls & call))
		return 0;
	if (s->fail_at > 1) {
		s->fail_at--;
		return 0;
	}
	if (s->fail_more == 0)
		s->fail_at = 0;
	else if (s->fail_more != UINT64_MAX)
		s->fail_more--;
	if (s->fail_code == SIM_SHORT) {
		s->short_now = true;
		return 0;
	}
	s->counts.failed[kind_of(call)]++;
	return s->fail_code;
}

/* Every call begins and ends with these two; the lock is held between them, also when enter fails. */
static int enter(struct sim *s, enum sim_call call, bool changes)
{
	if (s->before)
		s->before(s->before_arg, call);
	(void)pthread_mutex_lock(&s->lock);
	note(s, call);
	if (!s->power)
		return -EIO;
	if (s->quiet)
		return 0;
	s->calls++;
	s->counts.calls[kind_of(call)]++;
	if (changes) {
		s->changes++;
		if (s->cut_at > 0 && --s->cut_at == 0)
			s->cutting = true;
	}
	return fault(s, call);
}

static int leave(struct sim *s, int r)
{
	s->short_now = false;
	if (s->cutting) {
		sim_state_cut(s);
		r = -EIO;
	}
	note(s, (uint64_t)r);
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

static bool lies(struct sim *s, enum sim_lie lie)
{
	return s->lie == lie && !s->quiet && sim_disk_random(&s->disk, 1000) < s->lie_permille;
}

static struct sim_fd *slot_of(struct sim *s, int fd)
{
	int i = fd - s->first_fd;

	return i >= 0 && i < SIM_MAX_FDS && s->fds[i].node ? &s->fds[i] : NULL;
}

static int find_fd(struct sim *s, int fd, struct sim_node **ret)
{
	const struct sim_fd *slot = slot_of(s, fd);

	if (!slot)
		return -EBADF;
	*ret = slot->node;
	note(s, slot->node->number);
	return 0;
}

static int find_file(struct sim *s, int fd, int not_access, struct sim_node **ret)
{
	const struct sim_fd *slot = slot_of(s, fd);

	if (!slot || slot->access == not_access)
		return -EBADF;
	*ret = slot->node;
	note(s, slot->node->number);
	return slot->node->is_dir ? -EISDIR : 0;
}

static int new_fd(struct sim *s, struct sim_node *node, int access)
{
	for (int i = 0; i < SIM_MAX_FDS; i++) {
		if (!s->fds[i].node) {
			s->fds[i] = (struct sim_fd){ node, access };
			node->open++;
			return s->first_fd + i;
		}
	}
	return -EMFILE;
}

static int do_open(struct sim *s, const char *path, int flags)
{
	struct sim_node *dir, *node;
	char name[SIM_NAME_BYTES];
	int r = sim_disk_parent(&s->disk, path, &dir, name);

	if (r < 0)
		return r;
	node = name[0] ? sim_disk_lookup(&s->disk, dir, name) : dir;
	if (!node && !(flags & O_CREAT))
		return -ENOENT;
	if (node && (flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (node && node->is_dir && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)))
		return -EISDIR;
	if (node && !node->is_dir && (flags & O_DIRECTORY))
		return -ENOTDIR;
	if (!node)
		node = sim_disk_create(&s->disk, dir, name, false);
	else if ((flags & O_TRUNC) && node->now.len > 0)
		sim_node_resize(node, 0);
	return new_fd(s, node, flags & O_ACCMODE);
}

static int sim_open(void *state, const char *path, int flags, mode_t mode)
{
	struct sim *s = state;
	int r = enter(s, SIM_OPEN, flags & (O_CREAT | O_TRUNC));

	(void)mode;
	if (r == 0)
		r = do_open(s, path, flags);
	return leave(s, r);
}

static int sim_close(void *state, int fd)
{
	struct sim *s = state;
	struct sim_node *node;
	int r = enter(s, SIM_CLOSE, false), found = s->power ? find_fd(s, fd, &node) : -EIO;

	if (found == 0) {
		node->open--;
		slot_of(s, fd)->node = NULL;
	}
	return leave(s, found < 0 ? found : r);
}

static size_t shortened(struct sim *s, size_t len, uint64_t *count)
{
	if (len <= 1 || s->quiet)
		return len;
	if (!s->short_now && sim_disk_random(&s->disk, 1000) >= s->short_permille)
		return len;
	++*count;
	return 1 + (size_t)sim_disk_random(&s->disk, len - 1);
}

static ssize_t sim_pread(void *state, int fd, void *data, size_t len, uint64_t offset)
{
	struct sim *s = state;
	struct sim_node *node;
	size_t n = 0;
	int r = enter(s, SIM_PREAD, false);

	if (r == 0)
		r = find_file(s, fd, O_WRONLY, &node);
	if (r == 0)
		n = sim_content_read(&node->now, data, shortened(s, len, &s->counts.short_reads), offset);
	if (n > 0 && lies(s, SIM_LIE_READ))
		((uint8_t *)data)[sim_disk_random(&s->disk, n)] ^=
			(uint8_t)(1 << sim_disk_random(&s->disk, 8));
	note(s, offset);
	note(s, n);
	r = leave(s, r);
	return r < 0 ? r : (ssize_t)n;
}

/* By how much the files may still grow. */
static uint64_t room(const struct sim *s)
{
	uint64_t used = sim_disk_used(&s->disk);

	return used < s->capacity ? s->capacity - used : 0;
}

/* How much of a write fits; 0 when it would have to grow the file and cannot. */
static size_t fitting(const struct sim *s, const struct sim_node *node, size_t len, uint64_t offset)
{
	uint64_t end;

	if (s->capacity == UINT64_MAX || offset + len <= node->now.len)
		return len;
	end = node->now.len + room(s);
	if (offset + len <= end)
		return len;
	return offset < end ? (size_t)(end - offset) : 0;
}

static ssize_t sim_pwrite(void *state, int fd, const void *data, size_t len, uint64_t offset)
{
	struct sim *s = state;
	struct sim_node *node;
	int r = enter(s, SIM_PWRITE, true), found = s->power ? find_file(s, fd, O_RDONLY, &node) : -EIO;

	if (found < 0) {
		r = found;
	} else if (r < 0) {
		sim_node_write(node, data, (size_t)sim_disk_random(&s->disk, len), offset);
	} else if (len > 1 && lies(s, SIM_LIE_SHORT)) {
		sim_node_write(node, data, 1 + (size_t)sim_disk_random(&s->disk, len - 1), offset);
	} else if (len > 0) {
		const size_t asked = shortened(s, len, &s->counts.short_writes);

		len = fitting(s, node, asked, offset);
		s->counts.no_space += len < asked;
		if (len == 0)
			r = -ENOSPC;
		else
			sim_node_write(node, data, len, offset);
	}
	note(s, offset);
	note(s, len);
	r = leave(s, r);
	return r < 0 ? r : (ssize_t)len;
}

static int sim_sync(void *state, int fd)
{
	struct sim *s = state;
	struct sim_node *node;
	int r = enter(s, SIM_SYNC, true), found = s->power ? find_fd(s, fd, &node) : -EIO;

	if (found < 0)
		r = found;
	else if (r < 0)
		sim_node_lose(&s->disk, node);
	else if (s->cutting)
		r = -EIO;
	else if (lies(s, node->is_dir ? SIM_LIE_SYNC_DIR : SIM_LIE_SYNC))
		r = 0;
	else if (!node->is_dir && lies(s, SIM_LIE_LATE))
		sim_node_sync_late(node);
	else if (node->is_dir)
		sim_disk_sync_dir(&s->disk, node);
	else
		sim_node_sync(node);
	return leave(s, r);
}

static int sim_truncate(void *state, int fd, uint64_t len)
{
	struct sim *s = state;
	struct sim_node *node;
	int r = enter(s, SIM_TRUNCATE, true);

	if (r == 0)
		r = find_file(s, fd, O_RDONLY, &node);
	if (r == 0 && len != node->now.len)
		sim_node_resize(node, len);
	return leave(s, r);
}

static int sim_allocate(void *state, int fd, uint64_t offset, uint64_t len)
{
	struct sim *s = state;
	struct sim_node *node;
	int r = enter(s, SIM_ALLOCATE, true);

	if (r == 0)
		r = find_file(s, fd, O_RDONLY, &node);
	if (r == 0 && offset + len > node->now.len) {
		if (s->capacity != UINT64_MAX && offset + len - node->now.len > room(s))
			r = -ENOSPC;
		else
			sim_node_resize(node, offset + len);
		s->counts.no_space += r == -ENOSPC;
	}
	return leave(s, r);
}

static int sim_size(void *state, int fd, uint64_t *ret)
{
	struct sim *s = state;
	struct sim_node *node;
	int r = enter(s, SIM_SIZE, false);

	if (r == 0)
		r = find_fd(s, fd, &node);
	if (r == 0)
		*ret = node->now.len;
	return leave(s, r);
}

static int do_rename(struct sim *s, const char *from, const char *to)
{
	struct sim_node *from_dir, *to_dir, *node, *over;
	char from_name[SIM_NAME_BYTES], to_name[SIM_NAME_BYTES];
	int r = sim_disk_parent(&s->disk, from, &from_dir, from_name);

	if (r == 0)
		r = sim_disk_parent(&s->disk, to, &to_dir, to_name);
	if (r < 0)
		return r;
	if (!from_name[0] || !to_name[0])
		return -EBUSY;
	node = sim_disk_lookup(&s->disk, from_dir, from_name);
	over = sim_disk_lookup(&s->disk, to_dir, to_name);
	if (!node)
		return -ENOENT;
	if (over == node)
		return 0;
	if (over && over->is_dir)
		return node->is_dir ? -ENOTEMPTY : -EISDIR;
	if (over && node->is_dir)
		return -ENOTDIR;
	sim_disk_rename(&s->disk, from_dir, from_name, to_dir, to_name);
	return 0;
}

static int sim_rename(void *state, const char *from, const char *to)
{
	struct sim *s = state;
	int r = enter(s, SIM_RENAME, true);

	if (r == 0)
		r = do_rename(s, from, to);
	return leave(s, r);
}

static int do_unlink(struct sim *s, const char *path)
{
	struct sim_node *dir, *node;
	char name[SIM_NAME_BYTES];
	int r = sim_disk_parent(&s->disk, path, &dir, name);

	if (r < 0)
		return r;
	node = name[0] ? sim_disk_lookup(&s->disk, dir, name) : dir;
	if (!node)
		return -ENOENT;
	if (node->is_dir)
		return -EISDIR;
	sim_disk_unlink(&s->disk, dir, name);
	return 0;
}

static int sim_unlink(void *state, const char *path)
{
	struct sim *s = state;
	int r = enter(s, SIM_UNLINK, true);

	if (r == 0)
		r = do_unlink(s, path);
	return leave(s, r);
}

static int sim_mkdir(void *state, const char *path, mode_t mode)
{
	struct sim *s = state;
	struct sim_node *dir;
	char name[SIM_NAME_BYTES];
	int r = enter(s, SIM_MKDIR, true);

	(void)mode;
	if (r == 0)
		r = sim_disk_parent(&s->disk, path, &dir, name);
	if (r == 0 && (!name[0] || sim_disk_lookup(&s->disk, dir, name)))
		r = -EEXIST;
	if (r == 0)
		(void)sim_disk_create(&s->disk, dir, name, true);
	return leave(s, r);
}

static int find_dir(struct sim *s, const char *path, struct sim_node **ret)
{
	int r = sim_disk_walk(&s->disk, path, ret);

	return r == 0 && !(*ret)->is_dir ? -ENOTDIR : r;
}

static int sim_sync_dir(void *state, const char *path)
{
	struct sim *s = state;
	struct sim_node *dir;
	int r = enter(s, SIM_SYNC_DIR, true);

	if (r == 0)
		r = find_dir(s, path, &dir);
	if (r == 0 && !s->cutting && !lies(s, SIM_LIE_SYNC_DIR))
		sim_disk_sync_dir(&s->disk, dir);
	return leave(s, r);
}

/* The callback may make calls of its own, so it sees the names once the lock is given back. */
static int sim_list(void *state, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	CLEANUP(buf_release) struct buf names = BUF_INIT;
	struct sim *s = state;
	struct sim_node *dir;
	int r = enter(s, SIM_LIST, false);

	if (r == 0)
		r = find_dir(s, path, &dir);
	for (size_t i = 0; r == 0 && i < s->disk.now.n; i++) {
		const struct sim_entry *e = &s->disk.now.entry[i];

		if (e->dir == dir)
			buf_add(&names, e->name, strlen(e->name) + 1);
	}
	if (r == 0)
		r = buf_status(&names);
	r = leave(s, r);
	for (size_t at = 0; r == 0 && at < names.len; at += strlen((char *)names.data + at) + 1)
		each(arg, (char *)names.data + at);
	return r;
}

static int sim_free_bytes(void *state, const char *path, uint64_t *ret_free, uint64_t *ret_total)
{
	struct sim *s = state;
	struct sim_node *node;
	int r = enter(s, SIM_FREE_BYTES, false);

	if (r == 0)
		r = sim_disk_walk(&s->disk, path, &node);
	if (r == 0) {
		*ret_total = s->capacity == UINT64_MAX ? UINT64_C(1) << 40 : s->capacity;
		*ret_free = s->capacity == UINT64_MAX ? *ret_total : room(s);
	}
	return leave(s, r);
}

static uint64_t sim_now_ns(void *state)
{
	struct sim *s = state;
	uint64_t ns;

	(void)pthread_mutex_lock(&s->lock);
	ns = s->now_ns;
	(void)pthread_mutex_unlock(&s->lock);
	return ns;
}

static uint64_t sim_monotonic_ns(void *state)
{
	struct sim *s = state;
	uint64_t ns;

	(void)pthread_mutex_lock(&s->lock);
	ns = s->monotonic_ns;
	(void)pthread_mutex_unlock(&s->lock);
	return ns;
}

static const struct os calls = {
	.open = sim_open,
	.close = sim_close,
	.pread = sim_pread,
	.pwrite = sim_pwrite,
	.fdatasync = sim_sync,
	.fsync = sim_sync,
	.truncate = sim_truncate,
	.allocate = sim_allocate,
	.size = sim_size,
	.rename = sim_rename,
	.unlink = sim_unlink,
	.mkdir = sim_mkdir,
	.sync_dir = sim_sync_dir,
	.list = sim_list,
	.free_bytes = sim_free_bytes,
	.now_ns = sim_now_ns,
	.monotonic_ns = sim_monotonic_ns,
};

struct sim *sim_new(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->os = calls;
	s->os.state = s;
	(void)pthread_mutex_init(&s->lock, NULL);
	sim_disk_init(&s->disk, seed);
	s->power = true;
	s->first_fd = SIM_FIRST_FD;
	s->capacity = UINT64_MAX;
	s->now_ns = UINT64_C(1700000000000000000);
	s->monotonic_ns = UINT64_C(1000000000);
	return s;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	sim_disk_release(&s->disk);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

void sim_freep(struct sim **s)
{
	sim_free(*s);
}

const struct os *sim_os(struct sim *s)
{
	return &s->os;
}
