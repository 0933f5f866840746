/* Every allocation that the library makes in C fails once: the first, then the second, and so on,
 * until a whole scenario with every function runs through. Each failure is CAPE_E_MEMORY with
 * nothing set, or does no harm; the same call then works; and in the end nothing is left.
 *
 *     memory PYTHON FUNCTIONS VECTORS
 *
 * What cannot be made to fail: the heap of Go, which takes pages of the kernel and ends the
 * process when there are none, and what the Go runtime allocates in C to start a thread, where it
 * does the same. The second is known by its place in the code: it has allocated already when the
 * runtime has started, and no function of the library has been called that allocates. What glibc allocates for the
 * library when it is asked for the bounds of a stack is the subject of stack.c. */
#define _GNU_SOURCE
#include "check.h"

#include <link.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

enum { MOST_SITES = 16, MOST_BLOCKS = 64 };

static uintptr_t library_start, library_end; /* of its code */
static uintptr_t sites_of_the_runtime[MOST_SITES];
static void *blocks[MOST_BLOCKS]; /* of the library's own, not yet freed */
static int started, allocations, failures;
static int fail_at; /* which of the library's own allocations fails, from 1; 0: none */

static int find_library(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    if (strstr(info->dlpi_name, "libcape.so") == NULL) {
        return 0;
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0) {
            library_start = info->dlpi_addr + part->p_vaddr;
            library_end = library_start + part->p_memsz;
        }
    }
    return 1;
}

static void before_all_constructors(void)
{
    dl_iterate_phdr(find_library, NULL);
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) =
    before_all_constructors;

/* True when an allocation is of the library's own code, and not of the Go runtime's. */
static int is_own(void *site)
{
    uintptr_t from = (uintptr_t)site;
    if (from < library_start || from >= library_end) {
        return 0;
    }
    for (int i = 0; i < MOST_SITES; i++) {
        if (__atomic_load_n(&sites_of_the_runtime[i], __ATOMIC_ACQUIRE) == from) {
            return 0;
        }
        uintptr_t none = 0;
        if (!started && __atomic_compare_exchange_n(&sites_of_the_runtime[i], &none, from, 0,
                                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            return 0;
        }
    }
    return 1;
}

static int fails(void)
{
    int fail = ++allocations == fail_at;
    failures += fail;
    return fail;
}

/* Own calls come from the only thread of this program that calls. */
static void *note(void *block)
{
    for (int i = 0; i < MOST_BLOCKS; i++) {
        if (blocks[i] == NULL) {
            blocks[i] = block;
            return block;
        }
    }
    abort();
}

/* These come before glibc's, for the library as well. */
void *malloc(size_t size)
{
    if (!is_own(__builtin_return_address(0))) {
        return __libc_malloc(size);
    }
    return fails() ? NULL : note(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    if (!is_own(__builtin_return_address(0))) {
        return __libc_calloc(count, size);
    }
    return fails() ? NULL : note(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    if (is_own(__builtin_return_address(0))) {
        abort(); /* a block would move from one slot to another: teach this test to follow */
    }
    return __libc_realloc(block, size);
}

void free(void *block)
{
    for (int i = 0; i < MOST_BLOCKS && block != NULL; i++) {
        if (blocks[i] == block) {
            blocks[i] = NULL;
        }
    }
    __libc_free(block);
}

static int blocks_left(void)
{
    int left = 0;
    for (int i = 0; i < MOST_BLOCKS; i++) {
        left += blocks[i] != NULL;
    }
    return left;
}

static char **arguments;
static cape_error err = CAPE_ERROR_INIT;
static uint8_t sentinel;
static uint8_t document[16384], result[65536];
static size_t document_len;
static char verifying[8192]; /* the options with which the document is accepted */

enum { MOST_STEPS = 64 };

static int steps_failed[MOST_STEPS], step_count;

/* Makes a call that has an output, which is left set. The call may fail for want of memory, and is
 * made again then. */
#define STEP(call, output)                                                                    \
    do {                                                                                      \
        int before = failures;                                                                \
        (output) = (cape_buf){&sentinel, 1};                                                  \
        int32_t code = (call);                                                                \
        if (failures != before) {                                                             \
            steps_failed[step_count]++;                                                       \
            EXPECT(code, CAPE_E_MEMORY, "memory.output", &err);                               \
            CHECK((output).data == NULL && (output).len == 0, "an output is set");            \
            code = (call);                                                                    \
        }                                                                                     \
        EXPECT(code, CAPE_OK, "", &err);                                                      \
        CHECK((output).data != &sentinel && (output).data != NULL, "no output");              \
        step_count++;                                                                         \
    } while (0)

/* The same for one that refuses, and says so with or without memory for its report. */
#define REFUSAL(call, want, reason, output)                                                   \
    do {                                                                                      \
        int before = failures;                                                                \
        (output) = (cape_buf){&sentinel, 1};                                                  \
        EXPECT((call), want, reason, &err);                                                   \
        int lacking = failures != before;                                                     \
        steps_failed[step_count] += lacking;                                                  \
        CHECK(lacking ? (output).data == NULL && (output).len == 0                            \
                      : (output).data != &sentinel && (output).data != NULL,                  \
              "the report");                                                                  \
        cape_buf_free(&(output));                                                             \
        step_count++;                                                                         \
    } while (0)

/* And for one that allocates nothing in C. */
#define CALL(call)                                                                            \
    do {                                                                                      \
        int before = allocations;                                                             \
        EXPECT((call), CAPE_OK, "", &err);                                                    \
        CHECK(allocations == before, "it allocates: make it a STEP");                         \
    } while (0)

static const char ANY[] = "\"any\": true";

static void connect_by_operation(const struct local *local, cape_handle *conn)
{
    char options[16384];
    cape_handle operation = 0, queue = 0, ended = 0;
    int32_t fd = -1;
    size_t count = 0;
    int len = snprintf(options, sizeof options,
                       "{\"url\": %s, \"function\": \"local/echo\", \"attestation_roots\": %s,"
                       " \"policy\": {%s}}",
                       local->url, local->root, ANY);
    CALL(cape_queue_open(&queue, &fd, &err));
    CALL(cape_connect_start(options, (size_t)len, queue, &operation, &err));
    CALL(cape_op_wait(operation, 0, &err));
    CALL(cape_queue_take(queue, &ended, 1, &count, &err));
    CHECK(count == 1 && ended == operation, "%zu operations", count);
    CALL(cape_op_result(operation, conn, result, sizeof result, &count, &err));
    CHECK(count > 0, "no report");
    CALL(cape_close(queue, &err));
    close(fd);
}

static void invoke_by_operation(cape_handle conn)
{
    cape_handle operation = 0;
    cape_progress progress = CAPE_PROGRESS_INIT;
    size_t len = 0;
    CALL(cape_invoke_start(conn, (const uint8_t *)"hello", 5, 0, 0, &operation, &err));
    CALL(cape_op_wait(operation, 0, &err));
    CALL(cape_op_progress(operation, &progress, &err));
    CALL(cape_op_cancel(operation, &err));
    CALL(cape_op_result(operation, NULL, result, sizeof result, &len, &err));
    CHECK(len == 5 && memcmp(result, "hello", 5) == 0, "echo");
}

/* Counting allocates too, outside of the scenario. */
static long goroutines(void)
{
    int at = fail_at, so_far = allocations;
    fail_at = 0;
    long now = counted("goroutines");
    fail_at = at;
    allocations = so_far;
    return now;
}

/* What works for a connection or an enclave goes with it, if not at once. */
static void wait_for_goroutines(long most, const char *when)
{
    for (int i = 0; i < 1000 && goroutines() > most; i++) {
        usleep(10000);
    }
    CHECK(goroutines() <= most, "%s, after allocation %d failed: %ld goroutines, and %ld before", when,
          fail_at, goroutines(), most);
}

static void scenario(void)
{
    struct local local = {0};
    char python[2048], folder[2048], path[1024], options[8192];
    cape_buf info, report, output, encoded, json;
    cape_handle conn = 99, none = 99;
    uint64_t position = 0;
    step_count = 0;
    uint32_t major = 0;
    CALL(cape_version(&major, NULL, NULL, &err));

    snprintf(path, sizeof path, "%s/echo", arguments[2]);
    json_quote(arguments[1], python, sizeof python);
    json_quote(path, folder, sizeof folder);
    int len = snprintf(options, sizeof options, "{\"python\": %s, \"functions\": [%s]}", python, folder);
    CALL(cape_enclave_start(options, (size_t)len, &local.handle, &err));
    STEP(cape_enclave_info(local.handle, &info, &err), info);
    json_pick((char *)info.data, info.len, "url", local.url, sizeof local.url);
    json_pick((char *)info.data, info.len, "attestation_root", local.root, sizeof local.root);
    cape_buf_free(&info);

    long before_connections = goroutines();
    STEP(local_connect(&local, "echo", ANY, "", &conn, &report, &err), report);
    cape_buf_free(&report);
    STEP(cape_invoke(conn, (const uint8_t *)"hello", 5, &output, &err), output);
    CHECK(output.len == 5 && memcmp(output.data, "hello", 5) == 0, "echo");
    cape_buf_free(&output);
    CALL(cape_close(conn, &err));

    connect_by_operation(&local, &conn);
    invoke_by_operation(conn);
    STEP(cape_invoke(conn, (const uint8_t *)"again", 5, &output, &err), output);
    cape_buf_free(&output);
    CALL(cape_close(conn, &err));

    CALL(cape_enclave_set_faults(local.handle, "[\"expired_leaf\"]", 16, &err));
    REFUSAL(local_connect(&local, "echo", ANY, "", &none, &report, &err), CAPE_E_ATTESTATION,
            "chain.expired", report);
    CHECK(none == 0, "a connection is set");
    /* The enclave may have started its next worker meanwhile, which a few goroutines look after;
     * with the enclave closed, not one may be left. */
    wait_for_goroutines(before_connections + 5, "with all connections closed");
    CALL(cape_close(local.handle, &err));

    STEP(cape_verify(document, document_len, verifying, strlen(verifying), &report, &err), report);
    cape_buf_free(&report);
    REFUSAL(cape_verify(document, document_len - 1, verifying, strlen(verifying), &report, &err),
            CAPE_E_ATTESTATION, NULL, report);

    STEP(cape_serdio_encode("{\"args\": [1]}", 13, &encoded, &err), encoded);
    STEP(cape_serdio_decode(encoded.data, encoded.len, &json, &err), json);
    cape_buf_free(&encoded);
    cape_buf_free(&json);
    STEP(cape_log_read(&position, &json, &err), json);
    cape_buf_free(&json);
    STEP(cape_counters(&json, &err), json);
    cape_buf_free(&json);
}

static size_t read_file(const char *name, void *into, size_t room)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", arguments[3], name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    size_t len = fread(into, 1, room, file);
    fclose(file);
    return len;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    arguments = argv;
    char root[4096] = "", quoted[4096];
    read_file("root.pem", root, sizeof root - 1);
    document_len = read_file("good.bin", document, sizeof document);
    if (!json_quote(root, quoted, sizeof quoted)) {
        return 2;
    }
    snprintf(verifying, sizeof verifying,
             "{\"policy\": \"any\", \"at_document_time\": true, \"attestation_roots\": %s}", quoted);
    EXPECT(cape_close(1, &err), CAPE_E_HANDLE, NULL, &err); /* waits until the runtime has started */
    CHECK(sites_of_the_runtime[0] != 0, "the runtime has allocated nothing");
    started = 1;

    long handles = open_handles(), before_all = goroutines();
    for (int n = 1; check_failures == 0; n++) {
        int before = failures;
        allocations = 0;
        fail_at = n;
        scenario();
        fail_at = 0;
        CHECK(blocks_left() == 0, "%d blocks are left after allocation %d failed", blocks_left(), n);
        long left = open_handles() - handles;
        CHECK(left == 0, "%ld handles are left after allocation %d failed", left, n);
        if (failures == before) {
            break;
        }
    }
    wait_for_goroutines(before_all, "in the end");
    for (int i = 0; i < step_count; i++) {
        CHECK(steps_failed[i] == 1, "step %d failed %d times for want of memory", i, steps_failed[i]);
    }
    return check_done();
}
