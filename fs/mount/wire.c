/* SPDX-License-Identifier: MIT */
/*
 * The FUSE protocol where libfuse falls short of it. Requests are read by serve.c, so each is looked at
 * before libfuse parses it, in the thread that then serves it. Replies are written by libfuse. Most builds
 * of it let those writes be replaced (custom I/O), so that the reply to INIT is looked at before it is sent,
 * and replies go to the file that the request came from. From 3.18.3 on a build may refuse that; then
 * requests come from the session's file only, and INIT has what libfuse itself can ask for.
 *
 *   INIT      two flags that libfuse has names for from 3.17 on, and that are added to its reply before:
 *             HANDLE_KILLPRIV_V2, without which the kernel asks for security.capability before every write,
 *             and SETXATTR_EXT.
 *   WRITE     its flags say whether setuid and setgid are to be cleared.
 *   SETXATTR  libfuse 3.14.0 takes the name from behind the long header, later versions from behind the
 *             short one, whatever was agreed; its flags say whether an ACL takes setgid away. It is
 *             parsed here.
 *   TMPFILE   open(O_TMPFILE), answered here.
 *   STATX     the time of birth, answered here. The kernel asks only when a program wants it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "fs/mount/mount_internal.h"

struct sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t reserved;
};

struct statx_body {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare0;
	uint64_t ino, size, blocks, attributes_mask;
	struct sx_time atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare2[14];
};

struct statx_reply {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec, flags;
	uint64_t spare[2];
	struct statx_body stat;
};

_Static_assert(sizeof(struct statx_body) == 256 && sizeof(struct statx_reply) == 288, "as the kernel has it");

/* Flags that are agreed to at INIT when the kernel offers them, and libfuse's names for them. */
#define FLAGS_WANTED (FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT)
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
#define CAPS_WANTED (FUSE_CAP_HANDLE_KILLPRIV_V2 | FUSE_CAP_SETXATTR_EXT)
#else
#define CAPS_WANTED 0u
#endif
/* With io_uring libfuse reads requests itself, and hands on neither WRITE's flags nor SETXATTR's. */
#ifdef FUSE_CAP_OVER_IO_URING
#define CAPS_UNWANTED FUSE_CAP_OVER_IO_URING
#else
#define CAPS_UNWANTED 0u
#endif

/* The request that this thread has read last. Its bytes are libfuse's buffer, and stay until the reply. */
static __thread struct {
	const struct fuse_in_header *header;
	size_t len;
	uint64_t unique;
	uint32_t opcode;
	int fd;           /* where it came from */
	uint32_t offered; /* INIT: the kernel's flags */
} now;

/* Those of FLAGS_WANTED that INIT's reply, which comes before any other request, agrees to. */
static uint32_t agreed;

/* The session's writes are wire_writev's. Set by wire_attach. */
static bool attached;

/* The other file requests are read from (serve.c), -1: none. Set before the first of them. */
static int second_fd = -1;

int wire_open_second(int session_fd)
{
	uint32_t source = (uint32_t)session_fd;
	int fd;

	if (!attached)
		return fcntl(session_fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0 ? session_fd : -1;
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && ioctl(fd, FUSE_DEV_IOC_CLONE, &source) < 0) {
		close(fd);
		fd = -1;
	}
	second_fd = fd;
	return fd;
}

void wire_close_second(int fd, int session_fd)
{
	second_fd = -1;
	if (fd >= 0 && fd != session_fd)
		close(fd);
}

static const void *body_of(const struct fuse_in_header *in)
{
	return in + 1;
}

bool wire_write_kills_priv(void)
{
	const struct fuse_write_in *in = body_of(now.header);

	return in->write_flags & FUSE_WRITE_KILL_SUIDGID;
}

bool wire_xattr(struct wire_xattr *ret)
{
	const struct fuse_setxattr_in *in = body_of(now.header);
	bool is_long = agreed & FUSE_SETXATTR_EXT;
	size_t head = is_long ? sizeof(*in) : FUSE_COMPAT_SETXATTR_IN_SIZE;
	const char *name = (const char *)in + head, *end = (const char *)now.header + now.len, *nul;

	if (now.len < sizeof(*now.header) + head)
		return false;
	nul = memchr(name, '\0', (size_t)(end - name));
	if (!nul || (size_t)(end - nul - 1) < in->size)
		return false;
	*ret = (struct wire_xattr){
		.name = name,
		.value = nul + 1,
		.len = in->size,
		.flags = (int)in->flags,
		.tells_sgid = is_long,
		.kill_sgid = is_long && (in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID),
	};
	return true;
}

/* ---- requests answered here */

static int send_reply(int fd, int error, const void *body, size_t len)
{
	struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + len),
				       .error = -error,
				       .unique = now.unique };
	struct iovec iov[] = { { &out, sizeof(out) }, { (void *)(uintptr_t)body, len } };

	tally_error(error);
	return writev(fd, iov, len ? 2 : 1) < 0 ? -errno : 0;
}

static void fill_attr(struct fuse_attr *out, const struct stat *st)
{
	*out = (struct fuse_attr){
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = (uint32_t)st->st_rdev,
		.blksize = (uint32_t)st->st_blksize,
	};
}

/*
 * The reply opens the file, so a RELEASE follows, which libfuse answers. The file comes with the reference
 * that the entry is.
 */
static void serve_tmpfile(struct mount *m, int fd)
{
	const struct fuse_create_in *in = body_of(now.header);
	struct hf_cred cred = { now.header->uid, now.header->gid };
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = { .open = { .open_flags = FOPEN_KEEP_CACHE } };
	struct node node = { .kind = NODE_LIVE };
	struct hf_attr attr;
	struct stat st;
	int r = node_id_is_live(now.header->nodeid) ? 0 : -EROFS;

	if (r == 0 && now.len < sizeof(*now.header) + sizeof(*in))
		r = -EINVAL;
	if (r == 0)
		r = hf_create_nameless(m->store, now.header->nodeid, S_IFREG | (in->mode & 07777), in->umask,
				       &cred, &attr, NULL);
	if (r < 0) {
		send_reply(fd, mount_errno(r), NULL, 0);
		return;
	}
	node.ino = attr.ino;
	reply_fill_stat(&node, &attr, &st);
	out.entry.nodeid = attr.ino;
	out.entry.generation = attr.generation;
	out.entry.entry_valid = out.entry.attr_valid = (uint64_t)FOREVER_S;
	fill_attr(&out.entry.attr, &st);
	if (send_reply(fd, 0, &out, sizeof(out)) < 0)
		hf_unref(m->store, attr.ino, 1);
}

static struct sx_time sx_time_of(struct timespec t)
{
	return (struct sx_time){ .tv_sec = t.tv_sec, .tv_nsec = (uint32_t)t.tv_nsec };
}

static void serve_statx(struct mount *m, int fd)
{
	struct statx_reply out = { .attr_valid = 0 };
	struct hf_attr attr;
	struct target t;
	int r = target_find(m, now.header->nodeid, &t);

	if (r == 0)
		r = target_getattr(m, &t, &attr);
	if (r < 0) {
		send_reply(fd, mount_fault(r, NULL, "reading the attributes", t.ino), NULL, 0);
		return;
	}
	out.attr_valid = (uint64_t)stale_timeout_s(m, &t.node);
	out.stat = (struct statx_body){
		.mask = STATX_BASIC_STATS | STATX_BTIME,
		.blksize = 4096,
		.nlink = attr.nlink,
		.uid = attr.uid,
		.gid = attr.gid,
		.mode = (uint16_t)attr.mode,
		.ino = node_st_ino(&t.node),
		.size = attr.size_bytes,
		.blocks = attr.blocks,
		.atime = sx_time_of(attr.atime),
		.btime = sx_time_of(attr.btime),
		.ctime = sx_time_of(attr.ctime),
		.mtime = sx_time_of(attr.mtime),
		.rdev_major = major(attr.rdev),
		.rdev_minor = minor(attr.rdev),
	};
	send_reply(fd, 0, &out, sizeof(out));
}

/* libfuse keeps those out whom allow_root keeps out; so does this. */
static bool is_kept_out(const struct mount *m)
{
	return m->options->allow_root && now.header->uid != 0 && now.header->uid != m->uid;
}

/* True: the request is answered. */
static bool serve(struct mount *m, int fd)
{
	if (now.opcode != OPCODE_TMPFILE && now.opcode != OPCODE_STATX)
		return false;
	if (is_kept_out(m))
		send_reply(fd, EACCES, NULL, 0);
	else if (now.opcode == OPCODE_TMPFILE)
		serve_tmpfile(m, fd);
	else
		serve_statx(m, fd);
	return true;
}

/* ---- between libfuse and the kernel */

static void note(const void *bytes, size_t len)
{
	const struct fuse_init_in *init;

	now.header = bytes;
	now.len = len;
	now.unique = now.header->unique;
	now.opcode = now.header->opcode;
	if (now.opcode == FUSE_INIT &&
	    len >= sizeof(*now.header) + offsetof(struct fuse_init_in, flags) + 4) {
		init = body_of(now.header);
		now.offered = init->flags;
	}
}

bool wire_serve(struct mount *m, int fd, const void *request, size_t len)
{
	note(request, len);
	now.fd = fd;
	return serve(m, fd);
}

/* libfuse asks for one, but serve.c does the reading. */
static ssize_t wire_read(int fd, void *bytes, size_t len, void *mount)
{
	(void)mount;
	return read(fd, bytes, len);
}

/*
 * A reply goes to the file that its request came from. That is known of the request this thread serves; of
 * one that another thread has read, it is the other file if it is not the session's. What is no reply (a
 * notification) has no number, and goes to any.
 */
static ssize_t send_on(int session_fd, const struct iovec *iov, int count, uint64_t unique)
{
	ssize_t n;

	if (unique && unique == now.unique)
		return writev(now.fd, iov, count);
	n = writev(session_fd, iov, count);
	if (n < 0 && errno == ENOENT && unique && second_fd >= 0)
		n = writev(second_fd, iov, count);
	return n;
}

static ssize_t wire_writev(int fd, struct iovec *iov, int count, void *mount)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	struct fuse_init_out *init;

	(void)mount;
	if (now.opcode == FUSE_INIT && out->unique == now.unique && out->error == 0 && count >= 2 &&
	    iov[1].iov_len >= offsetof(struct fuse_init_out, flags) + sizeof(init->flags)) {
		init = iov[1].iov_base;
		init->flags |= agreed;
	}
	return send_on(fd, iov, count, out->unique);
}

int wire_attach(struct fuse_session *session)
{
	struct fuse_custom_io io = { .writev = wire_writev, .read = wire_read };
	int r = fuse_session_custom_io(session, &io, fuse_session_fd(session));

	attached = r == 0;
	return r == -ENOTSUP ? 0 : r;
}

void wire_init(struct mount *m, struct fuse_conn_info *conn)
{
	conn->want = (conn->want & ~(uint32_t)CAPS_UNWANTED) | (conn->capable & CAPS_WANTED);
	agreed = attached || CAPS_WANTED ? now.offered & FLAGS_WANTED : 0;
	m->kills_priv = agreed & FUSE_HANDLE_KILLPRIV_V2;
}
