/* The signal handlers of a host keep working beside the library, whether they were set before it
 * was loaded or after. One case for each process:
 *
 *     signals PYTHON FUNCTIONS LIBRARY CASE
 *
 * The cases that end the process by a signal say so below. */
#define _GNU_SOURCE
#include "load.h"

#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static char **arguments;
static struct local local;
static cape_handle conn;

static void start(void)
{
    load(arguments[3]);
    local = local_start(arguments, "echo", "");
    conn = local_session(&local, "echo");
}

static void stop(void)
{
    CHECK(cape_close(conn, NULL) == CAPE_OK, "close");
    CHECK(cape_close(local.handle, NULL) == CAPE_OK, "close");
}

static void set_handler(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    if (sigaction(signal, &action, NULL) != 0) {
        perror("sigaction");
        exit(2);
    }
}

/* SIGSEGV. */

static int *volatile nowhere;
static __thread sigjmp_buf back;
static __thread volatile sig_atomic_t faults_taken;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    faults_taken += info->si_addr == NULL;
    siglongjmp(back, 1);
}

/* Faults in this file, and counts as taken when the handler above comes to know of it. */
static void fault(const char *when)
{
    volatile sig_atomic_t before = faults_taken;
    if (sigsetjmp(back, 1) == 0) {
        *nowhere = 1;
    }
    CHECK(faults_taken == before + 1, "the fault %s did not reach the handler", when);
}

static void *faults_between_calls(void *seed)
{
    fault("on a thread that never called");
    for (unsigned i = 0; i < 50; i++) {
        CHECK(echoes(conn, 1000 * i, i + (unsigned)(uintptr_t)seed), "echo after a fault");
        fault("on a thread that has called");
    }
    return NULL;
}

static void segv(int before_load)
{
    if (before_load) {
        set_handler(SIGSEGV, on_fault, SA_ONSTACK);
        fault("before load");
    }
    start();
    if (!before_load) {
        set_handler(SIGSEGV, on_fault, SA_ONSTACK);
    }
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, faults_between_calls, (void *)i) == 0, "no thread");
    }
    faults_between_calls(NULL);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    stop();
}

/* SIGINT, or another that may come at any moment. */

static int interrupting = SIGINT;
static int interrupts;
static volatile int busy = 1;
static pthread_t caller;

/* As much of a stack as a handler may use that prints something. */
static void on_interrupt(int signal, siginfo_t *info, void *context)
{
    volatile char deep[16384];
    (void)signal, (void)info, (void)context;
    for (size_t i = 0; i < sizeof deep; i += 256) {
        deep[i] = 1;
    }
    __atomic_add_fetch(&interrupts, 1, __ATOMIC_RELAXED);
}

static void pause_for(long nanoseconds)
{
    struct timespec time = {0, nanoseconds};
    nanosleep(&time, NULL);
}

/* Interrupts the process, and the thread that calls, which is thereby within the call. */
static void *interrupt(void *unused)
{
    while (busy) {
        kill(getpid(), interrupting);
        pause_for(100000);
        pthread_kill(caller, interrupting);
        pause_for(100000);
    }
    return unused;
}

/* Calls go on to their results while the host's handler runs again and again. */
static void interrupted(int before_load, int flags)
{
    pthread_t thread;
    if (before_load) {
        set_handler(interrupting, on_interrupt, flags);
    }
    start();
    if (!before_load) {
        set_handler(interrupting, on_interrupt, flags);
        /* A handler without SA_ONSTACK is safe from the first call on that is a few ms later. */
        pause_for(50000000);
        CHECK(echoes(conn, 10, 1), "echo");
        struct sigaction found;
        CHECK(sigaction(interrupting, NULL, &found) == 0 && (found.sa_flags & SA_ONSTACK) != 0,
              "the handler has no stack of its own");
    }
    caller = pthread_self();
    CHECK(pthread_create(&thread, NULL, interrupt, NULL) == 0, "no thread");
    for (unsigned i = 0; i < 200; i++) {
        CHECK(echoes(conn, 700 * i, i), "an interrupted echo");
    }
    for (int i = 0; i < 10; i++) {
        cape_handle another = local_session(&local, "echo");
        CHECK(cape_close(another, NULL) == CAPE_OK, "close");
    }
    local_faults(&local, "[\"slow_reply\"]");
    int before = __atomic_load_n(&interrupts, __ATOMIC_RELAXED);
    CHECK(echoes(conn, 10, 1), "an echo that was interrupted while it waited");
    int during = __atomic_load_n(&interrupts, __ATOMIC_RELAXED) - before;
    CHECK(during >= 10, "the handler ran %d times while a call waited", during);
    busy = 0;
    pthread_join(thread, NULL);
    stop();
}

static void *interrupt_once(void *unused)
{
    pause_for(300000000);
    kill(getpid(), SIGINT);
    return unused;
}

/* Waits for a reply that never comes, until SIGINT. */
static void ended(void)
{
    pthread_t thread;
    cape_buf output = {0};
    start();
    local_faults(&local, "[\"no_reply\"]");
    CHECK(pthread_create(&thread, NULL, interrupt_once, NULL) == 0, "no thread");
    CHECK(cape_invoke(conn, NULL, 0, &output, NULL) == CAPE_OK, "the call was not ended");
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        return 2;
    }
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    arguments = argv;
    const char *name = argv[4];
    if (strcmp(name, "fault, handler before load") == 0) {
        segv(1);
    } else if (strcmp(name, "fault, handler after load") == 0) {
        segv(0);
    } else if (strcmp(name, "fault, no handler") == 0) { /* SIGSEGV */
        start();
        CHECK(echoes(conn, 10, 1), "echo");
        *nowhere = 1;
    } else if (strcmp(name, "interrupt, handler before load") == 0) {
        interrupted(1, SA_ONSTACK);
    } else if (strcmp(name, "interrupt, handler after load") == 0) {
        interrupted(0, SA_ONSTACK);
    } else if (strcmp(name, "interrupt, handler without a stack before load") == 0) {
        interrupted(1, 0);
    } else if (strcmp(name, "interrupt, handler without a stack after load") == 0) {
        interrupted(0, 0);
    } else if (strcmp(name, "timer, handler without a stack after load") == 0) {
        interrupting = SIGRTMIN;
        interrupted(0, 0);
    } else if (strcmp(name, "interrupt, no handler") == 0) { /* SIGINT */
        ended();
    } else {
        return 2;
    }
    return check_done();
}
