/*
 * Knows a forked child. The child has one thread and a copy of a Go runtime that waits for its
 * other threads for ever, and it would seal with the parent's keys; so no call may enter Go there.
 *
 * The flag is a byte on a page that the kernel empties in every child (MADV_WIPEONFORK, Linux
 * 4.14). Reading it costs nothing, and it catches a raw clone or fork system call, of which
 * pthread_atfork never hears. Where the kernel refuses, both of the other ways are used: the
 * process id misses a child that is number 1 of a fresh namespace as its parent is, and
 * pthread_atfork misses raw system calls.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "shim.h"

#ifdef _WIN32

int cape_shim_forked(void)
{
    return 0;
}

#else

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile const unsigned char *loaded_here; /* 1, and 0 in a child; NULL: not to be had */
static volatile pid_t loaded_by;                  /* 0 while loaded_here is used */
static volatile int child;

static void in_child(void)
{
    child = 1;
}

/* A page that children find empty, or NULL. */
static unsigned char *map_page(void)
{
#ifdef MADV_WIPEONFORK
    long size = sysconf(_SC_PAGESIZE);
    if (size <= 0) {
        return NULL;
    }
    void *page = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
    if (page == MAP_FAILED) {
        return NULL;
    }
    if (madvise(page, (size_t)size, MADV_WIPEONFORK) == 0) {
        return page;
    }
    munmap(page, (size_t)size);
#endif
    return NULL;
}

__attribute__((constructor)) static void remember_process(void)
{
    unsigned char *page = map_page();
    if (page != NULL) {
        *page = 1;
        loaded_here = page;
        return;
    }
    loaded_by = getpid();
    pthread_atfork(NULL, NULL, in_child);
}

int cape_shim_forked(void)
{
    if (loaded_here != NULL) {
        return *loaded_here == 0;
    }
    return child || (loaded_by != 0 && getpid() != loaded_by);
}

#endif
