/* SPDX-License-Identifier: MIT */
#include "store/replica/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/json.h"
#include "store/replica/s3_config.h"

enum { CONFIG_FILE_BYTES_MAX = 16 << 10 };

static const char suffix[] = ".json";

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
	       c == '_' || c == '-';
}

static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= CONFIG_NAME_BYTES || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!name_char(name[i]))
			return false;
	return true;
}

int config_check_name(const char *name, struct hf_error *err)
{
	if (name_ok(name))
		return 0;
	return hf_error_set(
		err, -EINVAL,
		"%.80s: a replica's name is 1 to 63 of A-Z a-z 0-9 . _ -, not beginning with . or -", name);
}

void config_make_name(const struct place *place, char ret[CONFIG_NAME_BYTES])
{
	const char *from = place->kind == PLACE_NODE   ? place->url + strlen("https://") :
			   place->kind == PLACE_BUCKET ? place->s3->bucket :
							 place->path,
		   *slash;
	size_t n = 0;

	slash = strrchr(from, '/');
	if (slash && slash[1])
		from = slash + 1;
	for (; *from && n + 1 < CONFIG_NAME_BYTES; from++) {
		char c = name_char(*from) ? *from : '-';

		if (n > 0 || (c != '.' && c != '-'))
			ret[n++] = c;
	}
	ret[n] = 0;
	if (!name_ok(ret))
		(void)snprintf(ret, CONFIG_NAME_BYTES, "replica");
}

static const char *file_path(const char *store, const char *name, const char *ending, struct buf *out)
{
	buf_add_text(out, "%s/replicas/%s%s", store, name, ending);
	(void)buf_cstr(out);
	return buf_status(out) < 0 ? NULL : (const char *)out->data;
}

static int read_node(const json_t *o, struct place *p)
{
	char pin[PLACE_PIN_BYTES];

	p->kind = PLACE_NODE;
	if (json_get_text(o, "url", p->url, sizeof(p->url)) < 0 || place_check_url(p->url) < 0 ||
	    json_get_text(o, "pin", pin, sizeof(pin)) < 0 ||
	    wire_unbase64_exact(WIRE_BASE64URL, pin, strlen(pin), p->pin, sizeof(p->pin)) < 0 ||
	    json_get_hex(o, "key", p->key, sizeof(p->key)) < 0)
		return -EUCLEAN;
	return 0;
}

static int read_directory(const json_t *o, struct place *p)
{
	const char *path = json_string_value(json_object_get(o, "path"));

	p->kind = PLACE_DIRECTORY;
	if (!path || path[0] != '/')
		return -EUCLEAN;
	p->path = strdup(path);
	return p->path ? 0 : -ENOMEM;
}

static int read_place(const json_t *o, struct place *p)
{
	char kind[16];

	if (json_get_text(o, "kind", kind, sizeof(kind)) < 0)
		return -EUCLEAN;
	if (strcmp(kind, "node") == 0)
		return read_node(o, p);
	if (strcmp(kind, "directory") == 0)
		return read_directory(o, p);
	if (strcmp(kind, "bucket") == 0)
		return s3_config_read(o, p);
	return -EPROTONOSUPPORT;
}

int config_read(const struct os *os, const char *store, const char *name, struct place *ret,
		struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	struct place p;
	uint32_t version;
	int r;

	if (!file_path(store, name, suffix, &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)path.data, CONFIG_FILE_BYTES_MAX, &data);
	if (r < 0)
		return hf_error_set(err, r, "cannot read %s: %s", (const char *)path.data, strerror(-r));
	o = json_read(data.data, data.len);
	if (!o || json_get_u32(o, "version", &version) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "%s is not a replica's file: remove the replica and add it again",
				    (const char *)path.data);
	memset(&p, 0, sizeof(p));
	r = version == 1 ? read_place(o, &p) : -EPROTONOSUPPORT;
	if (r < 0) {
		place_release(&p);
		return hf_error_set(
			err, r, "%s: %s", (const char *)path.data,
			r == -EPROTONOSUPPORT ?
				"of a version or kind that this build does not know" :
				"a field is missing or damaged: remove the replica and add it again");
	}
	if (p.kind == PLACE_BUCKET) {
		r = s3_config_credentials(os, store, name, p.s3, err);
		if (r < 0) {
			place_release(&p);
			return r;
		}
	}
	*ret = p;
	return 0;
}

bool config_exists(const struct os *os, const char *store, const char *name)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int fd;

	if (!file_path(store, name, suffix, &path))
		return false;
	fd = os->open(os->state, (const char *)path.data, O_RDONLY, 0);
	if (fd >= 0)
		(void)os->close(os->state, fd);
	return fd >= 0;
}

static json_t *place_json(const struct place *p)
{
	CLEANUP(buf_release) struct buf pin = BUF_INIT;
	char key[HTTP_SIG_KEY_TEXT_BYTES];

	if (p->kind == PLACE_DIRECTORY)
		return json_pack("{s:i,s:s,s:s}", "version", 1, "kind", "directory", "path", p->path);
	if (p->kind == PLACE_BUCKET)
		return s3_config_json(p->s3);
	wire_base64(WIRE_BASE64URL, p->pin, sizeof(p->pin), &pin);
	wire_hex(p->key, sizeof(p->key), key);
	return json_pack("{s:i,s:s,s:s,s:s,s:s}", "version", 1, "kind", "node", "url", p->url, "pin",
			 buf_cstr(&pin), "key", key);
}

int config_write(const struct os *os, const char *store, const char *name, const struct place *place,
		 struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = place_json(place);
	int r;

	if (!file_path(store, name, suffix, &path) || !o || json_write(o, &data) < 0)
		return hf_error_set(err, -ENOMEM, "no memory, or the path %s is not UTF-8",
				    place->path ? place->path : "");
	buf_add(&data, "\n", 1);
	if (config_exists(os, store, name))
		return hf_error_set(err, -EEXIST, "there is a replica named %s already: give another name",
				    name);
	if (place->kind == PLACE_BUCKET) { /* first, so that there is no replica without them */
		r = s3_config_keep_credentials(os, store, name, place->s3, err);
		if (r < 0)
			return r;
	}
	r = buf_status(&data);
	if (r == 0)
		r = os_write_file(os, (const char *)path.data, data.data, data.len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

/* --- its limit, a member of the same file, which may lack it */

static json_t *read_object(const struct os *os, const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT;
	json_t *o;
	int r = os_read_file(os, path, CONFIG_FILE_BYTES_MAX, &data);

	if (r < 0) {
		(void)hf_error_set(err, r, "cannot read %s: %s", path, strerror(-r));
		return NULL;
	}
	o = json_read(data.data, data.len);
	if (!o)
		(void)hf_error_set(err, -EUCLEAN,
				   "%s is not a replica's file: remove the replica and add it again", path);
	return o;
}

uint64_t config_read_limit(const struct os *os, const char *store, const char *name)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	uint64_t bytes_s = 0;

	if (file_path(store, name, suffix, &path))
		o = read_object(os, (const char *)path.data, NULL);
	return o && json_get_u64(o, "limit_bytes_s", &bytes_s) == 0 ? bytes_s : 0;
}

int config_write_limit(const struct os *os, const char *store, const char *name, uint64_t bytes_s,
		       struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	struct hf_error words = HF_ERROR_INIT;
	char text[24];
	int r;

	if (!file_path(store, name, suffix, &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	o = read_object(os, (const char *)path.data, &words);
	if (!o)
		return hf_error_set(err, words.code, "%s", words.text);
	(void)snprintf(text, sizeof(text), "%" PRIu64, bytes_s);
	r = bytes_s ? json_object_set_new(o, "limit_bytes_s", json_string(text)) : 0;
	if (!bytes_s)
		(void)json_object_del(o, "limit_bytes_s");
	if (r < 0 || json_write(o, &data) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	buf_add(&data, "\n", 1);
	r = buf_status(&data);
	if (r == 0)
		r = os_write_file(os, (const char *)path.data, data.data, data.len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

/*
 * The file that makes it a replica goes last: cut short, it can be removed again, and no other of its name
 * that comes later is taken for this one, or finds its secrets.
 */
int config_remove(const struct os *os, const char *store, const char *name, struct hf_error *err)
{
	static const char *const endings[] = { ".credentials", ".receipt", ".regressed",
					       ".probed",      ".about",   suffix };
	CLEANUP(buf_release) struct buf path = BUF_INIT, dir = BUF_INIT;
	int r = 0;

	if (!os_join(&dir, store, "replicas"))
		return hf_error_set(err, -ENOMEM, "no memory");
	if (!config_exists(os, store, name))
		return hf_error_set(err, -ENOENT, "%s has no replica named %s", store, name);
	for (size_t i = 0; r == 0 && i < sizeof(endings) / sizeof(endings[0]); i++) {
		buf_clear(&path);
		r = file_path(store, name, endings[i], &path) ?
			    os->unlink(os->state, (const char *)path.data) :
			    -ENOMEM;
		if (r == -ENOENT && endings[i] != suffix)
			r = 0;
	}
	if (r == 0)
		r = os->sync_dir(os->state, (const char *)dir.data);
	return r < 0 ? hf_error_set(err, r, "cannot remove replica %s of %s: %s", name, store, strerror(-r)) :
		       0;
}

/* --- listing */

struct names {
	char **all;
	size_t n;
	bool failed;
};

static void add_name(void *arg, const char *file)
{
	struct names *names = arg;
	size_t len = strlen(file), suffix_len = strlen(suffix);
	char **more;

	if (len <= suffix_len || strcmp(file + len - suffix_len, suffix) != 0 || names->failed)
		return;
	more = reallocarray(names->all, names->n + 1, sizeof(*more));
	if (more)
		names->all = more;
	if (!more || !(more[names->n] = strndup(file, len - suffix_len))) {
		names->failed = true;
		return;
	}
	if (name_ok(more[names->n]))
		names->n++;
	else
		free(more[names->n]);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void config_free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

int config_list(const struct os *os, const char *store, char ***ret, size_t *ret_n, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct names names = { NULL, 0, false };
	int r;

	if (!os_join(&dir, store, "replicas"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->list(os->state, (const char *)dir.data, add_name, &names);
	if (r == -ENOENT)
		r = 0;
	if (names.failed)
		r = -ENOMEM;
	if (r < 0) {
		config_free_names(names.all, names.n);
		return hf_error_set(err, r, "cannot read the folder %s: %s", (const char *)dir.data,
				    strerror(-r));
	}
	if (names.n > 1)
		qsort(names.all, names.n, sizeof(*names.all), compare_names);
	*ret = names.all;
	*ret_n = names.n;
	return 0;
}

/* --- the receipt kept */

enum { SUM_BYTES = 16 };

/* Its members but the last, which is the sum of these bytes. */
static void receipt_members(const struct log_point *p, uint64_t node_time_ns, struct buf *out)
{
	char chain[2 * HASH_BYTES + 1];

	wire_hex(p->chain, HASH_BYTES, chain);
	buf_add_text(out,
		     "{\"segment\":%" PRIu32 ",\"offset\":%" PRIu32 ",\"commit\":\"%" PRIu64
		     "\",\"tid\":\"%" PRIu64 "\",\"time_ns\":\"%" PRIu64 "\",\"epoch\":%" PRIu32
		     ",\"chain\":\"%s\",\"node_time_ns\":\"%" PRIu64 "\"",
		     p->end.segment, p->end.offset, p->commit, p->tid, p->time_ns, p->epoch, chain,
		     node_time_ns);
}

static void receipt_sum(const struct buf *members, uint8_t sum[SUM_BYTES])
{
	hash_one(NULL, members->data, members->len, sum, SUM_BYTES);
}

static bool is_place(struct log_pos at)
{
	return at.segment == 0 || (at.offset >= SEGMENT_HEADER_BYTES && at.offset <= SEGMENT_BYTES_MAX);
}

/* 0, or -EUCLEAN: these are not the members that it was summed up of. One without a sum was written before
 * there was. */
static int check_sum(const json_t *o, const struct log_point *p, uint64_t node_time_ns)
{
	CLEANUP(buf_release) struct buf members = BUF_INIT;
	uint8_t sum[SUM_BYTES], is[SUM_BYTES];

	if (!json_object_get(o, "sum"))
		return 0;
	receipt_members(p, node_time_ns, &members);
	if (buf_status(&members) < 0)
		return -ENOMEM;
	receipt_sum(&members, is);
	return json_get_hex(o, "sum", sum, sizeof(sum)) == 0 && memcmp(sum, is, sizeof(is)) == 0 ? 0 :
												   -EUCLEAN;
}

int config_read_receipt(const struct os *os, const char *store, const char *name, struct log_point *ret)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	uint64_t node_time_ns = 0;
	struct log_point p;
	int r, bad = 0;

	if (!file_path(store, name, ".receipt", &path))
		return -ENOMEM;
	r = os_read_file(os, (const char *)path.data, CONFIG_FILE_BYTES_MAX, &data);
	if (r < 0)
		return r;
	o = json_read(data.data, data.len);
	if (!o)
		return -EUCLEAN;
	memset(&p, 0, sizeof(p));
	bad |= json_get_u32(o, "segment", &p.end.segment);
	bad |= json_get_u32(o, "offset", &p.end.offset);
	bad |= json_get_u64(o, "commit", &p.commit);
	bad |= json_get_u64(o, "tid", &p.tid);
	bad |= json_get_u64(o, "time_ns", &p.time_ns);
	bad |= json_get_u32(o, "epoch", &p.epoch);
	bad |= json_get_hex(o, "chain", p.chain, sizeof(p.chain));
	bad |= json_get_u64(o, "node_time_ns", &node_time_ns);
	if (bad || !is_place(p.end))
		return -EUCLEAN;
	r = check_sum(o, &p, node_time_ns);
	if (r == 0)
		*ret = p;
	return r;
}

int config_write_receipt(const struct os *os, const char *store, const char *name, const struct receipt *r)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	char hex[2 * SUM_BYTES + 1];
	uint8_t sum[SUM_BYTES];

	receipt_members(&r->point, r->node_time_ns, &data);
	if (!file_path(store, name, ".receipt", &path) || buf_status(&data) < 0)
		return -ENOMEM;
	receipt_sum(&data, sum);
	wire_hex(sum, SUM_BYTES, hex);
	buf_add_text(&data, ",\"sum\":\"%s\"}\n", hex);
	if (buf_status(&data) < 0)
		return -ENOMEM;
	return os_write_file(os, (const char *)path.data, data.data, data.len, 0600);
}
