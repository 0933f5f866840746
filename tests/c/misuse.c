/* Every function with what it must not be given: NULL, impossible sizes, errors of the wrong
 * size, closed and forged handles. None may crash, and none may leave an output set. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#define SENTINEL ((uint8_t *)&sentinel)
static uint8_t sentinel;

static const char ANY[] = "{\"policy\": \"any\"}";

static cape_error err = CAPE_ERROR_INIT;

/* A buffer that holds garbage, as one does that the caller forgot to clear. */
static cape_buf garbage(void)
{
    return (cape_buf){SENTINEL, 77};
}

#define EXPECT_EMPTY(buf) CHECK((buf).data == NULL && (buf).len == 0, "output is set")

static void null_pointers(void)
{
    cape_buf buf = garbage(), other = garbage();
    cape_handle handle = 99;

    EXPECT(cape_connect(NULL, 5, &handle, &buf, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(handle == 0, "conn is set");
    EXPECT_EMPTY(buf);
    EXPECT(cape_connect("{}", 2, NULL, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT(cape_connect(NULL, 0, &handle, NULL, &err), CAPE_E_ARGUMENT, "argument.options", &err);

    EXPECT(cape_invoke(1, NULL, 1, &other, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT_EMPTY(other);
    EXPECT(cape_invoke(1, SENTINEL, 1, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);

    buf = garbage();
    EXPECT(cape_verify(NULL, 1, "{}", 2, &buf, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT_EMPTY(buf);
    EXPECT(cape_verify(SENTINEL, 1, NULL, 1, &buf, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT(cape_verify(SENTINEL, 0, "{}", 2, &buf, &err), CAPE_E_ARGUMENT, "argument.policy_missing", &err);
    EXPECT_EMPTY(buf);
    EXPECT(cape_verify(NULL, 0, ANY, strlen(ANY), NULL, &err), CAPE_E_ATTESTATION, "parse.empty", &err);

    buf = garbage();
    EXPECT(cape_serdio_encode(NULL, 1, &buf, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT_EMPTY(buf);
    EXPECT(cape_serdio_encode("{}", 2, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT(cape_serdio_encode(NULL, 0, &buf, &err), CAPE_E_ARGUMENT, NULL, &err);

    buf = garbage();
    EXPECT(cape_serdio_decode(NULL, 1, &buf, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT_EMPTY(buf);
    EXPECT(cape_serdio_decode(SENTINEL, 1, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT(cape_serdio_decode(NULL, 0, &buf, &err), CAPE_E_PROTOCOL, NULL, &err);

    handle = 99;
    EXPECT(cape_enclave_start(NULL, 1, &handle, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    CHECK(handle == 0, "enclave is set");
    EXPECT(cape_enclave_start("{}", 2, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT(cape_enclave_info(1, NULL, &err), CAPE_E_ARGUMENT, "argument.null", &err);
    EXPECT(cape_enclave_set_faults(1, NULL, 1, &err), CAPE_E_ARGUMENT, "argument.null", &err);

    EXPECT(cape_version(NULL, NULL, NULL, &err), CAPE_OK, "", &err);
    CHECK(cape_buf_free(NULL) == CAPE_OK, "freeing NULL");
    buf = (cape_buf){NULL, 0};
    CHECK(cape_buf_free(&buf) == CAPE_OK, "freeing an empty one");
}

static void impossible_sizes(void)
{
    size_t lengths[] = {SIZE_MAX, SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        cape_buf buf = garbage();
        cape_handle handle = 99;
        EXPECT(cape_connect("{}", lengths[i], &handle, NULL, &err), CAPE_E_LIMIT, "limit.input", &err);
        EXPECT(cape_invoke(1, SENTINEL, SIZE_MAX, &buf, &err), CAPE_E_LIMIT, "limit.input", &err);
        EXPECT_EMPTY(buf);
        EXPECT(cape_verify(SENTINEL, lengths[i], "{}", 2, &buf, &err), CAPE_E_LIMIT, "limit.input", &err);
        EXPECT(cape_verify(SENTINEL, 0, "{}", lengths[i], &buf, &err), CAPE_E_LIMIT, "limit.input", &err);
        EXPECT(cape_serdio_encode("{}", lengths[i], &buf, &err), CAPE_E_LIMIT, "limit.input", &err);
        EXPECT(cape_serdio_decode(SENTINEL, lengths[i], &buf, &err), CAPE_E_LIMIT, "limit.input", &err);
        EXPECT(cape_enclave_start("{}", lengths[i], &handle, &err), CAPE_E_LIMIT, "limit.input", &err);
        EXPECT(cape_enclave_set_faults(1, "[]", SIZE_MAX, &err), CAPE_E_LIMIT, "limit.input", &err);
    }
}

static void error_sizes(void)
{
    union {
        cape_error err;
        unsigned char bytes[sizeof(cape_error) + 64];
    } small, large, before;
    cape_handle handle = 99;
    cape_buf buf = garbage();

    memset(&small, 0xA5, sizeof small);
    small.err.size = sizeof(cape_error) - 1;
    before = small;
    CHECK(cape_version(NULL, NULL, NULL, &small.err) == CAPE_E_ARGUMENT, "a small error");
    CHECK(cape_connect("{}", 2, &handle, &buf, &small.err) == CAPE_E_ARGUMENT, "a small error");
    CHECK(cape_close(1, &small.err) == CAPE_E_ARGUMENT, "a small error");
    CHECK(memcmp(&small, &before, sizeof small) == 0, "a small error was written to");
    CHECK(handle == 0, "conn is set");
    EXPECT_EMPTY(buf);

    memset(&large, 0xA5, sizeof large);
    large.err.size = sizeof large;
    CHECK(cape_close(1, &large.err) == CAPE_E_HANDLE, "a larger error");
    CHECK(strcmp(large.err.reason, "handle.unknown") == 0, "%s", large.err.reason);
    CHECK(large.err.size == sizeof large, "size was changed");
    for (size_t i = sizeof(cape_error); i < sizeof large; i++) {
        CHECK(large.bytes[i] == 0xA5, "byte %zu was written to", i);
    }

    cape_error old = {0, 0, {0}, {0}};
    EXPECT(cape_close(1, &old), CAPE_E_HANDLE, "handle.unknown", &old);
    CHECK(old.size == 0, "size was changed");
    EXPECT(cape_close(0, &old), CAPE_OK, "", &old);
    CHECK(old.message[0] == '\0', "a success left the message %s", old.message);

    CHECK(cape_close(1, NULL) == CAPE_E_HANDLE, "no error struct");
    CHECK(cape_connect(NULL, 1, NULL, NULL, NULL) == CAPE_E_ARGUMENT, "no error struct");
}

/* A message that does not fit is cut between two characters. */
static void long_messages(void)
{
    char faults[2048] = "[\"";
    size_t len = 2;
    while (len < 1500) {
        memcpy(faults + len, "\xE2\x82\xAC", 3); /* the euro sign */
        len += 3;
    }
    memcpy(faults + len, "\"]", 2);
    len += 2;
    for (size_t shift = 0; shift < 3; shift++) {
        char options[4096];
        cape_handle handle = 0;
        int n = snprintf(options, sizeof options, "{\"log\": \"/%.*s%.*s/none\"}", (int)shift,
                         "xx", (int)(len - 4), faults + 2);
        EXPECT(cape_enclave_start(options, (size_t)n, &handle, &err), CAPE_E_ARGUMENT, NULL, &err);
        size_t used = strlen(err.message), start = used;
        CHECK(used <= sizeof err.message - 1, "message of %zu bytes", used);
        while (start > 0 && ((unsigned char)err.message[start - 1] & 0xC0) == 0x80) {
            start--;
        }
        CHECK(start == used || (start > 0 && (unsigned char)err.message[start - 1] == 0xE2 && used - start == 2),
              "the message ends within a character: %s", err.message);
    }
}

static void options_of(const char *options, const char *reason)
{
    cape_handle handle = 99;
    cape_buf report = garbage();
    EXPECT(cape_connect(options, strlen(options), &handle, &report, &err), CAPE_E_ARGUMENT, reason, &err);
    CHECK(handle == 0, "conn is set by %s", options);
    EXPECT_EMPTY(report);
}

static void bad_options(void)
{
    options_of("", "argument.options");
    options_of("null", NULL);
    options_of("[]", "argument.options");
    options_of("{", "argument.options");
    options_of("{} {}", "argument.options");
    options_of("{\"url\": \"wss://localhost\", \"Url\": \"wss://localhost\"}", "argument.options");
    options_of("{\"url\": \"wss://localhost\", \"url\": \"wss://localhost\"}", "argument.options");
    options_of("{\"url\": 5}", "argument.options");
    options_of("{\"timeout_ms\": -1}", "argument.options");
    options_of("{\"url\": \"\xFF\"}", "argument.options");
    options_of("{\"url\": \"wss://localhost\", \"function\": \"a/b\"}", "argument.policy_missing");
    options_of("{\"url\": \"wss://localhost\", \"function\": \"a/b\", \"policy\": {}}", "argument.policy_empty");
    options_of("{\"url\": \"wss://localhost\", \"function\": \"a/b\", \"policy\": {\"pcrs\": {\"0\": [\"xy\"]}}}", "argument.policy");
    options_of("{\"url\": \"\", \"function\": \"a/b\", \"policy\": \"any\"}", "argument.url");
    options_of("{\"url\": \"wss://localhost\", \"function\": \"../b\", \"policy\": \"any\"}", "argument.function");
    options_of("{\"url\": \"ws://192.0.2.1\", \"function\": \"a/b\", \"policy\": \"any\"}", "argument.insecure_url");
    options_of("{\"url\": \"wss://localhost\", \"function\": \"a/b\", \"policy\": \"any\", \"token\": \"a b\"}", "argument.token");
    options_of("{\"url\": \"wss://localhost\", \"function\": \"a/b\", \"policy\": \"any\", \"tls_ca\": \"x\"}", "argument.tls_ca");
    options_of("{\"url\": \"wss://localhost\", \"function\": \"a/b\", \"policy\": \"any\", \"attestation_roots\": \"x\"}", "argument.roots");
    options_of("{\"url\": \"wss://localhost\", \"function\": \"a/b\", \"policy\": \"any\", \"proxy\": \"x\"}", "argument.proxy");

    const struct {
        const char *options, *reason;
    } enclaves[] = {
        {"{\"function\": []}", "argument.options"},
        {"{\"functions\": [\"/nonexistent\"]}", "argument.functions"},
        {"{\"python\": \"no-such-python\"}", "argument.python"},
        {"{\"log\": \"/nonexistent/log\"}", "argument.options"},
        {"{\"faults\": [\"no_such_fault\"]}", "argument.fault"},
        {"{\"listen\": \"nowhere\"}", "argument.listen"},
    };
    for (size_t i = 0; i < sizeof enclaves / sizeof *enclaves; i++) {
        cape_handle handle = 99;
        EXPECT(cape_enclave_start(enclaves[i].options, strlen(enclaves[i].options), &handle, &err),
               CAPE_E_ARGUMENT, enclaves[i].reason, &err);
        CHECK(handle == 0, "enclave is set by %s", enclaves[i].options);
    }
}

static void bad_serdio(void)
{
    cape_buf buf = garbage();
    const char *json[] = {"[]", "{\"args\": 1}", "{\"arg\": []}", "{\"args\": [1e999]}", "{\"args\": [1]} x"};
    for (size_t i = 0; i < sizeof json / sizeof *json; i++) {
        EXPECT(cape_serdio_encode(json[i], strlen(json[i]), &buf, &err), CAPE_E_ARGUMENT, NULL, &err);
        EXPECT_EMPTY(buf);
    }
    const uint8_t bomb[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    EXPECT(cape_serdio_decode(bomb, sizeof bomb, &buf, &err), CAPE_E_PROTOCOL, NULL, &err);
    EXPECT_EMPTY(buf);
}

static void stale_and_forged_handles(char **argv)
{
    struct local local = local_start(argv, "echo", "");
    cape_handle conn = local_session(&local, "echo");
    cape_buf buf = garbage();

    CHECK(conn != 0 && conn < (cape_handle)1 << 53, "handle %llx", (unsigned long long)conn);
    CHECK(echoes(conn, 100, 1), "echo");
    for (int bit = 0; bit < 64; bit++) {
        cape_handle forged = conn ^ (cape_handle)1 << bit;
        EXPECT(cape_invoke(forged, NULL, 0, &buf, &err), CAPE_E_HANDLE, "handle.unknown", &err);
        EXPECT(cape_close(forged, &err), CAPE_E_HANDLE, "handle.unknown", &err);
        EXPECT(cape_enclave_info(forged, &buf, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    }
    EXPECT(cape_invoke(0, NULL, 0, &buf, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    EXPECT(cape_invoke(local.handle, NULL, 0, &buf, &err), CAPE_E_HANDLE, "handle.kind", &err);
    EXPECT(cape_enclave_info(conn, &buf, &err), CAPE_E_HANDLE, "handle.kind", &err);
    EXPECT(cape_enclave_set_faults(conn, "[]", 2, &err), CAPE_E_HANDLE, "handle.kind", &err);
    EXPECT(cape_enclave_set_faults(local.handle, "[\"nonsense\"]", 12, &err), CAPE_E_ARGUMENT, "argument.fault", &err);
    CHECK(echoes(conn, 100, 2), "echo after all this");

    EXPECT(cape_close(conn, &err), CAPE_OK, "", &err);
    EXPECT(cape_close(conn, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    EXPECT(cape_invoke(conn, NULL, 0, &buf, &err), CAPE_E_HANDLE, "handle.unknown", &err);
    EXPECT_EMPTY(buf);
    EXPECT(cape_close(local.handle, &err), CAPE_OK, "", &err);
    EXPECT(cape_enclave_info(local.handle, &buf, &err), CAPE_E_HANDLE, "handle.unknown", &err);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    uint32_t major = 9, minor = 9, patch = 9;
    EXPECT(cape_version(&major, &minor, &patch, &err), CAPE_OK, "", &err);
    CHECK(major == CAPE_VERSION_MAJOR && minor == CAPE_VERSION_MINOR && patch == CAPE_VERSION_PATCH,
          "version %u.%u.%u", major, minor, patch);
    null_pointers();
    impossible_sizes();
    error_sizes();
    long_messages();
    bad_options();
    bad_serdio();
    stale_and_forged_handles(argv);
    return check_done();
}
