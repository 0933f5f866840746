/* What the smoke tests share: expectations, and a local enclave to try them on. Each test is a
 * program that is given a Python interpreter and the folder of the test functions, and ends with
 * status 0 when all was as expected. */
#ifndef CHECK_H
#define CHECK_H

#include <cape.h>

#include <stdlib.h>
#include <time.h>

#include "json.h"

static int check_failures;

/* Prints what is not as expected, and goes on. */
#define CHECK(condition, ...)                                                                 \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            check_failures++;                                                                 \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                   \
            fprintf(stderr, __VA_ARGS__);                                                     \
            fputc('\n', stderr);                                                              \
        }                                                                                     \
    } while (0)

/* Checks a code and a reason; reason NULL stands for any. err is that of the call. */
#define EXPECT(got, want, want_reason, err)                                                   \
    expect(__LINE__, #got, (got), (want), (want_reason), (err))

static inline void expect(int line, const char *call, int32_t got, int32_t want,
                          const char *want_reason, const cape_error *err)
{
    if (got != want || err->code != want ||
        (want_reason != NULL && strcmp(err->reason, want_reason) != 0)) {
        check_failures++;
        fprintf(stderr, "line %d: %s = %d (%s: %s), expected %d (%s)\n", line, call, (int)got,
                err->reason, err->message, (int)want, want_reason != NULL ? want_reason : "any");
    }
}

static inline int check_done(void)
{
    return check_failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Seconds on a clock that never goes back. */
static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A local enclave; the texts are JSON, with their quotes. */
struct local {
    cape_handle handle;
    char url[256];
    char root[4096];
    char tls_ca[4096];
    char checksum[128]; /* of the first function */
    char pcr0[128];
};

/* Starts a local enclave with one function of the folder. more goes into the options, with a
 * comma in front. Ends the test when it cannot. */
static inline struct local local_start(char **argv, const char *function, const char *more)
{
    struct local local = {0};
    char python[2048], folder[2048], path[1024], options[8192];
    cape_error err = CAPE_ERROR_INIT;
    cape_buf info = {0};
    snprintf(path, sizeof path, "%s/%s", argv[2], function);
    if (!json_quote(argv[1], python, sizeof python) ||
        !json_quote(path, folder, sizeof folder)) {
        exit(2);
    }
    int len = snprintf(options, sizeof options, "{\"python\": %s, \"functions\": [%s]%s}",
                       python, folder, more);
    if (cape_enclave_start(options, (size_t)len, &local.handle, &err) != CAPE_OK ||
        cape_enclave_info(local.handle, &info, &err) != CAPE_OK) {
        fprintf(stderr, "no local enclave: %s (%s)\n", err.message, err.reason);
        exit(2);
    }
    const char *json = (const char *)info.data;
    if (!json_pick(json, info.len, "url", local.url, sizeof local.url) ||
        !json_pick(json, info.len, "attestation_root", local.root, sizeof local.root) ||
        !json_pick(json, info.len, "checksum", local.checksum, sizeof local.checksum) ||
        !json_pick(json, info.len, "0", local.pcr0, sizeof local.pcr0)) {
        fprintf(stderr, "the info lacks a member: %.*s\n", (int)info.len, json);
        exit(2);
    }
    json_pick(json, info.len, "tls_ca", local.tls_ca, sizeof local.tls_ca);
    cape_buf_free(&info);
    return local;
}

static inline void local_faults(const struct local *local, const char *faults)
{
    cape_error err = CAPE_ERROR_INIT;
    if (cape_enclave_set_faults(local->handle, faults, strlen(faults), &err) != CAPE_OK) {
        fprintf(stderr, "faults %s: %s\n", faults, err.message);
        exit(2);
    }
}

/* Connects to a function of a local enclave. policy is the object's members; more goes into the
 * options, with a comma in front. */
static inline int32_t local_connect(const struct local *local, const char *function,
                                    const char *policy, const char *more, cape_handle *conn,
                                    cape_buf *report, cape_error *err)
{
    char options[16384];
    int len = snprintf(options, sizeof options,
                       "{\"url\": %s, \"function\": \"local/%s\", \"attestation_roots\": %s,"
                       " \"policy\": {%s}%s}",
                       local->url, function, local->root, policy, more);
    return cape_connect(options, (size_t)len, conn, report, err);
}

/* The same with the enclave's own PCR0, where failure ends the test. */
static inline cape_handle local_session(const struct local *local, const char *function)
{
    char policy[256];
    cape_handle conn = 0;
    cape_error err = CAPE_ERROR_INIT;
    snprintf(policy, sizeof policy, "\"pcrs\": {\"0\": [%s]}", local->pcr0);
    if (local_connect(local, function, policy, "", &conn, NULL, &err) != CAPE_OK) {
        fprintf(stderr, "connect: %s (%s)\n", err.message, err.reason);
        exit(2);
    }
    return conn;
}

/* One number of cape_counters, or -1. */
static inline long counted(const char *name)
{
    cape_buf json = {0};
    size_t len = strlen(name);
    long number = -1;
    if (cape_counters(&json, NULL) != CAPE_OK) {
        return -1;
    }
    for (size_t i = 1; i + len + 2 < json.len && number == -1; i++) {
        if (json.data[i - 1] == '"' && memcmp(json.data + i, name, len) == 0 &&
            memcmp(json.data + i + len, "\":", 2) == 0) {
            number = strtol((const char *)json.data + i + len + 2, NULL, 10);
        }
    }
    cape_buf_free(&json);
    return number;
}

/* How many handles of any kind are open, or -1. */
static inline long open_handles(void)
{
    cape_buf json = {0};
    long sum = 0;
    if (cape_counters(&json, NULL) != CAPE_OK) {
        return -1;
    }
    for (size_t i = 0; i < json.len && json.data[i] != '}'; i++) { /* of the first member */
        if (json.data[i] == ':' && json.data[i + 1] != '{') {
            sum += strtol((const char *)json.data + i + 1, NULL, 10);
        }
    }
    cape_buf_free(&json);
    return sum;
}

/* True when the function echoes len bytes that depend on seed. */
static inline int echoes(cape_handle conn, size_t len, unsigned seed)
{
    int same = 0;
    cape_buf output = {0};
    cape_error err = CAPE_ERROR_INIT;
    uint8_t *input = malloc(len + 1);
    if (input == NULL) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        input[i] = (uint8_t)(seed + i * 31 + (i >> 8));
    }
    if (cape_invoke(conn, input, len, &output, &err) != CAPE_OK) {
        fprintf(stderr, "invoke: %s (%s)\n", err.message, err.reason);
    } else {
        same = output.len == len && (len == 0 ? output.data == NULL
                                              : memcmp(output.data, input, len) == 0);
    }
    cape_buf_free(&output);
    free(input);
    return same;
}

#endif
