#include "shim.h"

#include <string.h>

/* The smallest cape_error there has ever been. A caller built against an older header has one
 * of this size and may say so by 0. Members that a later version adds are written only when
 * size says that they are there. */
enum { SIZE_1_0 = 584 };

_Static_assert(sizeof(cape_error) == SIZE_1_0, "cape_error of version 1.0");

static int writable(const cape_error *err)
{
    return err != NULL && (err->size == 0 || err->size >= SIZE_1_0);
}

int32_t cape_shim_enter(cape_error *err)
{
    if (err != NULL && !writable(err)) {
        return CAPE_E_ARGUMENT;
    }
    if (err != NULL) {
        err->code = CAPE_OK;
        err->reason[0] = '\0';
        err->message[0] = '\0';
    }
    if (cape_shim_forked()) {
        return cape_shim_refuse(err, CAPE_E_FORKED, "forked.child",
                                "this process was forked from one that had loaded libcape: "
                                "load it in the child alone, or start the child with exec");
    }
    cape_shim_signals();
    return CAPE_OK;
}

/* Copies text and its NUL into room bytes. */
static void put(char *into, size_t room, const char *text, size_t len)
{
    if (len > room - 1) {
        len = room - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) {
            len--; /* text[len] goes on with a character that began earlier */
        }
    }
    if (len > 0) {
        memcpy(into, text, len);
    }
    into[len] = '\0';
}

int32_t cape_shim_fail(cape_error *err, int32_t code, const char *reason, size_t reason_len,
                       const char *message, size_t message_len)
{
    if (writable(err)) {
        err->code = code;
        put(err->reason, sizeof err->reason, reason, reason_len);
        put(err->message, sizeof err->message, message, message_len);
    }
    return code;
}

int32_t cape_shim_refuse(cape_error *err, int32_t code, const char *reason, const char *message)
{
    return cape_shim_fail(err, code, reason, strlen(reason), message, strlen(message));
}
