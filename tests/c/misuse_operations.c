/* Operations, queues, the log and the counters with what they must not be given, and in the wrong
 * order: NULL, impossible sizes, other kinds of handles, closed ones, results before the end and
 * after it. None may crash, none may leave an output set, and the connection goes on. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

static uint8_t sentinel;

static cape_error err = CAPE_ERROR_INIT;
static struct local local;
static cape_handle conn;
static uint8_t room[8192];

static void null_pointers(void)
{
    cape_handle handle = 99;
    cape_buf buf = {&sentinel, 77};
    size_t count = 99;
    int32_t fd = 99;
    uint64_t position = 5;

    EXPECT(cape_connect_start(NULL, 5, 0, &handle, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(handle == 0, "an operation is set");
    EXPECT(cape_connect_start("{}", 2, 0, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    handle = 99;
    EXPECT(cape_connect_start(NULL, 0, 0, &handle, &err), CAPE_E_ARGUMENT, "argument.options", &err);
    CHECK(handle == 0, "an operation is set");
    handle = 99;
    EXPECT(cape_invoke_start(conn, NULL, 1, 0, 0, &handle, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(handle == 0, "an operation is set");
    EXPECT(cape_invoke_start(conn, &sentinel, 1, 0, 0, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);

    handle = 99;
    EXPECT(cape_request_start(NULL, 5, NULL, 0, 0, &handle, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(handle == 0, "an operation is set");
    handle = 99;
    EXPECT(cape_request_start("{}", 2, NULL, 1, 0, &handle, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(handle == 0, "an operation is set");
    EXPECT(cape_request_start("{}", 2, NULL, 0, 0, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    handle = 99;
    EXPECT(cape_request_start("{}", 2, NULL, 0, 0, &handle, &err), CAPE_E_ARGUMENT, "argument.options", &err);
    CHECK(handle == 0, "an operation is set");
    EXPECT(cape_encrypt(NULL, 1, &sentinel, 1, &buf, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(buf.data == NULL && buf.len == 0, "a ciphertext is set");
    buf = (cape_buf){&sentinel, 77};
    EXPECT(cape_encrypt(&sentinel, 1, NULL, 1, &buf, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(buf.data == NULL && buf.len == 0, "a ciphertext is set");
    EXPECT(cape_encrypt(&sentinel, 1, &sentinel, 1, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT(cape_encrypt(&sentinel, 1, &sentinel, 1, &buf, &err), CAPE_E_ARGUMENT, "argument.key", &err);
    buf = (cape_buf){&sentinel, 77};

    handle = 99;
    EXPECT(cape_op_result(1, &handle, NULL, 1, &count, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(handle == 0 && count == 0, "an output is set");
    handle = 99;
    EXPECT(cape_op_result(1, &handle, &sentinel, 1, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(handle == 0, "an output is set");
    EXPECT(cape_op_progress(1, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);

    handle = 99;
    EXPECT(cape_queue_open(NULL, &fd, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(fd == -1, "descriptor %d", (int)fd);
    EXPECT(cape_queue_open(&handle, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(handle == 0, "a queue is set");
    count = 99;
    EXPECT(cape_queue_take(1, NULL, 1, &count, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(count == 0, "a count is set");
    EXPECT(cape_queue_take(1, &handle, 1, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);

    EXPECT(cape_log_read(NULL, &buf, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(buf.data == NULL && buf.len == 0, "records are set");
    EXPECT(cape_log_read(&position, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(position == 5, "the position was moved");
    EXPECT(cape_counters(NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
}

static void impossible_sizes(void)
{
    cape_handle handle = 99;
    cape_buf ciphertext = {NULL, 0};
    size_t count = 99;
    EXPECT(cape_connect_start("{}", SIZE_MAX, 0, &handle, &err), CAPE_E_LIMIT, "limit.input", &err);
    CHECK(handle == 0, "an operation is set");
    EXPECT(cape_invoke_start(conn, &sentinel, SIZE_MAX, 0, 0, &handle, &err), CAPE_E_LIMIT, "limit.input", &err);
    EXPECT(cape_invoke_start(conn, &sentinel, (size_t)65 << 20, 0, 0, &handle, &err), CAPE_E_LIMIT, "limit.input", &err);
    CHECK(handle == 0, "an operation is set");
    handle = 99;
    EXPECT(cape_request_start("{}", SIZE_MAX, NULL, 0, 0, &handle, &err), CAPE_E_LIMIT, "limit.input", &err);
    CHECK(handle == 0, "an operation is set");
    EXPECT(cape_request_start("{}", 2, &sentinel, SIZE_MAX, 0, &handle, &err), CAPE_E_LIMIT, "limit.input", &err);
    EXPECT(cape_encrypt(&sentinel, SIZE_MAX, &sentinel, 1, &ciphertext, &err), CAPE_E_LIMIT, "limit.input", &err);
    EXPECT(cape_encrypt(&sentinel, 1, &sentinel, SIZE_MAX, &ciphertext, &err), CAPE_E_LIMIT, "limit.input", &err);
    EXPECT(cape_encrypt(&sentinel, 1, &sentinel, (size_t)65 << 20, &ciphertext, &err), CAPE_E_LIMIT, "limit.input", &err);
    EXPECT(cape_op_result(1, NULL, &sentinel, SIZE_MAX, &count, &err), CAPE_E_LIMIT, NULL, &err);
    CHECK(count == 0, "a length is set");
    const size_t capacities[] = {SIZE_MAX, SIZE_MAX / 8 + 1, SIZE_MAX / 8, (size_t)1 << 60};
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        count = 99;
        EXPECT(cape_queue_take(1, &handle, capacities[i], &count, &err), CAPE_E_LIMIT, NULL, &err);
        CHECK(count == 0, "a count is set");
    }
}

/* An error whose size is that of no version: nothing is done, and outputs are cleared all the same. */
static void error_sizes(void)
{
    cape_error small;
    cape_handle handle = 99;
    cape_buf buf = {&sentinel, 77};
    cape_progress progress = {sizeof progress, 1, 1, 1, 1};
    size_t count = 99;
    int32_t fd = 99;
    uint64_t position = 5;
    memset(&small, 0xA5, sizeof small);
    small.size = sizeof small - 1;
#define REFUSED(call) CHECK((call) == CAPE_E_ARGUMENT, #call)
    REFUSED(cape_connect_start("{}", 2, 0, &handle, &small));
    CHECK(handle == 0, "an operation is set");
    handle = 99;
    REFUSED(cape_invoke_start(conn, &sentinel, 1, 0, 0, &handle, &small));
    CHECK(handle == 0, "an operation is set");
    handle = 99;
    REFUSED(cape_request_start("{}", 2, NULL, 0, 0, &handle, &small));
    CHECK(handle == 0, "an operation is set");
    REFUSED(cape_encrypt(&sentinel, 1, &sentinel, 1, &buf, &small));
    CHECK(buf.data == NULL && buf.len == 0, "a ciphertext is set");
    buf = (cape_buf){&sentinel, 77};
    handle = 99;
    REFUSED(cape_op_result(1, &handle, &sentinel, 1, &count, &small));
    CHECK(handle == 0 && count == 0, "an output is set");
    REFUSED(cape_op_wait(1, 1, &small));
    REFUSED(cape_op_cancel(1, &small));
    REFUSED(cape_op_progress(1, &progress, &small));
    CHECK(progress.finished == 0 && progress.sent == 0, "progress is set");
    handle = 99;
    REFUSED(cape_queue_open(&handle, &fd, &small));
    CHECK(handle == 0 && fd == -1, "a queue is set");
    count = 99;
    REFUSED(cape_queue_take(1, &handle, 1, &count, &small));
    CHECK(count == 0, "a count is set");
    REFUSED(cape_log_read(&position, &buf, &small));
    CHECK(buf.data == NULL && position == 5, "records are set");
    buf = (cape_buf){&sentinel, 77};
    REFUSED(cape_counters(&buf, &small));
    CHECK(buf.data == NULL && buf.len == 0, "counters are set");
    small.size = 0;
    CHECK(cape_op_wait(1, 1, &small) == CAPE_E_HANDLE && strcmp(small.reason, "handle.unknown") == 0,
          "an error of version 1.0");
    CHECK(cape_op_wait(1, 1, NULL) == CAPE_E_HANDLE, "no error struct");
}

static cape_handle start(const char *input, uint32_t timeout_ms, cape_handle queue)
{
    cape_handle operation = 0;
    EXPECT(cape_invoke_start(conn, (const uint8_t *)input, strlen(input), timeout_ms, queue,
                             &operation, &err),
           CAPE_OK, "", &err);
    CHECK(operation != 0 && operation < (cape_handle)1 << 53, "operation %llx", (unsigned long long)operation);
    return operation;
}

/* Takes what an echo came to. */
static void expect_result(cape_handle operation, const char *want)
{
    size_t len = 99;
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_result(operation, NULL, room, sizeof room, &len, &err), CAPE_OK, "", &err);
    CHECK(len == strlen(want) && memcmp(room, want, len) == 0, "the result of %s", want);
}

static void expect_failure(cape_handle operation, int32_t code, const char *reason)
{
    size_t len = 99;
    cape_handle other = 99;
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_result(operation, &other, room, sizeof room, &len, &err), code, reason, &err);
    CHECK(len == 0 && other == 0, "an output is set");
}

static void expect_gone(cape_handle operation)
{
    size_t len = 99;
    cape_progress progress = CAPE_PROGRESS_INIT;
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    EXPECT(cape_op_result(operation, NULL, room, sizeof room, &len, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    CHECK(len == 0, "a length is set");
    EXPECT(cape_op_progress(operation, &progress, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    EXPECT(cape_op_cancel(operation, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    EXPECT(cape_close(operation, &err), CAPE_E_HANDLE, "handle.unknown", &err);
}

/* Each function with handles of every other kind, forged ones and none. */
static void wrong_kinds(void)
{
    cape_handle queue = 0, operation = start("x", 0, 0), handle = 99;
    int32_t fd = -1;
    size_t count = 99;
    cape_buf buf = {&sentinel, 77};
    cape_progress progress = CAPE_PROGRESS_INIT;
    EXPECT(cape_queue_open(&queue, &fd, &err), CAPE_OK, "", &err);
    CHECK(queue != 0 && queue < (cape_handle)1 << 53 && fd > 2, "queue %llx, descriptor %d",
          (unsigned long long)queue, (int)fd);
    const cape_handle handles[] = {0, 12345, operation ^ 1 << 20, operation ^ 1, conn, local.handle, queue, operation};
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        cape_handle h = handles[i];
        const char *reason = i < 4 ? "handle.unknown" : "handle.kind";
        if (h != operation) {
            EXPECT(cape_op_wait(h, 1, &err), CAPE_E_HANDLE, reason, &err);
            EXPECT(cape_op_result(h, &handle, room, sizeof room, &count, &err), CAPE_E_HANDLE, reason, &err);
            CHECK(handle == 0 && count == 0, "an output is set");
            EXPECT(cape_op_progress(h, &progress, &err), CAPE_E_HANDLE, reason, &err);
            EXPECT(cape_op_cancel(h, &err), CAPE_E_HANDLE, reason, &err);
        }
        if (h != queue) {
            EXPECT(cape_queue_take(h, &handle, 1, &count, &err), CAPE_E_HANDLE, reason, &err);
            CHECK(count == 0, "a count is set");
        }
        if (h != queue && h != 0) { /* 0 stands for no queue */
            EXPECT(cape_invoke_start(conn, &sentinel, 1, 0, h, &handle, &err), CAPE_E_HANDLE, reason, &err);
            EXPECT(cape_connect_start("{}", 2, h, &handle, &err), CAPE_E_HANDLE, reason, &err);
            EXPECT(cape_request_start("{}", 2, NULL, 0, h, &handle, &err), CAPE_E_HANDLE, reason, &err);
            CHECK(handle == 0, "an operation is set");
        }
        if (h != conn) {
            EXPECT(cape_invoke_start(h, &sentinel, 1, 0, 0, &handle, &err), CAPE_E_HANDLE, reason, &err);
            EXPECT(cape_invoke(h, &sentinel, 1, &buf, &err), CAPE_E_HANDLE, reason, &err);
        }
        if (h != local.handle) {
            EXPECT(cape_enclave_info(h, &buf, &err), CAPE_E_HANDLE, reason, &err);
        }
    }
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    EXPECT(cape_close(operation, &err), CAPE_OK, "", &err);
    expect_gone(operation);
    EXPECT(cape_close(queue, &err), CAPE_OK, "", &err);
    EXPECT(cape_close(queue, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    EXPECT(cape_queue_take(queue, &handle, 1, &count, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    EXPECT(cape_invoke_start(conn, &sentinel, 1, 0, queue, &handle, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    close(fd);
}

static void progress_sizes(void)
{
    union {
        cape_progress progress;
        unsigned char bytes[sizeof(cape_progress) + 32];
    } small, large, before;
    cape_handle operation = start("12345", 0, 0);
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    for (uint32_t size = 1; size < sizeof(cape_progress); size++) {
        memset(&small, 0xA5, sizeof small);
        small.progress.size = size;
        before = small;
        EXPECT(cape_op_progress(operation, &small.progress, &err), CAPE_E_ARGUMENT, "argument.size", &err);
        CHECK(memcmp(&small, &before, sizeof small) == 0, "progress of %u bytes was written to", size);
    }
    const uint32_t sizes[] = {0, sizeof(cape_progress), sizeof large};
    for (size_t i = 0; i < 3; i++) {
        memset(&large, 0xA5, sizeof large);
        large.progress.size = sizes[i];
        EXPECT(cape_op_progress(operation, &large.progress, &err), CAPE_OK, "", &err);
        CHECK(large.progress.size == sizes[i], "size was changed");
        CHECK(large.progress.finished == 1, "an end that progress does not see");
        /* Sealed: the encapsulated key of 32 bytes, and a tag of 16. */
        CHECK(large.progress.to_send == 53 && large.progress.sent == 53 && large.progress.received >= 8,
              "sent %llu of %llu, received %llu", (unsigned long long)large.progress.sent,
              (unsigned long long)large.progress.to_send, (unsigned long long)large.progress.received);
        for (size_t at = sizeof(cape_progress); at < sizeof large; at++) {
            CHECK(large.bytes[at] == 0xA5, "byte %zu was written to", at);
        }
    }
    expect_result(operation, "12345");
}

/* What comes before the end, and what after. */
static void wrong_order(void)
{
    size_t len = 99;
    cape_handle other = 99;
    cape_progress progress = CAPE_PROGRESS_INIT;

    local_faults(&local, "[\"slow_reply\"]");
    cape_handle operation = start("late", 0, 0);
    EXPECT(cape_op_result(operation, &other, room, sizeof room, &len, &err), CAPE_E_TIMEOUT, "timeout.pending", &err);
    CHECK(len == 0 && other == 0, "an output is set");
    EXPECT(cape_op_wait(operation, 1, &err), CAPE_E_TIMEOUT, "timeout.wait", &err);
    EXPECT(cape_op_progress(operation, &progress, &err), CAPE_OK, "", &err);
    CHECK(progress.finished == 0 && progress.received == 0, "finished too soon");
    local_faults(&local, "[]");
    expect_result(operation, "late");
    expect_gone(operation);

    /* Cancelled twice; and when it is too late. */
    local_faults(&local, "[\"slow_reply\"]");
    operation = start("cancelled", 0, 0);
    cape_handle second = start("after it", 0, 0);
    EXPECT(cape_op_cancel(operation, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_cancel(operation, &err), CAPE_OK, "", &err);
    expect_failure(operation, CAPE_E_CANCELLED, NULL);
    expect_gone(operation);
    local_faults(&local, "[]");
    expect_result(second, "after it");
    operation = start("done", 0, 0);
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_wait(operation, 1, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_cancel(operation, &err), CAPE_OK, "", &err);
    expect_result(operation, "done");

    /* Given up under way: its reply must not reach another. */
    operation = start("given up", 0, 0);
    EXPECT(cape_close(operation, &err), CAPE_OK, "", &err);
    expect_gone(operation);
    CHECK(echoes(conn, 100, 1), "the connection goes on");
}

static void small_buffers(void)
{
    size_t len = 99;
    cape_handle operation = start("twelve bytes", 0, 0);
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    memset(room, 0xA5, sizeof room);
    for (size_t capacity = 0; capacity < 12; capacity++) {
        len = 99;
        EXPECT(cape_op_result(operation, NULL, capacity == 0 ? NULL : room, capacity, &len, &err),
               CAPE_E_LIMIT, "limit.buffer", &err);
        CHECK(len == 12, "%zu bytes are needed", len);
        CHECK(room[0] == 0xA5, "the buffer was written to");
    }
    EXPECT(cape_op_result(operation, NULL, room, 12, &len, &err), CAPE_OK, "", &err);
    CHECK(len == 12 && memcmp(room, "twelve bytes", 12) == 0 && room[12] == 0xA5, "the result");
    expect_gone(operation);

    operation = start("", 0, 0);
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_result(operation, NULL, NULL, 0, &len, &err), CAPE_OK, "", &err);
    CHECK(len == 0, "an empty result of %zu bytes", len);
}

static int readable(int fd)
{
    struct pollfd end = {fd, POLLIN, 0};
    return poll(&end, 1, 0) == 1;
}

static void queues(void)
{
    cape_handle queue = 0, ended[3] = {99, 99, 99};
    int32_t fd = -1;
    size_t count = 99;
    EXPECT(cape_queue_open(&queue, &fd, &err), CAPE_OK, "", &err);
    EXPECT(cape_queue_take(queue, ended, 3, &count, &err), CAPE_OK, "", &err);
    CHECK(count == 0 && !readable(fd), "a queue that was just opened");
    CHECK(read(fd, room, 1) == -1 && errno == EAGAIN, "the descriptor blocks");
    cape_handle first = start("first", 0, queue), second = start("second", 0, queue);
    EXPECT(cape_op_wait(second, 0, &err), CAPE_OK, "", &err);
    for (int i = 0; i < 3; i++) { /* nothing is lost with no room, whatever becomes of the byte */
        char byte;
        struct pollfd end = {fd, POLLIN, 0};
        CHECK(poll(&end, 1, 5000) == 1, "no wake-up");
        if (i == 1) {
            CHECK(read(fd, &byte, 1) == 1, "no byte");
            CHECK(!readable(fd), "more than one byte");
        }
        EXPECT(cape_queue_take(queue, NULL, 0, &count, &err), CAPE_OK, "", &err);
        CHECK(count == 0, "%zu operations where there is no room", count);
    }
    EXPECT(cape_queue_take(queue, ended, 1, &count, &err), CAPE_OK, "", &err);
    CHECK(count == 1 && ended[0] == first && readable(fd), "the first");
    EXPECT(cape_queue_take(queue, ended, 3, &count, &err), CAPE_OK, "", &err);
    CHECK(count == 1 && ended[0] == second && !readable(fd), "the second");
    EXPECT(cape_queue_take(queue, ended, 3, &count, &err), CAPE_OK, "", &err);
    CHECK(count == 0, "an operation that was listed twice");
    expect_result(first, "first");
    expect_result(second, "second");

    /* An operation that is closed before it is listed is left out; one that is cancelled is not. */
    first = start("first", 0, queue), second = start("second", 0, queue);
    EXPECT(cape_op_wait(second, 0, &err), CAPE_OK, "", &err);
    EXPECT(cape_close(first, &err), CAPE_OK, "", &err);
    EXPECT(cape_queue_take(queue, ended, 3, &count, &err), CAPE_OK, "", &err);
    CHECK(count == 1 && ended[0] == second, "%zu listed", count);
    expect_result(second, "second");

    /* A queue that is closed, with its descriptor or without, leaves its operations alone. */
    local_faults(&local, "[\"slow_reply\"]");
    first = start("first", 0, queue);
    EXPECT(cape_close(queue, &err), CAPE_OK, "", &err);
    CHECK(readable(fd) && read(fd, room, 1) == 0, "the descriptor of a closed queue is not at its end");
    local_faults(&local, "[]");
    expect_result(first, "first");
    close(fd);
    EXPECT(cape_queue_open(&queue, &fd, &err), CAPE_OK, "", &err);
    close(fd);
    first = start("first", 0, queue);
    expect_result(first, "first");
    EXPECT(cape_close(queue, &err), CAPE_OK, "", &err);

    /* No descriptors. */
    struct rlimit limit, none;
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 4;
    setrlimit(RLIMIT_NOFILE, &none);
    queue = 99, fd = 99;
    int32_t code = cape_queue_open(&queue, &fd, &err);
    setrlimit(RLIMIT_NOFILE, &limit);
    EXPECT(code, CAPE_E_LIMIT, "limit.descriptors", &err);
    CHECK(queue == 0 && fd == -1, "a queue without descriptors");
}

static cape_handle start_connect(const char *policy)
{
    char options[16384];
    cape_handle operation = 0;
    int len = snprintf(options, sizeof options,
                       "{\"url\": %s, \"function\": \"local/echo\", \"attestation_roots\": %s,"
                       " \"policy\": %s}",
                       local.url, local.root, policy);
    EXPECT(cape_connect_start(options, (size_t)len, 0, &operation, &err), CAPE_OK, "", &err);
    memset(options, 'x', sizeof options); /* they were copied */
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    return operation;
}

static void connects(void)
{
    cape_handle opened = 99;
    size_t len = 99;
    cape_handle operation = start_connect("\"any\"");
    EXPECT(cape_op_result(operation, NULL, room, sizeof room, &len, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(len == 0, "a length is set");
    EXPECT(cape_op_result(operation, &opened, room, 1, &len, &err), CAPE_E_LIMIT, "limit.buffer", &err);
    CHECK(opened == 0 && len > 100, "%zu bytes are needed", len);
    size_t need = len;
    EXPECT(cape_op_result(operation, &opened, room, need, &len, &err), CAPE_OK, "", &err);
    CHECK(opened != 0 && len == need && room[0] == '{' && room[len - 1] == '}', "the report");
    CHECK(echoes(opened, 100, 1), "echo");
    EXPECT(cape_close(opened, &err), CAPE_OK, "", &err);
    expect_gone(operation);

    operation = start_connect("\"any\"");
    EXPECT(cape_op_result(operation, &opened, NULL, 0, &len, &err), CAPE_OK, "", &err);
    CHECK(opened != 0 && len == 0 && echoes(opened, 100, 1), "a connection without its report");
    EXPECT(cape_close(opened, &err), CAPE_OK, "", &err);

    /* One that nobody takes is closed with its operation. */
    operation = start_connect("\"any\"");
    EXPECT(cape_close(operation, &err), CAPE_OK, "", &err);
    expect_gone(operation);

    /* A refusal has a report, and no connection. */
    char other_enclave[160];
    snprintf(other_enclave, sizeof other_enclave, "{\"pcrs\": {\"0\": \"%096d\"}}", 1);
    operation = start_connect(other_enclave);
    EXPECT(cape_op_result(operation, &opened, room, 1, &len, &err), CAPE_E_LIMIT, "limit.buffer", &err);
    EXPECT(cape_op_result(operation, &opened, room, sizeof room, &len, &err), CAPE_E_POLICY, NULL, &err);
    CHECK(opened == 0 && len > 100 && room[0] == '{', "the report has %zu bytes", len);
    expect_gone(operation);
    operation = start_connect(other_enclave);
    EXPECT(cape_op_result(operation, &opened, NULL, 0, &len, &err), CAPE_E_POLICY, NULL, &err);
    CHECK(opened == 0 && len == 0, "an output is set");
    expect_gone(operation);

    /* Options that cannot be used are no operation. */
    EXPECT(cape_connect_start("{\"url\": 5}", 10, 0, &operation, &err), CAPE_E_ARGUMENT, "argument.options", &err);
    CHECK(operation == 0, "an operation is set");
}

static void lost_connections(void)
{
    cape_handle kept = conn, lost = local_session(&local, "echo");
    conn = lost;
    local_faults(&local, "[\"no_reply\"]");
    cape_handle late = start("late", 1000, 0);
    expect_failure(late, CAPE_E_TIMEOUT, "timeout.outcome_unknown");
    cape_handle first = start("first", 0, 0), second = start("second", 0, 0);
    EXPECT(cape_close(lost, &err), CAPE_OK, "", &err);
    expect_failure(first, CAPE_E_CLOSED, NULL);
    expect_failure(second, CAPE_E_CLOSED, NULL);
    cape_handle none = 99;
    EXPECT(cape_invoke_start(lost, &sentinel, 1, 0, 0, &none, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    CHECK(none == 0, "an operation is set");
    local_faults(&local, "[]");
    conn = kept;
    CHECK(echoes(conn, 100, 1), "the other connection");
}

/* A log position from the future, and records that nobody has. */
static void log_positions(void)
{
    cape_buf records = {&sentinel, 77};
    uint64_t position = UINT64_MAX;
    EXPECT(cape_log_read(&position, &records, &err), CAPE_OK, "", &err);
    CHECK(records.len == 2 && memcmp(records.data, "[]", 2) == 0 && position == UINT64_MAX,
          "records after the last: %.*s", (int)records.len, (const char *)records.data);
    cape_buf_free(&records);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    local = local_start(argv, "echo", "");
    conn = local_session(&local, "echo");
    null_pointers();
    impossible_sizes();
    error_sizes();
    wrong_kinds();
    progress_sizes();
    wrong_order();
    small_buffers();
    queues();
    connects();
    lost_connections();
    log_positions();
    CHECK(echoes(conn, 100, 9), "echo after all this");
    EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
    EXPECT(cape_close(local.handle, &err), CAPE_OK, "", &err);
    long open = open_handles();
    CHECK(open == 0, "%ld handles are left", open);
    return check_done();
}
