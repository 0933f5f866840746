/* A child of fork is told so by every call, at once, whatever state its parent is in and however
 * it was forked; and the parent goes on. */
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static cape_handle server, conn;
static cape_buf kept; /* of the library, filled in the parent */

static void child(void)
{
    uint8_t byte = 1;
    cape_handle handle = 99;
    cape_buf buf = {&byte, 1};
    uint32_t major = 9;
    cape_error err = CAPE_ERROR_INIT;
    double start = seconds();
    EXPECT(cape_version(&major, NULL, NULL, &err), CAPE_E_FORKED, "forked.child", &err);
    EXPECT(cape_connect("{}", 2, &handle, &buf, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(major == 0 && handle == 0 && buf.data == NULL && buf.len == 0, "an output is set");
    EXPECT(cape_invoke(conn, &byte, 1, &buf, &err), CAPE_E_FORKED, "forked.child", &err);
    buf = (cape_buf){&byte, 1};
    EXPECT(cape_verify(&byte, 1, "{}", 2, &buf, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(buf.data == NULL && buf.len == 0, "a report is set");
    EXPECT(cape_close(conn, &err), CAPE_E_FORKED, "forked.child", &err);
    EXPECT(cape_close(0, &err), CAPE_E_FORKED, "forked.child", &err);
    EXPECT(cape_serdio_encode("{}", 2, &buf, &err), CAPE_E_FORKED, "forked.child", &err);
    EXPECT(cape_serdio_decode(&byte, 1, &buf, &err), CAPE_E_FORKED, "forked.child", &err);
    EXPECT(cape_enclave_start("{}", 2, &handle, &err), CAPE_E_FORKED, "forked.child", &err);
    EXPECT(cape_enclave_info(server, &buf, &err), CAPE_E_FORKED, "forked.child", &err);
    EXPECT(cape_enclave_set_faults(server, "[]", 2, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(cape_invoke(conn, &byte, 1, &buf, NULL) == CAPE_E_FORKED, "without an error struct");
    CHECK(cape_buf_free(&kept) == CAPE_OK && kept.data == NULL, "freeing the parent's buffer");
    CHECK(seconds() - start < 0.1, "all calls took %.3f s", seconds() - start);
}

/* The C library hears nothing of this one. */
static pid_t raw_fork(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L);
}

static void expect_child(pid_t (*forked)(void), int generations, const char *state)
{
    pid_t pid = forked();
    if (pid == 0) {
        alarm(20); /* a call that enters Go would wait for ever */
        check_failures = 0;
        if (generations > 1) {
            expect_child(forked, generations - 1, state);
        }
        child();
        _exit(check_done());
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0) {
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: a child ended with %#x", state, status);
}

static void expect_children(const char *state)
{
    for (int i = 0; i < 5; i++) {
        expect_child(fork, 1, state);
        expect_child(raw_fork, 1, state);
    }
    expect_child(fork, 2, state);
    expect_child(raw_fork, 2, state);
}

static volatile int busy = 1;

static void *invokes(void *wrong)
{
    for (unsigned i = 0; busy; i++) {
        *(int *)wrong |= !echoes(conn, 20000, i);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    expect_children("just loaded");

    struct local local = local_start(argv, "echo", "");
    server = local.handle;
    conn = local_session(&local, "echo");
    CHECK(cape_enclave_info(server, &kept, NULL) == CAPE_OK, "info");
    expect_children("connected");
    CHECK(kept.data != NULL, "the parent's buffer was freed");
    CHECK(echoes(conn, 1000, 1), "the parent after its children");

    pthread_t threads[2];
    int wrong[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&threads[i], NULL, invokes, &wrong[i]) == 0, "no thread");
    }
    expect_children("busy");
    busy = 0;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        CHECK(!wrong[i], "a wrong answer while the process forked");
    }

    CHECK(cape_close(conn, NULL) == CAPE_OK, "close");
    expect_children("closed");
    conn = local_session(&local, "echo");
    CHECK(echoes(conn, 1000, 2), "the parent after all its children");
    cape_buf_free(&kept);
    cape_close(conn, NULL);
    cape_close(server, NULL);
    return check_done();
}
