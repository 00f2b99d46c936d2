/* SPDX-License-Identifier: MIT */
/*
 * What the files of fs/mount share. From below:
 *
 *   errno.c     the library's codes as FUSE errnos
 *   words.c     what libfuse complains of
 *   wire.c      raw requests, for what libfuse does not know
 *   nodes.c     node ids of the past, counted by the kernel's lookups
 *   tally.c     counting what is asked and answered
 *   reply.c     replies: attributes, entries and their lookup counts, buffers
 *   stale.c     attributes that are out of date before the kernel has them
 *   history.c   .history, its README, at/ and tags/
 *   gmt.c       .history/gmt: moments as Samba names them
 *   life.c      what a path was, kept for the next request; its versions
 *   versions.c  .history/versions
 *   deleted.c   .history/deleted
 *   readdir.c   listings of all of them
 *   seek.c      where a file has holes, which the kernel must write out first to know
 *   refresh.c   a file's length and times, for a kernel that keeps its own
 *   read.c      requests that read, of the live tree and of the past alike
 *   change.c    requests that change the live tree; the past answers EROFS
 *   serve.c     the threads that read requests and serve them
 *   passage.c   where they are
 *   drain.c     what the kernel has queued, waited for; and served, when they have ended
 *   forget.c    what the kernel is to forget, by a thread that serves nothing
 *   options.c, session.c, table.c    mounting and unmounting
 *
 * Node ids: of a live inode, its number (below 2^62; the root is 1 in both worlds). Of anything in
 * .history, bit 63 and a number of nodes.c. st_ino: the inode's number; of the past, bit 62 and a mix
 * (nodes.c).
 *
 * Caching: the mount has one writer, so everything is cached without a timeout (attributes: but for answers
 * that a change has overtaken, stale.c). What can change meaning by
 * itself is not: names under .history/at that are relative to now, what is gone from a directory that is
 * there, the attributes of what goes on having a history and, for a second, those of at, tags and gmt. With
 * its attributes the kernel learns a directory's time, and when that has changed, drops the listing that it
 * has; so all of these have the time of the last change. A tag that is taken away is dropped by who does
 * it.
 *
 * A mount of one moment (--at) is the live tree through a view that never changes: it has no .history, and
 * counts no lookups, for nothing in it is ever reaped.
 *
 * Threads: those of serve.c, a request each, and one of seek.c. Fields of struct mount are set before the
 * first request and immutable, but for `nodes`, `lives` and `seeks`, which have a lock of their own each,
 * held across nothing, and `refresh`, whose lock no thread takes that serves.
 */
#ifndef FS_MOUNT_MOUNT_INTERNAL_H
#define FS_MOUNT_MOUNT_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include <fuse_lowlevel.h>
#include <linux/fuse.h>

#include "fs/mount/forget.h"
#include "fs/mount/mount.h"
#include "fs/mount/passage.h"
#include "holdfast/history.h"
#include "holdfast/moment.h"
#include "holdfast/op.h"
#include "holdfast/view.h"

#define HISTORY_NAME ".history"
#define FOREVER_S 1e9 /* longer than any mount lasts */
#define MAX_WRITE_BYTES (1024 * 1024)
#define PAGE_BYTES 4096u /* of the kernel's cache */

/* ---- nodes.c */

enum node_kind {
	NODE_LIVE,     /* an inode now */
	NODE_PAST,     /* an inode as it was just after tid */
	NODE_VERSIONS, /* what a path was, a directory; of the path "": .history/versions */
	NODE_DELETED,  /* a directory, and what is gone from it: one there is (tid HF_TID_HEAD), or was */
	NODE_REMOVED,  /* an empty file that says that tid removed ino */
	NODE_HISTORY,  /* .history; this and those that follow are one each */
	NODE_README,   /* .history/README */
	NODE_AT,       /* .history/at */
	NODE_TAGS,     /* .history/tags */
	NODE_GMT,      /* .history/gmt */
};

struct node {
	enum node_kind kind;
	uint64_t tid;     /* NODE_PAST, NODE_DELETED, NODE_REMOVED */
	uint64_t ino;     /* and NODE_LIVE; NODE_VERSIONS: a hash of the path */
	const char *path; /* NODE_VERSIONS, to nodes_ref; borrowed. NULL of nodes_find: see nodes_path */
};

struct node node_of_path(const char *path);

struct node_entry;
struct nodes {
	pthread_mutex_t lock;
	struct node_entry *by_id, *by_key; /* protected by lock; uthash tables of the same entries */
	uint64_t next_id;                  /* protected by lock */
};

void nodes_init(struct nodes *n);
void nodes_release(struct nodes *n);

/* 0, or -ESTALE: no such node of the past (any more). */
int nodes_find(struct nodes *n, uint64_t id, struct node *ret);
/*
 * The id of a node, its lookup count one more. Live nodes have none here: their number, and no counting.
 * -ENOMEM.
 */
int nodes_ref(struct nodes *n, const struct node *node, uint64_t *ret_id);
void nodes_forget(struct nodes *n, uint64_t id, uint64_t count);
/* A copy of a node's path, to be freed. -ESTALE, -ENOMEM. */
int nodes_path(struct nodes *n, uint64_t id, char **ret);

static inline bool node_id_is_live(uint64_t id)
{
	return id >> 63 == 0;
}

/* st_ino of a node. */
uint64_t node_st_ino(const struct node *node);

/* ---- the mount */

struct seek_wait;
struct seeks {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct seek_wait *first; /* protected by lock, like what follows */
	bool started, stopped;
};

struct life;
#define LIVES_MAX 32
struct lives {
	pthread_mutex_t lock;
	struct life *recent[LIVES_MAX]; /* the last used first; protected by lock */
	size_t n;                       /* protected by lock */
};

enum { REFRESH_HELD_MAX = 256 };
struct refresh {
	pthread_mutex_t turn;            /* one file at a time; held across requests to this very mount */
	atomic_int thread;               /* whose requests they are; 0: there are none */
	_Atomic(uint64_t) ino;           /* of which file; set before `thread` */
	uint64_t held[REFRESH_HELD_MAX]; /* files in use, to be tried again; protected by turn */
	unsigned n_held;                 /* protected by turn */
};

enum { TALLIES_MAX = 160, TALLY_ALIGN = 128 }; /* threads that answer; a pair of cache lines */
struct tally;
struct tallies {
	struct tally *_Atomic v[TALLIES_MAX]; /* one a thread, set by it, until the mount is gone */
	atomic_uint n;
};

struct stale_table;

struct mount {
	struct hf_store *store;
	const struct mount_options *options;
	struct fuse_session *session;
	const char *dir; /* where it is mounted; borrowed */
	struct hf_view head;
	bool fixed; /* head is of one moment, not what is now: */
	struct hf_point moment;
	struct nodes nodes;
	struct lives lives;
	struct seeks seeks;
	struct refresh refresh;
	struct tallies tallies;
	struct stale_table *stale;
	pthread_key_t buffer_key; /* reply.c */
	struct timespec started;
	uid_t uid;
	gid_t gid;
	bool no_open, no_opendir; /* the kernel takes ENOSYS for: open without asking. Set at INIT */
	bool kills_priv;          /* the kernel leaves setuid, setgid and capabilities to us. Set at INIT */
	int stop_fd;              /* eventfd: written when there is a reason to look at the fields below */
	atomic_bool initialised;  /* INIT was answered */
	atomic_bool stopping;     /* a signal, or mount_stop */
	pthread_mutex_t server_lock; /* held by who uses the server and is not one of its threads */
	struct server *server;       /* NULL, under that lock, when it is gone */
	atomic_bool ended;           /* the serving threads are gone */
	int loop_code;               /* serve_run's, once they are */
	_Atomic dev_t dev;           /* of the mounted filesystem; 0: not yet known */
	struct forget forget;
};

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* A node and the view it is read through. Of the nodes that are no inodes, view and ino mean nothing. */
struct target {
	uint64_t id;
	struct node node;
	struct hf_view view;
	uint64_t ino;
};

static inline bool target_is_inode(const struct target *t)
{
	return t->node.kind == NODE_LIVE || t->node.kind == NODE_PAST || t->node.kind == NODE_DELETED;
}

int target_find(struct mount *m, uint64_t node_id, struct target *ret);
int target_getattr(struct mount *m, const struct target *t, struct hf_attr *ret);

/* ---- errno.c */

int mount_errno(int code); /* positive errno of a negative code */

/* Words for who runs the machine (mount_set_log). */
void mount_log(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As mount_errno, and such words when it is the disk's fault and nobody's who called. */
int mount_fault(int code, const struct hf_error *err, const char *what, uint64_t ino);

/* ---- words.c */

void words_take(void);   /* from now on */
void words_forget(void); /* after a complaint that nobody need know of */
/* Returns code; err says that this cannot be mounted, and libfuse's last words. */
int words_fail(struct hf_error *err, int code, const char *dir);

/* ---- tally.c */

/* What the calling thread counts from now on is of this mount. Without memory it is not counted. */
void tally_join(struct mount *m);
/* A request is over, that took so long. */
void tally_request(uint32_t opcode, uint64_t ns);
void tally_error(int error); /* a positive errno was answered; 0: none was */
void tally_read(size_t bytes);
void tally_written(size_t bytes);
void tally_sum(struct mount *m, struct mount_counts *ret); /* added to ret. From any thread */
void tally_release(struct mount *m);                       /* nobody counts any more */

/* ---- reply.c */

int reply_init(struct mount *m);
void reply_release(struct mount *m);
/* Memory of the calling thread, until its next call. NULL without memory. */
void *reply_buffer(struct mount *m, size_t size);

void reply_fill_stat(const struct node *node, const struct hf_attr *attr, struct stat *ret);
void reply_attr(fuse_req_t req, const struct node *node, const struct hf_attr *attr);
/*
 * Counts the lookup, with the store or with nodes.c, and takes it back when the kernel does not want the
 * reply.
 */
void reply_entry(fuse_req_t req, const struct node *node, const struct hf_attr *attr, double entry_timeout_s);
void reply_code(fuse_req_t req, int code);   /* 0 or a negative code */
void reply_errno(fuse_req_t req, int error); /* 0 or a positive errno, of mount_errno or mount_fault */

/* Fill a libfuse entry and count the lookup. */
int entry_take(struct mount *m, const struct node *node, const struct hf_attr *attr, double entry_timeout_s,
	       struct fuse_entry_param *ret);
void entry_give_back(struct mount *m, uint64_t node_id);

/* ---- stale.c */

int stale_init(struct mount *m); /* -ENOMEM */
void stale_release(struct mount *m);
/* This thread begins to serve a request, of a client's thread (0: not known). */
void stale_begin(struct mount *m, uint32_t pid);
/* How long the kernel may keep a node's attributes, which this request has read, and is replied with. */
double stale_timeout_s(struct mount *m, const struct node *node);
/*
 * This request has changed attributes of a live inode, and is not replied to yet. Of what the kernel does not
 * count itself: names in a folder, extended attributes, space within a file's size.
 */
void stale_changed(struct mount *m, uint64_t ino);

/* ---- history.c */

extern const char history_readme[];
size_t history_readme_len(void);

/* Attributes of those nodes there are one of each. */
void history_attr(struct mount *m, enum node_kind kind, struct hf_attr *ret);
/* Of any node in .history but those of NODE_PAST. */
int history_getattr(struct mount *m, const struct target *t, struct hf_attr *ret);
double history_attr_timeout_s(const struct node *node);
/* dir: any node but of NODE_PAST, or the live root when the name is .history. */
void history_lookup(fuse_req_t req, const struct target *dir, const char *name);
void history_reply_own(fuse_req_t req, enum node_kind kind);
/* The root of the tree just after tid. */
void history_reply_root(fuse_req_t req, uint64_t tid, double timeout_s);

/* ---- gmt.c */

#define GMT_NAME_BYTES 32 /* "@GMT-2026.11.21-10.15.30" and more */
void gmt_format(uint64_t time_s, char out[GMT_NAME_BYTES]);
bool gmt_parse(const char *name, uint64_t *ret_time_s);
void gmt_lookup(fuse_req_t req, const char *name);

/* ---- life.c */

/* What a path was, as it was known when this was made. Never changes. */
struct life {
	unsigned users;      /* protected by lives.lock */
	uint64_t tid;        /* the head's when it was made */
	uint64_t changed_ns; /* when it last was another, or changed */
	char *path;
	struct hf_stretch *v; /* by `from`; their paths are not kept */
	uint64_t *until_max;  /* of each and those before it */
	size_t n;
	bool is_dir, is_file; /* at some time */
	const struct hf_stretch *newest;
};

void lives_init(struct lives *l);
void lives_release(struct lives *l);
/*
 * Of a path from the volume's root: as of now, or, when `any` will do, as it was known to somebody before.
 * -ENOENT: it never was. To be given back.
 */
int life_get(struct mount *m, const char *path, bool any, struct life **ret);
void life_put(struct mount *m, struct life *l);
int life_attr(struct mount *m, const struct life *l, struct hf_attr *ret);

/* A version of a file: what it was from tid on until the next; or that tid removed it. */
struct version {
	uint64_t tid, time_ns, ino;
	uint32_t type; /* file type bits of st_mode */
	bool removed;
};
struct versions {
	struct version *v; /* by tid */
	size_t n, cap;
	bool more;
};
/* Some of those behind `after`, at least one if there is any. */
int life_versions(struct mount *m, const struct life *l, uint64_t after, size_t max, struct versions *ret);
void versions_release(struct versions *v);

/* ---- versions.c, deleted.c */

#define VERSION_NAME_BYTES 80
void version_format(const struct version *v, char out[VERSION_NAME_BYTES]);
bool version_parse(const char *name, uint64_t *ret_tid); /* whether it has the shape of one */
void versions_lookup(fuse_req_t req, const struct target *dir, const char *name);
void versions_reply_root(fuse_req_t req);
int versions_getattr(struct mount *m, const struct target *t, struct hf_attr *ret);
void removed_attr(struct mount *m, const struct node *node, struct hf_attr *ret);

void deleted_lookup(fuse_req_t req, const struct target *dir, const char *name);
void deleted_reply_root(fuse_req_t req);
/* An inode's attributes as they are shown there. */
void deleted_fit_attr(const struct node *node, struct hf_attr *attr);

/* ---- readdir.c */

/* Offsets: readdir.c says which there are. */
#define OFF_DOT 1
#define OFF_DOTDOT 2
#define OFF_FIRST 3
#define OFF_VERSIONS ((UINT64_C(1) << 62) + 64) /* behind every cookie of a name */

struct listing {
	fuse_req_t req;
	struct mount *m;
	const struct target *dir;
	bool plus;
	bool full;     /* the next entry does not fit */
	uint64_t from; /* offset asked for */
	char *bytes;
	size_t size, used;
};

/* ".", "..", when they are asked for. False: full. */
bool listing_add_dots(struct listing *l, const struct node *up);
/* An entry whose attributes are left to a lookup: what a listing shows is rarely all opened. False: full. */
bool listing_add_bare(struct listing *l, const char *name, const struct node *node, uint32_t type,
		      uint64_t off);
/* Of at and gmt: the dots, and how many moments there are to list, newest first, to be freed; 0 when full. */
ssize_t listing_moments(struct listing *l, struct hf_point **ret);
int gmt_list(struct listing *l);
int versions_list(struct listing *l);
int deleted_list(struct listing *l);

/* Names on their way into a listing: gathered from several places, then taken in order of their cookies. */
struct gathered_name {
	uint64_t cookie;
	struct node node;
	uint32_t type;
	char *name;
};
struct gathered {
	struct gathered_name *v;
	size_t n, cap;
	uint64_t limit; /* what lies behind this cookie has not been gathered */
};
int gathered_add(struct gathered *g, uint64_t cookie, const char *name, const struct node *node,
		 uint32_t type);
void gathered_release(struct gathered *g);
/* Those up to the limit, each once. False: full. */
bool listing_add_gathered(struct listing *l, struct gathered *g);

/* ---- seek.c */

void seek_init(struct mount *m);
void seek_stop(struct mount *m); /* while requests are still served: waits for those under way */
void seek_release(struct mount *m);
/* SEEK_DATA or SEEK_HOLE in a live inode; answers the request, now or later. */
void seek_live(fuse_req_t req, uint64_t ino, uint64_t off, int whence);

/* ---- refresh.c */

void refresh_init(struct mount *m);
void refresh_release(struct mount *m);
/*
 * Contents and attributes of a live regular file, one of whose names this is, were changed behind the
 * kernel's back: what it knows of them is dropped, and with -o coalesce put right where it would not take it
 * from a reply. From a thread that serves no request and holds none of the store's locks; blocks for as long
 * as the kernel does. 0: the kernel knows what is, or nothing. Else the file is in use, the kernel keeps its
 * length and times, and it is held: -ETXTBSY (a program that runs), -EROFS (the kernel's mount is read-only),
 * -EAGAIN (somebody has a lease on it), -EXDEV (something else is mounted there now), -EACCES, -EPERM
 * (somebody else's file), ….
 */
int refresh_file(struct mount *m, uint64_t ino, uint64_t parent, const char *name);
/*
 * Those that are held, once more, from such a thread too: whether any still are. Nobody tells when a file is
 * in use no more.
 */
bool refresh_held(struct mount *m);
/* Of the requests that come of that: true, it was one and is answered. */
bool refresh_lookup(fuse_req_t req, const char *name);
bool refresh_setattr(fuse_req_t req, uint64_t ino, int to_set);
/* The attribute is not there for this request: the kernel would take it away before it truncates. */
bool refresh_hides_xattr(fuse_req_t req, uint64_t ino, const char *name);

/* ---- readdir.c, read.c, change.c: libfuse's operations */

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count);
void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *forgets);
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_statfs(fuse_req_t req, fuse_ino_t ino);

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	       const char *new_name, unsigned flags);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
	      struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t in_off, struct fuse_file_info *in_fi,
			fuse_ino_t out, off_t out_off, struct fuse_file_info *out_fi, size_t len, int flags);

/* ---- wire.c */

/* Of later protocol versions than the header may have (7.37, 7.39). */
#define OPCODE_TMPFILE 51
#define OPCODE_STATX 52

/* Take over what a mounted session writes. 0 as well when this libfuse does not let that be done. */
int wire_attach(struct fuse_session *session);
/* At INIT: agree to what the kernel offers and this file handles. */
void wire_init(struct mount *m, struct fuse_conn_info *conn);
/*
 * A file to read requests from without waiting: a second one of the connection where replies find their way
 * to it, else session_fd itself, which then does not wait either; -1: none. Before the first request.
 */
int wire_open_second(int session_fd);
void wire_close_second(int fd, int session_fd); /* after the last */
/*
 * Look at a request that this thread has read from fd, whose bytes stay until it is replied to. True: it has
 * been served here; else it is libfuse's. What this thread replies next goes to fd.
 */
bool wire_serve(struct mount *m, int fd, const void *request, size_t len);

/* Of the request this thread is serving, what libfuse does not hand on. */
bool wire_write_kills_priv(void);
struct wire_xattr {
	const char *name; /* borrowed until the reply */
	const void *value;
	size_t len;
	int flags;
	bool tells_sgid; /* the kernel says: */
	bool kill_sgid;  /* an access ACL takes setgid away */
};
/* Of a SETXATTR. False: it is not well-formed. */
bool wire_xattr(struct wire_xattr *ret);

/* ---- serve.c */

struct server;
/* Of a mounted session. -ENOMEM, … */
int serve_new(struct mount *m, struct server **ret);
/*
 * Serve until the connection ends (0), serve_stop, or a failure (-errno). The calling thread serves nothing
 * itself, but what is queued at the end.
 */
int serve_run(struct server *s);
void serve_stop(struct server *s); /* from any thread, before serve_free */
void serve_free(struct server *s);
/* What syncfs(2) has the kernel queue is taken (settle). From a thread that serves nothing. */
bool serve_settle(struct server *s);
/* One request, which is in buf and came from from_fd, for whom it is of. */
void serve_one(struct mount *m, int from_fd, const struct fuse_buf *buf);

/* ---- drain.c */

/* syncfs(2) of the mount: 0, -EXDEV (something else is mounted over it), … */
int write_out(const struct mount *m);
void tell_left(const struct mount *m, int r); /* -EBUSY: settle's false */
/*
 * While others serve: until they have taken the pages that the kernel has queued. False: not within SETTLE_S,
 * or they have ended. fd: one that requests are read from.
 */
bool settle(struct passage *p, int fd);
/* Serve what the kernel has queued; nobody else serves any more. Within DRAIN_S. A read of fd does not wait.
 */
void drain(struct mount *m, int fd, size_t buffer_bytes);

/* ---- session.c, table.c */

/* Attributes of a live inode, from within a request. Takes no lock of the kernel's that the request may hold.
 */
void mount_drop_attr(struct mount *m, uint64_t ino);
/* Take away what is mounted on dir; lazy: even when it is in use. */
int mount_detach(const char *dir, bool lazy);

#endif
