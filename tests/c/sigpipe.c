/* A dead peer is an error and not the end of the host, whether the host has set SIGPIPE to its
 * default or ignores it, before it loaded the library or after. What SIGPIPE does to the host's own
 * writes stays as the host has set it: the last thing of this test is a write to a broken pipe.
 *
 *     sigpipe PYTHON FUNCTIONS LIBRARY default|ignored before|after */
#define _POSIX_C_SOURCE 200809L
#include "load.h"

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t large[4 << 20];

static void invoke_until_it_fails(cape_handle conn, const char *what)
{
    for (int i = 0; i < 100; i++) {
        cape_buf output = {0};
        cape_error err = CAPE_ERROR_INIT;
        int32_t code = cape_invoke(conn, large, sizeof large, &output, &err);
        cape_buf_free(&output);
        if (code != CAPE_OK) {
            CHECK(code == CAPE_E_CLOSED, "%s: %d %s", what, (int)code, err.message);
            return;
        }
    }
    CHECK(0, "%s: the peer lives on", what);
}

/* Takes connections, ends its own side, and resets them at once: when that is done before the
 * client writes, its very first write is one to a broken pipe. */
static void *resets(void *argument)
{
    int listener = *(int *)argument, taken;
    struct linger hard = {1, 0};
    while ((taken = accept(listener, NULL, NULL)) >= 0) {
        shutdown(taken, SHUT_WR);
        setsockopt(taken, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(taken);
    }
    return NULL;
}

static void connect_to_a_peer_that_resets(const char *scheme)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 5) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&thread, NULL, resets, &listener) != 0) {
        perror("listener");
        exit(2);
    }
    for (int i = 0; i < 200; i++) {
        char options[256];
        cape_handle conn = 0;
        cape_error err = CAPE_ERROR_INIT;
        int n = snprintf(options, sizeof options,
                         "{\"url\": \"%s://127.0.0.1:%d\", \"function\": \"a/b\", \"policy\": \"any\"}",
                         scheme, ntohs(address.sin_port));
        EXPECT(cape_connect(options, (size_t)n, &conn, NULL, &err), CAPE_E_CONNECT, NULL, &err);
    }
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
}

static void dead_peers(char **argv)
{
    connect_to_a_peer_that_resets("ws");
    connect_to_a_peer_that_resets("wss");

    /* Peers that go away between and during invokes; over TLS too. */
    const char *faults[] = {"[\"idle_dropped\"]", "[\"invoke_dropped\"]", "[\"truncated_frame\"]"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct local local = local_start(argv, "echo", "");
        cape_handle conn = local_session(&local, "echo");
        local_faults(&local, faults[i]);
        invoke_until_it_fails(conn, faults[i]);
        cape_close(conn, NULL);
        cape_close(local.handle, NULL);
    }

    /* An enclave that ends, and a client that goes away from under its enclave. */
    struct local local = local_start(argv, "echo", "");
    cape_handle conn = local_session(&local, "echo");
    cape_close(local.handle, NULL);
    invoke_until_it_fails(conn, "the enclave ended");
    cape_close(conn, NULL);

    /* A function that ends its process; the enclave writes to it all the same. */
    local = local_start(argv, "exits", "");
    conn = local_session(&local, "exits");
    for (int i = 0; i < 5; i++) {
        cape_buf output = {0};
        cape_error err = CAPE_ERROR_INIT;
        EXPECT(cape_invoke(conn, large, sizeof large, &output, &err), CAPE_E_FUNCTION, NULL, &err);
    }
    cape_close(conn, NULL);
    cape_close(local.handle, NULL);
}

/* The end of an operation is told to a queue whose descriptor nobody holds any longer. */
static void descriptor_that_nobody_reads(char **argv)
{
    struct local local = local_start(argv, "echo", "");
    cape_handle conn = local_session(&local, "echo"), queue = 0, operation = 0;
    int32_t fd = -1;
    cape_error err = CAPE_ERROR_INIT;
    uint8_t output = 0;
    size_t len = 0;
    EXPECT(cape_queue_open(&queue, &fd, &err), CAPE_OK, "", &err);
    close(fd);
    for (int i = 0; i < 10; i++) {
        EXPECT(cape_invoke_start(conn, large, 1, 0, queue, &operation, &err), CAPE_OK, "", &err);
        EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
        EXPECT(cape_op_result(operation, NULL, &output, 1, &len, &err), CAPE_OK, "", &err);
    }
    EXPECT(cape_close(queue, &err), CAPE_OK, "", &err);
    EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
    EXPECT(cape_close(local.handle, &err), CAPE_OK, "", &err);
}

/* Ends the process by SIGPIPE unless that is ignored. */
static void write_to_a_broken_pipe(void)
{
    int ends[2];
    if (pipe(ends) != 0) {
        exit(2);
    }
    close(ends[0]);
    CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE, "the pipe is not broken");
    close(ends[1]);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        return 2;
    }
    int ignored = strcmp(argv[4], "ignored") == 0, before = strcmp(argv[5], "before") == 0;
    if (before) {
        signal(SIGPIPE, ignored ? SIG_IGN : SIG_DFL);
    }
    load(argv[3]);
    if (!before) {
        signal(SIGPIPE, ignored ? SIG_IGN : SIG_DFL);
    }
    dead_peers(argv);
    descriptor_that_nobody_reads(argv);
    if (check_failures == 0) {
        puts("done");
        fflush(stdout);
        write_to_a_broken_pipe();
    }
    return check_done();
}
