/*
 * libcape: call code that runs inside a trusted execution environment, and know which
 * code answered. This header is the whole C interface; the library exports nothing else.
 *
 * Start here:
 *
 *     cape_handle conn = 0;
 *     cape_buf output = {0};
 *     cape_error err = CAPE_ERROR_INIT;
 *     if (cape_connect(options, strlen(options), &conn, NULL, &err) != CAPE_OK ||
 *         cape_invoke(conn, input, input_len, &output, &err) != CAPE_OK) {
 *         fprintf(stderr, "%s: %s\n", err.reason, err.message);
 *     }
 *     cape_buf_free(&output);
 *     cape_close(conn, NULL);
 *
 * Conventions, which hold for every function:
 *
 *   Result     int32_t: CAPE_OK (0), or a negative CAPE_E_* code. Codes are never renumbered.
 *   Errors     The last parameter, cape_error *err, may be NULL. It is cleared on success.
 *              There is no errno-like "last error": the answer is in the caller's struct.
 *   Inputs     Borrowed for the length of the call, never kept, never modified. A length is in
 *              bytes; text is UTF-8 and need not end in NUL. A pointer may be NULL where its
 *              length is 0.
 *   Outputs    Zeroed on failure, with one exception: the report of cape_connect and cape_verify.
 *   cape_buf   Memory of the library, which the caller hands back with cape_buf_free.
 *   Threads    Any thread may call any function at any time, with any handle.
 *   Fork       A process that loads the library and then forks may go on calling it in the
 *              parent. In the child every function except cape_buf_free answers CAPE_E_FORKED.
 *   Waiting    Every call ends by its deadline: "timeout_ms" of the options, 30 s by default.
 *              cape_connect and cape_invoke wait; cape_connect_start and cape_invoke_start give
 *              an operation instead, which goes on by itself and can be cancelled.
 *   Streams    The library never writes to standard output or standard error, and never exits. The
 *              one exception is a fault that Go cannot survive, such as running out of memory,
 *              which ends the process with its reason on standard error.
 *   Signals    There are no handlers but those of the Go runtime, which pass on what is not theirs.
 *              A handler of the host has to run on a signal stack (SA_ONSTACK): the library sets
 *              that flag on handlers without it, when it is loaded and again during calls.
 */
#ifndef CAPE_H
#define CAPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that this header belongs to. A program built against 1.x runs
 * with every later 1.y. */
#define CAPE_VERSION_MAJOR 1
#define CAPE_VERSION_MINOR 0
#define CAPE_VERSION_PATCH 0

#if defined(__GNUC__)
#define CAPE_API __attribute__((visibility("default")))
#else
#define CAPE_API
#endif

/* Result codes. The reason in cape_error says more, as a stable word such as
 * "chain.expired"; the README lists the reasons under each code. */
#define CAPE_OK 0
#define CAPE_E_ARGUMENT (-1)    /* a parameter or an option is not usable; nothing was sent */
#define CAPE_E_HANDLE (-2)      /* the handle is not open, or of another kind */
#define CAPE_E_CONNECT (-3)     /* no session: name, route, refused, or the enclave said no */
#define CAPE_E_TLS (-4)         /* the server's certificate or the TLS handshake failed */
#define CAPE_E_AUTH (-5)        /* the token was refused */
#define CAPE_E_ATTESTATION (-6) /* the attestation document does not prove an enclave */
#define CAPE_E_POLICY (-7)      /* a genuine enclave, but not one that the policy accepts */
#define CAPE_E_PROTOCOL (-8)    /* the server sent what the protocol does not allow */
#define CAPE_E_FUNCTION (-9)    /* the function, or the enclave, answered with an error */
#define CAPE_E_TIMEOUT (-10)    /* the deadline passed */
#define CAPE_E_CANCELLED (-11)  /* the caller cancelled */
#define CAPE_E_CLOSED (-12)     /* the connection is closed or was lost */
#define CAPE_E_LIMIT (-13)      /* a size or a count is over its limit */
#define CAPE_E_MEMORY (-14)     /* memory for a result could not be had */
#define CAPE_E_FORKED (-15)     /* called in a child of the process that loaded the library */
#define CAPE_E_PANIC (-16)      /* a defect in the library; the handle is unusable, others work */

/* A connection, a local enclave, an operation or a completion queue. 0 is never a valid handle;
 * every handle is below 2^53. A process may have 2^20 open. */
typedef uint64_t cape_handle;

/* Bytes that the library allocated. {NULL, 0} is an empty one. */
typedef struct cape_buf {
    uint8_t *data;
    size_t len;
} cape_buf;

/* An error, in memory of the caller. Set size to sizeof(cape_error) before the call, as
 * CAPE_ERROR_INIT does; 0 stands for the size in version 1.0. The library writes no further
 * than size. reason and message are UTF-8, end in NUL, are one line, and hold no payload, key
 * or token; a message that is too long is cut between two characters. */
typedef struct cape_error {
    uint32_t size;
    int32_t code;
    char reason[64];
    char message[512];
} cape_error;

#define CAPE_ERROR_INIT {(uint32_t)sizeof(cape_error), 0, {0}, {0}}

/* How far an operation is. Set size to sizeof(cape_progress) before the call, as
 * CAPE_PROGRESS_INIT does; 0 stands for the size in version 1.0. The counts are those of the
 * sealed request and of the reply, which is base64: 4 bytes for 3 of the result. A deploy counts
 * the bytes of its files as sent, a test those of its sealed zip. Connects and other requests leave
 * them 0. */
typedef struct cape_progress {
    uint32_t size;
    uint32_t finished; /* 1 when the operation has ended, in whatever way; 0 before */
    uint64_t sent;     /* bytes of the request that have been handed to the network */
    uint64_t to_send;  /* bytes that the request has in all */
    uint64_t received; /* bytes of the reply that have arrived; its length is not known before */
} cape_progress;

#define CAPE_PROGRESS_INIT {(uint32_t)sizeof(cape_progress), 0, 0, 0, 0}

/* The version of the library that is loaded. Each of the three pointers may be NULL. */
CAPE_API int32_t cape_version(uint32_t *major, uint32_t *minor, uint32_t *patch,
                              cape_error *err);

/* Wipes and frees *buf, and makes it empty. Does nothing for NULL or an empty one. It needs
 * no Go code, so a forked child may call it too. Always CAPE_OK. */
CAPE_API int32_t cape_buf_free(cape_buf *buf);

/* Dials an enclave, verifies its attestation document with a fresh nonce, and opens a
 * session with one function.
 *
 * options is one JSON object. Unknown and duplicate names are refused.
 *
 *   "url"                text, required: wss://host[:port] (https:// means the same), or
 *                        ws:// (http://) to a loopback address; a path goes in front of the
 *                        enclave's own
 *   "function"           text, required: an id of 22 characters, or "user/name"
 *   "policy"             required: which enclaves are accepted. "any", or an object of
 *                          "pcrs"              {"0": ["hex", ...], ...}: each index named must
 *                                              be present and equal to one of its values
 *                                              (a single value may stand without its brackets)
 *                          "function_checksum" 64 hex digits: SHA-256 of the function's zip
 *                          "key_checksum"      64 hex digits: SHA-256 of the key policy
 *                          "releases"          [{"name": text, "pcrs": as above, "not_after":
 *                                              RFC 3339, optional}, ...]: one of them must match
 *                          "max_age_ms"        refuse a document that is older
 *                          "future_skew_ms"    how far ahead of the local clock a document may
 *                                              be stamped; 5000 by default
 *                          "allow_debug"       true accepts an enclave in debug mode
 *                          "any"               true pins nothing, as the text "any"
 *                        An object that pins nothing is refused, unless "any" is true.
 *   "token"              text: the credential, sent as the second subprotocol
 *   "token_type"         "access" (the default) or "function"
 *   "attestation_roots"  PEM: trust these roots in place of the embedded AWS Nitro root
 *   "tls_ca"             PEM: trust these authorities for TLS in place of the system's
 *   "insecure_ws"        true permits ws:// to a host that is not loopback. Results are then
 *                        readable and forgeable on the way.
 *   "proxy"              http://host[:port] of a CONNECT proxy; the environment is not read
 *   "timeout_ms"         deadline for connecting, and for each call on the connection; 0 or
 *                        absent: 30000
 *   "signed_results"     true: the enclave signs each result with a key that its attestation
 *                        document states, and one that is not proved so is refused and ends the
 *                        connection (CAPE_E_ATTESTATION, "signature.result"). About a millisecond
 *                        of the enclave's time for each call. Without it, results are protected
 *                        on the way by TLS alone.
 *   "reconnect"          true: when the connection is lost, the next call dials again, under the
 *                        same options and with a fresh nonce. Calls that come meanwhile share
 *                        the attempt; after a failed one the next waits, at first for 50 to 100
 *                        ms, and up to 10 s.
 *                        Whatever was under way when the connection was lost has failed, and is
 *                        never sent again. Once the enclave fails verification or the policy, or
 *                        refuses the token, the connection stays failed. State that the function
 *                        kept for the session is gone with it.
 *
 * report, which may be NULL, receives the attestation report as JSON: on success, and also on
 * failure when a document was examined (CAPE_E_ATTESTATION, CAPE_E_POLICY). Free it with
 * cape_buf_free in both cases. */
CAPE_API int32_t cape_connect(const char *options, size_t options_len, cape_handle *conn,
                              cape_buf *report, cape_error *err);

/* Seals input to the key that the attestation proved (HPKE, RFC 9180 base mode), sends it, and
 * waits for the function's result. input may have any content and up to 64 MiB, and 64 KiB
 * more for what an encoding adds; an empty result is {NULL, 0}. Calls on one connection may run
 * in parallel; results come in the order of the calls, each to its own caller.
 *
 * CAPE_E_FUNCTION: the function raised; the message is the enclave's text, and the connection
 * goes on. CAPE_E_TIMEOUT and CAPE_E_CLOSED: the reason says whether the request had left
 * ("timeout.not_sent", "timeout.outcome_unknown"); the library never sends one twice. With
 * "reconnect", an error of connecting (CONNECT, TLS, AUTH, ATTESTATION, POLICY) means that there is
 * no connection any more, and that nothing was sent. */
CAPE_API int32_t cape_invoke(cape_handle conn, const uint8_t *input, size_t input_len,
                             cape_buf *output, cape_error *err);

/* Closes a handle of any kind, and wakes the calls that wait on it with CAPE_E_CLOSED. Never
 * waits for the network. Closing 0 is CAPE_OK; closing a handle that is not open is
 * CAPE_E_HANDLE and changes nothing.
 *
 * A connection: its operations end with CAPE_E_CLOSED. An operation: it is cancelled, and its
 * result, if there is one, is wiped. A queue: its operations go on without it. A local enclave:
 * the call waits, for a second at most, until the processes of its functions are gone. */
CAPE_API int32_t cape_close(cape_handle handle, cape_error *err);

/* Operations: a connect, an invoke or another request that goes on by itself. One may wait for an
 * operation (cape_op_wait), or be told of its end through a completion queue (cape_queue_open), and
 * then takes its outcome with cape_op_result. An operation whose outcome nobody wants is given up
 * with cape_close. Each counts as an open handle until then.
 *
 *     cape_handle operation = 0;
 *     size_t length = 0;
 *     if (cape_invoke_start(conn, input, input_len, 0, 0, &operation, &err) == CAPE_OK &&
 *         cape_op_wait(operation, 0, &err) == CAPE_OK &&
 *         cape_op_result(operation, NULL, output, sizeof output, &length, &err) == CAPE_OK) {
 *         ... length bytes of output are the result
 *     }
 */

/* Starts what cape_connect does, and returns at once. options are those of cape_connect, and are
 * copied. queue is told when the operation ends; 0: none is. An error here means that nothing
 * was started; what happens later is the operation's outcome. */
CAPE_API int32_t cape_connect_start(const char *options, size_t options_len, cape_handle queue,
                                    cape_handle *operation, cape_error *err);

/* Starts what cape_invoke does, and returns at once. input is copied. Any number of operations
 * may be under way on one connection; their requests leave in the order of the starts, and
 * each gets its own reply.
 *
 * timeout_ms is the deadline of this call; 0: that of the connection's options. queue is told
 * when the operation ends; 0: none is. */
CAPE_API int32_t cape_invoke_start(cape_handle conn, const uint8_t *input, size_t input_len,
                                   uint32_t timeout_ms, cape_handle queue,
                                   cape_handle *operation, cape_error *err);

/* Waits until the operation has ended, in whatever way: CAPE_OK says only that. It waits for
 * timeout_ms milliseconds at most, and 0 means as long as the operation may take by its own
 * deadline. CAPE_E_TIMEOUT with reason "timeout.wait": the operation goes on.
 *
 * For an invoke that is alone on its connection, the thread may stay awake for the first half
 * millisecond, and have its result sooner than a thread that has to be woken. One thread of the
 * process does so at a time, where that was of use before, and on Linux it leaves the processor to
 * any thread that wants it. cape_invoke always sleeps. */
CAPE_API int32_t cape_op_wait(cape_handle operation, uint32_t timeout_ms, cape_error *err);

/* Hands over the outcome of an operation that has ended, and closes the operation. Never waits.
 *
 * Of a connect: *conn receives the connection, and buffer the attestation report as JSON, which
 * may be left out (buffer NULL and capacity 0). Of an invoke or a request: buffer receives the
 * result; conn is not used and may be NULL. *length is the number of bytes written. When the
 * operation has failed, its error is returned, *conn is 0, and *length is 0 unless the enclave of a
 * connect or a request was refused, of which buffer receives the attestation report.
 *
 * Some errors leave the operation as it is: CAPE_E_LIMIT with reason "limit.buffer", when
 * capacity is too small, where *length says how many bytes are needed; CAPE_E_TIMEOUT with
 * reason "timeout.pending", when the operation has not ended yet; and arguments that cannot be
 * used. buffer NULL with capacity 0 asks for the size of a result that is not empty, but takes the
 * outcome of a connect, and of a refused request, without its report. */
CAPE_API int32_t cape_op_result(cape_handle operation, cape_handle *conn, uint8_t *buffer,
                                size_t capacity, size_t *length, cape_error *err);

/* Starts a request to a Cape service that is not a call of a function, and returns at once. queue is
 * told when it ends; 0: none is. input is for "test" alone, and copied.
 *
 * options is one JSON object. Unknown and duplicate names are refused. All requests know "url",
 * "token", "tls_ca", "insecure_ws", "proxy" and "timeout_ms", which bounds each wait of a request;
 * those on which the enclave attests (*) know "policy", which is required, "token_type" and
 * "attestation_roots" besides. All are as for cape_connect. "request" says what is asked for, and
 * cape_op_result then gives the outcome in its buffer:
 *
 *   "key" *          the Cape key that the enclave holds for the token's owner, RSA-4096 in DER
 *                    (SubjectPublicKeyInfo), for cape_encrypt. "user": that of this user, without
 *                    a token, from a document that the service kept; the policy's "max_age_ms"
 *                    bounds its age.
 *   "deploy" *       {"id", "name", "checksum", "report"} of a function that the enclave has taken:
 *                    the checksum, in hex, was computed here and is what a policy pins; the report
 *                    is that of the enclave. "path": a folder with an app.py, or a zip of one.
 *                    "name": absent, the base name of the path up to its first dot. "public": true
 *                    lets anyone call it. Sealed to the Cape key as it is sent.
 *   "test" *         the function's result. It is run once with input, and not deployed. "path": as
 *                    for a deploy.
 *   "list"           [{"id", "name", "created_at"}, ...], the functions of the token's owner. A
 *                    name that a newer function has taken is "" here. "limit": 1 to 1000 of them,
 *                    50 by default. "offset": from which one on.
 *   "delete"         nothing; the function "id" can be run no more
 *   "token_create"   a new token, as text. It is a secret that is told only once. "name",
 *                    "description"; "function": the id of the only one that it may call;
 *                    "expiry": RFC 3339, such as "2026-01-31T12:00:00Z". All may be absent.
 *   "token_list"     [{"id", "name", "description", "created_at", "expiry", "last_used"}, ...],
 *                    the last two where there is one
 *   "token_delete"   nothing; the token "id" is of no use any more
 *
 * On requests without attestation, what comes is what the service says, protected by TLS alone.
 * CAPE_E_FUNCTION: the enclave refused the function ("function.refused"), or it raised
 * ("function.error"). After CAPE_E_TIMEOUT, CAPE_E_CANCELLED and CAPE_E_CLOSED, whose reason does
 * not end in "not_sent", the request may have been carried out. */
CAPE_API int32_t cape_request_start(const char *options, size_t options_len,
                                    const uint8_t *input, size_t input_len, cape_handle queue,
                                    cape_handle *operation, cape_error *err);

/* Seals plaintext to a Cape key, so that only the enclave of the key's owner can read it: a function
 * that gets the output as its input sees the plaintext. key is what the request "key" gives.
 * output is text, "cape:" and base64 (RSA-OAEP with SHA-256, RFC 8017, around AES-256-GCM). Needs
 * no connection, and says nothing about who made it. */
CAPE_API int32_t cape_encrypt(const uint8_t *key, size_t key_len, const uint8_t *plaintext,
                              size_t plaintext_len, cape_buf *output, cape_error *err);

/* Tells how far an operation is. */
CAPE_API int32_t cape_op_progress(cape_handle operation, cape_progress *progress,
                                  cape_error *err);

/* Cancels an operation: it ends at once, with CAPE_E_CANCELLED, and its reason says whether the
 * request had left ("cancelled.not_sent", "cancelled.outcome_unknown"). The outcome is still to
 * be taken. A function that has begun runs on, and later calls of its connection wait for it.
 * Cancelling one that has ended changes nothing; doing it again is no error. */
CAPE_API int32_t cape_op_cancel(cape_handle operation, cape_error *err);

/* Opens a completion queue: one for each event loop or thread that waits for many operations.
 * *fd becomes readable when an operation of this queue has ended; it is a wake-up that epoll,
 * asyncio and libuv can wait for, holds one byte at most, and never blocks. It is the caller's:
 * close it after cape_close of the queue, from when on it reads as at its end, or before. A queue
 * takes three descriptors of the process. What a reader of it finds in it does not
 * matter: cape_queue_take is what tells, and what empties it. */
CAPE_API int32_t cape_queue_open(cape_handle *queue, int32_t *fd, cape_error *err);

/* Lists operations of the queue that have ended, in that order, each once, up to capacity, and
 * never waits. *count says how many; while more are left, the descriptor stays readable. An
 * operation that is no longer open is left out. */
CAPE_API int32_t cape_queue_take(cape_handle queue, cape_handle *operations, size_t capacity,
                                 size_t *count, cape_error *err);

/* Reads the library's log: the latest 1024 records, as a JSON array, oldest first, of
 * {"number": n, "time": RFC 3339, "level": "debug", "info", "warning" or "error", "message":
 * text}. *position is the number of the last record that the caller has seen, 0 at first, and is
 * moved on; each reader has its own. Numbers that are missing were overwritten unread. Records
 * never hold payloads or tokens. */
CAPE_API int32_t cape_log_read(uint64_t *position, cape_buf *records, cape_error *err);

/* Counts of this process since it loaded the library, as one JSON object: "handles" (those open
 * now: {"connections", "enclaves", "operations", "queues"}), "goroutines" (now), "connects",
 * "connects_failed", "reconnects", "invokes", "invokes_failed", "bytes_sent", "bytes_received"
 * (of messages), "verifications", "verification_ns" (in all). Later versions may add names. */
CAPE_API int32_t cape_counters(cape_buf *counters, cape_error *err);

/* Verifies an attestation document that the caller has, as cape_connect does the one that it
 * asks for. document is raw CBOR, untagged or under tag 18. CAPE_E_ATTESTATION: it does not
 * prove an enclave; CAPE_E_POLICY: it does, but not one that the policy accepts.
 *
 * options is one JSON object. Unknown and duplicate names are refused.
 *
 *   "policy"             required: as for cape_connect
 *   "attestation_roots"  PEM: trust these roots in place of the embedded AWS Nitro root
 *   "nonce"              hex: what the document must carry. Absent: not checked, and the
 *                        document may be an old one.
 *   "public_key_length"  bytes that the document's public key must have; cape_connect asks for 32
 *   "time"               RFC 3339, such as "2026-01-31T12:00:00Z": judge validity then, not now
 *   "at_document_time"   true judges an archived document at the time that it was signed. It
 *                        says nothing about who answers now.
 *
 * report, which may be NULL, receives the attestation report as JSON, on success and whenever
 * a document was examined. Free it with cape_buf_free in both cases. */
CAPE_API int32_t cape_verify(const uint8_t *document, size_t document_len, const char *options,
                             size_t options_len, cape_buf *report, cape_error *err);

/* Encodes the arguments of a call with serdio, for programs that have no MessagePack. json is
 * {"args": [...], "kwargs": {...}}; both may be absent. A number with a fraction or an exponent
 * becomes a 64-bit float, any other an integer (-2^63 to 2^64-1). What JSON cannot say
 * (bytes, tuples, sets, complex numbers) has no form here. */
CAPE_API int32_t cape_serdio_encode(const char *json, size_t json_len, cape_buf *output,
                                    cape_error *err);

/* Decodes a serdio result into JSON: one value as itself, several as an array, none as an
 * empty array. A tuple becomes an array, a float always has a fraction or an exponent.
 * Bytes, sets, complex numbers, extensions, map keys that are not text, NaN and infinities are
 * CAPE_E_PROTOCOL with reason "serdio.not_json". */
CAPE_API int32_t cape_serdio_decode(const uint8_t *data, size_t data_len, cape_buf *json,
                                    cape_error *err);

/* Starts a local enclave inside this process, on a loopback address unless told otherwise: the
 * enclave's side of the protocol with a simulated security module and a fresh attestation root.
 * Functions are shut in as far as the kernel grants it; the log says what it does not. Only callers
 * who name its root trust it.
 *
 * options is one JSON object. Unknown and duplicate names are refused.
 *
 *   "functions"          array of folders, each with an app.py; the function of a folder
 *                        named echo is "local/echo"
 *   "python"             interpreter that runs them: a path, or a name to look up in PATH;
 *                        "python3" by default
 *   "listen"             host:port; "127.0.0.1:0" by default
 *   "tls"                true serves wss:// under an authority of its own
 *   "log"                path of a file to which the enclave's log is appended, with what
 *                        functions print and their tracebacks
 *   "faults"             array of names, for tests: see cape_enclave_set_faults
 *   "idle_timeout_ms"    close a session without traffic after this; 60000 by default */
CAPE_API int32_t cape_enclave_start(const char *options, size_t options_len,
                                    cape_handle *enclave, cape_error *err);

/* What a client needs to know of a local enclave, as JSON: {"url": ..., "attestation_root":
 * PEM, "tls_ca": PEM (with "tls"), "functions": [{"id", "name", "checksum"}, ...],
 * "pcrs": {"0": hex, ...}}. */
CAPE_API int32_t cape_enclave_info(cape_handle enclave, cape_buf *info, cape_error *err);

/* Makes a local enclave misbehave from now on, so that a program can test how it takes errors.
 * faults is a JSON array of names, such as ["expired_leaf"]; an empty array ends all faults.
 * The names:
 *
 *   at the handshake     silent_handshake reject_token reject_upgrade
 *   in place of a        silent_start start_not_json start_no_message start_not_base64
 *   document             start_error start_binary start_dropped
 *   in the document      document_truncated document_tampered expired_leaf foreign_root
 *                        foreign_chain replayed_nonce missing_nonce zero_pcrs wrong_pcr
 *                        missing_key short_key clock_off wrong_checksum missing_checksum
 *                        missing_user_data
 *   at a call            invoke_dropped reply_not_json reply_no_message reply_not_base64
 *                        reply_binary reply_error truncated_frame slow_reply no_reply huge_reply
 *   between calls        idle_dropped */
CAPE_API int32_t cape_enclave_set_faults(cape_handle enclave, const char *faults,
                                         size_t faults_len, cape_error *err);

#ifdef __cplusplus
}
#endif

#endif
