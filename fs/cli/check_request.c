/* SPDX-License-Identifier: MIT */
#include "fs/cli/check_request.h"

#include <errno.h>

#include "fs/cli/output.h"
#include "holdfast/damage.h"

static json_t *summary_to_json(uint64_t faults, const struct hf_check_summary *s)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "faults",
			 output_number(faults), "segments", output_number(s->segments), "commits",
			 output_number(s->commits), "frames", output_number(s->frames), "chunks",
			 output_number(s->chunks), "operations", output_number(s->operations), "bytes",
			 output_number(s->bytes), "last_tid", output_number(s->last_tid), "last_time",
			 output_time(s->last_time_ns), "pruned_frames", output_number(s->pruned_frames));
}

static json_t *only_check(const char *path, struct hf_store *store, const struct operation_listener *listener,
			  struct hf_error *err)
{
	struct hf_check_summary s;
	long faults =
		store ? hf_store_check_open(store, listener->found, listener->arg, &s, &listener->progress,
					    err) :
			hf_store_check(path, listener->found, listener->arg, &s, &listener->progress, err);

	return faults < 0 ? NULL : summary_to_json((uint64_t)faults, &s);
}

static void tell_found(void *arg, const char *what)
{
	const struct operation_listener *listener = arg;

	if (listener->found)
		listener->found(listener->arg, what);
}

static void tell_healed(void *arg, const char *what)
{
	const struct operation_listener *listener = arg;
	json_t *row = json_pack("{s:s}", "healed", what);

	if (row && listener->row)
		(void)listener->row(listener->arg, row);
	json_decref(row);
}

json_t *check_request(const char *path, struct hf_store *store, const json_t *request,
		      const struct operation_listener *listener, struct hf_error *err)
{
	const struct hf_repair_options o = {
		.repair = json_is_true(json_object_get(request, "repair")),
		.copies = json_is_true(json_object_get(request, "replicas")),
		.progress = listener->progress,
		.found = tell_found,
		.healed = tell_healed,
		.arg = (void *)(uintptr_t)listener,
	};
	struct hf_repair did;
	json_t *answer;
	int r = 0;

	if (!o.repair && !o.copies) {
		answer = only_check(path, store, listener, err);
	} else {
		r = store ? hf_store_repair_open(store, &o, &did, err) : hf_store_repair(path, &o, &did, err);
		answer = r < 0 ? NULL : summary_to_json(did.faults, &did.check);
		if (answer)
			json_object_update_new(answer,
					       json_pack("{s:o, s:o, s:o, s:o, s:o}", "found_faults",
							 output_number(did.found), "healed_segments",
							 output_number(did.healed_segments), "healed_bytes",
							 output_number(did.healed_bytes), "copies",
							 output_number(did.copies), "copies_bytes",
							 output_number(did.copies_bytes)));
	}
	if (!answer && err->code == 0)
		hf_error_set(err, -ENOMEM, "no memory");
	return answer;
}
