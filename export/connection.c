#include "shim.h"

int32_t cape_connect(const char *options, size_t options_len, cape_handle *conn,
                     cape_buf *report, cape_error *err)
{
    if (conn != NULL) {
        *conn = 0;
    }
    if (report != NULL) {
        *report = (cape_buf){NULL, 0};
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, options, options_len, "options");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, conn, "conn");
    }
    return code == CAPE_OK ? cape_go_connect(options, options_len, conn, report, err) : code;
}

int32_t cape_invoke(cape_handle conn, const uint8_t *input, size_t input_len, cape_buf *output,
                    cape_error *err)
{
    if (output != NULL) {
        *output = (cape_buf){NULL, 0};
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, input, input_len, "input");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, output, "output");
    }
    return code == CAPE_OK ? cape_go_invoke(conn, input, input_len, output, err) : code;
}

int32_t cape_close(cape_handle handle, cape_error *err)
{
    int32_t code = cape_shim_enter(err);
    return code == CAPE_OK && handle != 0 ? cape_go_close(handle, err) : code;
}
