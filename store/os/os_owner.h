/* SPDX-License-Identifier: MIT */
/* What root makes, made as the owner's of the folder it is in (layer 0; private to store/os). */
#ifndef STORE_OS_OS_OWNER_H
#define STORE_OS_OS_OWNER_H

#include <sys/types.h>

/* As open(2) with O_CREAT, and mkdir(2); 0 or a descriptor, or -errno. */
int owner_create(const char *path, int flags, mode_t mode);
int owner_mkdir(const char *path, mode_t mode);

#endif
