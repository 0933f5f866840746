/* 64 threads that seal as many requests as they are told to, on one connection.
 *
 *     seals OPTIONS COUNT    OPTIONS of cape_connect
 */
#include <cape.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 64 };

static cape_handle conn;
static _Atomic long left;
static _Atomic int failed;

static void *work(void *argument)
{
    (void)argument;
    /* The same input each time: that its ciphertexts differ is what is counted. */
    static const uint8_t input[64];
    while (atomic_fetch_sub(&left, 1) > 0) {
        cape_buf output = {0};
        cape_error err = CAPE_ERROR_INIT;
        if (cape_invoke(conn, input, sizeof input, &output, &err) != CAPE_OK) {
            if (atomic_exchange(&failed, 1) == 0) {
                fprintf(stderr, "%s: %s\n", err.reason, err.message);
            }
            return NULL;
        }
        cape_buf_free(&output);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    cape_error err = CAPE_ERROR_INIT;
    if (cape_connect(argv[1], strlen(argv[1]), &conn, NULL, &err) != CAPE_OK) {
        fprintf(stderr, "%s: %s\n", err.reason, err.message);
        return 1;
    }
    left = strtol(argv[2], NULL, 10);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, NULL) != 0) {
            perror("pthread_create");
            return 2;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    cape_close(conn, NULL);
    return failed;
}
