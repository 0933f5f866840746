/*
 * Keeps the host's signal handlers off the stacks of goroutines. Those are small, and a handler
 * that runs on one writes over what lies beyond its end; a few hundred signals were enough to end
 * a process that was busy calling. So the Go runtime sets SA_ONSTACK on the handlers that it finds
 * when it is loaded. This does the same for those that come later: the ones of signal(3), and of
 * Node, have no such flag. For a thread without a stack for signals the flag changes nothing.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "shim.h"

#ifdef __linux__

#include <signal.h>
#include <time.h>

/* Those that a process may be sent at any moment, as are the real-time ones of timers and the like.
 * A fault of the host's code comes on a stack of the host's. */
static const int sent[] = {
    SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2,   SIGPIPE, SIGALRM,  SIGTERM, SIGCHLD, SIGCONT,
    SIGTSTP, SIGTTIN, SIGTTOU, SIGURG,  SIGVTALRM, SIGPROF, SIGWINCH, SIGIO,   SIGXCPU, SIGPWR,
};

/* Both members of the union in struct sigaction are of one size and in one place. */
static int lacks_stack(const struct sigaction *action)
{
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN &&
           (action->sa_flags & SA_ONSTACK) == 0;
}

static void move(int signal)
{
    struct sigaction found, changed, replaced;
    if (sigaction(signal, NULL, &found) != 0) {
        return;
    }
    while (lacks_stack(&found)) {
        changed = found;
        changed.sa_flags |= SA_ONSTACK;
        if (sigaction(signal, &changed, &replaced) != 0 ||
            replaced.sa_handler == found.sa_handler) {
            return;
        }
        /* Another thread has set this one meanwhile: it has to stay. */
        sigaction(signal, &replaced, NULL);
        found = replaced;
    }
}

void cape_shim_signals(void)
{
    static int64_t looked; /* when that was; a tick of this clock is a few milliseconds */
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0) {
        return;
    }
    int64_t tick = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (__atomic_load_n(&looked, __ATOMIC_RELAXED) == tick) {
        return;
    }
    __atomic_store_n(&looked, tick, __ATOMIC_RELAXED);
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        move(sent[i]);
    }
    for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++) {
        move(signal);
    }
}

#else

void cape_shim_signals(void)
{
}

#endif
