// Sends uploads over connections that stay open, with as little work of its own as a client can have: the files go from
// the page cache to the socket. Every file ends with a number that no other has, so that none is a duplicate.
//
//   driver [-v] -c CONNECTIONS -n REQUESTS -t SECONDS -f NUMBER -H HEADER PORT PUT|POST PATH FILE:BYTES…
//
// PUT sends one file as the body, POST all of them as one form. A `#` in the path becomes the request's number, which
// counts up from NUMBER; of each FILE the first BYTES are sent. After SECONDS no request begins any more. With -v an
// answer that does not hold the SHA-256 of every file sent is a failure, as any but a 201 is. Prints each request's
// seconds and all requests', and the program's own CPU seconds, as JSON; and the first failure as text.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#define BOUNDARY "tolva-bench-boundary"

enum { MOST_FILES = 64, TEXT_BYTES = 4096, ANSWER_BYTES = 256 << 10, HASH_BYTES = 32 };

struct file {
    const char *name;
    int descriptor;
    size_t bytes;  // With the number that ends it
    const unsigned char *content;
};

static struct file files[MOST_FILES];
static int file_count;
static const char *header = "", *method, *path;
static uint16_t port;
static long requests = 1, first_number;
static bool verifies;
static double latest = INFINITY;  // No request begins then

static atomic_long next_request, failures;
static double *seconds;

// No two files of one run have the same, nor have two runs if their first numbers are far enough apart.
static uint64_t number_of(long request, int file) {
    return htobe64((uint64_t)(first_number + request) * MOST_FILES + (uint64_t)file);
}

static int dial(void) {
    int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(server, (struct sockaddr *)&address, sizeof address) == 0) return server;
    close(server);
    return -1;
}

static bool send_bytes(int server, const void *bytes, size_t count, int flags) {
    while (count > 0) {
        ssize_t sent = send(server, bytes, count, MSG_NOSIGNAL | flags);
        if (sent <= 0) return false;
        bytes = (const char *)bytes + sent;
        count -= (size_t)sent;
    }
    return true;
}

static bool send_file(int server, long request, int index, int flags) {
    const struct file *file = &files[index];
    uint64_t number = number_of(request, index);
    off_t offset = 0, end = (off_t)(file->bytes - sizeof number);
    while (offset < end) {
        if (sendfile(server, file->descriptor, &offset, (size_t)(end - offset)) <= 0) return false;
    }
    return send_bytes(server, &number, sizeof number, flags);
}

// Writes what stands before a file in a form.
static size_t part_head(char *text, int index) {
    return (size_t)snprintf(text, TEXT_BYTES,
                            "%s--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"files\"; filename=\"%s\"\r\n"
                            "Content-Type: application/octet-stream\r\n\r\n",
                            index > 0 ? "\r\n" : "", files[index].name);
}

static bool send_request(int server, long request) {
    static const char form_end[] = "\r\n--" BOUNDARY "--\r\n";
    bool is_form = strcmp(method, "POST") == 0;
    char text[TEXT_BYTES];
    size_t body_bytes = is_form ? strlen(form_end) : 0;
    for (int index = 0; index < file_count; index++) {
        body_bytes += files[index].bytes + (is_form ? part_head(text, index) : 0);
    }
    const char *mark = strchrnul(path, '#');
    char request_number[24] = "";
    if (*mark != 0) snprintf(request_number, sizeof request_number, "%ld", first_number + request);
    int length = snprintf(text, sizeof text,
                          "%s %.*s%s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%sContent-Type: %s\r\n"
                          "Content-Length: %zu\r\n\r\n",
                          method, (int)(mark - path), path, request_number, *mark != 0 ? mark + 1 : "", port, header,
                          *header != 0 ? "\r\n" : "",
                          is_form ? "multipart/form-data; boundary=" BOUNDARY : "application/octet-stream", body_bytes);
    if (length >= (int)sizeof text || !send_bytes(server, text, (size_t)length, MSG_MORE)) return false;
    for (int index = 0; index < file_count; index++) {
        if (is_form && !send_bytes(server, text, part_head(text, index), MSG_MORE)) return false;
        if (!send_file(server, request, index, is_form ? MSG_MORE : 0)) return false;
    }
    return !is_form || send_bytes(server, form_end, strlen(form_end), 0);
}

// Reads an answer, which must have a length, into `answer`. False if there is none.
static bool read_answer(int server, char *answer) {
    size_t have = 0, whole = ANSWER_BYTES;
    while (have < whole) {
        ssize_t got = recv(server, answer + have, ANSWER_BYTES - have, 0);
        if (got <= 0) return false;
        have += (size_t)got;
        answer[have] = 0;
        char *end = whole == ANSWER_BYTES ? strstr(answer, "\r\n\r\n") : NULL;
        if (end == NULL) continue;
        char *length = strcasestr(answer, "\r\ncontent-length:");
        if (length == NULL || length > end) return false;
        whole = (size_t)(end - answer) + strlen("\r\n\r\n") + strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
    }
    return have == whole;
}

static bool names_every_file(const char *answer, long request) {
    for (int index = 0; index < file_count; index++) {
        uint64_t number = number_of(request, index);
        unsigned char digest[HASH_BYTES];
        char text[2 * HASH_BYTES + 1];
        EVP_MD_CTX *hash = EVP_MD_CTX_new();
        EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
        EVP_DigestUpdate(hash, files[index].content, files[index].bytes - sizeof number);
        EVP_DigestUpdate(hash, &number, sizeof number);
        EVP_DigestFinal_ex(hash, digest, NULL);
        EVP_MD_CTX_free(hash);
        for (int byte = 0; byte < HASH_BYTES; byte++) sprintf(text + 2 * byte, "%02x", digest[byte]);
        if (strstr(answer, text) == NULL) return false;
    }
    return true;
}

static void fail(long request, const char *reason) {
    if (atomic_fetch_add(&failures, 1) == 0) warnx("request %ld: %.2000s", first_number + request, reason);
}

static void *send_requests(void *unused) {
    (void)unused;
    char *answer = malloc(ANSWER_BYTES + 1);
    int server = -1;
    for (double began; (began = now()) < latest;) {
        long request = atomic_fetch_add(&next_request, 1);
        if (request >= requests) break;
        if (server < 0) server = dial();
        bool is_answered = server >= 0 && send_request(server, request) && read_answer(server, answer);
        seconds[request] = now() - began;
        if (is_answered && strncmp(answer, "HTTP/1.1 201 ", strlen("HTTP/1.1 201 ")) == 0) {
            if (verifies && !names_every_file(answer, request)) fail(request, answer);
            continue;
        }
        fail(request, is_answered ? answer : "the connection ended");
        close(server);
        server = -1;
    }
    close(server);
    free(answer);
    return NULL;
}

// Opens FILE:BYTES.
static void add_file(char *argument) {
    char *colon = strrchr(argument, ':');
    if (colon == NULL || file_count == MOST_FILES) errx(2, "not FILE:BYTES, or too many: %s", argument);
    *colon = 0;
    struct file *file = &files[file_count++];
    file->name = strrchr(argument, '/') ? strrchr(argument, '/') + 1 : argument;
    file->bytes = strtoul(colon + 1, NULL, 10);
    file->descriptor = open(argument, O_RDONLY);
    struct stat status;
    if (file->descriptor < 0 || fstat(file->descriptor, &status) != 0) err(1, "%s", argument);
    if (file->bytes < sizeof(uint64_t) || file->bytes > (size_t)status.st_size) errx(2, "%s is shorter", argument);
    if (!verifies) return;
    file->content = mmap(NULL, file->bytes, PROT_READ, MAP_SHARED, file->descriptor, 0);
    if (file->content == MAP_FAILED) err(1, "mmap");
}

int main(int count, char **arguments) {
    int connections = 1;
    double limit = INFINITY;
    for (int option; (option = getopt(count, arguments, "vc:n:t:f:H:")) != -1;) {
        switch (option) {
        case 'v': verifies = true; break;
        case 'c': connections = atoi(optarg); break;
        case 'n': requests = atol(optarg); break;
        case 't': limit = atof(optarg); break;
        case 'f': first_number = atol(optarg); break;
        case 'H': header = optarg; break;
        default: return 2;
        }
    }
    if (count - optind < 4) errx(2, "PORT, PUT or POST, PATH and FILE:BYTES are missing");
    port = (uint16_t)atoi(arguments[optind]);
    method = arguments[optind + 1];
    path = arguments[optind + 2];
    for (int index = optind + 3; index < count; index++) add_file(arguments[index]);

    seconds = calloc((size_t)requests, sizeof *seconds);
    pthread_t *threads = calloc((size_t)connections, sizeof *threads);
    double began = now();
    latest = began + limit;
    for (int index = 0; index < connections; index++) {
        if (pthread_create(&threads[index], NULL, send_requests, NULL) != 0) err(1, "pthread_create");
    }
    for (int index = 0; index < connections; index++) pthread_join(threads[index], NULL);
    double wall = now() - began;

    long begun = atomic_load(&next_request);
    if (begun > requests) begun = requests;
    printf("{\"wall\": %.6f, \"failures\": %ld, \"cpu_seconds\": %.6f, \"seconds\": [", wall, atomic_load(&failures),
           cpu_seconds());
    for (long index = 0; index < begun; index++) printf("%s%.6f", index > 0 ? ", " : "", seconds[index]);
    printf("]}\n");
    return 0;
}
