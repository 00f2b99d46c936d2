/* SPDX-License-Identifier: MIT */
#include "store/replica/prunes.h"

#include <errno.h>
#include <string.h>

#include "store/log/grants.h"
#include "store/replica/json.h"

int prunes_parse(const void *text, size_t len, uint32_t **ret, size_t *ret_n)
{
	CLEANUP(json_decrefp) json_t *o = json_read(text, len);
	const json_t *list = o ? json_object_get(o, "prunes") : NULL, *each;
	uint32_t *numbers;
	size_t i;

	if (!json_is_array(list))
		return -EPROTO;
	numbers = calloc(json_array_size(list) + 1, sizeof(*numbers));
	if (!numbers)
		return -ENOMEM;
	json_array_foreach(list, i, each) {
		json_int_t n = json_integer_value(each);

		if (n < 1 || n > GRANTS_MAX) {
			free(numbers);
			return -EPROTO;
		}
		numbers[i] = (uint32_t)n;
	}
	*ret = numbers;
	*ret_n = json_array_size(list);
	return 0;
}

static int make_folder(const struct os *os, const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	int r;

	if (!os_join(&dir, path, "prunes"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->mkdir(os->state, (const char *)dir.data, 0700);
	if (r == 0)
		r = os->sync_dir(os->state, path);
	return r < 0 && r != -EEXIST ? hf_error_set(err, r, "cannot make the folder %s: %s",
						    (const char *)dir.data, strerror(-r)) :
				       0;
}

static int read_list(const struct os *os, const char *path, uint32_t number, struct buf *out,
		     struct hf_error *err)
{
	CLEANUP(buf_release) struct buf name = BUF_INIT;
	int r;

	buf_clear(out);
	if (!grants_path(path, number, "list", &name))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)name.data, PRUNE_LIST_BYTES_MAX, out);
	return r < 0 ? hf_error_set(err, r, "cannot read %s: %s", (const char *)name.data, strerror(-r)) : 0;
}

int prunes_put(const struct os *os, const char *dir, const void *list, size_t len, struct hf_error *err)
{
	CLEANUP(cleanup_free) uint32_t *numbers = NULL;
	CLEANUP(buf_release) struct buf data = BUF_INIT, path = BUF_INIT;
	size_t n = 0;
	int r = grants_numbers(os, dir, &numbers, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = read_list(os, dir, numbers[i], &data, err);
		if (r == 0 && data.len == len && memcmp(data.data, list, len) == 0)
			return 0;
	}
	if (r == 0 && n >= GRANTS_LISTS_MAX)
		r = hf_error_set(err, -ENOSPC, "%s has as many prune lists as can be", dir);
	if (r == 0)
		r = make_folder(os, dir, err);
	if (r < 0)
		return r;
	if (!grants_path(dir, n > 0 ? numbers[n - 1] + 1 : 1, "list", &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)path.data, list, len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

static bool is_of(const struct buf *data, const uint8_t volume_id[VOLUME_ID_BYTES])
{
	struct prune_list list;
	bool good;

	if (prune_list_decode(data->data, data->len, &list, NULL) < 0)
		return false;
	good = memcmp(list.volume_id, volume_id, VOLUME_ID_BYTES) == 0;
	prune_list_release(&list);
	return good;
}

int prunes_fetch(const struct os *os, struct peer *peer, const char *path,
		 const uint8_t volume_id[VOLUME_ID_BYTES], struct hf_error *err)
{
	CLEANUP(cleanup_free) uint32_t *numbers = NULL;
	size_t n = 0;
	int r = peer_prunes(peer, &numbers, &n, err);

	if (r == 0 && n > GRANTS_LISTS_MAX)
		return hf_error_set(err, -EPROTO, "the replica has more prune lists than can be: %zu", n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		CLEANUP(buf_release) struct buf data = BUF_INIT;

		r = peer_prune_list(peer, numbers[i], &data, err);
		if (r == 0 &&
		    is_of(&data, volume_id)) /* the same again, under another number, is kept once */
			r = prunes_put(os, path, data.data, data.len, err);
	}
	return r;
}

static bool is_for(const struct buf *data, const uint8_t *key)
{
	struct prune_list list;
	bool same;

	if (!key || prune_list_decode(data->data, data->len, &list, NULL) < 0)
		return false;
	same = memcmp(list.node, key, PUBLIC_KEY_BYTES) == 0;
	prune_list_release(&list);
	return same;
}

int prunes_tell(const struct os *os, struct peer *peer, const char *path, const uint8_t *key,
		struct hf_error *err)
{
	CLEANUP(cleanup_free) uint32_t *numbers = NULL;
	CLEANUP(buf_release) struct buf data = BUF_INIT;
	size_t n = 0;
	int r = grants_numbers(os, path, &numbers, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = read_list(os, path, numbers[i], &data, err);
		if (r == 0 && !is_for(&data, key))
			r = peer_know(peer, data.data, data.len, err);
	}
	return r;
}
