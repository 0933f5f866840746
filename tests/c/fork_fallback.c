/* The fork check where the kernel has no MADV_WIPEONFORK, and each of the two ways that stand in
 * for it alone. Built from export/fork.c and no library, with
 *
 *     -Dmadvise=refuse                             no page: both ways
 *     -Dmmap=no_memory                             not even memory for the page: both ways
 *     -Dmadvise=refuse -Dpthread_atfork=unheard    process ids alone
 *     -Dmadvise=refuse -Dgetpid=first_process      pthread_atfork alone, as where every parent and
 *                                                  child is process 1 of a namespace
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int cape_shim_forked(void);
int refuse(void *address, size_t len, int advice);
void *no_memory(void *address, size_t len, int protection, int flags, int fd, off_t offset);
int unheard(void (*prepare)(void), void (*parent)(void), void (*child)(void));
pid_t first_process(void);

static int pages_refused, unregistered, same_ids;

int refuse(void *address, size_t len, int advice)
{
    (void)address, (void)len, (void)advice;
    pages_refused++;
    errno = EINVAL;
    return -1;
}

void *no_memory(void *address, size_t len, int protection, int flags, int fd, off_t offset)
{
    (void)address, (void)len, (void)protection, (void)flags, (void)fd, (void)offset;
    pages_refused++;
    errno = ENOMEM;
    return MAP_FAILED;
}

int unheard(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    (void)prepare, (void)parent, (void)child;
    unregistered++;
    return 0;
}

pid_t first_process(void)
{
    same_ids++;
    return 1;
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

static int seen_by_grandchild(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(seen_by_child(fork()) && cape_shim_forked() ? 0 : 1);
    }
    while (waitpid(pid, &status, 0) < 0) {
    }
    return status == 0;
}

int main(void)
{
    int here = cape_shim_forked(), forked = seen_by_child(fork()), grand = seen_by_grandchild();
    int raw = seen_by_child((pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L));
    /* Of a raw system call, process ids alone tell. */
    int right = pages_refused == 1 && !here && forked && grand && raw == (same_ids == 0) &&
                !cape_shim_forked() && unregistered + (same_ids > 0) <= 1;
    if (!right) {
        fprintf(stderr, "pages refused %d, unregistered %d, same ids %d; forked: here %d, child %d, "
                        "grandchild %d, raw %d\n",
                pages_refused, unregistered, same_ids, here, forked, grand, raw);
    }
    return right ? 0 : 1;
}
