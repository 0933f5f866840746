/* The fork check where the kernel has no MADV_WIPEONFORK. Built from export/fork.c with
 * -Dmadvise=refuse, and no library. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int cape_shim_forked(void);
int refuse(void *address, size_t len, int advice);

static int asked;

int refuse(void *address, size_t len, int advice)
{
    (void)address, (void)len, (void)advice;
    asked = 1;
    errno = EINVAL;
    return -1;
}

static int seen_by_child(pid_t pid)
{
    int status = -1;
    if (pid == 0) {
        _exit(cape_shim_forked() ? 0 : 1);
    }
    while (waitpid(pid, &status, 0) < 0) {
    }
    return status == 0;
}

int main(void)
{
    int right = asked && !cape_shim_forked() && seen_by_child(fork()) &&
                seen_by_child((pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L)) &&
                !cape_shim_forked();
    if (!right) {
        fprintf(stderr, "asked %d, forked %d\n", asked, cape_shim_forked());
    }
    return right ? 0 : 1;
}
