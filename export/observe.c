#include "shim.h"

int32_t cape_log_read(uint64_t *position, cape_buf *records, cape_error *err)
{
    if (records != NULL) {
        *records = (cape_buf){NULL, 0};
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_output(err, position, "position");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, records, "records");
    }
    return code == CAPE_OK ? cape_go_log_read(position, records, err) : code;
}

int32_t cape_counters(cape_buf *counters, cape_error *err)
{
    if (counters != NULL) {
        *counters = (cape_buf){NULL, 0};
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_output(err, counters, "counters");
    }
    return code == CAPE_OK ? cape_go_counters(counters, err) : code;
}
