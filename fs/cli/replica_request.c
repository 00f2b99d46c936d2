/* SPDX-License-Identifier: MIT */
#include "fs/cli/replica_request.h"

#include <errno.h>
#include <string.h>

#include "fs/cli/findings.h"
#include "fs/cli/output.h"
#include "holdfast/replica.h"

static bool should_stop(void *arg)
{
	return operation_is_stopped(arg);
}

static int add(struct hf_store *store, const char *path, const json_t *request,
	       const struct operation_listener *listener, char ret_name[HF_REPLICA_NAME_BYTES],
	       json_t *findings, struct hf_error *err)
{
	const char *name = output_get_text(request, "name"), *place = output_get_text(request, "place");
	const json_t *with = json_object_get(request, "credentials");
	struct hf_credentials credentials;
	const struct hf_replica_options options = {
		.name = *name ? name : NULL,
		.limit_bytes_s = output_get_number(request, "limit"),
		.interrupted = should_stop,
		.arg = (void *)(uintptr_t)listener,
		.ret_name = ret_name,
		.credentials = with ? &credentials : NULL,
		.retention_days = (unsigned)output_get_number(request, "retention_days"),
		.without_lock = json_is_true(json_object_get(request, "without_lock")),
		.found = findings_take,
		.found_arg = findings,
	};

	findings_read_credentials(with, &credentials);

	return store ? hf_store_replica_add(store, place, &options, err) :
		       hf_replica_add_with(path, place, &options, err);
}

static int change(struct hf_store *store, const char *path, const json_t *request, const char *verb,
		  struct hf_error *err)
{
	const char *which = output_get_text(request, "which");
	uint64_t limit = output_get_number(request, "limit");

	if (!strcmp(verb, "remove"))
		return store ? hf_store_replica_remove(store, which, err) :
			       hf_replica_remove(path, which, err);
	if (!strcmp(verb, "limit"))
		return store ? hf_store_replica_limit(store, which, limit, err) :
			       hf_replica_limit(path, which, limit, err);
	return store ? hf_store_replica_acknowledge(store, which, err) :
		       hf_replica_acknowledge(path, which, err);
}

static const char *verb_of(const json_t *request)
{
	static const char prefix[] = "replica-";
	static const char *const verbs[] = { "add", "remove", "limit", "acknowledge" };
	const char *name = output_get_text(request, "do");

	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(name + strlen(prefix), verbs[i]))
			return verbs[i];
	return NULL;
}

bool replica_is_request(const json_t *request)
{
	return verb_of(request) != NULL;
}

json_t *replica_request(struct hf_store *store, const char *path, const json_t *request,
			const struct operation_listener *listener, struct hf_error *err)
{
	const char *verb = verb_of(request);
	char name[HF_REPLICA_NAME_BYTES] = "";
	json_t *findings = json_array(), *answer;
	int r;

	r = !strcmp(verb, "add") ? add(store, path, request, listener, name, findings, err) :
				   change(store, path, request, verb, err);
	if (r < 0) {
		json_decref(findings);
		return NULL;
	}
	answer = json_pack("{s:s, s:o}", "name", name, "findings", findings);
	if (!answer)
		hf_error_set(err, -ENOMEM, "no memory");
	return answer;
}
