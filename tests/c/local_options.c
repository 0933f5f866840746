/* The options of a local enclave do what cape.h says: an interpreter found in PATH, a log that
 * takes what functions print, and standard streams that stay the program's own. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

static int file_has(const char *path, const char *text)
{
    char content[65536];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 0;
    }
    size_t len = fread(content, 1, sizeof content - 1, file);
    content[len] = '\0';
    fclose(file);
    return strstr(content, text) != NULL;
}

int main(int argc, char **argv)
{
    char log[1024], quoted[2048], more[4096];
    cape_buf output = {0};
    cape_error err = CAPE_ERROR_INIT;
    if (argc != 3) {
        return 2;
    }
    snprintf(log, sizeof log, "%s/log", argv[2]);
    if (!json_quote(log, quoted, sizeof quoted)) {
        return 2;
    }
    snprintf(more, sizeof more,
             ", \"log\": %s, \"listen\": \"localhost:0\", \"idle_timeout_ms\": 20000,"
             " \"tls\": false, \"faults\": [\"expired_leaf\"]",
             quoted);
    char *found_in_path[] = {argv[0], "python3", argv[2]};
    struct local local = local_start(found_in_path, "noisy", more);

    cape_handle conn = 0;
    EXPECT(local_connect(&local, "noisy", "\"any\": true", "", &conn, NULL, &err),
           CAPE_E_ATTESTATION, "chain.expired", &err);
    local_faults(&local, "[]");
    conn = local_session(&local, "noisy");
    EXPECT(cape_invoke(conn, (const uint8_t *)"x", 1, &output, &err), CAPE_E_FUNCTION,
           "function.error", &err);
    CHECK(strstr(err.message, "ValueError: no two lines") != NULL, "%s", err.message);
    cape_close(conn, NULL);
    cape_close(local.handle, NULL);
    CHECK(file_has(log, "printed by noisy"), "the log lacks what the function printed");
    CHECK(file_has(log, "Traceback"), "the log lacks the traceback");
    return check_done();
}
