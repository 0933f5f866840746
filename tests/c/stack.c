/* The cached answers of export/stack.c are the true ones, for the main thread and for others,
 * and the caller may destroy what it was given. That glibc has no memory for an answer is passed
 * on, and not kept. Built from that file, with no library. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

int __wrap_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr);
int __real_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr);

static __thread int asked, failing;

int __real_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    if (failing) {
        return ENOMEM;
    }
    asked++;
    return pthread_getattr_np(thread, attr);
}

struct bounds {
    void *low;
    size_t size;
};

static struct bounds bounds_of(int (*get)(pthread_t, pthread_attr_t *), pthread_t thread)
{
    struct bounds b = {0};
    pthread_attr_t attr;
    pthread_attr_init(&attr); /* as the Go runtime does */
    if (get(thread, &attr) == 0) {
        pthread_attr_getstack(&attr, &b.low, &b.size);
        pthread_attr_destroy(&attr);
    }
    return b;
}

/* NULL when all is right. */
static void *thread(void *main_thread)
{
    struct bounds want = bounds_of(pthread_getattr_np, pthread_self());
    pthread_attr_t attr;
    failing = 1;
    if (__wrap_pthread_getattr_np(pthread_self(), &attr) != ENOMEM) {
        return "a failure was hidden";
    }
    failing = 0;
    for (int i = 0; i < 1000; i++) {
        struct bounds got = bounds_of(__wrap_pthread_getattr_np, pthread_self());
        if (got.low != want.low || got.size != want.size || got.size == 0 ||
            (uintptr_t)&want < (uintptr_t)got.low ||
            (uintptr_t)&want >= (uintptr_t)got.low + got.size) {
            fprintf(stderr, "%p+%zu, not %p+%zu\n", got.low, got.size, want.low, want.size);
            return "wrong bounds";
        }
    }
    if (asked != 1) {
        fprintf(stderr, "glibc was asked %d times\n", asked);
        return "not cached";
    }
    if (main_thread != NULL) { /* another thread than the caller is never answered from the cache */
        pthread_t other = *(pthread_t *)main_thread;
        struct bounds theirs = bounds_of(__wrap_pthread_getattr_np, other);
        if (theirs.low == want.low || asked != 2) {
            return "another thread's bounds";
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t self = pthread_self(), others[4];
    int wrong = thread(NULL) != NULL;
    for (int i = 0; i < 4; i++) {
        if (pthread_create(&others[i], NULL, thread, &self) != 0) {
            return 2;
        }
    }
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        pthread_join(others[i], &result);
        wrong |= result != NULL;
    }
    return wrong;
}
