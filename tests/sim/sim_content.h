/* SPDX-License-Identifier: MIT */
/* The bytes of a simulated file: sparse, so that what was only allocated costs nothing. */
#ifndef TESTS_SIM_SIM_CONTENT_H
#define TESTS_SIM_SIM_CONTENT_H

#include <stddef.h>
#include <stdint.h>

struct sim_content {
	uint8_t **pages; /* NULL: zeros */
	size_t n_pages;
	uint64_t len;
};

void sim_content_release(struct sim_content *c);
void sim_content_copy(struct sim_content *to, const struct sim_content *from);
void sim_content_resize(struct sim_content *c, uint64_t len);
/* Grows as needed. A NULL `data` writes nothing, but grows all the same. */
void sim_content_write(struct sim_content *c, const uint8_t *data, size_t len, uint64_t offset);
size_t sim_content_read(const struct sim_content *c, uint8_t *data, size_t len, uint64_t offset);

#endif
