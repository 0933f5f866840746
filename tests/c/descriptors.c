/* The library works in a process that has no standard streams, where files and sockets of its own
 * become descriptors 0 to 2. The descriptor of a queue never is one of them, since the host holds
 * it and may take these for its streams. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum { COMPLAINTS = 9 }; /* where standard error went */

/* Invokes by operations, and learns of their ends by a queue. */
static int operates(cape_handle conn)
{
    cape_handle queue = 0, operations[20], ended[20];
    int32_t fd = -1;
    size_t listed = 0, taken = 0, len = 0;
    uint8_t output[20];
    int right = cape_queue_open(&queue, &fd, NULL) == CAPE_OK && fd > 2;
    for (int i = 0; i < 20 && right; i++) {
        output[0] = (uint8_t)i;
        right = cape_invoke_start(conn, output, 1, 0, queue, &operations[i], NULL) == CAPE_OK;
    }
    while (taken < 20 && right) {
        struct pollfd end = {fd, POLLIN, 0};
        right = poll(&end, 1, 20000) == 1 &&
                cape_queue_take(queue, ended, 20, &listed, NULL) == CAPE_OK && listed > 0;
        for (size_t i = 0; i < listed && right; i++, taken++) {
            right = ended[i] == operations[taken] &&
                    cape_op_result(ended[i], NULL, output, 20, &len, NULL) == CAPE_OK && len == 1 &&
                    output[0] == taken;
        }
    }
    close(fd);
    return right && cape_close(queue, NULL) == CAPE_OK;
}

/* A queue leaves 0 to 2 free where the host has closed them after load. */
static int leaves_streams_alone(void)
{
    cape_handle queue = 0;
    int32_t fd = -1;
    return cape_queue_open(&queue, &fd, NULL) == CAPE_OK && fd > 2 && fcntl(0, F_GETFD) == -1 &&
           fcntl(1, F_GETFD) == -1 && fcntl(2, F_GETFD) == -1 &&
           cape_close(queue, NULL) == CAPE_OK && close(fd) == 0;
}

int main(int argc, char **argv)
{
    if (argc == 3) { /* once more, from the start, without the streams */
        char *again[] = {argv[0], argv[1], argv[2], "closed", NULL};
        dup2(2, COMPLAINTS);
        struct local early = local_start(argv, "echo", ""); /* for which the Go runtime opens its own */
        cape_close(local_session(&early, "echo"), NULL);
        close(0);
        close(1);
        close(2);
        if (!leaves_streams_alone()) {
            dprintf(COMPLAINTS, "a queue took a standard stream\n");
            return EXIT_FAILURE;
        }
        execv(argv[0], again);
        return 3;
    }
    if (argc != 4) { /* what is open by now is the library's: it was loaded before main */
        return 2;
    }
    struct local local = local_start(argv, "echo", "");
    cape_handle conn = local_session(&local, "echo");
    int used = fcntl(0, F_GETFD) != -1 && fcntl(1, F_GETFD) != -1 && fcntl(2, F_GETFD) != -1;
    int right = 1;
    for (unsigned i = 0; i < 20; i++) {
        right = right && echoes(conn, i * 1000, i);
    }
    right = right && operates(conn);
    right = right && cape_close(conn, NULL) == CAPE_OK && cape_close(local.handle, NULL) == CAPE_OK;
    if (!right || !used) {
        dprintf(COMPLAINTS, "answers right: %d, descriptors 0 to 2 in use: %d\n", right, used);
    }
    return right && used ? EXIT_SUCCESS : EXIT_FAILURE;
}
