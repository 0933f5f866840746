/*
 * The requests of cape_request_start, and cape_encrypt, against a Cape service.
 *
 *     requests URL TOKEN ROOT FOLDER PYTHON FUNCTIONS
 *
 * ROOT is the attestation root in PEM, FOLDER a function that gives back its input, FUNCTIONS a
 * folder with echo in it, for a local enclave that misbehaves.
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <poll.h>
#include <unistd.h>

static char url[256], root[4096], folder[2048];
static const char *token;
static cape_error err = CAPE_ERROR_INIT;

/* The outcome of a request; the bytes are in answer. */
static uint8_t answer[65536];
static size_t answer_len;

/* With the address of the service and a token, unless that is NULL. more has a comma in front. */
static int32_t request(const char *credential, const char *more, const char *input)
{
    char options[16384];
    cape_handle operation = 0;
    int len = snprintf(options, sizeof options, "{\"url\": %s%s%s%s%s}", url, credential != NULL ? ", \"token\": \"" : "",
                       credential != NULL ? credential : "", credential != NULL ? "\"" : "", more);
    answer_len = 0;
    int32_t code = cape_request_start(options, (size_t)len, (const uint8_t *)input, strlen(input), 0, &operation, &err);
    if (code == CAPE_OK) {
        EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
        code = cape_op_result(operation, NULL, answer, sizeof answer - 1, &answer_len, &err);
    }
    answer[answer_len] = '\0';
    return code;
}

static int32_t attested(const char *credential, const char *more, const char *policy, const char *input)
{
    char all[12288];
    snprintf(all, sizeof all, ", \"attestation_roots\": %s, \"policy\": %s%s", root, policy, more);
    return request(credential, all, input);
}

static int32_t connect_as(const char *credential, const char *id, const char *checksum, cape_handle *conn)
{
    char options[16384];
    int len = snprintf(options, sizeof options,
                       "{\"url\": %s, \"token\": \"%s\", \"function\": %s, \"attestation_roots\": %s,"
                       " \"policy\": {\"function_checksum\": %s}}",
                       url, credential, id, root, checksum);
    return cape_connect(options, (size_t)len, conn, NULL, &err);
}

static void expect_echo(const char *credential, const char *id, const char *checksum, const cape_buf *input)
{
    cape_handle conn = 0;
    cape_buf output = {0};
    EXPECT(connect_as(credential, id, checksum, &conn), CAPE_OK, "", &err);
    EXPECT(cape_invoke(conn, input->data, input->len, &output, &err), CAPE_OK, "", &err);
    CHECK(output.len == 6 && memcmp(output.data, "secret", 6) == 0, "the result is %.*s", (int)output.len, output.data);
    cape_buf_free(&output);
    cape_close(conn, NULL);
}

static void wrong_requests(void)
{
    cape_handle operation = 99;
    static const char *const wrong[] = {
        "{}", "[]", "{\"request\": \"fetch\"}", "{\"request\": \"list\"}", "{\"request\": 5}",
        "{\"request\": \"list\", \"request\": \"list\"}",
        "{\"request\": \"key\", \"reconnect\": true}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int32_t code = cape_request_start(wrong[i], strlen(wrong[i]), NULL, 0, 0, &operation, &err);
        if (code == CAPE_OK) { /* what the route itself refuses, it refuses as its outcome */
            EXPECT(cape_op_wait(operation, 0, &err), CAPE_OK, "", &err);
            code = cape_op_result(operation, NULL, NULL, 0, &answer_len, &err);
        }
        CHECK(code == CAPE_E_ARGUMENT, "%s: %d (%s)", wrong[i], (int)code, err.reason);
    }
    EXPECT(request(token, ", \"request\": \"list\", \"policy\": \"any\"", ""), CAPE_E_ARGUMENT, "argument.options", &err);
    EXPECT(request(token, ", \"request\": \"list\", \"path\": \"x\"", ""), CAPE_E_ARGUMENT, "argument.options", &err);
    EXPECT(request(token, ", \"request\": \"list\", \"limit\": 0", ""), CAPE_E_ARGUMENT, "argument.size", &err);
    EXPECT(request(token, ", \"request\": \"list\"", "input"), CAPE_E_ARGUMENT, "argument.input", &err);
    EXPECT(request(token, ", \"request\": \"key\"", ""), CAPE_E_ARGUMENT, "argument.policy_missing", &err);
    EXPECT(request(token, ", \"request\": \"delete\", \"id\": \"../token\"", ""), CAPE_E_ARGUMENT, "argument.function", &err);
    EXPECT(request(NULL, ", \"request\": \"list\"", ""), CAPE_E_AUTH, "auth.rejected", &err);
    EXPECT(attested(token, ", \"request\": \"deploy\", \"path\": \"/nowhere\"", "\"any\"", ""), CAPE_E_ARGUMENT, "argument.deployment", &err);
}

/* The report of a refusal is in the buffer, as for a connect. */
static void refused_enclave(void)
{
    static const char none[] = "{\"pcrs\": {\"0\": \"111111111111111111111111111111111111111111111111"
                               "111111111111111111111111111111111111111111111111\"}}";
    EXPECT(attested(token, ", \"request\": \"key\"", none, ""), CAPE_E_POLICY, "policy.pcr_mismatch", &err);
    CHECK(strstr((char *)answer, "\"refused\"") != NULL, "the report is %s", answer);
}

static void function_lifetime(void)
{
    char id[128], checksum[128], more[4096], scoped_to[256], token_id[128];
    cape_buf ciphertext = {0};
    cape_handle conn = 0;

    EXPECT(attested(token, ", \"request\": \"key\"", "\"any\"", ""), CAPE_OK, "", &err);
    CHECK(answer_len == 550, "the key has %zu bytes", answer_len);
    EXPECT(cape_encrypt(answer, answer_len, (const uint8_t *)"secret", 6, &ciphertext, &err), CAPE_OK, "", &err);
    CHECK(ciphertext.len > 700 && memcmp(ciphertext.data, "cape:", 5) == 0, "the ciphertext");
    cape_buf_free(&ciphertext);
    EXPECT(cape_encrypt(answer, answer_len - 1, (const uint8_t *)"x", 1, &ciphertext, &err), CAPE_E_ARGUMENT, "argument.key", &err);
    EXPECT(attested(NULL, ", \"request\": \"key\", \"user\": \"ada\"", "\"any\"", ""), CAPE_OK, "", &err);
    EXPECT(cape_encrypt(answer, answer_len, (const uint8_t *)"secret", 6, &ciphertext, &err), CAPE_OK, "", &err);

    snprintf(more, sizeof more, ", \"request\": \"deploy\", \"name\": \"mirror\", \"path\": %s", folder);
    EXPECT(attested(token, more, "\"any\"", ""), CAPE_OK, "", &err);
    CHECK(json_pick((char *)answer, answer_len, "id", id, sizeof id) &&
              json_pick((char *)answer, answer_len, "checksum", checksum, sizeof checksum) && strlen(checksum) == 66 &&
              strstr((char *)answer, "\"accepted\"") != NULL,
          "the answer is %s", answer);
    expect_echo(token, id, checksum, &ciphertext);
    expect_echo(token, "\"ada/mirror\"", checksum, &ciphertext);

    EXPECT(request(token, ", \"request\": \"list\"", ""), CAPE_OK, "", &err);
    CHECK(answer[0] == '[' && strstr((char *)answer, id) != NULL, "the list is %s", answer);
    EXPECT(request(token, ", \"request\": \"list\", \"limit\": 5, \"offset\": 1", ""), CAPE_OK, "", &err);
    CHECK(strcmp((char *)answer, "[]") == 0, "the rest of the list is %s", answer);

    snprintf(more, sizeof more, ", \"request\": \"test\", \"path\": %s", folder);
    EXPECT(attested(token, more, "\"any\"", "secret"), CAPE_OK, "", &err);
    CHECK(strcmp((char *)answer, "secret") == 0, "the result of the test is %s", answer);

    snprintf(more, sizeof more, ", \"request\": \"token_create\", \"name\": \"one\", \"function\": %s, \"expiry\": \"2199-01-02T03:04:05Z\"", id);
    EXPECT(request(token, more, ""), CAPE_OK, "", &err);
    char *scoped = strdup((char *)answer);
    expect_echo(scoped, id, checksum, &ciphertext);
    EXPECT(request(scoped, ", \"request\": \"list\"", ""), CAPE_E_AUTH, "auth.rejected", &err);
    EXPECT(request(token, ", \"request\": \"token_list\"", ""), CAPE_OK, "", &err);
    CHECK(strstr((char *)answer, "\"one\"") != NULL && strstr((char *)answer, "2199-01-02T03:04:05Z") != NULL &&
              json_pick((char *)answer, answer_len, "id", token_id, sizeof token_id),
          "the tokens are %s", answer);
    snprintf(scoped_to, sizeof scoped_to, ", \"request\": \"token_delete\", \"id\": %s", token_id);
    EXPECT(request(token, scoped_to, ""), CAPE_OK, "", &err);
    CHECK(answer_len == 0, "an answer of %zu bytes", answer_len);
    EXPECT(connect_as(scoped, id, checksum, &conn), CAPE_E_AUTH, "auth.rejected", &err);
    free(scoped);

    snprintf(more, sizeof more, ", \"request\": \"delete\", \"id\": %s", id);
    EXPECT(request(token, more, ""), CAPE_OK, "", &err);
    EXPECT(connect_as(token, id, checksum, &conn), CAPE_E_CONNECT, "connect.function", &err);
    EXPECT(request(token, more, ""), CAPE_E_CONNECT, "connect.not_found", &err);
    cape_buf_free(&ciphertext);
}

/* A queue is told; a buffer that is too small leaves the outcome; what is given up is gone. */
static void as_operations(void)
{
    char options[16384];
    uint8_t small[16];
    cape_handle queue = 0, operation = 0, taken = 0;
    int32_t fd = -1;
    size_t n = 0;
    int len = snprintf(options, sizeof options,
                       "{\"request\": \"key\", \"url\": %s, \"token\": \"%s\", \"attestation_roots\": %s, \"policy\": \"any\"}",
                       url, token, root);
    EXPECT(cape_queue_open(&queue, &fd, &err), CAPE_OK, "", &err);
    EXPECT(cape_request_start(options, (size_t)len, NULL, 0, queue, &operation, &err), CAPE_OK, "", &err);
    struct pollfd told = {.fd = fd, .events = POLLIN};
    CHECK(poll(&told, 1, 30000) == 1, "the queue was not told");
    EXPECT(cape_queue_take(queue, &taken, 1, &n, &err), CAPE_OK, "", &err);
    CHECK(n == 1 && taken == operation, "%zu operations", n);
    EXPECT(cape_op_result(operation, NULL, NULL, 0, &n, &err), CAPE_E_LIMIT, "limit.buffer", &err);
    CHECK(n == 550, "%zu bytes are needed", n);
    EXPECT(cape_op_result(operation, NULL, small, sizeof small, &n, &err), CAPE_E_LIMIT, "limit.buffer", &err);
    EXPECT(cape_op_result(operation, NULL, answer, sizeof answer, &n, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_result(operation, NULL, answer, sizeof answer, &n, &err), CAPE_E_HANDLE, "handle.unknown", &err);

    EXPECT(cape_request_start(options, (size_t)len, NULL, 0, queue, &operation, &err), CAPE_OK, "", &err);
    EXPECT(cape_close(operation, &err), CAPE_OK, "", &err);
    EXPECT(cape_close(queue, &err), CAPE_OK, "", &err);
    close(fd);
}

/* Cancelled while the enclave is silent. */
static void cancelled(char **argv)
{
    char options[16384];
    cape_handle operation = 0;
    char *of_local[] = {argv[0], argv[5], argv[6]};
    struct local local = local_start(of_local, "echo", ", \"faults\": [\"silent_start\"]");
    int len = snprintf(options, sizeof options,
                       "{\"request\": \"key\", \"url\": %s, \"attestation_roots\": %s, \"policy\": \"any\"}", local.url, local.root);
    EXPECT(cape_request_start(options, (size_t)len, NULL, 0, 0, &operation, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_wait(operation, 100, &err), CAPE_E_TIMEOUT, "timeout.wait", &err);
    EXPECT(cape_op_result(operation, NULL, NULL, 0, &answer_len, &err), CAPE_E_TIMEOUT, "timeout.pending", &err);
    EXPECT(cape_op_cancel(operation, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_wait(operation, 10000, &err), CAPE_OK, "", &err);
    EXPECT(cape_op_result(operation, NULL, NULL, 0, &answer_len, &err), CAPE_E_CANCELLED, "cancelled.not_sent", &err);
    cape_close(local.handle, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 7 || !json_quote(argv[1], url, sizeof url) || !json_quote(argv[3], root, sizeof root) ||
        !json_quote(argv[4], folder, sizeof folder)) {
        return 2;
    }
    token = argv[2];
    wrong_requests();
    refused_enclave();
    function_lifetime();
    as_operations();
    cancelled(argv);
    return check_done();
}
