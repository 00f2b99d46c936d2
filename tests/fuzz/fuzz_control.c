/* SPDX-License-Identifier: MIT */
/* What comes by a store's control socket: a line of JSON, and what it asks of a store that is there. */
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/cli/operations.h"
#include "holdfast/kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { RUNS_OF_ONE_STORE = 20000 };

static char dir[256];
static struct hf_store *store;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	(void)st;
	(void)what;
	(void)ftw;
	return remove(path);
}

static void clean(void)
{
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void end(void)
{
	if (store)
		(void)hf_store_close(store, NULL);
	store = NULL;
	clean();
}

static void begin(void)
{
	const struct hf_open_options o = { .flags = HF_OPEN_NO_REPLICATION, .cache_bytes = 16 << 20 };
	const char *tmp = getenv("TMPDIR");
	struct hf_kit *kit;
	char path[300];

	(void)snprintf(dir, sizeof(dir), "%s/fuzz-control.XXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(dir) != NULL);
	must(hf_kit_generate(&kit, NULL) == 0);
	(void)snprintf(path, sizeof(path), "%s/store", dir);
	must(hf_store_init(path, kit, NULL) == 0 && hf_store_open(path, &o, &store, NULL) == 0);
	hf_kit_free(kit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static unsigned runs;
	const struct operation_listener listener = { .arg = NULL };
	struct hf_error err = HF_ERROR_INIT;
	json_t *request, *answer;

	if (runs == 0)
		(void)atexit(clean); /* RocksDB cannot be closed any more then */
	if (runs++ % RUNS_OF_ONE_STORE == 0) {
		end();
		begin();
	}
	request = json_loadb((const char *)data, len, 0, NULL);
	if (!request)
		return 0;
	(void)operation_changes(request);
	answer = operation_do(store, request, &listener, &err);
	must(answer || (err.code < 0 && err.text[0]));
	json_decref(answer);
	json_decref(request);
	return 0;
}
