/* SPDX-License-Identifier: MIT */
#include "fs/cli/node_budget.h"

#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/mount/mount.h"
#include "holdfast/node.h"

/* It is allowed, and may be a slip. */
static void warn_when_used(const char *dir, const char *volume, uint64_t bytes)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node_status s;
	char a[OUTPUT_TEXT_BYTES];

	if (hf_node_status(dir, &s, &err) < 0)
		return;
	for (size_t i = 0; i < s.n_volumes; i++)
		if (strcmp(s.volumes[i].volume_id, volume) == 0 && s.volumes[i].bytes >= bytes)
			printf("that is no more than it has now, %s: appends are refused, and nothing is "
			       "given up\n",
			       output_bytes(s.volumes[i].bytes, a));
	hf_node_status_release(&s);
}

int node_budget(const char *dir, const char *volume, const char *size)
{
	bool is_default = strcmp(volume, "default") == 0, is_none = strcmp(size, "none") == 0;
	struct hf_error err = HF_ERROR_INIT;
	uint64_t bytes = UINT64_MAX;
	char text[OUTPUT_TEXT_BYTES];

	if (!is_none && (!mount_parse_size(size, &bytes) || bytes == UINT64_MAX))
		return cli_fail("node: %s: a budget is a size, as 500G or 2T, or none", size);
	if (hf_node_set_budget(dir, is_default ? NULL : volume, bytes, &err) < 0)
		return cli_fail_error(&err);
	printf("%s%s may have %s\n", is_default ? "a new volume" : "volume ", is_default ? "" : volume,
	       is_none ? "as much as there is" : output_bytes(bytes, text));
	if (!is_default && !is_none)
		warn_when_used(dir, volume, bytes);
	return CLI_FINE;
}
