#pragma once
// Swift's Glibc module is built without _GNU_SOURCE, which hides what only Linux has.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>

// A macro made of two others is not imported.
static inline int linux_open_unnamed(int directory, mode_t mode) {
    return openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
}
