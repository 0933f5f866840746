#include "shim.h"

int32_t cape_version(uint32_t *major, uint32_t *minor, uint32_t *patch, cape_error *err)
{
    if (major != NULL) {
        *major = 0;
    }
    if (minor != NULL) {
        *minor = 0;
    }
    if (patch != NULL) {
        *patch = 0;
    }
    int32_t code = cape_shim_enter(err);
    if (code != CAPE_OK) {
        return code;
    }
    if (major != NULL) {
        *major = CAPE_VERSION_MAJOR;
    }
    if (minor != NULL) {
        *minor = CAPE_VERSION_MINOR;
    }
    if (patch != NULL) {
        *patch = CAPE_VERSION_PATCH;
    }
    return CAPE_OK;
}
