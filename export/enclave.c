#include "shim.h"

int32_t cape_enclave_start(const char *options, size_t options_len, cape_handle *enclave,
                           cape_error *err)
{
    if (enclave != NULL) {
        *enclave = 0;
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, options, options_len, "options");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, enclave, "enclave");
    }
    return code == CAPE_OK ? cape_go_enclave_start(options, options_len, enclave, err) : code;
}

int32_t cape_enclave_info(cape_handle enclave, cape_buf *info, cape_error *err)
{
    if (info != NULL) {
        *info = (cape_buf){NULL, 0};
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_output(err, info, "info");
    }
    return code == CAPE_OK ? cape_go_enclave_info(enclave, info, err) : code;
}

int32_t cape_enclave_set_faults(cape_handle enclave, const char *faults, size_t faults_len,
                                cape_error *err)
{
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, faults, faults_len, "faults");
    }
    return code == CAPE_OK ? cape_go_enclave_set_faults(enclave, faults, faults_len, err)
                           : code;
}
