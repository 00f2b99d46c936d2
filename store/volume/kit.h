/* SPDX-License-Identifier: MIT */
/* What is behind holdfast/kit.h, for the store's own use (layer 4). */
#ifndef STORE_VOLUME_KIT_H
#define STORE_VOLUME_KIT_H

#include "holdfast/kit.h"
#include "store/crypto/crypto.h"

/* The owner whose seed the kit is; borrowed from the kit. */
const struct owner *kit_owner(const struct hf_kit *kit);

/* Volume id as people see it. */
void volume_id_text(const uint8_t id[VOLUME_ID_BYTES], char ret_text[HF_VOLUME_ID_TEXT_BYTES]);

#endif
