/* Calls from stacks that the thread did not start on, as some FFIs and every coroutine library
 * make them; and how often glibc is asked for the bounds of the thread's own stack. */
#define _GNU_SOURCE
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <ucontext.h>

static ucontext_t back, there;
static int asked;

/* Comes before glibc's, so that every question of the library passes here. */
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    int (*real)(pthread_t, pthread_attr_t *) = 0;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_getattr_np");
    __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
    return real(thread, attr);
}

static void call(void)
{
    cape_error err = CAPE_ERROR_INIT;
    EXPECT(cape_close(12345, &err), CAPE_E_HANDLE, "handle.unknown", &err);
}

static void call_from_another_stack(void)
{
    static char stack[256 << 10];
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    there.uc_link = &back;
    makecontext(&there, call, 0);
    swapcontext(&back, &there);
}

static void *calls(void *unused)
{
    for (int i = 0; i < 1000; i++) {
        call_from_another_stack();
        call();
    }
    return unused;
}

int main(void)
{
    pthread_t thread;
    call();
    int before = asked;
    calls(NULL);
    CHECK(asked - before <= 1, "the main thread asked %d times in 2000 calls", asked - before);
    before = asked;
    if (pthread_create(&thread, NULL, calls, NULL) != 0) {
        return 2;
    }
    pthread_join(thread, NULL);
    CHECK(asked - before <= 2, "a thread asked %d times in 2000 calls", asked - before);
    CHECK(asked > 0, "this test does not see the library's questions");
    return check_done();
}
