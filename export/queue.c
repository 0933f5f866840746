#include "shim.h"

int32_t cape_queue_open(cape_handle *queue, int32_t *fd, cape_error *err)
{
    if (queue != NULL) {
        *queue = 0;
    }
    if (fd != NULL) {
        *fd = -1; /* 0 is a descriptor */
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_output(err, queue, "queue");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, fd, "fd");
    }
    return code == CAPE_OK ? cape_go_queue_open(queue, fd, err) : code;
}

int32_t cape_queue_take(cape_handle queue, cape_handle *operations, size_t capacity,
                        size_t *count, cape_error *err)
{
    if (count != NULL) {
        *count = 0;
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK && capacity > SIZE_MAX / sizeof *operations) {
        code = cape_shim_refuse(err, CAPE_E_LIMIT, "limit.input",
                                "capacity is more than memory can hold: "
                                "pass the number of handles that operations has room for");
    }
    if (code == CAPE_OK) {
        code = cape_shim_input(err, operations, capacity * sizeof *operations, "operations");
    }
    if (code == CAPE_OK) {
        code = cape_shim_output(err, count, "count");
    }
    return code == CAPE_OK ? cape_go_queue_take(queue, operations, capacity, count, err) : code;
}
