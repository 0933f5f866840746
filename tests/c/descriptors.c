/* The library works in a process that has no standard streams, where its own sockets and pipes
 * become descriptors 0 to 2. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

enum { COMPLAINTS = 9 }; /* where standard error went */

int main(int argc, char **argv)
{
    if (argc == 3) { /* once more, from the start, without the streams */
        char *again[] = {argv[0], argv[1], argv[2], "closed", NULL};
        dup2(2, COMPLAINTS);
        close(0);
        close(1);
        close(2);
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
    right = right && cape_close(conn, NULL) == CAPE_OK && cape_close(local.handle, NULL) == CAPE_OK;
    if (!right || !used) {
        dprintf(COMPLAINTS, "answers right: %d, descriptors 0 to 2 in use: %d\n", right, used);
    }
    return right && used ? EXIT_SUCCESS : EXIT_FAILURE;
}
