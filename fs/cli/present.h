/* SPDX-License-Identifier: MIT */
/* Whether a request of operations.h speaks of what is now (layer 6). */
#ifndef FS_CLI_PRESENT_H
#define FS_CLI_PRESENT_H

#include <jansson.h>

#include "holdfast/store.h"

/*
 * No moment that it names is wholly in the past, as a tag, an operation or a time before now is: so what was
 * done until now counts. Of two moments next to each other (a, b), one of them is not. Of a tag the store is
 * asked whether there is one, where it may be the end of a name as well.
 */
bool present_is_meant(struct hf_store *store, const json_t *request);

#endif
