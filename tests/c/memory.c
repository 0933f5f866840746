/* Memory that cannot be had for a result is an error, with nothing left set or leaked, and the
 * next call works. */
#define _GNU_SOURCE
#include "check.h"

/* The allocation of this many bytes by this thread fails; 0: none does. */
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
        failing_from = 1;                                                                     \
        int32_t code = (call);                                                                \
        failing_from = 0;                                                                     \
        EXPECT(code, CAPE_E_MEMORY, "memory.output", &err);                                   \
        CHECK(failed == 1, "%d allocations in C", failed);                                    \
        CHECK(output.data == NULL && output.len == 0, "output is set");                       \
        EXPECT((call), CAPE_OK, "", &err);                                                    \
        CHECK(output.data != NULL && output.len > 0, "no output");                            \
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
    EXPECT_BOTH(cape_invoke(conn, (const uint8_t *)"hello", 5, &output, &err));
    CHECK(output.len == 5 && memcmp(output.data, "hello", 5) == 0, "echo");
    cape_buf_free(&output);
    EXPECT_BOTH(cape_enclave_info(local.handle, &output, &err));
    cape_buf_free(&output);

    EXPECT_BOTH(cape_serdio_encode("{\"args\": [1]}", 13, &output, &err));
    cape_buf encoded = output;
    EXPECT_BOTH(cape_serdio_decode(encoded.data, encoded.len, &output, &err));
    cape_buf_free(&encoded);
    cape_buf_free(&output);

    /* A refusal stays what it is when there is no memory for its report. */
    local_faults(&local, "[\"expired_leaf\"]");
    failing_from = 1;
    cape_handle none = 99;
    int32_t code = local_connect(&local, "echo", "\"any\": true", "", &none, &output, &err);
    failing_from = 0;
    EXPECT(code, CAPE_E_ATTESTATION, "chain.expired", &err);
    CHECK(none == 0 && output.data == NULL && output.len == 0, "an output is set");

    cape_close(conn, NULL);
    cape_close(local.handle, NULL);
    return check_done();
}
