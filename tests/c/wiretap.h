/* A listener between a client and its local enclave, which keeps what the client sends: over ws://
 * that is an HTTP request and then masked websocket frames. It counts the sealed requests, and
 * compares the encapsulated keys that they begin with. Define _GNU_SOURCE. */
#ifndef WIRETAP_H
#define WIRETAP_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEY_LENGTH = 32, MOST_TAPS = 64 };

struct tap {
    struct wiretap *owner;
    int client, server;
    uint8_t *sent; /* by the client */
    size_t len, room;
};

struct wiretap {
    int listener, target;
    struct tap taps[MOST_TAPS];
    int count; /* connections so far */
    int held;  /* nothing is read */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

/* Passes on what can be read. Gives 0 at the end. */
static inline int wiretap_pass(struct tap *tap, int from, int to)
{
    uint8_t piece[65536];
    pthread_mutex_lock(&tap->owner->mutex);
    while (tap->owner->held) {
        pthread_cond_wait(&tap->owner->changed, &tap->owner->mutex);
    }
    pthread_mutex_unlock(&tap->owner->mutex);
    ssize_t n = read(from, piece, sizeof piece);
    if (n <= 0) {
        return 0;
    }
    if (from == tap->client) {
        pthread_mutex_lock(&tap->owner->mutex);
        if (tap->len + (size_t)n > tap->room) {
            tap->room = 2 * (tap->room + sizeof piece);
            tap->sent = realloc(tap->sent, tap->room);
            if (tap->sent == NULL) {
                abort();
            }
        }
        memcpy(tap->sent + tap->len, piece, (size_t)n);
        tap->len += (size_t)n;
        pthread_mutex_unlock(&tap->owner->mutex);
    }
    for (ssize_t done = 0, m; done < n; done += m) {
        if ((m = send(to, piece + done, (size_t)(n - done), MSG_NOSIGNAL)) <= 0) {
            return 0;
        }
    }
    return 1;
}

static inline void *wiretap_serve(void *argument)
{
    struct tap *tap = argument;
    struct pollfd ends[2] = {{tap->client, POLLIN, 0}, {tap->server, POLLIN, 0}};
    while (poll(ends, 2, -1) > 0) {
        if ((ends[0].revents != 0 && !wiretap_pass(tap, tap->client, tap->server)) ||
            (ends[1].revents != 0 && !wiretap_pass(tap, tap->server, tap->client))) {
            break;
        }
    }
    close(tap->client);
    close(tap->server);
    return NULL;
}

static inline struct sockaddr_in wiretap_address(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return address;
}

static inline void *wiretap_accept(void *argument)
{
    struct wiretap *wiretap = argument;
    int client;
    while ((client = accept(wiretap->listener, NULL, NULL)) >= 0) {
        struct sockaddr_in address = wiretap_address(wiretap->target);
        pthread_t thread;
        pthread_mutex_lock(&wiretap->mutex);
        if (wiretap->count == MOST_TAPS) {
            abort();
        }
        struct tap *tap = &wiretap->taps[wiretap->count++];
        pthread_mutex_unlock(&wiretap->mutex);
        tap->owner = wiretap;
        tap->client = client;
        tap->server = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(tap->server, (struct sockaddr *)&address, sizeof address) != 0 ||
            pthread_create(&thread, NULL, wiretap_serve, tap) != 0) {
            perror("wiretap");
            exit(2);
        }
        pthread_detach(thread);
    }
    return NULL;
}

/* Starts to listen, and changes url, JSON text with its quotes, to lead there. It goes on until
 * the process ends. */
static inline void wiretap_start(struct wiretap *wiretap, char *url)
{
    struct sockaddr_in address = wiretap_address(0);
    socklen_t len = sizeof address;
    pthread_t thread;
    char *port = strrchr(url, ':');
    memset(wiretap, 0, sizeof *wiretap);
    pthread_mutex_init(&wiretap->mutex, NULL);
    pthread_cond_init(&wiretap->changed, NULL);
    wiretap->target = atoi(port + 1);
    wiretap->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(wiretap->listener, (struct sockaddr *)&address, len) != 0 ||
        listen(wiretap->listener, 16) != 0 ||
        getsockname(wiretap->listener, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&thread, NULL, wiretap_accept, wiretap) != 0) {
        perror("wiretap");
        exit(2);
    }
    pthread_detach(thread);
    sprintf(port, ":%d\"", ntohs(address.sin_port));
}

/* Stops reading from both sides, or goes on. */
static inline void wiretap_hold(struct wiretap *wiretap, int held)
{
    pthread_mutex_lock(&wiretap->mutex);
    wiretap->held = held;
    pthread_cond_broadcast(&wiretap->changed);
    pthread_mutex_unlock(&wiretap->mutex);
}

/* A number that changes with each byte that a client sends and with each connection. */
static inline size_t wiretap_bytes(struct wiretap *wiretap)
{
    pthread_mutex_lock(&wiretap->mutex);
    size_t sum = (size_t)wiretap->count << 40;
    for (int i = 0; i < wiretap->count; i++) {
        sum += wiretap->taps[i].len;
    }
    pthread_mutex_unlock(&wiretap->mutex);
    return sum;
}

/* Collects the keys that the sealed requests of one connection begin with: binary messages, in
 * frames as RFC 6455 section 5.2 has them. Gives how many there are, or -1 for nonsense. */
static inline long wiretap_keys_of(const struct tap *tap, uint8_t (*keys)[KEY_LENGTH], long most)
{
    const uint8_t *at = memmem(tap->sent, tap->len, "\r\n\r\n", 4), *end = tap->sent + tap->len;
    long count = 0;
    if (at == NULL) {
        return -1;
    }
    for (at += 4; at < end;) {
        size_t left = (size_t)(end - at), head = 2;
        if (left < 6) {
            return -1;
        }
        int opcode = at[0] & 0x0F;
        uint64_t len = at[1] & 0x7F;
        int wide = len == 126 ? 2 : len == 127 ? 8 : 0;
        if ((at[1] & 0x80) == 0 || left < 6 + (size_t)wide) { /* clients mask */
            return -1;
        }
        if (wide > 0) {
            len = 0;
            for (int i = 0; i < wide; i++) {
                len = len << 8 | at[head++];
            }
        }
        const uint8_t *mask = at + head, *payload = mask + 4;
        if (payload > end || len > (uint64_t)(end - payload)) {
            return -1;
        }
        if (opcode == 2) {
            if (len < KEY_LENGTH || count == most) {
                return -1;
            }
            for (int i = 0; i < KEY_LENGTH; i++) {
                keys[count][i] = payload[i] ^ mask[i % 4];
            }
            count++;
        }
        at = payload + len;
    }
    return count;
}

static inline int wiretap_compare(const void *one, const void *other)
{
    return memcmp(one, other, KEY_LENGTH);
}

/* Gives how many requests clients have sent on all connections, or -1 when they cannot be read or
 * two of them have one key. To be called while nothing is under way. */
static inline long wiretap_requests(struct wiretap *wiretap)
{
    enum { MOST = 1 << 20 };
    uint8_t(*keys)[KEY_LENGTH] = malloc((size_t)MOST * KEY_LENGTH);
    long count = 0;
    pthread_mutex_lock(&wiretap->mutex);
    for (int i = 0; i < wiretap->count && count >= 0; i++) {
        long more = wiretap_keys_of(&wiretap->taps[i], keys + count, MOST - count);
        count = more < 0 ? -1 : count + more;
    }
    pthread_mutex_unlock(&wiretap->mutex);
    if (count > 0) {
        qsort(keys, (size_t)count, KEY_LENGTH, wiretap_compare);
        for (long i = 1; i < count; i++) {
            if (memcmp(keys[i - 1], keys[i], KEY_LENGTH) == 0) {
                count = -1;
                break;
            }
        }
    }
    free(keys);
    return count;
}

#endif
