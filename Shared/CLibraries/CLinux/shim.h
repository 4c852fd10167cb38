#pragma once
// Swift's Glibc module is built without _GNU_SOURCE, which hides what only Linux has.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

// A macro made of two others is not imported.
static inline int linux_open_unnamed(int directory, mode_t mode) {
    return openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
}

// Swift cannot call ioctl, which is variadic. Makes `count` bytes from the start of `source` appear at `offset` of
// `target` without copying them.
static inline int linux_clone_start(int source, long long count, int target, long long offset) {
    struct file_clone_range range = {
        .src_fd = source, .src_offset = 0, .src_length = (__u64)count, .dest_offset = (__u64)offset};
    return ioctl(target, FICLONERANGE, &range);
}
