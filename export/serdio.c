#include "shim.h"

int32_t cape_serdio_encode(const char *json, size_t json_len, cape_buf *output, cape_error *err)
{
    if (output != NULL) {
        *output = (cape_buf){NULL, 0};
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, json, json_len, "json");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, output, "output");
    }
    return code == CAPE_OK ? cape_go_serdio_encode(json, json_len, output, err) : code;
}

int32_t cape_serdio_decode(const uint8_t *data, size_t data_len, cape_buf *json,
                           cape_error *err)
{
    if (json != NULL) {
        *json = (cape_buf){NULL, 0};
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, data, data_len, "data");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, json, "json");
    }
    return code == CAPE_OK ? cape_go_serdio_decode(data, data_len, json, err) : code;
}
