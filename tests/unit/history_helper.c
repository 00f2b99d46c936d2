/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/history_helper.h"

int history_teardown(void **state)
{
	hf_act_for(HF_UID_UNKNOWN);
	return store_teardown(state);
}

void move(struct store_fixture *f, uint64_t dir, const char *name, uint64_t to, const char *new_name)
{
	assert_int_equal(hf_rename(f->store, dir, name, to, new_name, 0, NULL), 0);
}

void drop(struct store_fixture *f, uint64_t dir, const char *name)
{
	assert_int_equal(hf_unlink(f->store, dir, name, NULL, NULL), 0);
}

void say(struct words *w, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	w->len += (size_t)vsnprintf(w->text + w->len, sizeof(w->text) - w->len, fmt, args);
	va_end(args);
	assert_true(w->len < sizeof(w->text));
}

const char *kind_name(enum hf_change_kind kind)
{
	static const char *const names[] = { "?",     "create",   "link", "remove", "rename", "attributes",
					     "write", "allocate", "copy", "xattr",  "tag",    "own" };

	return names[kind];
}
