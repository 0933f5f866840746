/* Many threads: invokes in parallel on one connection, connections opened and closed in parallel,
 * and a close that wakes the calls that wait. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

enum { THREADS = 8 };

static struct local local;
static cape_handle shared;

static void *invokes(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number;
    size_t wrong = 0;
    for (unsigned i = 0; i < 40; i++) {
        wrong += !echoes(shared, (seed * 7919 + i * 977) % 70000, seed * 1000 + i);
    }
    return (void *)(uintptr_t)wrong;
}

static void *sessions(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number;
    size_t wrong = 0;
    for (unsigned i = 0; i < 3; i++) {
        cape_handle conn = local_session(&local, "echo");
        wrong += !echoes(conn, 5000, seed + i);
        wrong += cape_close(conn, NULL) != CAPE_OK;
        wrong += cape_close(conn, NULL) != CAPE_E_HANDLE;
    }
    return (void *)(uintptr_t)wrong;
}

/* Waits for a reply that never comes. A thread that comes after the close finds no handle. */
static void *waits(void *unused)
{
    (void)unused;
    cape_buf output = {0};
    int32_t code = cape_invoke(shared, (const uint8_t *)"x", 1, &output, NULL);
    CHECK(output.data == NULL, "a reply came");
    CHECK(code == CAPE_E_CLOSED || code == CAPE_E_HANDLE, "a waiting call ended with %d", (int)code);
    return (void *)(uintptr_t)(code == CAPE_E_CLOSED);
}

static void run(void *(*body)(void *), pthread_t threads[THREADS])
{
    for (uintptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, body, (void *)i) != 0) {
            exit(2);
        }
    }
}

static uintptr_t join(pthread_t threads[THREADS])
{
    uintptr_t sum = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        sum += (uintptr_t)result;
    }
    return sum;
}

/* Closes a handle on which THREADS calls wait, or may be about to: all of them end, and soon.
 * Gives how many had been waiting. */
static uintptr_t close_under(cape_handle handle, long head_start)
{
    pthread_t threads[THREADS];
    struct timespec delay = {0, head_start};
    run(waits, threads);
    nanosleep(&delay, NULL);
    double start = seconds();
    CHECK(cape_close(handle, NULL) == CAPE_OK, "close");
    CHECK(seconds() - start < 1, "close took %.3f s", seconds() - start);
    uintptr_t woken = join(threads);
    CHECK(seconds() - start < 5, "the calls took %.3f s to wake", seconds() - start);
    return woken;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    if (argc != 3) {
        return 2;
    }
    local = local_start(argv, "echo", "");
    shared = local_session(&local, "echo");
    run(invokes, threads);
    uintptr_t wrong = join(threads);
    CHECK(wrong == 0, "%zu wrong answers on a shared connection", (size_t)wrong);
    cape_close(shared, NULL);

    run(sessions, threads);
    wrong = join(threads);
    CHECK(wrong == 0, "%zu wrong answers on connections of their own", (size_t)wrong);

    /* With a head start that grows until all of them have got as far as waiting. */
    uintptr_t woken = 0;
    for (long delay = 1000000; woken < THREADS && delay < 1000000000; delay *= 2) {
        local_faults(&local, "[]");
        shared = local_session(&local, "echo");
        local_faults(&local, "[\"no_reply\"]");
        woken = close_under(shared, delay);
    }
    CHECK(woken == THREADS, "%zu of %d calls were woken", (size_t)woken, THREADS);

    /* The end of an enclave ends its sessions. */
    local_faults(&local, "[]");
    shared = local_session(&local, "echo");
    local_faults(&local, "[\"no_reply\"]");
    CHECK(close_under(local.handle, 1) == THREADS, "a call ended otherwise");
    CHECK(cape_close(shared, NULL) == CAPE_OK, "close");
    return check_done();
}
