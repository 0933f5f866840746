#include "shim.h"

/* The smallest cape_progress there has ever been; see error.c for how a size is read. */
enum { SIZE_1_0 = 32 };

_Static_assert(sizeof(cape_progress) == SIZE_1_0, "cape_progress of version 1.0");

int32_t cape_connect_start(const char *options, size_t options_len, cape_handle queue,
                           cape_handle *operation, cape_error *err)
{
    if (operation != NULL) {
        *operation = 0;
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, options, options_len, "options");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, operation, "operation");
    }
    return code == CAPE_OK ? cape_go_connect_start(options, options_len, queue, operation, err)
                           : code;
}

int32_t cape_invoke_start(cape_handle conn, const uint8_t *input, size_t input_len,
                          uint32_t timeout_ms, cape_handle queue, cape_handle *operation,
                          cape_error *err)
{
    if (operation != NULL) {
        *operation = 0;
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, input, input_len, "input");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, operation, "operation");
    }
    return code == CAPE_OK ? cape_go_invoke_start(conn, input, input_len, timeout_ms, queue,
                                                  operation, err)
                           : code;
}

int32_t cape_op_wait(cape_handle operation, uint32_t timeout_ms, cape_error *err)
{
    int32_t code = cape_shim_enter(err);
    return code == CAPE_OK ? cape_go_op_wait(operation, timeout_ms, err) : code;
}

int32_t cape_op_result(cape_handle operation, cape_handle *conn, uint8_t *buffer,
                       size_t capacity, size_t *length, cape_error *err)
{
    if (conn != NULL) {
        *conn = 0;
    }
    if (length != NULL) {
        *length = 0;
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, buffer, capacity, "buffer");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, length, "length");
    }
    return code == CAPE_OK ? cape_go_op_result(operation, conn, buffer, capacity, length, err)
                           : code;
}

int32_t cape_op_progress(cape_handle operation, cape_progress *progress, cape_error *err)
{
    int fits = progress != NULL && (progress->size == 0 || progress->size >= SIZE_1_0);
    if (fits) {
        progress->finished = 0;
        progress->sent = progress->to_send = progress->received = 0;
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_output(err, progress, "progress");
    }
    if (code == CAPE_OK && !fits) {
        code = cape_shim_refuse(err, CAPE_E_ARGUMENT, "argument.size",
                                "the size of progress is that of no version: "
                                "set it to sizeof(cape_progress)");
    }
    return code == CAPE_OK ? cape_go_op_progress(operation, progress, err) : code;
}

int32_t cape_op_cancel(cape_handle operation, cape_error *err)
{
    int32_t code = cape_shim_enter(err);
    return code == CAPE_OK ? cape_go_op_cancel(operation, err) : code;
}
