/*
 * What the C half of this package and its Go half say to each other. Nothing here is exported.
 *
 * A public function (cape_*) is C: it clears its outputs, refuses a forked child and unusable
 * parameters, and only then calls the Go function behind it (cape_go_*). Entering Go in a child
 * of fork hangs, since none of the runtime's other threads exist there, so the check cannot be
 * made in Go.
 */
#ifndef CAPE_SHIM_H
#define CAPE_SHIM_H

#include "../include/cape.h"

/* Clears err and returns CAPE_OK when the call may go on. Otherwise returns the code: a forked
 * child, or an err whose size is not that of any version, to which nothing is written. */
int32_t cape_shim_enter(cape_error *err);

/* Fills err, when there is one, and returns code. The texts need not end in NUL; what does not
 * fit is cut in front of a whole UTF-8 character. */
int32_t cape_shim_fail(cape_error *err, int32_t code, const char *reason, size_t reason_len,
                       const char *message, size_t message_len);

/* The same for texts that end in NUL. */
int32_t cape_shim_refuse(cape_error *err, int32_t code, const char *reason,
                         const char *message);

/* Checks an output pointer that is required; name is for the message. */
int32_t cape_shim_output(cape_error *err, const void *pointer, const char *name);

/* Checks borrowed input: not NULL unless empty, and of a length that Go can express. */
int32_t cape_shim_input(cape_error *err, const void *pointer, size_t len, const char *name);

/* Copies len bytes into fresh memory of the C heap. Returns 0 when there is none; Go's own
 * C.malloc would end the process. An empty copy is {NULL, 0}. */
int cape_shim_copy(cape_buf *into, const void *bytes, size_t len);

/* Sets SA_ONSTACK on the signal handlers of the host that lack it. Looks once in a few milliseconds
 * at most, for it asks the kernel of each signal: a handler is safe from the first call on that
 * comes so much later than the last. */
void cape_shim_signals(void);

/* True in a child of the process that loaded the library, however it was forked. */
int cape_shim_forked(void);

/* Types through which a Go signature can say const. */
typedef const char cape_text;
typedef const uint8_t cape_bytes;

/* The Go functions. cgo writes prototypes of its own from the Go source, and the compiler
 * compares them with these. */
int32_t cape_go_connect(cape_text *options, size_t options_len, cape_handle *conn,
                        cape_buf *report, cape_error *err);
int32_t cape_go_invoke(cape_handle conn, cape_bytes *input, size_t input_len, cape_buf *output,
                       cape_error *err);
int32_t cape_go_close(cape_handle handle, cape_error *err);
int32_t cape_go_connect_start(cape_text *options, size_t options_len, cape_handle queue,
                              cape_handle *operation, cape_error *err);
int32_t cape_go_invoke_start(cape_handle conn, cape_bytes *input, size_t input_len,
                             uint32_t timeout_ms, cape_handle queue, cape_handle *operation,
                             cape_error *err);
int32_t cape_go_request_start(cape_text *options, size_t options_len, cape_bytes *input,
                              size_t input_len, cape_handle queue, cape_handle *operation,
                              cape_error *err);
int32_t cape_go_encrypt(cape_bytes *key, size_t key_len, cape_bytes *plaintext,
                        size_t plaintext_len, cape_buf *output, cape_error *err);
int32_t cape_go_op_wait(cape_handle operation, uint32_t timeout_ms, cape_error *err);
int32_t cape_go_op_result(cape_handle operation, cape_handle *conn, uint8_t *buffer,
                          size_t capacity, size_t *length, cape_error *err);
int32_t cape_go_op_progress(cape_handle operation, cape_progress *progress, cape_error *err);
int32_t cape_go_op_cancel(cape_handle operation, cape_error *err);
int32_t cape_go_queue_open(cape_handle *queue, int32_t *fd, cape_error *err);
int32_t cape_go_queue_take(cape_handle queue, cape_handle *operations, size_t capacity,
                           size_t *count, cape_error *err);
int32_t cape_go_log_read(uint64_t *position, cape_buf *records, cape_error *err);
int32_t cape_go_counters(cape_buf *counters, cape_error *err);
int32_t cape_go_verify(cape_bytes *document, size_t document_len, cape_text *options,
                       size_t options_len, cape_buf *report, cape_error *err);
int32_t cape_go_serdio_encode(cape_text *json, size_t json_len, cape_buf *output,
                              cape_error *err);
int32_t cape_go_serdio_decode(cape_bytes *data, size_t data_len, cape_buf *json,
                              cape_error *err);
int32_t cape_go_enclave_start(cape_text *options, size_t options_len, cape_handle *enclave,
                              cape_error *err);
int32_t cape_go_enclave_info(cape_handle enclave, cape_buf *info, cape_error *err);
int32_t cape_go_enclave_set_faults(cape_handle enclave, cape_text *faults, size_t faults_len,
                                   cape_error *err);

#endif
