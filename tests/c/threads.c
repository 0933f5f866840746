/* Many threads: invokes in parallel on one connection, connections opened and closed in parallel,
 * and a close that wakes the calls that wait. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <unistd.h>

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

/* Waits for a reply that never comes. Gives the code. */
static void *waits(void *unused)
{
    (void)unused;
    cape_buf output = {0};
    cape_error err = CAPE_ERROR_INIT;
    int32_t code = cape_invoke(shared, (const uint8_t *)"x", 1, &output, &err);
    CHECK(output.data == NULL, "a reply came");
    /* A thread that comes after the close finds no handle. */
    return (void *)(intptr_t)(code == CAPE_E_CLOSED || code == CAPE_E_HANDLE);
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

    run(sessions, threads);
    wrong = join(threads);
    CHECK(wrong == 0, "%zu wrong answers on connections of their own", (size_t)wrong);

    local_faults(&local, "[\"no_reply\"]");
    run(waits, threads);
    usleep(200000); /* most of them wait by now; the answer is the same for the others */
    double start = seconds();
    CHECK(cape_close(shared, NULL) == CAPE_OK, "close");
    CHECK(seconds() - start < 0.5, "close took %.3f s", seconds() - start);
    CHECK(join(threads) == THREADS, "a call ended otherwise");
    CHECK(seconds() - start < 5, "the calls took %.3f s to wake", seconds() - start);

    /* The end of an enclave ends its sessions. */
    local_faults(&local, "[]");
    shared = local_session(&local, "echo");
    local_faults(&local, "[\"no_reply\"]");
    run(waits, threads);
    start = seconds();
    CHECK(cape_close(local.handle, NULL) == CAPE_OK, "close");
    CHECK(seconds() - start < 2, "closing the enclave took %.3f s", seconds() - start);
    CHECK(join(threads) == THREADS, "a call ended otherwise");
    cape_close(shared, NULL);
    return check_done();
}
