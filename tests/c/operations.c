/* Operations and queues at work: many in flight, completions that wait unread, cancelling at any
 * moment, deadlines, and closing under those who wait. */
#define _GNU_SOURCE
#include "check.h"
#include "wiretap.h"

/* Fewer where a call takes a hundred times as long. */
#ifndef OPERATIONS_IN_FLIGHT
#define OPERATIONS_IN_FLIGHT 1000
#define UNREAD_OPERATIONS 100000
#endif

enum { IN_FLIGHT = OPERATIONS_IN_FLIGHT, UNREAD = UNREAD_OPERATIONS };

static struct local local;
static cape_error err = CAPE_ERROR_INIT; /* of the main thread */

/* An input that no other number has, in place and length. */
static size_t input_of(uint32_t number, uint8_t *into)
{
    size_t len = 8 + number % 300;
    for (size_t i = 0; i < len; i++) {
        into[i] = (uint8_t)(number >> 8 * (i % 4));
    }
    return len;
}

static cape_handle start(cape_handle conn, uint32_t number, cape_handle queue)
{
    uint8_t input[512];
    cape_handle operation = 0;
    size_t len = input_of(number, input);
    EXPECT(cape_invoke_start(conn, input, len, 0, queue, &operation, &err), CAPE_OK, "", &err);
    memset(input, 0, sizeof input); /* it was copied */
    return operation;
}

/* Takes an outcome into failure; true when it is the input's echo. */
static int is_echo(cape_handle operation, uint32_t number, cape_error *failure)
{
    uint8_t input[512], output[512];
    size_t len = 0, want = input_of(number, input);
    return cape_op_result(operation, NULL, output, sizeof output, &len, failure) == CAPE_OK &&
           len == want && memcmp(input, output, len) == 0;
}

static void wait_readable(int fd)
{
    struct pollfd end = {fd, POLLIN, 0};
    CHECK(poll(&end, 1, 20000) == 1, "no wake-up for 20 s");
}

static void many_in_flight(void)
{
    static cape_handle operations[IN_FLIGHT];
    cape_handle conn = local_session(&local, "echo");
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        operations[i] = start(conn, i, 0);
    }
    for (uint32_t i = IN_FLIGHT; i-- > 0;) { /* the last is the first to be waited for */
        EXPECT(cape_op_wait(operations[i], 0, &err), CAPE_OK, "", &err);
        CHECK(is_echo(operations[i], i, &err), "operation %u: %s", i, err.message);
    }
    CHECK(cape_close(conn, NULL) == CAPE_OK, "close");
}

/* Starts operations on a connection that all share, and takes them from a queue of its own. */
static cape_handle shared;

static void *own_queue(void *argument)
{
    uint32_t first = (uint32_t)(uintptr_t)argument * 1000000;
    cape_error failure = CAPE_ERROR_INIT;
    cape_handle queue = 0, operations[IN_FLIGHT], ended[64];
    int32_t fd = -1;
    size_t wrong = 0, taken = 0, listed = 0;
    if (cape_queue_open(&queue, &fd, &failure) != CAPE_OK) {
        return (void *)(uintptr_t)1;
    }
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        uint8_t input[512];
        size_t len = input_of(first + i, input);
        wrong += cape_invoke_start(shared, input, len, 0, queue, &operations[i], &failure) != CAPE_OK;
    }
    while (taken < IN_FLIGHT && wrong == 0) {
        wait_readable(fd);
        wrong += cape_queue_take(queue, ended, 64, &listed, &failure) != CAPE_OK;
        for (size_t i = 0; i < listed; i++, taken++) {
            size_t at = 0;
            while (at < IN_FLIGHT && operations[at] != ended[i]) {
                at++;
            }
            wrong += at == IN_FLIGHT || !is_echo(ended[i], first + (uint32_t)at, &failure);
        }
    }
    wrong += cape_queue_take(queue, ended, 64, &listed, &failure) != CAPE_OK || listed != 0;
    wrong += cape_close(queue, &failure) != CAPE_OK;
    close(fd);
    return (void *)(uintptr_t)wrong;
}

static void queues_of_their_own(void)
{
    pthread_t threads[4];
    shared = local_session(&local, "echo");
    for (uintptr_t i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, own_queue, (void *)i) == 0, "no thread");
    }
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        CHECK(wrong == NULL, "thread %d: %zu completions were another's or wrong", i, (size_t)(uintptr_t)wrong);
    }
    CHECK(cape_close(shared, NULL) == CAPE_OK, "close");
}

/* Completions wait until somebody reads them, each once and in their order. These operations are
 * connects that are cancelled at once, the quickest to end. */
static void unread_completions(void)
{
    static const char nobody[] = "{\"url\": \"ws://127.0.0.1:1\", \"function\": \"a/b\", \"policy\": \"any\"}";
    static cape_handle operations[UNREAD], ended[UNREAD + 1];
    cape_handle queue = 0;
    int32_t fd = -1;
    size_t listed = 0, out_of_place = 0;
    EXPECT(cape_queue_open(&queue, &fd, &err), CAPE_OK, "", &err);
    for (uint32_t i = 0; i < UNREAD; i++) {
        EXPECT(cape_connect_start(nobody, sizeof nobody - 1, queue, &operations[i], &err), CAPE_OK, "", &err);
        EXPECT(cape_op_cancel(operations[i], &err), CAPE_OK, "", &err);
        EXPECT(cape_op_wait(operations[i], 0, &err), CAPE_OK, "", &err);
    }
    wait_readable(fd);
    EXPECT(cape_queue_take(queue, ended, UNREAD + 1, &listed, &err), CAPE_OK, "", &err);
    CHECK(listed == UNREAD, "%zu of %d completions", listed, UNREAD);
    for (uint32_t i = 0; i < listed && i < UNREAD; i++) {
        cape_handle conn = 0;
        size_t len = 0;
        out_of_place += ended[i] != operations[i];
        int32_t code = cape_op_result(ended[i], &conn, NULL, 0, &len, &err);
        CHECK(code == CAPE_E_CANCELLED || code == CAPE_E_CONNECT, "connect %u: %d", i, (int)code);
    }
    CHECK(out_of_place == 0, "%zu completions are not the right ones", out_of_place);
    CHECK(cape_close(queue, NULL) == CAPE_OK, "close");
    close(fd);
}

/* Whoever has waited for an operation finds it in its queue, ahead of those that end later. */
static void order_of_completions(void)
{
    cape_handle conn = local_session(&local, "echo"), queue = 0, ended[2];
    int32_t fd = -1;
    size_t listed = 0;
    EXPECT(cape_queue_open(&queue, &fd, &err), CAPE_OK, "", &err);
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        cape_handle operation = start(conn, i, queue);
        EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
        EXPECT(cape_queue_take(queue, ended, 2, &listed, &err), CAPE_OK, "", &err);
        CHECK(listed == 1 && ended[0] == operation, "%zu completions after a wait", listed);
        CHECK(is_echo(operation, i, &err), "operation %u: %s", i, err.message);
    }
    CHECK(cape_close(queue, NULL) == CAPE_OK && cape_close(conn, NULL) == CAPE_OK, "close");
    close(fd);
}

/* Of many threads that take one outcome, one gets it. */
static cape_handle contested[IN_FLIGHT];

static void *takes(void *argument)
{
    size_t *taken = argument;
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        cape_error failure = CAPE_ERROR_INIT;
        if (is_echo(contested[i], i, &failure)) {
            ++*taken;
        } else {
            CHECK(failure.code == CAPE_E_HANDLE, "%d %s", (int)failure.code, failure.message);
        }
    }
    return NULL;
}

static void outcomes_are_taken_once(void)
{
    pthread_t threads[4];
    size_t taken[4] = {0}, sum = 0;
    cape_handle conn = local_session(&local, "echo");
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        contested[i] = start(conn, i, 0);
    }
    EXPECT(cape_op_wait(contested[IN_FLIGHT - 1], 0, &err), CAPE_OK, "", &err); /* the last to end */
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, takes, &taken[i]) == 0, "no thread");
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        sum += taken[i];
    }
    CHECK(sum == IN_FLIGHT, "%zu outcomes of %d operations", sum, IN_FLIGHT);
    CHECK(cape_close(conn, NULL) == CAPE_OK, "close");
}

static void pause_for(long nanoseconds)
{
    struct timespec time = {0, nanoseconds};
    nanosleep(&time, NULL);
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Cancels what the main thread starts, after a moment that no two share. */
static cape_handle to_cancel[IN_FLIGHT];
static int started;

static void *cancels(void *argument)
{
    unsigned state = (unsigned)(uintptr_t)argument;
    for (int i = 0; i < IN_FLIGHT; i++) {
        while (__atomic_load_n(&started, __ATOMIC_ACQUIRE) <= i) {
            pause_for(1000);
        }
        pause_for((long)(next_random(&state) % 200000));
        int32_t code = cape_op_cancel(to_cancel[i], NULL);
        CHECK(code == CAPE_OK || code == CAPE_E_HANDLE, "cancel: %d", (int)code);
    }
    return NULL;
}

/* An operation that is cancelled at a random moment has its own result or none, and one that is
 * said not to have been sent is not on the wire. */
static void cancelled_at_random(void)
{
    struct local tapped = local;
    static struct wiretap wiretap; /* it goes on until the process ends */
    pthread_t threads[2];
    long echoed = 0, not_sent = 0, unknown = 0;
    wiretap_start(&wiretap, tapped.url);
    cape_handle conn = local_session(&tapped, "echo");
    for (uintptr_t i = 0; i < 2; i++) {
        CHECK(pthread_create(&threads[i], NULL, cancels, (void *)(i + 1)) == 0, "no thread");
    }
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        to_cancel[i] = start(conn, i, 0);
        __atomic_store_n(&started, (int)i + 1, __ATOMIC_RELEASE);
        if (i % 3 > 0) { /* one, or two, or three at a time */
            continue;
        }
        for (uint32_t j = i < 2 ? 0 : i - 2; j <= i; j++) {
            EXPECT(cape_op_wait(to_cancel[j], 0, &err), CAPE_OK, "", &err);
            if (is_echo(to_cancel[j], j, &err)) {
                echoed++;
            } else if (strcmp(err.reason, "cancelled.not_sent") == 0) {
                not_sent++;
            } else if (strcmp(err.reason, "cancelled.outcome_unknown") == 0) {
                unknown++;
            } else {
                CHECK(0, "operation %u: %d %s %s", j, (int)err.code, err.reason, err.message);
            }
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(echoes(conn, 1000, 1), "the connection does not go on");
    long sent = wiretap_requests(&wiretap) - 1;
    CHECK(echoed <= sent && sent <= echoed + unknown,
          "%ld requests are on the wire; %ld were answered, %ld unknown, %ld not sent", sent, echoed,
          unknown, not_sent);
    CHECK(cape_close(conn, NULL) == CAPE_OK, "close");
}

/* One behind others that are too much for the network is cancelled before it leaves; one whose
 * reply does not come, after. */
static void cancelled_in_time_or_not(void)
{
    struct local tapped = local;
    static struct wiretap wiretap; /* it goes on until the process ends */
    static uint8_t large[8 << 20];
    cape_handle first = 0, last;
    cape_progress progress = CAPE_PROGRESS_INIT;
    wiretap_start(&wiretap, tapped.url);
    cape_handle conn = local_session(&tapped, "echo");
    wiretap_hold(&wiretap, 1);
    EXPECT(cape_invoke_start(conn, large, sizeof large, 0, 0, &first, &err), CAPE_OK, "", &err);
    do { /* until it is being written */
        pause_for(1000000);
        EXPECT(cape_op_progress(first, &progress, &err), CAPE_OK, "", &err);
    } while (progress.sent == 0 && progress.finished == 0 && check_failures == 0);
    last = start(conn, 7, 0);
    EXPECT(cape_op_cancel(last, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_cancel(first, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_wait(last, 1, &err), CAPE_OK, "", &err); /* at once */
    EXPECT(cape_op_wait(first, 1, &err), CAPE_OK, "", &err);
    CHECK(!is_echo(last, 7, &err) && strcmp(err.reason, "cancelled.not_sent") == 0, "%s", err.reason);
    CHECK(!is_echo(first, 7, &err) && strcmp(err.reason, "cancelled.outcome_unknown") == 0, "%s", err.reason);
    double before = seconds();
    CHECK(cape_close(conn, NULL) == CAPE_OK, "close");
    CHECK(seconds() - before < 0.5, "close took %.3f s", seconds() - before);
    wiretap_hold(&wiretap, 0);
}

/* Deadlines. */

enum { TRIES = 3, TIMEOUT = 150, LONGER = 600 }; /* milliseconds; a session needs more to begin */

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Half of the waits end within 50 ms of the deadline; asserted with ten times the headroom. */
static void expect_overrun(const char *what, int timeout, double took[TRIES])
{
    qsort(took, TRIES, sizeof *took, compare);
    CHECK(took[0] >= timeout / 1e3 - 0.005, "%s: ended %.3f s before its deadline", what, timeout / 1e3 - took[0]);
    CHECK(took[TRIES / 2] < timeout / 1e3 + 0.5, "%s: %.3f s over its deadline", what, took[TRIES / 2] - timeout / 1e3);
}

/* The call ends with CAPE_E_TIMEOUT. Whether a request has left by its deadline is not certain on
 * a busy machine. */
#define REPEAT(what, timeout, prepare, call, reason)                                          \
    do {                                                                                      \
        double took[TRIES];                                                                   \
        for (int i = 0; i < TRIES; i++) {                                                     \
            prepare;                                                                          \
            double begun = seconds();                                                         \
            int32_t code = (call);                                                            \
            took[i] = seconds() - begun;                                                      \
            EXPECT(code, CAPE_E_TIMEOUT, reason, &err);                                       \
        }                                                                                     \
        expect_overrun(what, timeout, took);                                                  \
    } while (0)

/* Starts an invoke with a deadline, and gives its outcome. */
static int32_t invoke_by(cape_handle conn, const uint8_t *input, size_t len)
{
    uint8_t output[16];
    size_t got = 0;
    cape_handle operation = 0;
    EXPECT(cape_invoke_start(conn, input, len, TIMEOUT, 0, &operation, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    return cape_op_result(operation, NULL, output, sizeof output, &got, &err);
}

static void deadlines(void)
{
    static const char soon[] = ", \"timeout_ms\": 150", later[] = ", \"timeout_ms\": 600";
    static const char any[] = "\"any\": true";
    static uint8_t large[32 << 20];
    static struct wiretap wiretap; /* it goes on until the process ends */
    struct local tapped = local;
    cape_handle conn = 0, operation = 0;
    cape_buf output = {0};
    wiretap_start(&wiretap, tapped.url);

    wiretap_hold(&wiretap, 1);
    REPEAT("a server that does not read", TIMEOUT, ,
           local_connect(&tapped, "echo", any, soon, &conn, NULL, &err), "timeout.connect");
    wiretap_hold(&wiretap, 0);
    local_faults(&local, "[\"silent_handshake\"]");
    REPEAT("a silent handshake", TIMEOUT, ,
           local_connect(&local, "echo", any, soon, &conn, NULL, &err), "timeout.connect");
    local_faults(&local, "[\"silent_start\"]");
    REPEAT("no document", TIMEOUT, ,
           local_connect(&local, "echo", any, soon, &conn, NULL, &err), "timeout.connect");
    local_faults(&local, "[]");

    EXPECT(local_connect(&local, "echo", any, later, &conn, NULL, &err), CAPE_OK, "", &err);
    local_faults(&local, "[\"no_reply\"]");
    REPEAT("no reply", LONGER, , cape_invoke(conn, large, 10, &output, &err), NULL);
    EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
    local_faults(&local, "[]");

    conn = local_session(&local, "echo");
    local_faults(&local, "[\"no_reply\"]");
    EXPECT(cape_invoke_start(conn, large, 10, 0, 0, &operation, &err), CAPE_OK, "", &err);
    REPEAT("a wait", TIMEOUT, , cape_op_wait(operation, TIMEOUT, &err), "timeout.wait");
    EXPECT(cape_close(operation, &err), CAPE_OK, "", &err);
    REPEAT("an operation", TIMEOUT, , invoke_by(conn, large, 10), NULL);
    EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
    local_faults(&local, "[]");

    conn = 0;
    REPEAT("a peer that does not read", TIMEOUT,
           (cape_close(conn, NULL), wiretap_hold(&wiretap, 0),
            conn = local_session(&tapped, "echo"), wiretap_hold(&wiretap, 1)),
           invoke_by(conn, large, sizeof large), NULL);
    EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
    wiretap_hold(&wiretap, 0);
}

/* Closing. */

static cape_handle awaited;

static void *waits(void *into)
{
    double *woken = into;
    cape_error failure = CAPE_ERROR_INIT;
    int32_t code = cape_op_wait(awaited, 0, &failure);
    *woken = seconds();
    return (void *)(intptr_t)code;
}

/* A close wakes the one who waits for an operation: that of the operation itself with
 * CAPE_E_CLOSED, that of its connection by ending it. */
static void close_wakes(int of_connection)
{
    double took[TRIES], woke[TRIES];
    int waiting = 0; /* and not just about to */
    for (int i = 0; i < TRIES; i++) {
        double woken = 0;
        pthread_t thread;
        void *code = NULL;
        cape_handle conn = local_session(&local, "echo");
        local_faults(&local, "[\"no_reply\"]");
        awaited = start(conn, 1, 0);
        CHECK(pthread_create(&thread, NULL, waits, &woken) == 0, "no thread");
        pause_for(30000000);
        double before = seconds();
        EXPECT(cape_close(of_connection ? conn : awaited, &err), CAPE_OK, "", &err);
        took[i] = seconds() - before;
        pthread_join(thread, &code);
        woke[i] = woken - before;
        local_faults(&local, "[]");
        if (of_connection) {
            CHECK((intptr_t)code == CAPE_OK, "the wait ended with %d", (int)(intptr_t)code);
            CHECK(!is_echo(awaited, 1, &err) && strcmp(err.reason, "closed.outcome_unknown") == 0, "%s", err.reason);
        } else {
            waiting += (intptr_t)code == CAPE_E_CLOSED;
            CHECK((intptr_t)code == CAPE_E_CLOSED || (intptr_t)code == CAPE_E_HANDLE, "the wait ended with %d", (int)(intptr_t)code);
            EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
        }
    }
    qsort(took, TRIES, sizeof *took, compare);
    qsort(woke, TRIES, sizeof *woke, compare);
    CHECK(of_connection || waiting > 0, "nobody waited");
    CHECK(took[TRIES / 2] < 0.5, "a close took %.3f s", took[TRIES / 2]);
    CHECK(woke[TRIES / 2] < 0.5, "a waiter woke after %.3f s", woke[TRIES / 2]);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    local = local_start(argv, "echo", "");
    many_in_flight();
    queues_of_their_own();
    unread_completions();
    order_of_completions();
    outcomes_are_taken_once();
    cancelled_at_random();
    cancelled_in_time_or_not();
    deadlines();
    close_wakes(0);
    close_wakes(1);
    EXPECT(cape_close(local.handle, &err), CAPE_OK, "", &err);
    long open = open_handles();
    CHECK(open == 0, "%ld handles are left", open);
    return check_done();
}
