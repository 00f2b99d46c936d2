/* SPDX-License-Identifier: MIT */
/*
 * .history: names in it that are no inodes, and the way from a moment's text to the root of the tree at that
 * moment.
 *
 * What a name under at/ means is fixed once the moment lies before the head's: later operations never have an
 * earlier time or tid. Then the kernel may keep it forever; else (a relative form, a time to come, a tag,
 * which can be taken away) it asks each time.
 */
#include <errno.h>
#include <string.h>

#include "fs/mount/mount_internal.h"

const char history_readme[] =
	"Every past moment of this filesystem, read-only.\n"
	"\n"
	"    at/MOMENT/...      the whole tree as it was at a moment\n"
	"    tags/NAME/...      as it was when it was given a name (holdfast snapshot)\n"
	"    versions/PATH/     every version of the file PATH: TIME~NUMBER, as it was from then on;\n"
	"                       TIME~NUMBER~deleted, an empty file, says when it was removed\n"
	"    deleted/PATH       what is gone, as it last was: files, and folders with all they had\n"
	"    gmt/@GMT-.../...   moments as Samba's vfs_shadow_copy2 names them\n"
	"\n"
	"A MOMENT is any of these, whether `ls at` shows it or not:\n"
	"\n"
	"    2026-11-21T101530Z            a time in UTC, also with a fraction: T101530.25Z\n"
	"    2026-11-21T10:15:30+01:00     with an offset; without Z or offset: local time,\n"
	"                                  where this was mounted\n"
	"    2026-11-21T10, 2026-11-21     the end of that hour, of that day,\n"
	"    2026-11, 2026                 of that month, of that year\n"
	"    10s, 10m, 2h, 3d, 2w          so long ago\n"
	"    now                           the last change there was\n"
	"    @1795256130                   seconds since 1970\n"
	"    tid-4711                      just after that operation (holdfast status says the last)\n"
	"    release-1                     a tag\n"
	"\n"
	"For example, from the folder this file lies in:\n"
	"\n"
	"    ls at/10m/\n"
	"    diff -r at/2026-11-20/project at/2026-11-21/project\n"
	"    cp -a at/1h/notes.txt ..\n"
	"    ls -l versions/notes.txt/\n"
	"    cp -a deleted/project ..\n"
	"    find deleted/ -name '*.odt'\n"
	"\n"
	"versions/ has a folder for every path there is or ever was, also of what was removed or\n"
	"renamed. In that of a file are its versions: when it was made, each time it was written,\n"
	"cut or touched, or another file took its place; under earlier names too. In deleted/, a\n"
	"folder that still exists shows what is gone from it, and its folders, to walk down. A file\n"
	"that was renamed is not gone, nor is one that was written anew under its name.\n"
	"\n"
	"The same NUMBER names the moment: versions/notes.txt/TIME~4711 is at/tid-4711/notes.txt, or\n"
	"what that file was called then.\n"
	"\n"
	"A moment before the first change, or a word that is none of these: No such file or directory.\n"
	"Files have the owners and permissions they had. Folders in versions/ and deleted/ have those\n"
	"they have now, or had last: who may not look into a folder does not see its past there; one\n"
	"with an ACL is its owner's alone in versions/. `ls at` shows a selection of moments.\n"
	"Nothing here can be changed, by nobody: Read-only file system.\n";

size_t history_readme_len(void)
{
	return sizeof(history_readme) - 1;
}

/*
 * The listings of at, tags and gmt change as the store does, and their times with them; but every path into
 * the past leads through them, and the kernel asks for what is out of date at each step. What goes on
 * having a history is asked for each time.
 */
double history_attr_timeout_s(const struct node *node)
{
	switch (node->kind) {
	case NODE_AT:
	case NODE_TAGS:
	case NODE_GMT:
		return 1;
	case NODE_VERSIONS:
		return 0;
	case NODE_DELETED:
		return node->tid == HF_TID_HEAD ? 0 : FOREVER_S;
	default:
		return FOREVER_S;
	}
}

void history_attr(struct mount *m, enum node_kind kind, struct hf_attr *ret)
{
	struct timespec t = m->started;

	if (kind == NODE_AT || kind == NODE_TAGS || kind == NODE_GMT) {
		struct hf_status status;

		hf_store_status(m->store, &status);
		t.tv_sec = (time_t)(status.head_time_ns / 1000000000);
		t.tv_nsec = (long)(status.head_time_ns % 1000000000);
	}
	*ret = (struct hf_attr){
		.mode = kind == NODE_README ? S_IFREG | 0444 : S_IFDIR | 0555,
		.nlink = kind == NODE_HISTORY ? 7 : 1, /* 1, of a directory: not counted */
		.size_bytes = kind == NODE_README ? history_readme_len() : 0,
		.blocks = kind == NODE_README ? (history_readme_len() + 511) / 512 : 0,
		.uid = m->uid,
		.gid = m->gid,
		.atime = t,
		.mtime = t,
		.ctime = t,
		.btime = m->started,
	};
}

int history_getattr(struct mount *m, const struct target *t, struct hf_attr *ret)
{
	int r = 0;

	switch (t->node.kind) {
	case NODE_VERSIONS:
		return versions_getattr(m, t, ret);
	case NODE_DELETED:
		r = hf_view_getattr(&t->view, t->ino, ret, NULL);
		if (r == 0 && t->node.tid == HF_TID_HEAD && ret->nlink == 0)
			r = -ESTALE; /* removed: its name now leads to what is gone */
		if (r == 0)
			deleted_fit_attr(&t->node, ret);
		return r;
	case NODE_REMOVED:
		removed_attr(m, &t->node, ret);
		return 0;
	default:
		history_attr(m, t->node.kind, ret);
		return 0;
	}
}

void history_reply_own(fuse_req_t req, enum node_kind kind)
{
	struct node node = { .kind = kind };
	struct hf_attr attr;

	history_attr(mount_of(req), kind, &attr);
	reply_entry(req, &node, &attr, FOREVER_S); /* the name is always of this */
}

void history_reply_root(fuse_req_t req, uint64_t tid, double timeout_s)
{
	struct mount *m = mount_of(req);
	struct hf_view view = { m->store, tid };
	struct node node = { .kind = NODE_PAST, .tid = tid, .ino = HF_ROOT_INO };
	struct hf_attr attr;
	int r = hf_view_getattr(&view, HF_ROOT_INO, &attr, NULL);

	if (r < 0)
		return reply_code(req, r);
	reply_entry(req, &node, &attr, timeout_s);
}

/*
 * Whether later operations cannot change what the moment means. A tag's name can be taken away; then the
 * kernel is told (mount_changed_tag).
 */
static bool is_settled(struct mount *m, const struct hf_moment *moment)
{
	struct hf_status status;

	if (moment->relative)
		return false;
	if (moment->kind != HF_MOMENT_TIME)
		return true; /* it was found */
	hf_store_status(m->store, &status);
	return moment->time_ns < status.head_time_ns;
}

static void lookup_moment(fuse_req_t req, const char *name, bool tags_only)
{
	struct mount *m = mount_of(req);
	struct hf_moment moment;
	struct hf_point point;
	struct timespec now;
	bool settled;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	r = hf_moment_parse(name, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec, &moment, NULL);
	if (r < 0 || (tags_only && moment.kind != HF_MOMENT_TAG))
		return reply_code(req, -ENOENT);
	settled = is_settled(m, &moment); /* asked before: the head only moves on */
	r = hf_moment_resolve(m->store, &moment, &point, NULL);
	if (r < 0)
		return reply_code(req, r);
	history_reply_root(req, point.tid, settled ? FOREVER_S : 0);
}

static void lookup_top(fuse_req_t req, const char *name)
{
	struct mount *m = mount_of(req);
	struct node root = { .kind = NODE_LIVE, .ino = HF_ROOT_INO };
	struct hf_attr attr;
	int r;

	if (strcmp(name, "README") == 0)
		return history_reply_own(req, NODE_README);
	if (strcmp(name, "at") == 0)
		return history_reply_own(req, NODE_AT);
	if (strcmp(name, "tags") == 0)
		return history_reply_own(req, NODE_TAGS);
	if (strcmp(name, "gmt") == 0)
		return history_reply_own(req, NODE_GMT);
	if (strcmp(name, "versions") == 0)
		return versions_reply_root(req);
	if (strcmp(name, "deleted") == 0)
		return deleted_reply_root(req);
	if (refresh_lookup(req, name))
		return;
	if (strcmp(name, "..") != 0)
		return reply_code(req, -ENOENT);
	r = hf_view_getattr(&m->head, HF_ROOT_INO, &attr, NULL);
	if (r < 0)
		return reply_code(req, r);
	reply_entry(req, &root, &attr, FOREVER_S);
}

void history_lookup(fuse_req_t req, const struct target *dir, const char *name)
{
	if (dir->node.kind == NODE_LIVE)
		return history_reply_own(req, NODE_HISTORY);
	if (dir->node.kind == NODE_VERSIONS)
		return versions_lookup(req, dir, name);
	if (dir->node.kind == NODE_DELETED)
		return deleted_lookup(req, dir, name);
	if (strcmp(name, ".") == 0)
		return history_reply_own(req, dir->node.kind);
	switch (dir->node.kind) {
	case NODE_HISTORY:
		return lookup_top(req, name);
	case NODE_AT:
	case NODE_TAGS:
		if (strcmp(name, "..") == 0)
			return history_reply_own(req, NODE_HISTORY);
		return lookup_moment(req, name, dir->node.kind == NODE_TAGS);
	case NODE_GMT:
		return strcmp(name, "..") == 0 ? history_reply_own(req, NODE_HISTORY) : gmt_lookup(req, name);
	default:
		return reply_code(req, -ENOTDIR);
	}
}
