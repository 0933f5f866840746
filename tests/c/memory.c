/* Memory that cannot be had for a result is an error, with nothing left set or leaked, and the
 * next call works. */
#define _GNU_SOURCE
#include "check.h"

/* Allocations by this thread of this many bytes or more fail; 0: none does. Every result here
 * has that many. The Go runtime ends the process when it has no memory for a thread that it
 * starts, so the few bytes which that takes are left alone. */
enum { LARGE = 400 };
static __thread size_t failing_from;
static __thread int failed;

void *__libc_malloc(size_t size);

/* Comes before glibc's for the library as well. */
void *malloc(size_t size)
{
    if (failing_from != 0 && size >= failing_from) {
        failed++;
        return NULL;
    }
    return __libc_malloc(size);
}

static cape_error err = CAPE_ERROR_INIT;
static uint8_t byte;
static cape_buf output;

/* Makes one call while no result can be allocated, and once more. */
#define EXPECT_BOTH(call)                                                                     \
    do {                                                                                      \
        output = (cape_buf){&byte, 1};                                                        \
        failed = 0;                                                                           \
        failing_from = LARGE;                                                                 \
        int32_t code = (call);                                                                \
        failing_from = 0;                                                                     \
        EXPECT(code, CAPE_E_MEMORY, "memory.output", &err);                                   \
        CHECK(failed == 1, "%d allocations in C", failed);                                    \
        CHECK(output.data == NULL && output.len == 0, "output is set");                       \
        EXPECT((call), CAPE_OK, "", &err);                                                    \
        CHECK(output.data != NULL && output.len >= LARGE, "no output");                       \
    } while (0)

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    struct local local = local_start(argv, "echo", "");
    cape_handle conn = 99;
    EXPECT_BOTH(local_connect(&local, "echo", "\"any\": true", "", &conn, &output, &err));
    cape_buf_free(&output);
    static uint8_t input[LARGE] = {1, 2, 3};
    EXPECT_BOTH(cape_invoke(conn, input, sizeof input, &output, &err));
    CHECK(output.len == sizeof input && memcmp(output.data, input, sizeof input) == 0, "echo");
    cape_buf_free(&output);
    EXPECT_BOTH(cape_enclave_info(local.handle, &output, &err));
    cape_buf_free(&output);

    char json[LARGE + 64];
    int len = snprintf(json, sizeof json, "{\"args\": [\"%0*d\"]}", LARGE, 1);
    EXPECT_BOTH(cape_serdio_encode(json, (size_t)len, &output, &err));
    cape_buf encoded = output;
    EXPECT_BOTH(cape_serdio_decode(encoded.data, encoded.len, &output, &err));
    cape_buf_free(&encoded);
    cape_buf_free(&output);

    /* A refusal stays what it is when there is no memory for its report. */
    local_faults(&local, "[\"expired_leaf\"]");
    failing_from = LARGE;
    cape_handle none = 99;
    int32_t code = local_connect(&local, "echo", "\"any\": true", "", &none, &output, &err);
    failing_from = 0;
    EXPECT(code, CAPE_E_ATTESTATION, "chain.expired", &err);
    CHECK(none == 0 && output.data == NULL && output.len == 0, "an output is set");

    cape_close(conn, NULL);
    cape_close(local.handle, NULL);
    return check_done();
}
