/* Payloads of every size up to the limit come back as they went, over one connection. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

/* Less where a byte takes a hundred times as long. */
#ifndef LARGEST_PAYLOAD
#define LARGEST_PAYLOAD (64 << 20)
#endif

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    struct local local = local_start(argv, "echo", "");
    cape_handle conn = local_session(&local, "echo");
    const size_t sizes[] = {0, 1, 2, 3, 125, 126, 65535, 65536, 1 << 20, LARGEST_PAYLOAD};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(echoes(conn, sizes[i], (unsigned)i), "%zu bytes", sizes[i]);
    }

    /* Over the limit: refused before anything is read, and the connection goes on. */
    uint8_t one = 1;
    cape_buf output = {&one, 1};
    cape_error err = CAPE_ERROR_INIT;
    EXPECT(cape_invoke(conn, &one, (size_t)1 << 40, &output, &err), CAPE_E_LIMIT, "limit.input", &err);
    CHECK(output.data == NULL && output.len == 0, "output is set");
    CHECK(echoes(conn, 10, 7), "after the refusal");

    /* A freed buffer is empty, and may be freed again. */
    EXPECT(cape_invoke(conn, &one, 1, &output, &err), CAPE_OK, "", &err);
    CHECK(output.len == 1 && output.data[0] == one, "echo");
    cape_buf_free(&output);
    CHECK(output.data == NULL && output.len == 0, "freed but not empty");
    CHECK(cape_buf_free(&output) == CAPE_OK, "freed twice");

    cape_close(conn, NULL);
    cape_close(local.handle, NULL);
    return check_done();
}
