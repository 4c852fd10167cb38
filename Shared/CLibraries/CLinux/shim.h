#pragma once
// Swift's Glibc module is built without _GNU_SOURCE, which hides what only Linux has.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

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

// What SO_ATTACH_FILTER takes to make a listening socket ignore new connections, as if their first packet had been
// lost: SYN without ACK, among the flags in byte 13 of the TCP header. Connections that were begun before are not touched.
static inline struct sock_fprog linux_ignore_new_connections(void) {
    static struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    struct sock_fprog filter = {.len = sizeof steps / sizeof *steps, .filter = steps};
    return filter;
}
