// The least that a disk takes for files that are there after a crash: the steps of an upload without the upload. Each
// file is written without a name, synced, given one in one of 256 directories, and that directory is synced.
//
//   floor THREADS SECONDS FILES BYTES DIRECTORY
//
// Each thread writes FILES of BYTES, again and again, until SECONDS are over. Prints what `driver.c` does: the seconds of
// each time and of all, and CPU seconds.
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../uploads/clock.h"

enum { DIRECTORIES = 256, MOST_TIMES = 1000000 };

static int spool, directories[DIRECTORIES];
static int files;
static size_t bytes;
static double latest, *seconds;
static atomic_long times, next_file;

static int open_directory(const char *path) {
    if (mkdir(path, 0750) != 0) err(1, "%s", path);
    int descriptor = open(path, O_RDONLY | O_DIRECTORY);
    if (descriptor < 0) err(1, "%s", path);
    return descriptor;
}

static void keep_file(const void *content) {
    char from[32], name[32];
    // A hash has no order either: neighbours in time lie in different directories.
    uint64_t number = (uint64_t)atomic_fetch_add(&next_file, 1) * 0x9E3779B97F4A7C15;
    int directory = directories[number >> 56];
    int file = openat(spool, ".", O_TMPFILE | O_WRONLY, 0640);
    if (file < 0) err(1, "O_TMPFILE");
    if (write(file, content, bytes) != (ssize_t)bytes) err(1, "write");
    if (fdatasync(file) != 0) err(1, "fdatasync");
    snprintf(from, sizeof from, "/proc/self/fd/%d", file);
    snprintf(name, sizeof name, "%016lx", (unsigned long)number);
    if (linkat(AT_FDCWD, from, directory, name, AT_SYMLINK_FOLLOW) != 0) err(1, "linkat");
    close(file);
    if (fsync(directory) != 0) err(1, "fsync");
}

static void *keep_files(void *content) {
    for (double began; (began = now()) < latest;) {
        for (int index = 0; index < files; index++) keep_file(content);
        long time = atomic_fetch_add(&times, 1);
        if (time >= MOST_TIMES) errx(1, "too many files");
        seconds[time] = now() - began;
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 6) errx(2, "THREADS SECONDS FILES BYTES DIRECTORY");
    int thread_count = atoi(arguments[1]);
    files = atoi(arguments[3]);
    bytes = (size_t)atol(arguments[4]);
    if (chdir(arguments[5]) != 0) err(1, "%s", arguments[5]);
    spool = open_directory("spool");
    for (int index = 0; index < DIRECTORIES; index++) {
        char name[8];
        snprintf(name, sizeof name, "%02x", index);
        directories[index] = open_directory(name);
    }
    sync();
    char *content = malloc(bytes);
    memset(content, 0x5A, bytes);
    seconds = calloc(MOST_TIMES, sizeof *seconds);
    pthread_t *threads = calloc((size_t)thread_count, sizeof *threads);

    double cpu_before = cpu_seconds(), began = now();
    latest = began + atof(arguments[2]);
    for (int index = 0; index < thread_count; index++) {
        if (pthread_create(&threads[index], NULL, keep_files, content) != 0) err(1, "pthread_create");
    }
    for (int index = 0; index < thread_count; index++) pthread_join(threads[index], NULL);
    double wall = now() - began, used = cpu_seconds() - cpu_before;

    printf("{\"wall\": %.6f, \"failures\": 0, \"cpu_seconds\": %.6f, \"seconds\": [", wall, used);
    for (long index = 0; index < atomic_load(&times); index++) printf("%s%.6f", index > 0 ? ", " : "", seconds[index]);
    printf("]}\n");
    return 0;
}
