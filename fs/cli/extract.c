/* SPDX-License-Identifier: MIT */
/*
 * One thread walks: it makes the folders and hands the rest to others in batches, each within one folder. The
 * names of a folder are taken in the order of their inodes, which is near that of their bytes in the log.
 * Further names of a file that has several come when all files are there, and then what belongs to the
 * folders themselves, the deepest first, so that nothing made in one changes its times or meets its mode.
 */
#include "fs/cli/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <search.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/cli/cli.h"
#include "fs/cli/extract_folder.h"
#include "fs/cli/progress.h"

enum { BATCH_NAMES = 32, LISTED_NAMES = 4096, BATCHES_WAITING = 64, THREADS_MIN = 2, THREADS_MAX = 8 };

/* A folder that is open for as long as batches are in it. */
struct opened {
	int fd;
	atomic_uint users;
	const struct folder *folder;
};

struct batch {
	struct batch *next;
	struct opened *in;
	size_t n;
	struct named entries[BATCH_NAMES];
};

/* A name of an inode that has several; the first one's is where the bytes go. */
struct linked {
	uint64_t ino;
	const struct folder *folder;
	struct linked *next;
	const struct linked *first; /* NULL: it is the first */
	char name[];
};

struct extract {
	struct hf_view view;
	const struct operation_listener *listener;
	int top_fd;
	/* the walk's own */
	struct folders folders;
	void *linked_inodes;  /* tsearch(3), of struct linked */
	struct linked *links; /* newest first; the first names, and in front of them the others */
	struct batch *filling;
	struct extract_writer writer;

	pthread_mutex_t lock; /* protects what follows, and calls of the listener's */
	pthread_cond_t changed;
	struct batch *first, **last;
	unsigned waiting; /* batches in the queue */
	bool ended;       /* no batch comes any more */
	struct extract_summary sum;
	struct hf_error fatal;
	atomic_bool stop; /* fatal is set, or the listener wants no more */
};

static bool stopped(struct extract *x)
{
	if (operation_is_stopped(x->listener))
		atomic_store(&x->stop, true);
	return atomic_load(&x->stop);
}

/* What would meet every other name too. */
static bool is_fatal(int code)
{
	return code == -ENOSPC || code == -EDQUOT || code == -EROFS || code == -ENOMEM;
}

/* --- what went wrong */

/* Takes the lock. */
static void tell(struct extract *x, const struct folder *f, const char *name, int code, const char *words)
{
	CLEANUP(cli_cleanup_free) char *path = extract_path(f, name);
	CLEANUP(cli_cleanup_free) char *text = NULL;

	if (asprintf(&text, "%s: %s", path ? path : "a name", words) < 0)
		text = NULL;
	pthread_mutex_lock(&x->lock);
	x->sum.failed++;
	x->sum.pruned += code == -ENODATA;
	if (is_fatal(code) && !x->fatal.code) {
		(void)hf_error_set(&x->fatal, code, "%s", text ? text : words);
		atomic_store(&x->stop, true);
	}
	if (text && x->listener->found)
		x->listener->found(x->listener->arg, text);
	pthread_mutex_unlock(&x->lock);
}

/* --- the threads that write */

static void opened_put(struct opened *in)
{
	if (atomic_fetch_sub(&in->users, 1) > 1)
		return;
	(void)close(in->fd);
	free(in);
}

static void write_batch(struct extract *x, struct extract_writer *w, struct batch *b)
{
	struct extract_summary made = { 0 };

	for (size_t i = 0; i < b->n && !stopped(x); i++) {
		const struct named *e = &b->entries[i];
		struct hf_error err = HF_ERROR_INIT;
		int r = extract_inode(w, b->in->fd, e->name, &e->attr, &err);

		if (r != 0 && !(r == -EINTR && stopped(x)))
			tell(x, b->in->folder, e->name, r, err.text);
		if (r >= 0 && S_ISREG(e->attr.mode))
			made.files++;
		else if (r >= 0)
			made.others++;
	}
	opened_put(b->in);
	free(b);
	pthread_mutex_lock(&x->lock);
	x->sum.files += made.files;
	x->sum.others += made.others;
	x->sum.bytes += w->bytes;
	pthread_mutex_unlock(&x->lock);
	w->bytes = 0;
}

static struct batch *batch_take(struct extract *x)
{
	struct batch *b;

	pthread_mutex_lock(&x->lock);
	while (!x->first && !x->ended)
		pthread_cond_wait(&x->changed, &x->lock);
	b = x->first;
	if (b) {
		x->first = b->next;
		if (!x->first)
			x->last = &x->first;
		x->waiting--;
		pthread_cond_broadcast(&x->changed);
	}
	pthread_mutex_unlock(&x->lock);
	return b;
}

static void *writer_main(void *arg)
{
	struct extract *x = arg;
	struct extract_writer w = { .view = &x->view,
				    .listener = x->listener,
				    .buffer = malloc(EXTRACT_BUFFER_BYTES) };
	struct batch *b;

	if (!w.buffer)
		return NULL; /* the others, or who waits for them, write what there is */
	while ((b = batch_take(x)))
		write_batch(x, &w, b);
	free(w.buffer);
	return NULL;
}

/* To the queue, or when that is full written here. */
static void batch_give(struct extract *x, struct batch *b)
{
	bool full;

	pthread_mutex_lock(&x->lock);
	full = x->waiting >= BATCHES_WAITING;
	if (!full) {
		b->next = NULL;
		*x->last = b;
		x->last = &b->next;
		x->waiting++;
		pthread_cond_broadcast(&x->changed);
	}
	pthread_mutex_unlock(&x->lock);
	if (full)
		write_batch(x, &x->writer, b);
}

/* --- the walk */

/* It ends all: stopped says so from now on. */
static void no_memory(struct extract *x)
{
	tell(x, NULL, "restore", -ENOMEM, "no memory");
}

static void give_filling(struct extract *x)
{
	if (x->filling)
		batch_give(x, x->filling);
	x->filling = NULL;
}

static void add_entry(struct extract *x, struct opened *in, const struct named *e)
{
	if (!x->filling) {
		x->filling = malloc(sizeof(*x->filling));
		if (!x->filling) {
			no_memory(x);
			return;
		}
		x->filling->in = in;
		x->filling->n = 0;
		atomic_fetch_add(&in->users, 1);
	}
	x->filling->entries[x->filling->n++] = *e;
	if (x->filling->n == BATCH_NAMES)
		give_filling(x);
}

static void add_folder(struct extract *x, struct opened *in, const struct named *e)
{
	if (mkdirat(in->fd, e->name, 0700) < 0)
		tell(x, in->folder, e->name, -errno, strerror(errno));
	else if (!extract_folder_add(&x->folders, in->folder, e->name, &e->attr))
		no_memory(x);
}

static int compare_linked(const void *a, const void *b)
{
	const struct linked *l = a, *m = b;

	return (l->ino > m->ino) - (l->ino < m->ino);
}

/* A name of a file that has more: are its bytes to be written there, and not elsewhere? */
static bool note_linked(struct extract *x, const struct opened *in, const struct named *e)
{
	struct linked *l = malloc(sizeof(*l) + strlen(e->name) + 1), **first;

	if (!l) {
		no_memory(x);
		return false;
	}
	*l = (struct linked){ .ino = e->attr.ino, .folder = in->folder, .next = x->links };
	strcpy(l->name, e->name);
	first = tsearch(l, &x->linked_inodes, compare_linked);
	if (!first) {
		free(l);
		no_memory(x);
		return false;
	}
	l->first = *first == l ? NULL : *first;
	x->links = l;
	return !l->first;
}

static int by_inode(const void *a, const void *b)
{
	const struct named *e = a, *f = b;

	return (e->attr.ino > f->attr.ino) - (e->attr.ino < f->attr.ino);
}

static void take_entry(struct extract *x, struct opened *in, const struct named *e)
{
	if (S_ISDIR(e->attr.mode))
		add_folder(x, in, e);
	else if (e->attr.nlink == 1 || note_linked(x, in, e))
		add_entry(x, in, e);
}

static void show_progress(struct extract *x)
{
	const struct hf_progress *p = &x->listener->progress;

	pthread_mutex_lock(&x->lock);
	if (p->fn)
		p->fn(p->arg, "files restored", x->sum.files, 0);
	pthread_mutex_unlock(&x->lock);
}

static void visit(struct extract *x, struct folder *f, struct named *entries)
{
	struct listing l = { .entries = entries, .max = LISTED_NAMES };
	struct opened *in = malloc(sizeof(*in));
	struct hf_error err = HF_ERROR_INIT;
	int r;

	if (!in) {
		no_memory(x);
		return;
	}
	*in = (struct opened){ .fd = extract_folder_open(x->top_fd, f), .users = 1, .folder = f };
	if (in->fd < 0) {
		tell(x, f->parent, f->name, -errno, strerror(errno));
		free(in);
		return;
	}
	do {
		r = extract_list(&x->view, f->attr.ino, &l, &err);
		if (r < 0)
			tell(x, f, ".", r, err.text);
		/* What could be listed before is there to be taken. */
		qsort(entries, l.n, sizeof(*entries), by_inode);
		for (size_t i = 0; i < l.n && !stopped(x); i++)
			take_entry(x, in, &entries[i]);
		show_progress(x);
	} while (r >= 0 && l.n == LISTED_NAMES && !stopped(x));
	give_filling(x);
	opened_put(in);
}

static void walk(struct extract *x)
{
	CLEANUP(cli_cleanup_free) struct named *entries = calloc(LISTED_NAMES, sizeof(*entries));

	if (!entries)
		no_memory(x);
	for (struct folder *f; !stopped(x) && (f = extract_folder_next(&x->folders));)
		visit(x, f, entries);
}

/* --- when all files are there */

static void make_links(struct extract *x)
{
	for (struct linked *l = x->links; l && !stopped(x); l = l->next) {
		CLEANUP(cli_cleanup_fd) int from = -1;
		CLEANUP(cli_cleanup_fd) int to = -1;

		if (!l->first)
			continue;
		from = extract_folder_open(x->top_fd, l->first->folder);
		to = extract_folder_open(x->top_fd, l->folder);
		if (from < 0 || to < 0 || linkat(from, l->first->name, to, l->name, 0) < 0)
			tell(x, l->folder, l->name, -errno, strerror(errno));
		else
			x->sum.files++;
	}
}

/* The last made comes first, and so what is in a folder before itself. */
static void finish_folders(struct extract *x)
{
	for (struct folder *f = x->folders.made; f && !stopped(x); f = f->made_before) {
		CLEANUP(cli_cleanup_fd) int fd = extract_folder_open(x->top_fd, f);
		struct hf_error err = HF_ERROR_INIT;
		int r = fd < 0 ? hf_error_set(&err, -errno, "%s", strerror(errno)) :
				 extract_folder_attr(&x->writer, fd, &f->attr, &err);

		if (r != 0)
			tell(x, f->parent, f->parent ? f->name : ".", r, err.text);
		x->sum.folders++;
	}
}

static void nothing(void *unused)
{
	(void)unused;
}

static void release(struct extract *x)
{
	extract_folders_release(&x->folders);
	tdestroy(x->linked_inodes, nothing);
	while (x->links) {
		struct linked *l = x->links;

		x->links = l->next;
		free(l);
	}
	free(x->writer.buffer);
	if (x->top_fd >= 0)
		(void)close(x->top_fd);
	pthread_mutex_destroy(&x->lock);
	pthread_cond_destroy(&x->changed);
}

/* --- all of it */

static unsigned threads_wanted(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < THREADS_MIN ? THREADS_MIN : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

static void write_all(struct extract *x)
{
	pthread_t threads[THREADS_MAX];
	unsigned n = 0;
	struct batch *b;

	while (n < threads_wanted() && pthread_create(&threads[n], NULL, writer_main, x) == 0)
		n++;
	walk(x);
	pthread_mutex_lock(&x->lock);
	x->ended = true;
	pthread_cond_broadcast(&x->changed);
	pthread_mutex_unlock(&x->lock);
	while ((b = batch_take(x)))
		write_batch(x, &x->writer, b);
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	make_links(x);
	finish_folders(x);
}

/* What the walk begins with: the folder itself, or one file. */
static void begin(struct extract *x, const struct hf_attr *what, const char *name)
{
	struct opened *in;
	struct named e = { .attr = *what };

	if (S_ISDIR(what->mode)) {
		if (!extract_folder_add(&x->folders, NULL, "", what))
			no_memory(x);
		return;
	}
	in = malloc(sizeof(*in));
	if (!in) {
		no_memory(x);
		return;
	}
	*in = (struct opened){ .fd = fcntl(x->top_fd, F_DUPFD_CLOEXEC, 0), .users = 1 };
	(void)snprintf(e.name, sizeof(e.name), "%s", name);
	add_entry(x, in, &e);
	give_filling(x);
	opened_put(in);
}

int extract_tree(const struct hf_view *view, const struct hf_attr *what, const char *name, const char *to,
		 const struct operation_listener *listener, struct extract_summary *ret, struct hf_error *err)
{
	struct extract x = { .view = *view,
			     .listener = listener,
			     .top_fd = -1,
			     .lock = PTHREAD_MUTEX_INITIALIZER,
			     .changed = PTHREAD_COND_INITIALIZER };
	int r = extract_top_open(to, S_ISDIR(what->mode), &x.top_fd, err);

	if (r < 0)
		return r;
	x.last = &x.first;
	x.sum.owners = extract_can_chown();
	x.writer = (struct extract_writer){ .view = &x.view,
					    .listener = listener,
					    .buffer = malloc(EXTRACT_BUFFER_BYTES) };
	if (x.writer.buffer)
		begin(&x, what, name);
	else
		no_memory(&x);
	write_all(&x);
	if (syncfs(x.top_fd) < 0 && !x.fatal.code)
		(void)hf_error_set(&x.fatal, -errno, "%s: %s", to, strerror(errno));
	if (!x.fatal.code && stopped(&x))
		(void)hf_error_set(&x.fatal, -EINTR, "stopped; what is in %s is not whole", to);
	*ret = x.sum;
	r = x.fatal.code;
	if (r < 0 && err)
		*err = x.fatal;
	release(&x);
	return r;
}
