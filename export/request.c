#include "shim.h"

int32_t cape_request_start(const char *options, size_t options_len, const uint8_t *input,
                           size_t input_len, cape_handle queue, cape_handle *operation,
                           cape_error *err)
{
    if (operation != NULL) {
        *operation = 0;
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, options, options_len, "options");
    }
    if (code == CAPE_OK) {
        code = cape_shim_input(err, input, input_len, "input");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, operation, "operation");
    }
    return code == CAPE_OK ? cape_go_request_start(options, options_len, input, input_len, queue,
                                                   operation, err)
                           : code;
}

int32_t cape_encrypt(const uint8_t *key, size_t key_len, const uint8_t *plaintext,
                     size_t plaintext_len, cape_buf *output, cape_error *err)
{
    if (output != NULL) {
        *output = (cape_buf){NULL, 0};
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, key, key_len, "key");
    }
    if (code == CAPE_OK) {
        code = cape_shim_input(err, plaintext, plaintext_len, "plaintext");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, output, "output");
    }
    return code == CAPE_OK ? cape_go_encrypt(key, key_len, plaintext, plaintext_len, output, err)
                           : code;
}
