#include "shim.h"

#include <stdlib.h>
#include <string.h>

int cape_shim_copy(cape_buf *into, const void *bytes, size_t len)
{
    into->data = NULL;
    into->len = 0;
    if (len == 0) {
        return 1;
    }
    uint8_t *copy = malloc(len);
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, bytes, len);
    into->data = copy;
    into->len = len;
    return 1;
}

int32_t cape_buf_free(cape_buf *buf)
{
    if (buf == NULL || buf->data == NULL) {
        return CAPE_OK;
    }
    memset(buf->data, 0, buf->len);
    /* The memory may be read behind the compiler's back, so the wipe has to stay. */
    __asm__ volatile("" : : "r"(buf->data) : "memory");
    free(buf->data);
    buf->data = NULL;
    buf->len = 0;
    return CAPE_OK;
}
