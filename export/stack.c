/*
 * Answers pthread_getattr_np for the calling thread out of a cache. The library is linked with
 * --wrap=pthread_getattr_np, so that the Go runtime's call comes here.
 *
 * A thread that enters Go is asked for the bounds of its stack. The runtime remembers them only
 * when the stack pointer lies within; an FFI that runs C on a stack of its own (koffi does)
 * therefore makes it ask on every single call. On the main thread glibc then opens and reads
 * /proc/self/maps, which took 115 us of each call, against 0.1 us from here.
 *
 * The bounds are kept, never the attributes: those belong to the caller, who destroys them.
 * A stack does not move. The main thread's limit may change (setrlimit), in which case the
 * answer is that of its first call; the runtime checks the stack pointer against it anyway.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include <stddef.h> /* and with it __GLIBC__ */
#include <stdint.h>

#ifdef __GLIBC__

#include <pthread.h>

/* The true function under --wrap. Weak, because without that flag nobody defines it: then nobody
 * calls __wrap_pthread_getattr_np either, and a plain "go build ./..." links. */
extern int __real_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
    __attribute__((weak));
int __wrap_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr);

static __thread struct {
    void *low;
    size_t size; /* 0 until the first answer */
} stack;

int __wrap_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    if (!pthread_equal(thread, pthread_self())) {
        return __real_pthread_getattr_np(thread, attr);
    }
    if (stack.size != 0 && pthread_attr_init(attr) == 0) {
        if (pthread_attr_setstack(attr, stack.low, stack.size) == 0) {
            return 0;
        }
        pthread_attr_destroy(attr);
    }
    int failed = __real_pthread_getattr_np(thread, attr);
    if (failed == 0 && pthread_attr_getstack(attr, &stack.low, &stack.size) != 0) {
        stack.size = 0;
    }
    return failed;
}

#endif
