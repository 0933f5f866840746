/* Measures the library from C. The one argument is the options of cape_connect; each line of
 * input is "run <operation> <size> <in flight> <count>", and is answered by a line of JSON with
 * the nanoseconds that count calls took in all, by the clock and of this process's CPU. */
#define _POSIX_C_SOURCE 200809L
#include <cape.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct task {
    char operation[16];
    size_t size;
    size_t in_flight;
    size_t count;
};

static const char *options;
static cape_handle conn;
static cape_handle queue; /* opened by the first batch that needs it */
static int32_t queue_fd;
static cape_error err = CAPE_ERROR_INIT;
static char trouble[600]; /* why the latest batch failed */

static uint8_t *input;
static uint8_t *result; /* of operations */
static size_t room;     /* of both */

static int64_t now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool failed(const char *what)
{
    snprintf(trouble, sizeof trouble, "%s: %s", what, err.message);
    for (char *c = trouble; *c != 0; c++) { /* it becomes JSON */
        if (*c == '"' || *c == '\\') {
            *c = '\'';
        }
    }
    return false;
}

static bool prepare(size_t size)
{
    if (size > room) {
        free(input);
        free(result);
        input = malloc(size);
        result = malloc(size);
        room = input != NULL && result != NULL ? size : 0;
        if (room == 0) {
            return failed("no memory");
        }
    }
    for (size_t i = 0; i < size; i++) {
        input[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    return true;
}

/* Connecting is measured, closing is not. */
static bool connects(const struct task *t, int64_t *elapsed)
{
    *elapsed = 0;
    for (size_t i = 0; i < t->count; i++) {
        cape_handle another = 0;
        int64_t start = now(CLOCK_MONOTONIC);
        int32_t code = cape_connect(options, strlen(options), &another, NULL, &err);
        *elapsed += now(CLOCK_MONOTONIC) - start;
        if (code != CAPE_OK) {
            return failed("cape_connect");
        }
        cape_close(another, NULL);
    }
    return true;
}

static bool invokes(const struct task *t, int64_t *elapsed)
{
    bool same = true;
    int64_t start = now(CLOCK_MONOTONIC);
    for (size_t i = 0; i < t->count; i++) {
        cape_buf output = {0};
        if (cape_invoke(conn, input, t->size, &output, &err) != CAPE_OK) {
            return failed("cape_invoke");
        }
        if (i + 1 == t->count) { /* outside of what is measured */
            *elapsed = now(CLOCK_MONOTONIC) - start;
            same = output.len == t->size && memcmp(output.data, input, t->size) == 0;
            start = now(CLOCK_MONOTONIC);
        }
        cape_buf_free(&output);
    }
    *elapsed += now(CLOCK_MONOTONIC) - start;
    return same || failed("the echo is not one");
}

static bool begin(const struct task *t)
{
    cape_handle operation = 0;
    return cape_invoke_start(conn, input, t->size, 0, queue, &operation, &err) == CAPE_OK ||
           failed("cape_invoke_start");
}

/* One thread keeps in_flight operations under way, and takes them as the queue tells. */
static bool operations(const struct task *t, int64_t *elapsed)
{
    if (queue == 0 && cape_queue_open(&queue, &queue_fd, &err) != CAPE_OK) {
        return failed("cape_queue_open");
    }
    int64_t start = now(CLOCK_MONOTONIC);
    size_t started = 0;
    size_t ended = 0;
    while (started < t->in_flight && started < t->count) {
        if (!begin(t)) {
            return false;
        }
        started++;
    }
    while (ended < t->count) {
        struct pollfd readable = {.fd = queue_fd, .events = POLLIN};
        if (poll(&readable, 1, 60000) != 1) {
            return failed("no operation ended within a minute");
        }
        cape_handle taken[64];
        size_t count = 0;
        if (cape_queue_take(queue, taken, 64, &count, &err) != CAPE_OK) {
            return failed("cape_queue_take");
        }
        for (size_t i = 0; i < count; i++) {
            size_t length = 0;
            if (cape_op_result(taken[i], NULL, result, t->size, &length, &err) != CAPE_OK) {
                return failed("cape_op_result");
            }
            if (length != t->size) {
                return failed("the echo is not one");
            }
            ended++;
            if (started < t->count) {
                if (!begin(t)) {
                    return false;
                }
                started++;
            }
        }
    }
    *elapsed = now(CLOCK_MONOTONIC) - start;
    return memcmp(result, input, t->size) == 0 || failed("the echo is not one");
}

/* A call that stays in the C half of the library. */
static bool versions(const struct task *t, int64_t *elapsed)
{
    int64_t start = now(CLOCK_MONOTONIC);
    for (size_t i = 0; i < t->count; i++) {
        if (cape_version(NULL, NULL, NULL, NULL) != CAPE_OK) {
            return failed("cape_version");
        }
    }
    *elapsed = now(CLOCK_MONOTONIC) - start;
    return true;
}

/* A call that enters Go, which finds that the handle is not open. */
static bool enters(const struct task *t, int64_t *elapsed)
{
    int64_t start = now(CLOCK_MONOTONIC);
    for (size_t i = 0; i < t->count; i++) {
        if (cape_close(1, NULL) != CAPE_E_HANDLE) {
            return failed("cape_close");
        }
    }
    *elapsed = now(CLOCK_MONOTONIC) - start;
    return true;
}

static bool run(const struct task *t, int64_t *elapsed)
{
    if (strcmp(t->operation, "connect") == 0) {
        return connects(t, elapsed);
    }
    if (strcmp(t->operation, "invoke") == 0) {
        return prepare(t->size) && (t->in_flight > 1 ? operations : invokes)(t, elapsed);
    }
    if (strcmp(t->operation, "call") == 0) {
        return versions(t, elapsed);
    }
    if (strcmp(t->operation, "enter") == 0) {
        return enters(t, elapsed);
    }
    return failed("no such operation");
}

/* A few calls that do not count come first: this process has just been idle. */
static bool measure(const struct task *t, int64_t *elapsed, int64_t *cpu)
{
    struct task warm = *t;
    warm.count /= 10;
    if (warm.count > 0 && !run(&warm, elapsed)) {
        return false;
    }
    int64_t before = now(CLOCK_PROCESS_CPUTIME_ID);
    bool done = run(t, elapsed);
    *cpu = now(CLOCK_PROCESS_CPUTIME_ID) - before;
    return done;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: worker OPTIONS\n");
        return 2;
    }
    options = argv[1];
    if (cape_connect(options, strlen(options), &conn, NULL, &err) != CAPE_OK) {
        fprintf(stderr, "worker: %s\n", err.message);
        return 1;
    }
    char line[128];
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct task t;
        if (sscanf(line, "run %15s %zu %zu %zu", t.operation, &t.size, &t.in_flight, &t.count) != 4) {
            fprintf(stderr, "worker: not a task: %s", line);
            return 2;
        }
        int64_t elapsed = 0;
        int64_t cpu = 0;
        if (measure(&t, &elapsed, &cpu)) {
            printf("{\"ns\": %lld, \"cpu_ns\": %lld}\n", (long long)elapsed, (long long)cpu);
        } else {
            printf("{\"error\": \"%s\"}\n", trouble);
        }
        fflush(stdout);
    }
    cape_close(conn, NULL);
    return 0;
}
