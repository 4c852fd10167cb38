// The limit of an upload: a server that receives a body, writes it to a file and takes its SHA-256. It knows no
// forms, keeps no rows and sends no messages; a thread serves each connection.
//
//   receiver PORT DIRECTORY synced        hash and write in turn, fdatasync before the answer
//   receiver PORT DIRECTORY overlapped    the hash on a second thread, no sync
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 16 << 10, PIECE_BYTES = 1 << 20, PIECES = 8, HASH_BYTES = 32 };

static const char *directory;
static bool is_overlapped;
static atomic_long files;

// The pieces of one body, on their way from the thread that receives to the one that hashes.
struct ring {
    unsigned char *piece[PIECES];
    size_t bytes[PIECES];  // 0 ends the body
    sem_t filled, empty;
    EVP_MD_CTX *hash;
};

static void *hash_pieces(void *argument) {
    struct ring *ring = argument;
    for (int next = 0;; next = (next + 1) % PIECES) {
        sem_wait(&ring->filled);
        if (ring->bytes[next] == 0) return NULL;
        EVP_DigestUpdate(ring->hash, ring->piece[next], ring->bytes[next]);
        sem_post(&ring->empty);
    }
}

// Receives what is missing of a piece. False if the client has gone.
static bool fill(int client, unsigned char *piece, size_t have, size_t wanted) {
    while (have < wanted) {
        ssize_t got = recv(client, piece + have, wanted - have, 0);
        if (got <= 0) return false;
        have += (size_t)got;
    }
    return true;
}

// Receives a body of `left` bytes, of which `have` lie in the first piece already.
static bool receive(int client, struct ring *ring, int file, size_t left, size_t have) {
    pthread_t hasher;
    if (is_overlapped) {
        sem_init(&ring->filled, 0, 0);
        sem_init(&ring->empty, 0, PIECES);
        if (pthread_create(&hasher, NULL, hash_pieces, ring) != 0) err(1, "pthread_create");
    }
    bool is_whole = true;
    int next = 0;
    while (left > 0) {
        if (is_overlapped) sem_wait(&ring->empty);
        unsigned char *piece = ring->piece[next];
        size_t bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
        is_whole = fill(client, piece, have, bytes);
        if (!is_whole) break;
        if (write(file, piece, bytes) != (ssize_t)bytes) err(1, "write");
        if (is_overlapped) {
            ring->bytes[next] = bytes;
            sem_post(&ring->filled);
            next = (next + 1) % PIECES;
        } else {
            EVP_DigestUpdate(ring->hash, piece, bytes);
        }
        have = 0;
        left -= bytes;
    }
    if (is_overlapped) {
        // A body that broke off has left its last piece to be used.
        if (is_whole) sem_wait(&ring->empty);
        ring->bytes[next] = 0;
        sem_post(&ring->filled);
        pthread_join(hasher, NULL);
    }
    return is_whole;
}

static bool answer(int client, EVP_MD_CTX *hash) {
    unsigned char digest[HASH_BYTES];
    EVP_DigestFinal_ex(hash, digest, NULL);
    char text[256];
    int length = sprintf(text, "HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n", 2 * HASH_BYTES);
    for (int index = 0; index < HASH_BYTES; index++) length += sprintf(text + length, "%02x", digest[index]);
    return send(client, text, (size_t)length, MSG_NOSIGNAL) == length;
}

// Takes one request. False if there is none any more.
static bool serve_request(int client, struct ring *ring) {
    char head[HEAD_BYTES + 1];
    size_t have = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t got = recv(client, head + have, HEAD_BYTES - have, 0);
        if (got <= 0) return false;
        have += (size_t)got;
        head[have] = 0;
        end = strstr(head, "\r\n\r\n");
    }
    char *length = strcasestr(head, "\r\ncontent-length:");
    if (length == NULL) return false;
    char *body = end + strlen("\r\n\r\n");
    size_t of_body = have - (size_t)(body - head);
    memcpy(ring->piece[0], body, of_body);

    char path[4096];
    snprintf(path, sizeof path, "%s/%ld", directory, atomic_fetch_add(&files, 1));
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (file < 0) err(1, "%s", path);
    EVP_DigestInit_ex(ring->hash, EVP_sha256(), NULL);
    bool is_whole = receive(client, ring, file, strtoul(length + strlen("\r\ncontent-length:"), NULL, 10), of_body);
    if (is_whole && !is_overlapped && fdatasync(file) != 0) err(1, "fdatasync");
    close(file);
    return is_whole && answer(client, ring->hash);
}

static void *serve_connection(void *argument) {
    int client = (int)(long)argument;
    struct ring ring = {.hash = EVP_MD_CTX_new()};
    for (int index = 0; index < PIECES; index++) ring.piece[index] = aligned_alloc(4096, PIECE_BYTES);
    while (serve_request(client, &ring)) {}
    for (int index = 0; index < PIECES; index++) free(ring.piece[index]);
    EVP_MD_CTX_free(ring.hash);
    close(client);
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 4) errx(2, "usage: receiver PORT DIRECTORY synced|overlapped");
    directory = arguments[2];
    is_overlapped = strcmp(arguments[3], "overlapped") == 0;

    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) err(1, "bind");
    if (listen(listener, 128) != 0) err(1, "listen");
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) err(1, "accept");
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve_connection, (void *)(long)client) != 0) err(1, "pthread_create");
        pthread_detach(thread);
    }
}
