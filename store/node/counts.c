/* SPDX-License-Identifier: MIT */
#include "store/node/counts.h"

#include <string.h>

static const char *const reasons[HF_NODE_REASONS] = {
	"bad_log_signature",
	"bad_request",
	"bad_signature",
	"below_floor",
	"busy",
	"clock",
	"conflict",
	"damaged",
	"digest",
	"epoch_over",
	"failed",
	"full",
	"gap",
	"invitation",
	"method",
	"not_allowed",
	"not_found",
	"not_verified",
	"over_budget",
	"length_required",
	"read_only",
	"replayed",
	"too_large",
	"unknown_version",
	"unknown_volume",
	"unsigned",
	"wrong_node",
	"other",
};
enum { OTHER = HF_NODE_REASONS - 1 };

const char *hf_node_reason_name(unsigned reason)
{
	return reason < HF_NODE_REASONS ? reasons[reason] : NULL;
}

const char *hf_node_request_name(enum hf_node_request request)
{
	static const char *const names[HF_NODE_REQUESTS] = {
		[HF_NODE_POSITION] = "position", [HF_NODE_ENROL] = "enrol",   [HF_NODE_LIST] = "list",
		[HF_NODE_READ] = "read",         [HF_NODE_APPEND] = "append", [HF_NODE_PRUNES] = "prunes",
		[HF_NODE_OTHER] = "other",
	};

	return request < HF_NODE_REQUESTS ? names[request] : NULL;
}

void counts_init(struct counts *c)
{
	for (unsigned i = 0; i < HF_NODE_REQUESTS; i++)
		c->requests[i].bounds = &hf_bounds_duration;
}

void counts_rejection(struct counts *c, const char *code)
{
	unsigned i = 0;

	while (i < OTHER && strcmp(reasons[i], code) != 0)
		i++;
	meter_count(&c->rejections[i], 1);
}

void counts_read(const struct counts *c, struct hf_node_metrics *ret)
{
	for (unsigned i = 0; i < HF_NODE_REQUESTS; i++)
		meter_read(&c->requests[i], &ret->requests[i]);
	for (unsigned i = 0; i < HF_NODE_REASONS; i++)
		ret->rejections[i] = meter_value(&c->rejections[i]);
	ret->receipts = meter_value(&c->receipts);
	ret->received_bytes = meter_value(&c->received_bytes);
	ret->sent_bytes = meter_value(&c->sent_bytes);
}
