#include "shim.h"

#include <stdio.h>

static int32_t missing(cape_error *err, const char *name, const char *what)
{
    char message[96];
    int len = snprintf(message, sizeof message, "%s is NULL: pass %s", name, what);
    if (len < 0) {
        len = 0;
    }
    return cape_shim_fail(err, CAPE_E_ARGUMENT, "argument.null", sizeof "argument.null" - 1,
                          message, (size_t)len < sizeof message ? (size_t)len
                                                                : sizeof message - 1);
}

int32_t cape_shim_output(cape_error *err, const void *pointer, const char *name)
{
    return pointer == NULL ? missing(err, name, "the address of a variable") : CAPE_OK;
}

int32_t cape_shim_input(cape_error *err, const void *pointer, size_t len, const char *name)
{
    if (pointer == NULL && len > 0) {
        return missing(err, name, "a pointer, or 0 as its length");
    }
    /* No object is longer than PTRDIFF_MAX, and none wraps round the end of memory. */
    if (len > (size_t)PTRDIFF_MAX || (uintptr_t)pointer > UINTPTR_MAX - len) {
        return cape_shim_refuse(err, CAPE_E_LIMIT, "limit.input",
                                "the length of an input is more than memory can hold: "
                                "pass its length in bytes");
    }
    return CAPE_OK;
}
