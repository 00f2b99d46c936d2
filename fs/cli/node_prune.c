/* SPDX-License-Identifier: MIT */
#include "fs/cli/node_prune.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "holdfast/node.h"

#define LIST_BYTES_MAX (16 << 20)
#define NUMBER_MAX 999999

static bool is_over(const struct hf_node_prune *p)
{
	return p->state == HF_PRUNE_DONE || p->state == HF_PRUNE_CANCELLED || p->state == HF_PRUNE_REFUSED ||
	       p->state == HF_PRUNE_KNOWN;
}

static double left_s(const struct hf_node_prune *p)
{
	return p->delay_s > p->waited_s ? (double)(p->delay_s - p->waited_s) : 0;
}

/* --- handing one in */

/* A whole small file; malloc'ed. */
static int read_list(const char *path, void **ret, size_t *ret_len, struct hf_error *err)
{
	CLEANUP(cli_cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP(cli_cleanup_free) char *data = malloc(LIST_BYTES_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return hf_error_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
	if (!data)
		return hf_error_set(err, -ENOMEM, "no memory");
	while (n > 0 && len <= LIST_BYTES_MAX) {
		n = read(fd, data + len, LIST_BYTES_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		return hf_error_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
	if (len > LIST_BYTES_MAX)
		return hf_error_set(err, -EFBIG, "%s is no prune list: it is too long", path);
	*ret = data;
	*ret_len = len;
	data = NULL;
	return 0;
}

int node_prune(const char *dir, const char *list_file)
{
	CLEANUP(cli_cleanup_free) void *list = NULL;
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES], c[OUTPUT_TEXT_BYTES], d[OUTPUT_TEXT_BYTES];
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node_prune p;
	size_t len = 0;

	if (read_list(list_file, &list, &len, &err) < 0 || hf_node_prune(dir, list, len, &p, &err) < 0)
		return cli_fail_error(&err);
	printf("prune %" PRIu32 "    of volume %s\n", p.number, p.volume_id);
	printf("            %s of %s segments, which only moments before tid-%" PRIu64 " of %s need\n",
	       output_bytes(p.bytes, a), output_count(p.segments, b), p.before_tid,
	       output_rfc3339(p.before_ns, c));
	printf("            announced when the node is served, and carried out after %s of that\n",
	       output_duration((double)p.delay_s, d));
	printf("            not wanted after all? holdfast node prune --cancel %s %" PRIu32 "\n", dir,
	       p.number);
	return CLI_FINE;
}

/* --- cancelling */

int node_prune_cancel(const char *dir, const char *number)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node_prune p;
	char *end;
	unsigned long n = strtoul(number, &end, 10);

	if (*end || *number == '-' || n < 1 || n > NUMBER_MAX)
		return cli_fail("node prune: %.40s: a prune is named by its number", number);
	if (hf_node_prune_cancel(dir, (uint32_t)n, &p, &err) < 0)
		return cli_fail_error(&err);
	printf("prune %" PRIu32 " is cancelled, after %" PRIu64 " of %" PRIu64 " segments\n", p.number,
	       p.segments_done, p.segments);
	return CLI_FINE;
}

/* --- looking */

static json_t *to_json(const struct hf_node_prune *p)
{
	return json_pack("{s:I, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s?}",
			 "prune", (json_int_t)p->number, "volume", p->volume_id, "state",
			 hf_prune_state_name(p->state), "frozen", p->frozen, "before_tid",
			 output_number(p->before_tid), "before_time", output_time(p->before_ns), "made_time",
			 output_time(p->made_ns), "segments", output_number(p->segments), "bytes",
			 output_number(p->bytes), "announced_time", output_time(p->announced_ns),
			 "delay_seconds", output_number(p->delay_s), "waited_seconds",
			 output_number(p->waited_s), "segments_done", output_number(p->segments_done),
			 "freed_bytes", output_number(p->freed_bytes), "words",
			 p->words[0] ? p->words : NULL);
}

static json_t *all_to_json(const struct hf_node_prune *all, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, to_json(&all[i]));
	return list;
}

json_t *node_prune_json(const char *dir)
{
	CLEANUP(cli_cleanup_free) struct hf_node_prune *all = NULL;
	size_t n = 0;

	return hf_node_prunes(dir, &all, &n, NULL) < 0 ? json_null() : all_to_json(all, n);
}

static void print_state(const struct hf_node_prune *p)
{
	char a[OUTPUT_TEXT_BYTES];

	switch (p->state) {
	case HF_PRUNE_NEW:
		printf("to be announced when the node is served\n");
		break;
	case HF_PRUNE_ANNOUNCED:
		printf("due after %s more of serving%s\n", output_duration(left_s(p), a),
		       p->frozen ? "; FROZEN while an alarm is open" : "");
		break;
	case HF_PRUNE_RUNNING:
		printf("under way: %" PRIu64 " of %" PRIu64 " segments%s\n", p->segments_done, p->segments,
		       p->frozen ? "; FROZEN while an alarm is open" : "");
		break;
	case HF_PRUNE_DONE:
		printf("done: %s taken away\n", output_bytes(p->freed_bytes, a));
		break;
	case HF_PRUNE_KNOWN:
		printf("of another node: what came here without it\n");
		break;
	default:
		printf("%s after %" PRIu64 " of %" PRIu64 " segments%s%s\n", hf_prune_state_name(p->state),
		       p->segments_done, p->segments, p->words[0] ? ": " : "", p->words);
	}
}

static void print_one(const struct hf_node_prune *p)
{
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES];

	printf("prune %-5" PRIu32 " volume %s, ", p->number, p->volume_id);
	print_state(p);
	if (p->bytes > 0)
		printf("            %s that only moments before tid-%" PRIu64 " of %s need\n",
		       output_bytes(p->bytes, a), p->before_tid, output_rfc3339(p->before_ns, b));
}

int node_prune_list(const char *dir, bool json)
{
	CLEANUP(cli_cleanup_free) struct hf_node_prune *all = NULL;
	struct hf_error err = HF_ERROR_INIT;
	json_t *list;
	size_t n = 0;

	if (hf_node_prunes(dir, &all, &n, &err) < 0)
		return cli_fail_error(&err);
	if (json) {
		list = json_pack("{s:o}", "prunes", all_to_json(all, n));
		output_json(list);
		json_decref(list);
		return CLI_FINE;
	}
	for (size_t i = 0; i < n; i++)
		print_one(&all[i]);
	if (n == 0)
		printf("no prune was ever handed in\n");
	return CLI_FINE;
}

void node_prune_print_pending(const char *dir)
{
	CLEANUP(cli_cleanup_free) struct hf_node_prune *all = NULL;
	size_t n = 0;

	if (hf_node_prunes(dir, &all, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (!is_over(&all[i]))
			print_one(&all[i]);
}
