#include "shim.h"

int32_t cape_verify(const uint8_t *document, size_t document_len, const char *options,
                    size_t options_len, cape_buf *report, cape_error *err)
{
    if (report != NULL) {
        *report = (cape_buf){NULL, 0};
    }
    int32_t code = cape_shim_enter(err);
    if (code == CAPE_OK) {
        code = cape_shim_input(err, document, document_len, "document");
    }
    if (code == CAPE_OK) {
        code = cape_shim_input(err, options, options_len, "options");
    }
    return code == CAPE_OK
               ? cape_go_verify(document, document_len, options, options_len, report, err)
               : code;
}
