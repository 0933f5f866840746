/*
 * A panic inside the library stays inside: the host lives, the call says CAPE_E_PANIC or another
 * error in time, the handle it happened on is of no more use but can be closed, and others work.
 * Linked with a library that panics where cape_test_panic says; see suite/panic_test.go.
 *
 *     panic PYTHON FOLDER export NAME                            in the function NAME of cape.h
 *     panic PYTHON FOLDER goroutine PLACE NTH SEEN STALLED ...   where a goroutine comes by
 *
 * SEEN is what its end has to be noticed by: "panic", which is CAPE_E_PANIC from a call; "error",
 * which is another answer than without it; or "quiet". STALLED is a place
 * where another goroutine is held up meanwhile, or empty.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Has the nth pass of a place panic. Returns how often the place before did. */
int cape_test_panic(const char *place, int nth);

/* Holds up whoever comes next by a place. */
void cape_test_stall(const char *place, int milliseconds);

enum {
    TIMEOUT = 3000,       /* ms that a call may take, by its options */
    SOON = 100,           /* ms, for a call that is to end by its deadline */
    IN_TIME = 30,         /* s that no call may exceed: ten times TIMEOUT */
    LARGE = (4 << 20) + 1 /* bytes; such an input is sealed on another goroutine */
};

static const char SECRET[] = "a payload of the host"; /* what the panic's value says */

/* One enclave with a connection, a queue and an operation that has ended. */
struct world {
    struct local local;
    cape_handle conn, queue, operation;
    int32_t fd;
};

static cape_error err = CAPE_ERROR_INIT;

static cape_handle ended_operation(cape_handle conn, cape_handle queue)
{
    cape_handle operation = 0;
    if (cape_invoke_start(conn, (const uint8_t *)"x", 1, TIMEOUT, queue, &operation, &err) != CAPE_OK ||
        cape_op_wait(operation, 0, &err) != CAPE_OK) {
        fprintf(stderr, "operation: %s (%s)\n", err.message, err.reason);
        exit(2);
    }
    return operation;
}

static struct world open_world(char **argv)
{
    struct world w = {.fd = -1};
    w.local = local_start(argv, "echo", "");
    w.conn = local_session(&w.local, "echo");
    EXPECT(cape_queue_open(&w.queue, &w.fd, &err), CAPE_OK, "", &err);
    w.operation = ended_operation(w.conn, w.queue);
    return w;
}

static void close_world(struct world *w)
{
    cape_handle all[] = {w->operation, w->queue, w->conn, w->local.handle};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        EXPECT(cape_close(all[i], &err), CAPE_OK, "", &err);
    }
    close(w->fd);
}

/* Everything works in a world. */
static void expect_well(struct world *w)
{
    cape_buf info = {0};
    cape_handle taken = 0, more = 0;
    uint8_t byte = 0;
    size_t n = 0;
    CHECK(echoes(w->conn, 1000, 1), "an untouched connection");
    EXPECT(cape_enclave_info(w->local.handle, &info, &err), CAPE_OK, "", &err);
    cape_buf_free(&info);
    EXPECT(cape_queue_take(w->queue, &taken, 1, &n, &err), CAPE_OK, "", &err);
    CHECK(n == 1 && taken == w->operation, "%zu operations taken", n);
    EXPECT(cape_op_result(w->operation, NULL, &byte, 1, &n, &err), CAPE_OK, "", &err);
    CHECK(n == 1 && byte == 'x', "the result of an untouched operation");
    w->operation = ended_operation(w->conn, w->queue);
    more = local_session(&w->local, "echo");
    CHECK(echoes(more, 1000, 2), "a fresh connection");
    CHECK(cape_close(more, NULL) == CAPE_OK, "close");
}

/* The functions by name, each with what it answers when nothing is wrong, and the handle that a
 * panic in it poisons. */
enum on { NOTHING, CONN, OPERATION, QUEUE, ENCLAVE };

static cape_buf buf;
static cape_handle handle;

static int32_t connect_call(struct world *w, int start)
{
    char options[16384];
    int n = snprintf(options, sizeof options,
                     "{\"url\": %s, \"function\": \"local/echo\", \"attestation_roots\": %s,"
                     " \"policy\": \"any\", \"timeout_ms\": %d}",
                     w->local.url, w->local.root, TIMEOUT);
    return start ? cape_connect_start(options, (size_t)n, w->queue, &handle, &err)
                 : cape_connect(options, (size_t)n, &handle, &buf, &err);
}

static int32_t call_connect(struct world *w) { return connect_call(w, 0); }
static int32_t call_connect_start(struct world *w) { return connect_call(w, 1); }
static int32_t call_invoke(struct world *w) { return cape_invoke(w->conn, (const uint8_t *)"x", 1, &buf, &err); }
static int32_t call_close(struct world *w) { (void)w; return cape_close(handle, &err); }
static int32_t call_invoke_start(struct world *w)
{
    return cape_invoke_start(w->conn, (const uint8_t *)"x", 1, 0, w->queue, &handle, &err);
}
static int32_t call_request_start(struct world *w)
{
    static const char nobody[] = "{\"request\": \"list\", \"url\": \"ws://127.0.0.1:1\"}";
    return cape_request_start(nobody, sizeof nobody - 1, NULL, 0, w->queue, &handle, &err);
}
static int32_t call_encrypt(struct world *w)
{
    (void)w;
    return cape_encrypt((const uint8_t *)"x", 1, NULL, 0, &buf, &err);
}
static int32_t call_op_wait(struct world *w) { return cape_op_wait(w->operation, TIMEOUT, &err); }
static int32_t call_op_result(struct world *w)
{
    static uint8_t byte;
    size_t n = 99;
    int32_t code = cape_op_result(w->operation, NULL, &byte, 1, &n, &err);
    CHECK(code == CAPE_OK || n == 0, "length is %zu", n);
    return code;
}
static int32_t call_op_progress(struct world *w)
{
    cape_progress progress = {0};
    return cape_op_progress(w->operation, &progress, &err);
}
static int32_t call_op_cancel(struct world *w) { return cape_op_cancel(w->operation, &err); }
static int32_t call_queue_open(struct world *w)
{
    int32_t fd = -1;
    (void)w;
    int32_t code = cape_queue_open(&handle, &fd, &err);
    CHECK(code == CAPE_OK ? close(fd) == 0 : fd == -1, "descriptor %d", (int)fd);
    return code;
}
static int32_t call_queue_take(struct world *w)
{
    cape_handle taken[4];
    size_t n = 99;
    int32_t code = cape_queue_take(w->queue, taken, 4, &n, &err);
    CHECK(code == CAPE_OK || n == 0, "count is %zu", n);
    return code;
}
static int32_t call_log_read(struct world *w)
{
    uint64_t position = 0;
    (void)w;
    return cape_log_read(&position, &buf, &err);
}
static int32_t call_counters(struct world *w) { (void)w; return cape_counters(&buf, &err); }
static int32_t call_verify(struct world *w)
{
    static const char options[] = "{\"policy\": \"any\"}";
    (void)w;
    return cape_verify((const uint8_t *)"x", 1, options, sizeof options - 1, NULL, &err);
}
static int32_t call_serdio_encode(struct world *w) { (void)w; return cape_serdio_encode("{}", 2, &buf, &err); }
static int32_t call_serdio_decode(struct world *w)
{
    cape_buf encoded = {0};
    (void)w;
    if (cape_serdio_encode("{\"args\": [1]}", 13, &encoded, &err) != CAPE_OK) {
        return err.code;
    }
    int32_t code = cape_serdio_decode(encoded.data, encoded.len, &buf, &err);
    cape_buf_free(&encoded);
    return code;
}
static int32_t call_enclave_start(struct world *w) { (void)w; return cape_enclave_start("{}", 2, &handle, &err); }
static int32_t call_enclave_info(struct world *w) { return cape_enclave_info(w->local.handle, &buf, &err); }
static int32_t call_enclave_set_faults(struct world *w)
{
    return cape_enclave_set_faults(w->local.handle, "[]", 2, &err);
}

static const struct function {
    const char *name;
    int32_t (*call)(struct world *w);
    int32_t normally;
    enum on on;
} functions[] = {
    {"cape_connect", call_connect, CAPE_OK, NOTHING},
    {"cape_connect_start", call_connect_start, CAPE_OK, NOTHING},
    {"cape_invoke", call_invoke, CAPE_OK, CONN},
    {"cape_invoke_start", call_invoke_start, CAPE_OK, CONN},
    {"cape_request_start", call_request_start, CAPE_OK, NOTHING},
    {"cape_encrypt", call_encrypt, CAPE_E_ARGUMENT, NOTHING},
    {"cape_close", call_close, CAPE_OK, NOTHING},
    {"cape_op_wait", call_op_wait, CAPE_OK, OPERATION},
    {"cape_op_progress", call_op_progress, CAPE_OK, OPERATION},
    {"cape_op_cancel", call_op_cancel, CAPE_OK, OPERATION},
    {"cape_op_result", call_op_result, CAPE_OK, OPERATION},
    {"cape_queue_open", call_queue_open, CAPE_OK, NOTHING},
    {"cape_queue_take", call_queue_take, CAPE_OK, QUEUE},
    {"cape_log_read", call_log_read, CAPE_OK, NOTHING},
    {"cape_counters", call_counters, CAPE_OK, NOTHING},
    {"cape_verify", call_verify, CAPE_E_ATTESTATION, NOTHING},
    {"cape_serdio_encode", call_serdio_encode, CAPE_OK, NOTHING},
    {"cape_serdio_decode", call_serdio_decode, CAPE_OK, NOTHING},
    {"cape_enclave_start", call_enclave_start, CAPE_OK, NOTHING},
    {"cape_enclave_info", call_enclave_info, CAPE_OK, ENCLAVE},
    {"cape_enclave_set_faults", call_enclave_set_faults, CAPE_OK, ENCLAVE},
};

/* Calls a function, and frees and closes what it gives. */
static void expect_call(const struct function *f, struct world *w, int32_t want, const char *reason)
{
    static uint8_t byte;
    int closes = f->call == call_close;
    buf = (cape_buf){closes ? NULL : &byte, 0};
    if (!closes) {
        handle = 0;
    } else if (handle == 0) { /* something to close */
        handle = local_session(&w->local, "echo");
    }
    int32_t code = f->call(w);
    EXPECT(code, want, reason, &err);
    CHECK(strstr(err.message, SECRET) == NULL, "the message repeats what the panic said: %s", err.message);
    if (code != CAPE_OK) {
        CHECK(closes || handle == 0, "%s: a handle is set", f->name);
        CHECK(buf.len == 0 && (buf.data == NULL || buf.data == &byte), "%s: an output is set", f->name);
        return;
    }
    if (!closes && handle != 0) {
        CHECK(cape_close(handle, NULL) == CAPE_OK, "%s: close", f->name);
    }
    handle = 0;
    if (buf.data != &byte) {
        cape_buf_free(&buf);
    }
}

static int panic_in_export(const char *name, char **argv)
{
    const struct function *f = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(functions[i].name, name) == 0) {
            f = &functions[i];
        }
    }
    if (f == NULL) {
        fprintf(stderr, "nothing here calls %s: add it to functions\n", name);
        return 2;
    }
    struct world other = open_world(argv), w = open_world(argv);
    cape_test_panic(name, 1);
    expect_call(f, &w, CAPE_E_PANIC, "panic.recovered");
    CHECK(cape_test_panic("", 0) == 1, "%s did not panic", name);

    /* The handle is poisoned for every function that takes one of its kind; without one, and on
     * other handles, all goes on. */
    expect_call(f, &w, f->on == NOTHING ? f->normally : CAPE_E_PANIC, f->on == NOTHING ? NULL : "panic.recovered");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const struct function *g = &functions[i];
        if (g->call == call_op_result && f->on != OPERATION) {
            continue; /* it would take the operation away from the rest */
        }
        int poisoned = f->on != NOTHING && g->on == f->on;
        if (g->call == call_connect_start || g->call == call_invoke_start || g->call == call_request_start) {
            poisoned |= f->on == QUEUE; /* they name a queue as well */
        }
        expect_call(g, &w, poisoned ? CAPE_E_PANIC : g->normally, poisoned ? "panic.recovered" : NULL);
    }
    if (f->on != CONN) {
        CHECK(echoes(w.conn, 10, 3), "the connection, which had no part in it");
    }
    expect_well(&other);
    close_world(&w);
    expect_well(&other);
    close_world(&other);
    return check_done();
}

/* What the calls of a run of exercise answered, in their order. */
struct run {
    size_t calls;
    int32_t codes[128];
    int panics;
};

static struct run *current;

/* Takes note of how a call went that began at a time. */
static int32_t note(int line, double began, int32_t code)
{
    CHECK(seconds() - began < IN_TIME, "line %d: the call took %.1f s", line, seconds() - began);
    CHECK(code == CAPE_OK || err.reason[0] != '\0', "line %d: %d without a reason", line, (int)code);
    CHECK(strstr(err.message, SECRET) == NULL, "line %d: the message repeats what the panic said: %s", line, err.message);
    CHECK(current->calls < sizeof current->codes / sizeof *current->codes, "too many calls");
    current->codes[current->calls++ % (sizeof current->codes / sizeof *current->codes)] = code;
    current->panics += code == CAPE_E_PANIC;
    return code;
}

static double began;

/* Makes a call that may fail, but has to end in time. */
#define TRY(call) (began = seconds(), note(__LINE__, began, (call)))

static void try_invoke(cape_handle conn, size_t len)
{
    static uint8_t input[LARGE];
    cape_buf output = {0};
    int32_t code = TRY(cape_invoke(conn, input, len, &output, &err));
    CHECK(code != CAPE_OK || output.len == len, "a result of %zu bytes", output.len);
    cape_buf_free(&output);
    if (code == CAPE_E_PANIC) {
        EXPECT(cape_invoke(conn, input, 1, &output, &err), CAPE_E_PANIC, "panic.recovered", &err);
    }
}

/* An invoke that a queue is told of. */
static void try_start(cape_handle conn, cape_handle queue, int32_t fd, uint32_t timeout)
{
    struct pollfd told = {.fd = fd, .events = POLLIN};
    cape_handle operation = 0, taken = 0;
    static uint8_t result[16];
    size_t n = 0;
    if (TRY(cape_invoke_start(conn, (const uint8_t *)"x", 1, timeout, queue, &operation, &err)) == CAPE_OK) {
        CHECK(poll(&told, 1, IN_TIME * 1000) == 1, "the queue was not told");
        EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
        TRY(cape_queue_take(queue, &taken, 1, &n, &err));
        CHECK(n == 1 && taken == operation, "%zu operations have ended", n);
        TRY(cape_op_result(operation, NULL, result, sizeof result, &n, &err));
    }
}

static void try_faults(const struct local *local, const char *faults)
{
    TRY(cape_enclave_set_faults(local->handle, faults, strlen(faults), &err));
}

/* The enclave drops the connection, and an invoke makes it again. Whether the next one notices in
 * time is a matter of luck, so that no note is taken of how it went, but for panics. */
static void try_reconnect(const struct local *local, cape_handle conn)
{
    cape_buf output = {0};
    int32_t code = CAPE_E_CLOSED;
    try_faults(local, "[\"idle_dropped\"]");
    try_invoke(conn, 3);
    try_faults(local, "[]");
    for (int i = 0; i < 5 && code == CAPE_E_CLOSED; i++) {
        code = cape_invoke(conn, (const uint8_t *)"x", 1, &output, &err);
        cape_buf_free(&output);
    }
    current->panics += code == CAPE_E_PANIC;
}

static int32_t try_connect(const struct local *local, int timeout, const char *more, cape_handle *conn)
{
    char options[256];
    snprintf(options, sizeof options, ", \"timeout_ms\": %d%s", timeout, more);
    return TRY(local_connect(local, "echo", "\"any\": true", options, conn, NULL, &err));
}

static void try_close(cape_handle *open)
{
    double start = seconds();
    EXPECT(cape_close(*open, &err), CAPE_OK, "", &err);
    CHECK(seconds() - start < IN_TIME, "a close took %.1f s", seconds() - start);
    *open = 0;
}

/* A connect that is cancelled while it dials and while it waits for the document. */
static void try_cancel(const struct local *local, cape_handle queue, const char *fault)
{
    char options[16384];
    cape_handle operation = 0, conn = 0;
    size_t n = 0;
    try_faults(local, fault);
    int len = snprintf(options, sizeof options,
                       "{\"url\": %s, \"function\": \"local/echo\", \"attestation_roots\": %s, \"policy\": \"any\","
                       " \"timeout_ms\": %d}",
                       local->url, local->root, TIMEOUT);
    if (TRY(cape_connect_start(options, (size_t)len, queue, &operation, &err)) == CAPE_OK) {
        TRY(cape_op_wait(operation, SOON, &err));
        TRY(cape_op_cancel(operation, &err));
        TRY(cape_op_result(operation, &conn, NULL, 0, &n, &err));
        if (conn != 0) {
            try_close(&conn);
        }
    }
}

/* A request that is refused, since a local enclave has no such route, or is cancelled. */
static void try_request(const struct local *local, cape_handle queue, int cancel)
{
    char options[1024];
    cape_handle operation = 0;
    size_t n = 0;
    int len = snprintf(options, sizeof options, "{\"request\": \"list\", \"url\": %s, \"timeout_ms\": %d}", local->url, TIMEOUT);
    if (TRY(cape_request_start(options, (size_t)len, NULL, 0, queue, &operation, &err)) == CAPE_OK) {
        if (cancel) {
            EXPECT(cape_op_cancel(operation, &err), CAPE_OK, "", &err);
        }
        TRY(cape_op_wait(operation, 0, &err));
        int32_t code = cape_op_result(operation, NULL, NULL, 0, &n, &err);
        if (!cancel) {
            note(__LINE__, seconds(), code);
        }
    }
}

/* Pings the enclave, over a websocket of this program's own. Its answer may not come. */
static void try_ping(const struct local *local)
{
    static const char form[] = "GET /v1/run/local/echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                               "Sec-WebSocket-Protocol: cape.runtime, t\r\n\r\n";
    static const unsigned char ping[] = {0x89, 0x80, 0, 0, 0, 0}; /* final, masked, empty */
    const char *colon = strrchr(local->url, ':');
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {TIMEOUT / 1000, 0};
    char answer[4096];
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_port = htons((uint16_t)(colon != NULL ? strtol(colon + 1, NULL, 10) : 0));
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(peer, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(peer, form, sizeof form - 1, MSG_NOSIGNAL) > 0 && recv(peer, answer, sizeof answer, 0) > 0 &&
        send(peer, ping, sizeof ping, MSG_NOSIGNAL) > 0) {
        (void)!recv(peer, answer, sizeof answer, 0);
    }
    close(peer);
}

static int try_enclave(char **argv, struct local *local)
{
    char python[2048], path[1024], folder[2048], options[8192];
    cape_buf info = {0};
    *local = (struct local){0};
    snprintf(path, sizeof path, "%s/echo", argv[2]);
    if (!json_quote(argv[1], python, sizeof python) || !json_quote(path, folder, sizeof folder)) {
        exit(2);
    }
    int len = snprintf(options, sizeof options, "{\"python\": %s, \"functions\": [%s]}", python, folder);
    if (TRY(cape_enclave_start(options, (size_t)len, &local->handle, &err)) != CAPE_OK) {
        return 0;
    }
    EXPECT(cape_enclave_info(local->handle, &info, &err), CAPE_OK, "", &err);
    json_pick((const char *)info.data, info.len, "url", local->url, sizeof local->url);
    json_pick((const char *)info.data, info.len, "attestation_root", local->root, sizeof local->root);
    cape_buf_free(&info);
    return 1;
}

/* Goes through all that starts goroutines. */
static void exercise(char **argv, struct run *run)
{
    current = run;
    struct local local;
    cape_handle conn = 0, queue = 0;
    int32_t fd = -1;
    if (!try_enclave(argv, &local)) {
        return;
    }
    EXPECT(cape_queue_open(&queue, &fd, &err), CAPE_OK, "", &err);
    if (try_connect(&local, TIMEOUT, ", \"reconnect\": true", &conn) == CAPE_OK) {
        try_invoke(conn, 1);
        try_invoke(conn, 2);
        try_invoke(conn, LARGE);
        try_start(conn, queue, fd, 0);
        try_reconnect(&local, conn);
        try_faults(&local, "[\"no_reply\"]");
        try_start(conn, queue, fd, SOON);
        try_close(&conn);
    }
    try_faults(&local, "[\"silent_start\"]");
    if (try_connect(&local, SOON, "", &conn) == CAPE_OK) {
        try_close(&conn);
    }
    try_cancel(&local, queue, "[\"silent_handshake\"]");
    try_cancel(&local, queue, "[\"silent_start\"]");
    try_ping(&local);
    try_faults(&local, "[]");
    try_request(&local, queue, 0);
    try_request(&local, queue, 1);
    nanosleep(&(struct timespec){.tv_nsec = SOON * 500000L}, NULL); /* for what happens a moment after a cancellation */
    if (try_connect(&local, TIMEOUT, "", &conn) == CAPE_OK) {
        try_invoke(conn, 4);
    }
    try_close(&local.handle);
    if (conn != 0) {
        try_invoke(conn, 5);
        try_close(&conn);
    }
    try_close(&queue);
    close(fd);
}

static void panic_on_goroutine(const char *place, int nth, const char *seen, const char *stalled,
                               char **argv, const struct run *unharmed)
{
    static struct run harmed;
    struct world other = open_world(argv);
    int fired = 0;
    for (int i = 0; i < 10 && fired == 0; i++) { /* whether it begins may be a matter of luck */
        harmed = (struct run){0};
        cape_test_panic(place, nth);
        cape_test_stall(stalled, TIMEOUT * 2);
        exercise(argv, &harmed);
        fired = cape_test_panic("", 0);
    }
    CHECK(fired == 1, "%s panicked %d times", place, fired);
    expect_well(&other);
    close_world(&other);
    const char *got = harmed.panics != 0                                   ? "panic"
                      : memcmp(&harmed, unharmed, sizeof harmed) != 0 ? "error"
                                                                        : "quiet";
    /* What ends a worker may come before or after the worker is needed. */
    CHECK(strcmp(got, seen) == 0 || (strcmp(seen, "either") == 0 && strcmp(got, "panic") != 0),
          "%s: %s, expected %s", place, got, seen);
}

/* One after the other, so that the host has to survive them all. */
static int panic_on_goroutines(int count, char **places, char **argv)
{
    static struct run before, after;
    exercise(argv, &before);
    for (int i = 0; i + 3 < count; i += 4) {
        panic_on_goroutine(places[i], atoi(places[i + 1]), places[i + 2], places[i + 3], argv, &before);
    }
    exercise(argv, &after);
    CHECK(before.panics == 0 && memcmp(&after, &before, sizeof before) == 0,
          "what was opened afterwards works otherwise than before");
    return check_done();
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[3], "export") == 0) {
        return panic_in_export(argv[4], argv);
    }
    if (argc > 4 && strcmp(argv[3], "goroutine") == 0 && (argc - 4) % 4 == 0) {
        return panic_on_goroutines(argc - 4, argv + 4, argv);
    }
    return 2;
}
