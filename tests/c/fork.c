/* A child of fork is told so by every call, at once, whatever state its parent is in and however
 * it was forked; and the parent goes on. Nothing that a child does reaches the network, so that
 * no request is ever sealed with what parent and child have in common.
 *
 * A child of vfork is no such child: it runs in the memory of its parent, which waits for it, and
 * may do nothing but exec. That it can is tried too. */
#define _GNU_SOURCE
#include "check.h"
#include "wiretap.h"

#include <linux/sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { CHILDREN = 1000, AT_ONCE = 10 };

static cape_handle server, conn, operation, queue;
static cape_buf kept; /* of the library, filled in the parent */
static struct wiretap wiretap;
static double *slowest;    /* of each child's calls, in seconds; shared with the children */
static double slowest_here;

/* Measures each call as well. */
#undef EXPECT
#define EXPECT(call, want, want_reason, err)                                                  \
    do {                                                                                      \
        double before = seconds();                                                            \
        int32_t got = (call);                                                                 \
        double took = seconds() - before;                                                     \
        slowest_here = took > slowest_here ? took : slowest_here;                             \
        expect(__LINE__, #call, got, (want), (want_reason), (err));                           \
    } while (0)

static void child(void)
{
    uint8_t byte = 1;
    cape_handle handle = 99;
    cape_buf buf = {&byte, 1};
    uint32_t major = 9;
    int32_t fd = 99;
    size_t count = 99;
    uint64_t position = 99;
    cape_progress progress = {sizeof progress, 1, 1, 1, 1};
    cape_error err = CAPE_ERROR_INIT;
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
    handle = 99;
    EXPECT(cape_connect_start("{}", 2, queue, &handle, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(handle == 0, "an operation is set");
    handle = 99;
    EXPECT(cape_invoke_start(conn, &byte, 1, 0, queue, &handle, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(handle == 0, "an operation is set");
    handle = 99;
    EXPECT(cape_request_start("{}", 2, NULL, 0, queue, &handle, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(handle == 0, "an operation is set");
    buf = (cape_buf){&byte, 1};
    EXPECT(cape_encrypt(&byte, 1, &byte, 1, &buf, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(buf.data == NULL && buf.len == 0, "a ciphertext is set");
    handle = 99;
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_E_FORKED, "forked.child", &err);
    EXPECT(cape_op_result(operation, &handle, &byte, 1, &count, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(handle == 0 && count == 0, "a result is set");
    EXPECT(cape_op_progress(operation, &progress, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(progress.finished == 0 && progress.sent == 0 && progress.to_send == 0 &&
              progress.received == 0, "progress is set");
    EXPECT(cape_op_cancel(operation, &err), CAPE_E_FORKED, "forked.child", &err);
    handle = 99;
    EXPECT(cape_queue_open(&handle, &fd, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(handle == 0 && fd == -1, "a queue is set, or descriptor %d", (int)fd);
    handle = 99, count = 99;
    EXPECT(cape_queue_take(queue, &handle, 1, &count, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(count == 0, "a count is set");
    buf = (cape_buf){&byte, 1};
    EXPECT(cape_log_read(&position, &buf, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(buf.data == NULL && buf.len == 0, "records are set");
    buf = (cape_buf){&byte, 1};
    EXPECT(cape_counters(&buf, &err), CAPE_E_FORKED, "forked.child", &err);
    CHECK(buf.data == NULL && buf.len == 0, "counters are set");
    CHECK(cape_invoke(conn, &byte, 1, &buf, NULL) == CAPE_E_FORKED, "without an error struct");
    CHECK(cape_buf_free(&kept) == CAPE_OK && kept.data == NULL, "freeing the parent's buffer");
}

/* The C library hears nothing of these. */
static pid_t raw_clone(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L);
}

static pid_t raw_clone3(void)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

static pid_t (*const ways[])(void) = {fork, raw_clone, raw_clone3};

static void expect_end(pid_t pid, const char *state)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && pid > 0) {
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: a child ended with %#x", state, status);
}

static pid_t start_child(int number, int generations, const char *state)
{
    pid_t pid = ways[number % 3]();
    if (pid == 0) {
        alarm(20); /* a call that enters Go would wait for ever */
        check_failures = 0;
        slowest_here = 0;
        if (generations > 1) {
            expect_end(start_child(number, generations - 1, state), state);
        }
        child();
        slowest[number] = slowest_here;
        _exit(check_done());
    }
    return pid;
}

static int compare(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void expect_children(const char *state)
{
    memset(slowest, 0, CHILDREN * sizeof *slowest);
    for (int i = 0; i < CHILDREN && check_failures < 10; i += AT_ONCE) {
        pid_t pids[AT_ONCE];
        for (int j = 0; j < AT_ONCE; j++) {
            pids[j] = start_child(i + j, (i + j) % 50 == 0 ? 2 : 1, state);
        }
        for (int j = 0; j < AT_ONCE; j++) {
            expect_end(pids[j], state);
        }
    }
    qsort(slowest, CHILDREN, sizeof *slowest, compare);
    /* A promise of 1 ms, with ten times the headroom. */
    CHECK(slowest[CHILDREN / 2] < 0.01, "%s: the slowest call of one half of the children takes %.3f ms or more",
          state, slowest[CHILDREN / 2] * 1e3);

    /* And children that become other programs. */
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    expect_end(pid, "vfork");
    char *arguments[] = {"true", NULL};
    CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, NULL) == 0, "posix_spawn");
    expect_end(pid, "posix_spawn");
}

static volatile int busy = 1;
static long invoked; /* requests that the parent has made */

static int invoke(size_t len, unsigned seed)
{
    __atomic_add_fetch(&invoked, 1, __ATOMIC_RELAXED);
    return echoes(conn, len, seed);
}

static void *invokes(void *wrong)
{
    for (unsigned i = 0; busy; i++) {
        *(int *)wrong |= !invoke(200, i);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    slowest = mmap(NULL, CHILDREN * sizeof *slowest, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (slowest == MAP_FAILED) {
        return 2;
    }
    expect_children("just loaded");

    struct local local = local_start(argv, "echo", "");
    wiretap_start(&wiretap, local.url);
    server = local.handle;
    conn = local_session(&local, "echo");
    int32_t fd = -1;
    cape_error err = CAPE_ERROR_INIT;
    EXPECT(cape_queue_open(&queue, &fd, &err), CAPE_OK, "", &err);
    EXPECT(cape_invoke_start(conn, (const uint8_t *)"x", 1, 0, queue, &operation, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
    invoked++;
    EXPECT(cape_enclave_info(server, &kept, &err), CAPE_OK, "", &err);
    size_t before = wiretap_bytes(&wiretap);
    expect_children("connected");
    /* A session that idles for long sends a ping of 6 bytes now and then. */
    CHECK(wiretap_bytes(&wiretap) - before < 100, "the children reached the network");
    CHECK(kept.data != NULL, "the parent's buffer was freed");
    CHECK(invoke(1000, 1), "the parent after its children");
    uint8_t byte = 0;
    size_t len = 0;
    EXPECT(cape_op_result(operation, NULL, &byte, 1, &len, &err), CAPE_OK, "", &err);
    CHECK(len == 1 && byte == 'x', "a result from before the children");

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
    long requests = wiretap_requests(&wiretap);
    CHECK(requests == invoked, "%ld requests of %ld calls (-1: of two, one key)", requests, invoked);
    CHECK(wiretap.count == 1, "%d connections", wiretap.count);

    CHECK(cape_close(conn, NULL) == CAPE_OK, "close");
    CHECK(cape_close(queue, NULL) == CAPE_OK, "close");
    close(fd);
    expect_children("closed");
    conn = local_session(&local, "echo");
    CHECK(invoke(1000, 2), "the parent after all its children");
    CHECK(wiretap_requests(&wiretap) == invoked && wiretap.count == 2, "the wire after all children");
    cape_buf_free(&kept);
    cape_close(conn, NULL);
    cape_close(server, NULL);
    return check_done();
}
