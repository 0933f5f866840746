/*
 * Calls two functions that run in an enclave, and knows which enclave answered.
 *
 *     example PYTHON ECHO_FOLDER PYTHAGOREAN_FOLDER     starts a local enclave in this process
 *     example --demo URL ROOT_PEM_FILE PCR0             calls one that runs already
 *
 * Build: cc -std=c11 example.c -lcape
 */
#include <cape.h>

#include <math.h>
#include <stdlib.h>

#include "json.h"

/* Where an enclave is and how to know it, each as JSON text with its quotes. */
struct enclave {
    char url[256];
    char root[4096];
    char pcr0[128];
};

static int failed(const char *what, const cape_error *err)
{
    fprintf(stderr, "%s: %s (%s)\n", what, err->message, err->reason);
    return 0;
}

static int connect_to(const struct enclave *enclave, const char *function, cape_handle *conn,
                      cape_buf *report)
{
    char options[8192];
    cape_error err = CAPE_ERROR_INIT;
    int len = snprintf(options, sizeof options,
                       "{\"url\": %s, \"function\": \"%s\", \"attestation_roots\": %s,"
                       " \"policy\": {\"pcrs\": {\"0\": [%s]}}}",
                       enclave->url, function, enclave->root, enclave->pcr0);
    if (cape_connect(options, (size_t)len, conn, report, &err) != CAPE_OK) {
        return failed(function, &err);
    }
    return 1;
}

/* The hypotenuse of a and b, or NaN. */
static double pythagorean(cape_handle conn, int a, int b)
{
    char arguments[64];
    cape_buf input = {0}, output = {0}, json = {0};
    cape_error err = CAPE_ERROR_INIT;
    double result = NAN;
    int len = snprintf(arguments, sizeof arguments, "{\"args\": [%d, %d]}", a, b);
    if (cape_serdio_encode(arguments, (size_t)len, &input, &err) != CAPE_OK ||
        cape_invoke(conn, input.data, input.len, &output, &err) != CAPE_OK ||
        cape_serdio_decode(output.data, output.len, &json, &err) != CAPE_OK) {
        failed("pythagorean", &err);
    } else {
        char number[32] = "";
        memcpy(number, json.data, json.len < sizeof number ? json.len : sizeof number - 1);
        result = strtod(number, NULL);
    }
    cape_buf_free(&input);
    cape_buf_free(&output);
    cape_buf_free(&json);
    return result;
}

static int echoes(cape_handle conn, const char *text)
{
    cape_buf output = {0};
    cape_error err = CAPE_ERROR_INIT;
    if (cape_invoke(conn, (const uint8_t *)text, strlen(text), &output, &err) != CAPE_OK) {
        return failed("echo", &err);
    }
    int same = output.len == strlen(text) && memcmp(output.data, text, output.len) == 0;
    printf("echo(%s) = %.*s\n", text, (int)output.len, (const char *)output.data);
    cape_buf_free(&output);
    return same;
}

static int local(const char *python, const char *echo, const char *triangle)
{
    char options[8192], quoted[3][2048];
    struct enclave enclave;
    cape_handle server = 0, conn = 0;
    cape_buf info = {0};
    cape_error err = CAPE_ERROR_INIT;
    if (!json_quote(python, quoted[0], sizeof quoted[0]) ||
        !json_quote(echo, quoted[1], sizeof quoted[1]) ||
        !json_quote(triangle, quoted[2], sizeof quoted[2])) {
        return 0;
    }
    int len = snprintf(options, sizeof options, "{\"python\": %s, \"functions\": [%s, %s]}",
                       quoted[0], quoted[1], quoted[2]);
    if (cape_enclave_start(options, (size_t)len, &server, &err) != CAPE_OK ||
        cape_enclave_info(server, &info, &err) != CAPE_OK) {
        cape_close(server, NULL);
        return failed("enclave", &err);
    }
    const char *json = (const char *)info.data;
    int right = json_pick(json, info.len, "url", enclave.url, sizeof enclave.url) &&
                json_pick(json, info.len, "attestation_root", enclave.root, sizeof enclave.root) &&
                json_pick(json, info.len, "0", enclave.pcr0, sizeof enclave.pcr0);
    cape_buf_free(&info);

    if (right && (right = connect_to(&enclave, "local/pythagorean", &conn, NULL))) {
        double c = pythagorean(conn, 3, 4);
        printf("pythagorean(3, 4) = %g\n", c);
        right = c == 5;
        cape_close(conn, NULL);
    }
    if (right && (right = connect_to(&enclave, "local/echo", &conn, NULL))) {
        right = echoes(conn, "hello");
        cape_close(conn, NULL);
    }
    cape_close(server, NULL);
    return right;
}

static int read_file(const char *path, char *into, size_t room)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 0;
    }
    size_t len = fread(into, 1, room - 1, file);
    into[len] = '\0';
    fclose(file);
    return 1;
}

static int demo(const char *url, const char *root_file, const char *pcr0)
{
    char root[2048], module[128], measured[128];
    struct enclave enclave;
    cape_handle conn = 0;
    cape_buf report = {0};
    if (!read_file(root_file, root, sizeof root) ||
        !json_quote(url, enclave.url, sizeof enclave.url) ||
        !json_quote(root, enclave.root, sizeof enclave.root) ||
        !json_quote(pcr0, enclave.pcr0, sizeof enclave.pcr0)) {
        return 0;
    }
    if (!connect_to(&enclave, "local/pythagorean", &conn, &report)) {
        cape_buf_free(&report);
        return 0;
    }
    const char *json = (const char *)report.data;
    int right = json_pick(json, report.len, "module_id", module, sizeof module) &&
                json_pick(json, report.len, "0", measured, sizeof measured);
    cape_buf_free(&report);

    double first = pythagorean(conn, 3, 4), second = pythagorean(conn, 5, 12);
    if (right) {
        printf("c       attested %.*s  PCR0 %.8s...  pythagorean(3, 4) = %g"
               "  pythagorean(5, 12) = %g\n",
               (int)strlen(module) - 2, module + 1, measured + 1, first, second);
    }
    cape_close(conn, NULL);
    return right && first == 5 && second == 13;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--demo") == 0) {
        return demo(argv[2], argv[3], argv[4]) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (argc == 4) {
        return local(argv[1], argv[2], argv[3]) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    fprintf(stderr, "usage: %s PYTHON ECHO_FOLDER PYTHAGOREAN_FOLDER\n"
                    "       %s --demo URL ROOT_PEM_FILE PCR0\n", argv[0], argv[0]);
    return 2;
}
