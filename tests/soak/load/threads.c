/* 64 threads on 8 connections: calls of many sizes, blocking, started and cancelled, while
 * connections are closed and opened under them. No result may be wrong, and nothing may be left.
 *
 *     threads OPTIONS SECONDS    OPTIONS of cape_connect; the function echoes its input
 */
#define _GNU_SOURCE
#include <cape.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 64, CONNECTIONS = 8, LARGEST = 1 << 20 };

static const char *options;
static _Atomic cape_handle connections[CONNECTIONS];
static _Atomic int stopping, wrong;
static _Atomic long right, ended_otherwise;

static void complain(const char *what, int32_t code, const cape_error *err)
{
    if (atomic_fetch_add(&wrong, 1) < 20) {
        fprintf(stderr, "%s: %d %s: %s\n", what, (int)code, err->reason, err->message);
    }
}

/* Pseudo-random numbers of a thread's own (xorshift). */
static uint32_t draw(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void fill(uint8_t *data, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(seed + i * 131 + (i >> 8));
    }
}

static size_t some_size(uint32_t *random)
{
    switch (draw(random) % 32) {
    case 0:
        return draw(random) % LARGEST;
    case 1:
        return 0;
    default:
        return draw(random) % 4096;
    }
}

/* What may happen to a call whose connection another thread closes. */
static int is_closing(int32_t code)
{
    return code == CAPE_E_CLOSED || code == CAPE_E_HANDLE;
}

static void judge(int32_t code, const cape_error *err, const uint8_t *input, size_t len,
                  const uint8_t *output, size_t output_len)
{
    if (code == CAPE_OK && output_len == len && (len == 0 || memcmp(input, output, len) == 0)) {
        right++;
    } else if (is_closing(code) || code == CAPE_E_CANCELLED) {
        ended_otherwise++;
    } else {
        complain(code == CAPE_OK ? "another result" : "invoke", code, err);
    }
}

static void reopen(_Atomic cape_handle *connection)
{
    cape_error err = CAPE_ERROR_INIT;
    cape_handle fresh = 0;
    int32_t code = cape_connect(options, strlen(options), &fresh, NULL, &err);
    if (code != CAPE_OK) {
        complain("connect", code, &err);
        return;
    }
    cape_handle old = atomic_exchange(connection, fresh);
    code = cape_close(old, &err);
    if (code != CAPE_OK) {
        complain("close", code, &err);
    }
}

static void call_started(cape_handle conn, cape_handle queue, int cancel, const uint8_t *input,
                         size_t len, uint8_t *output)
{
    cape_error err = CAPE_ERROR_INIT;
    cape_handle operation = 0, listed = 0;
    size_t got = 0, count = 0;
    int32_t code = cape_invoke_start(conn, input, len, 0, queue, &operation, &err);
    if (code == CAPE_OK && cancel == 1) {
        code = cape_op_cancel(operation, &err);
    }
    if (code == CAPE_OK && cancel == 2) { /* nobody wants it any more */
        code = cape_close(operation, &err);
        if (code == CAPE_OK) {
            code = CAPE_E_CANCELLED;
        }
    } else if (code == CAPE_OK && (code = cape_op_wait(operation, 0, &err)) == CAPE_OK) {
        code = cape_op_result(operation, NULL, output, LARGEST, &got, &err);
    }
    judge(code, &err, input, len, output, got);
    if (cape_queue_take(queue, &listed, 1, &count, &err) != CAPE_OK) {
        complain("take", err.code, &err);
    }
}

static void *work(void *argument)
{
    uint32_t random = (uint32_t)(uintptr_t)argument * 2654435761U | 1;
    uint8_t *input = malloc(LARGEST), *output = malloc(LARGEST);
    cape_handle queue = 0;
    int32_t fd = -1;
    cape_error err = CAPE_ERROR_INIT;
    if (input == NULL || output == NULL || cape_queue_open(&queue, &fd, &err) != CAPE_OK) {
        complain("queue", err.code, &err);
        return NULL;
    }
    while (!stopping) {
        _Atomic cape_handle *connection = &connections[draw(&random) % CONNECTIONS];
        cape_handle conn = *connection;
        size_t len = some_size(&random);
        fill(input, len, random);
        switch (draw(&random) % 16) {
        case 0:
            if (draw(&random) % 8 == 0) {
                reopen(connection);
            }
            break;
        case 1:
        case 2:
        case 3:
        case 4:
            call_started(conn, queue, 0, input, len, output);
            break;
        case 5:
            call_started(conn, queue, 1, input, len, output);
            break;
        case 6:
            call_started(conn, queue, 2, input, len, output);
            break;
        default: {
            cape_buf result = {0};
            int32_t code = cape_invoke(conn, input, len, &result, &err);
            judge(code, &err, input, len, result.data, result.len);
            cape_buf_free(&result);
        }
        }
    }
    if (cape_close(queue, &err) != CAPE_OK) {
        complain("close of a queue", err.code, &err);
    }
    close(fd);
    free(input);
    free(output);
    return NULL;
}

/* What the process holds, which has to come back to where it was. */
struct held {
    long handles, goroutines, descriptors, resident; /* resident in KiB */
};

static long number_after(const cape_buf *json, const char *name)
{
    const char *found = memmem(json->data, json->len, name, strlen(name));
    return found == NULL ? -1000 : strtol(found + strlen(name), NULL, 10);
}

static struct held held(void)
{
    struct held now = {0};
    cape_buf json = {0};
    cape_counters(&json, NULL);
    now.handles = number_after(&json, "\"connections\":") + number_after(&json, "\"enclaves\":") +
                  number_after(&json, "\"operations\":") + number_after(&json, "\"queues\":");
    now.goroutines = number_after(&json, "\"goroutines\":");
    cape_buf_free(&json);
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) {
        now.descriptors++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    long pages = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm != NULL && fscanf(statm, "%ld %ld", &pages, &resident) == 2) {
        now.resident = resident * (sysconf(_SC_PAGESIZE) / 1024);
    }
    if (statm != NULL) {
        fclose(statm);
    }
    return now;
}

/* Runs for some seconds, and returns what is held when all is closed again. */
static struct held round_of(double length, const struct held *before)
{
    pthread_t threads[THREADS];
    stopping = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        reopen(&connections[i]);
    }
    for (uintptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1)) != 0) {
            perror("pthread_create");
            exit(2);
        }
    }
    struct timespec pause = {(time_t)length, (long)((length - (double)(time_t)length) * 1e9)};
    nanosleep(&pause, NULL);
    stopping = 1;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        cape_close(atomic_exchange(&connections[i], 0), NULL);
    }
    /* Goroutines say goodbye to their peers after the close, for a second at most. */
    struct held after = held();
    for (int i = 0; i < 500; i++) {
        if (after.handles <= before->handles && after.goroutines <= before->goroutines &&
            after.descriptors <= before->descriptors) {
            break;
        }
        struct timespec moment = {0, 10000000};
        nanosleep(&moment, NULL);
        after = held();
    }
    return after;
}

static void compare(const char *when, struct held before, struct held after)
{
    if (after.handles > before.handles || after.goroutines > before.goroutines ||
        after.descriptors > before.descriptors) {
        wrong++;
        fprintf(stderr, "%s: %ld handles, %ld goroutines and %ld descriptors; before %ld, %ld, %ld\n",
                when, after.handles, after.goroutines, after.descriptors, before.handles,
                before.goroutines, before.descriptors);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    options = argv[1];
    double length = strtod(argv[2], NULL) / 2;
    /* The first connection opens what the network needs for as long as the process lives. */
    reopen(&connections[0]);
    cape_close(atomic_exchange(&connections[0], 0), NULL);
    sleep(1);
    struct held start = held();
    struct held first = round_of(length, &start);
    compare("after the first round", start, first);
    struct held second = round_of(length, &start);
    compare("after the second round", start, second);
    /* The heap of Go keeps some of what it had; what matters is that it does not grow on. */
    if (second.resident > first.resident + first.resident / 4 + 64 * 1024) {
        wrong++;
        fprintf(stderr, "%ld KiB resident, after %ld\n", second.resident, first.resident);
    }
    printf("{\"right\": %ld, \"ended otherwise\": %ld, \"resident KiB\": [%ld, %ld, %ld]}\n", right,
           ended_otherwise, start.resident, first.resident, second.resident);
    return wrong == 0 && right > 100 ? EXIT_SUCCESS : EXIT_FAILURE;
}
