/* Everything that can be wrong with a server, each as a code and a reason within its deadline.
 * The attestation report says of a refused document what the error says. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct row {
    char fault[64];
    int invoke; /* otherwise a connect */
    int32_t code;
    char reason[64];
};

static void unquote(char *text)
{
    size_t len = strlen(text);
    memmove(text, text + 1, len - 2);
    text[len - 2] = '\0';
}

/* The rows of tests/vectors/faults, one on each line of the file. */
static size_t read_rows(struct row *rows, size_t room)
{
    char path[4096], line[512];
    size_t count = 0;
    snprintf(path, sizeof path, "%s", __FILE__);
    char *own = strrchr(path, '/');
    snprintf(own != NULL ? own : path, sizeof path - (size_t)((own != NULL ? own : path) - path), "/../vectors/faults/faults.json");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (count < room && fgets(line, sizeof line, file) != NULL) {
        struct row *row = &rows[count];
        char at[32];
        const char *code = strstr(line, "\"code\": ");
        if (json_pick(line, strlen(line), "fault", row->fault, sizeof row->fault)) {
            if (code == NULL || !json_pick(line, strlen(line), "at", at, sizeof at) ||
                !json_pick(line, strlen(line), "reason", row->reason, sizeof row->reason)) {
                fprintf(stderr, "%s: %s", path, line);
                exit(2);
            }
            unquote(row->fault);
            unquote(row->reason);
            row->code = (int32_t)strtol(code + strlen("\"code\": "), NULL, 10);
            row->invoke = strcmp(at, "\"invoke\"") == 0;
            count++;
        }
    }
    fclose(file);
    CHECK(count > 30 && count < room, "%zu rows", count);
    return count;
}

/* A policy that pins the enclave and its function: members of the policy object. */
static const char *pin(const struct local *local)
{
    static char policy[512];
    snprintf(policy, sizeof policy, "\"pcrs\": {\"0\": [%s]}, \"function_checksum\": %s",
             local->pcr0, local->checksum);
    return policy;
}

static int is_silent(const char *fault)
{
    return strstr(fault, "silent") != NULL || strcmp(fault, "no_reply") == 0 || strcmp(fault, "slow_reply") == 0;
}

static int contains(const cape_buf *report, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i + len <= report->len; i++) {
        if (memcmp(report->data + i, text, len) == 0) {
            return 1;
        }
    }
    return 0;
}

static void connecting(const struct local *local, const struct row *row)
{
    char faults[80];
    cape_handle conn = 99;
    cape_buf report = {0};
    cape_error err = CAPE_ERROR_INIT;
    /* PCR0 is left out of the policy where the fault is about it. */
    const char *policy = strcmp(row->fault, "zero_pcrs") == 0 ? "\"any\": true" : pin(local);
    snprintf(faults, sizeof faults, "[\"%s\"]", row->fault);
    local_faults(local, faults);
    double start = seconds();
    int32_t code = local_connect(local, "echo", policy,
                                 is_silent(row->fault) ? ", \"timeout_ms\": 300" : "", &conn,
                                 &report, &err);
    CHECK(seconds() - start < (is_silent(row->fault) ? 3 : 10), "%s took %.1f s", row->fault,
          seconds() - start);
    if (code != row->code || strcmp(err.reason, row->reason) != 0) {
        CHECK(0, "%s: %d %s: %s, expected %d %s", row->fault, (int)code, err.reason, err.message,
              (int)row->code, row->reason);
    }
    CHECK(conn == 0, "%s gave a connection", row->fault);
    if (row->code == CAPE_E_ATTESTATION || row->code == CAPE_E_POLICY) {
        CHECK(contains(&report, "\"refused\"") && contains(&report, row->reason),
              "%s: the report is %.*s", row->fault, (int)report.len, (const char *)report.data);
        CHECK(!contains(&report, "\"module_id\""), "%s: the report believes the document", row->fault);
    } else {
        CHECK(report.data == NULL && report.len == 0, "%s left a report", row->fault);
    }
    cape_buf_free(&report);
    local_faults(local, "[]");
}

static void invoking(const struct local *local, const struct row *row)
{
    char faults[80];
    cape_handle conn = 0;
    cape_buf output = {0};
    cape_error err = CAPE_ERROR_INIT;
    snprintf(faults, sizeof faults, "[\"%s\"]", row->fault);
    EXPECT(local_connect(local, "echo", pin(local),
                         is_silent(row->fault) ? ", \"timeout_ms\": 1000" : "", &conn, NULL, &err),
           CAPE_OK, "", &err);
    CHECK(echoes(conn, 100, 1), "before %s", row->fault);
    local_faults(local, faults);
    double start = seconds();
    int32_t code = cape_invoke(conn, (const uint8_t *)"x", 1, &output, &err);
    CHECK(seconds() - start < 20, "%s took %.1f s", row->fault, seconds() - start);
    if (code != row->code || strcmp(err.reason, row->reason) != 0) {
        CHECK(0, "%s: %d %s: %s, expected %d %s", row->fault, (int)code, err.reason, err.message,
              (int)row->code, row->reason);
    }
    CHECK(output.data == NULL && output.len == 0, "%s left an output", row->fault);
    local_faults(local, "[]");
    if (row->code == CAPE_E_FUNCTION) {
        CHECK(echoes(conn, 100, 2), "the connection does not go on after %s", row->fault);
    }
    EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
}

/* Dropped after a reply: whether the next call, or that one, finds out is a matter of luck. */
static void idle_dropped(const struct local *local)
{
    cape_buf output = {0};
    cape_error err = CAPE_ERROR_INIT;
    cape_handle conn = local_session(local, "echo");
    local_faults(local, "[\"idle_dropped\"]");
    int32_t code = cape_invoke(conn, (const uint8_t *)"x", 1, &output, &err);
    if (code == CAPE_OK) {
        cape_buf_free(&output);
        code = cape_invoke(conn, (const uint8_t *)"x", 1, &output, &err);
    }
    EXPECT(code, CAPE_E_CLOSED, NULL, &err);
    local_faults(local, "[]");
    EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
}

/* A loopback port; with a backlog, the kernel takes connections that nobody ever answers. */
static int port(int backlog, int *descriptor)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (*descriptor < 0 || bind(*descriptor, (struct sockaddr *)&address, len) != 0 ||
        (backlog > 0 && listen(*descriptor, backlog) != 0) ||
        getsockname(*descriptor, (struct sockaddr *)&address, &len) != 0) {
        perror("port");
        exit(2);
    }
    return ntohs(address.sin_port);
}

static void no_enclave_there(const char *scheme, int backlog, int32_t code, const char *reason)
{
    int descriptor;
    char options[256];
    cape_handle conn = 99;
    cape_error err = CAPE_ERROR_INIT;
    int len = snprintf(options, sizeof options,
                       "{\"url\": \"%s://127.0.0.1:%d\", \"function\": \"local/echo\","
                       " \"policy\": \"any\", \"timeout_ms\": 300}",
                       scheme, port(backlog, &descriptor));
    double start = seconds();
    EXPECT(cape_connect(options, (size_t)len, &conn, NULL, &err), code, reason, &err);
    CHECK(seconds() - start < 3, "%s took %.1f s", reason, seconds() - start);
    CHECK(conn == 0, "a connection to nobody");
    close(descriptor);
}

static void other_refusals(char **argv, const struct local *local)
{
    cape_handle conn = 0;
    cape_error err = CAPE_ERROR_INIT;
    char policy[256];

    no_enclave_there("ws", 0, CAPE_E_CONNECT, "connect.refused");
    no_enclave_there("ws", 5, CAPE_E_TIMEOUT, "timeout.connect");
    no_enclave_there("wss", 5, CAPE_E_TIMEOUT, "timeout.connect");

    EXPECT(local_connect(local, "nothing", "\"any\": true", "", &conn, NULL, &err),
           CAPE_E_CONNECT, "connect.function", &err);

    /* Another PCR0, and the local root against the embedded one of AWS. */
    snprintf(policy, sizeof policy, "\"pcrs\": {\"0\": [\"%096d\"]}", 1);
    EXPECT(local_connect(local, "echo", policy, "", &conn, NULL, &err), CAPE_E_POLICY, NULL, &err);
    char options[1024];
    int len = snprintf(options, sizeof options,
                       "{\"url\": %s, \"function\": \"local/echo\", \"policy\": \"any\"}", local->url);
    EXPECT(cape_connect(options, (size_t)len, &conn, NULL, &err), CAPE_E_ATTESTATION,
           "chain.root", &err);

    /* TLS: an authority that nobody knows, the right one, and one in place of it. */
    struct local tls = local_start(argv, "echo", ", \"tls\": true");
    char more[8192];
    EXPECT(local_connect(&tls, "echo", pin(&tls), "", &conn, NULL, &err), CAPE_E_TLS,
           "tls.unknown_authority", &err);
    snprintf(more, sizeof more, ", \"tls_ca\": %s", tls.tls_ca);
    EXPECT(local_connect(&tls, "echo", pin(&tls), more, &conn, NULL, &err), CAPE_OK, "", &err);
    CHECK(echoes(conn, 100, 3), "over TLS");
    EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
    snprintf(more, sizeof more, ", \"tls_ca\": %s", tls.root);
    EXPECT(local_connect(&tls, "echo", pin(&tls), more, &conn, NULL, &err), CAPE_E_TLS,
           "tls.unknown_authority", &err);
    cape_close(tls.handle, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    struct local local = local_start(argv, "echo", "");
    static struct row rows[100];
    size_t count = read_rows(rows, sizeof rows / sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        (rows[i].invoke ? invoking : connecting)(&local, &rows[i]);
    }
    idle_dropped(&local);
    other_refusals(argv, &local);
    cape_handle conn = local_session(&local, "echo");
    CHECK(echoes(conn, 100, 4), "after all faults");
    cape_close(conn, NULL);
    cape_close(local.handle, NULL);
    return check_done();
}
