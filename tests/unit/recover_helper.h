/* SPDX-License-Identifier: MIT */
/* For tests of recovery: a volume with its kit, a node that has all of its log, and a store to be. */
#ifndef TESTS_UNIT_RECOVER_HELPER_H
#define TESTS_UNIT_RECOVER_HELPER_H

#include "holdfast/replica.h"
#include "tests/unit/node_helper.h"

enum { GROUP_BYTES = 3000, GROUPS = 120 };

struct rescue {
	struct node_fixture node;
	struct log_fixture volume;
	struct log *log;
	struct hf_kit *kit;
	const uint8_t *id;
	struct http_signer writer;
	char url[512];  /* as status prints it */
	char path[160]; /* of the store to be */
	struct log_point head;
};

void rescue_init(struct rescue *b); /* the node has the whole log of GROUPS groups */
void rescue_release(struct rescue *b);
struct hf_recovery rescue_recover(struct rescue *b, const char *place);
bool rescue_has(const char *dir, const char *name);
/* The store at b->path opens with its own keys, in `epoch`, and has every group. */
void rescue_check_store(struct rescue *b, uint32_t epoch, uint64_t groups);
void rescue_lay_out(const char *log_dir, uint32_t segment);

#endif
