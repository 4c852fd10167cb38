#pragma once
// A child process that decodes what strangers send: how it is started, what it may do, and how files reach it.
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Starts `program` in a process group of its own, with `input` as its standard input, no other descriptor of this
/// process, and every signal as it is by default. What it prints is lost. Gives an errno, 0 if it started.
static inline int decoder_spawn(
    const char *program, char *const arguments[], char *const environment[], int input, pid_t *child) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t signals;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    int failed = posix_spawn_file_actions_adddup2(&files, input, 0);
    failed = failed ? failed : posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    failed = failed ? failed : posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    failed = failed ? failed : posix_spawn_file_actions_addclosefrom_np(&files, 3);
    sigemptyset(&signals);
    failed = failed ? failed : posix_spawnattr_setsigmask(&attributes, &signals);
    sigfillset(&signals);
    failed = failed ? failed : posix_spawnattr_setsigdefault(&attributes, &signals);
    failed = failed ? failed : posix_spawnattr_setpgroup(&attributes, 0);
    failed = failed ? failed
                    : posix_spawnattr_setflags(
                          &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    failed = failed ? failed : posix_spawn(child, program, &files, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

/// A descriptor that is readable once a child has ended; -1 on a kernel before 5.3.
static inline int decoder_watch(pid_t child) {
    return (int)syscall(__NR_pidfd_open, child, 0);
}

/// Two ends of a socket that keeps messages apart.
static inline int decoder_socket_pair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

/// Sends a message with up to two descriptors.
static inline ssize_t decoder_send(int socket, const void *bytes, size_t count, const int *descriptors, int number) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (number > 0 && number <= 2) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(number * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(number * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, number * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

/// Waits for a message; `descriptors` has room for two, those that did not come are -1. 0 at the other end's end.
static inline ssize_t decoder_receive(int socket, void *bytes, size_t capacity, int *descriptors) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    descriptors[0] = descriptors[1] = -1;
    ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (count <= 0) return count;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        size_t size = header->cmsg_len - CMSG_LEN(0);
        memcpy(descriptors, CMSG_DATA(header), size < 2 * sizeof(int) ? size : 2 * sizeof(int));
    }
    return count;
}

/// Ends this process when its parent ends, and keeps it from ever gaining a right.
static inline int decoder_bind_to_parent(pid_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return getppid() == parent ? 0 : -1;
}

#if defined(__x86_64__)
#define DECODER_AUDIT_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define DECODER_AUDIT_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define DECODER_ALLOW(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define DECODER_ARGUMENT(number) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[number]))
#define DECODER_REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)

/// From here on this process has the files and the socket it has, and memory, threads and time: it opens, starts,
/// connects to, signals and waits for nothing else. Any other call fails with ENOSYS, which the C library takes for an
/// old kernel. `every_thread`: for all threads of the process, else for this one.
static inline int decoder_confine(int every_thread) {
#ifdef DECODER_AUDIT_ARCHITECTURE
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DECODER_AUDIT_ARCHITECTURE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        // Reading and writing what is open.
        DECODER_ALLOW(read), DECODER_ALLOW(write), DECODER_ALLOW(readv), DECODER_ALLOW(writev), DECODER_ALLOW(pread64),
        DECODER_ALLOW(pwrite64), DECODER_ALLOW(lseek), DECODER_ALLOW(close), DECODER_ALLOW(dup),
        DECODER_ALLOW(fstat), DECODER_ALLOW(newfstatat), DECODER_ALLOW(ftruncate), DECODER_ALLOW(fadvise64),
        DECODER_ALLOW(recvmsg), DECODER_ALLOW(sendmsg), DECODER_ALLOW(ppoll),
        // Memory.
        DECODER_ALLOW(brk), DECODER_ALLOW(mmap), DECODER_ALLOW(munmap), DECODER_ALLOW(mremap), DECODER_ALLOW(mprotect),
        DECODER_ALLOW(madvise),
        // Threads, time, itself.
        DECODER_ALLOW(futex), DECODER_ALLOW(set_robust_list), DECODER_ALLOW(rseq), DECODER_ALLOW(sched_yield),
        DECODER_ALLOW(sched_getaffinity), DECODER_ALLOW(getcpu), DECODER_ALLOW(membarrier), DECODER_ALLOW(exit),
        DECODER_ALLOW(exit_group), DECODER_ALLOW(rt_sigaction), DECODER_ALLOW(rt_sigprocmask), DECODER_ALLOW(rt_sigreturn),
        DECODER_ALLOW(sigaltstack), DECODER_ALLOW(restart_syscall), DECODER_ALLOW(nanosleep), DECODER_ALLOW(clock_nanosleep),
        DECODER_ALLOW(clock_gettime), DECODER_ALLOW(clock_getres), DECODER_ALLOW(gettimeofday), DECODER_ALLOW(getrandom),
        DECODER_ALLOW(getrusage), DECODER_ALLOW(getpid), DECODER_ALLOW(gettid), DECODER_ALLOW(getuid), DECODER_ALLOW(sysinfo),
        DECODER_ALLOW(uname),
        // A thread, not a process.
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 4), DECODER_ARGUMENT(0),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        DECODER_REFUSE,
        // Its own limits.
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_prlimit64, 0, 4), DECODER_ARGUMENT(0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), DECODER_REFUSE,
        // Its own end, as when it aborts.
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_tgkill, 0, 4), DECODER_ARGUMENT(0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)getpid(), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        DECODER_REFUSE,
        DECODER_REFUSE,
    };
    struct sock_fprog filter = {.len = sizeof steps / sizeof *steps, .filter = steps};
    return (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, every_thread ? SECCOMP_FILTER_FLAG_TSYNC : 0, &filter);
#else
    (void)every_thread;
    errno = ENOSYS;
    return -1;
#endif
}
