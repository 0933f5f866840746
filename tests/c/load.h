/* Lets a program load the library when it wants to, and not before main: include this ahead of
 * check.h, and call load() before anything else of the library. */
#ifndef LOAD_H
#define LOAD_H

#include <cape.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    __typeof__(cape_buf_free) *buf_free;
    __typeof__(cape_connect) *connect;
    __typeof__(cape_invoke) *invoke;
    __typeof__(cape_close) *close;
    __typeof__(cape_enclave_start) *enclave_start;
    __typeof__(cape_enclave_info) *enclave_info;
    __typeof__(cape_enclave_set_faults) *enclave_set_faults;
    __typeof__(cape_invoke_start) *invoke_start;
    __typeof__(cape_op_wait) *op_wait;
    __typeof__(cape_op_result) *op_result;
    __typeof__(cape_queue_open) *queue_open;
} loaded;

static void *load_symbol(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    return symbol;
}

static inline void load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    *(void **)&loaded.buf_free = load_symbol(library, "cape_buf_free");
    *(void **)&loaded.connect = load_symbol(library, "cape_connect");
    *(void **)&loaded.invoke = load_symbol(library, "cape_invoke");
    *(void **)&loaded.close = load_symbol(library, "cape_close");
    *(void **)&loaded.enclave_start = load_symbol(library, "cape_enclave_start");
    *(void **)&loaded.enclave_info = load_symbol(library, "cape_enclave_info");
    *(void **)&loaded.enclave_set_faults = load_symbol(library, "cape_enclave_set_faults");
    *(void **)&loaded.invoke_start = load_symbol(library, "cape_invoke_start");
    *(void **)&loaded.op_wait = load_symbol(library, "cape_op_wait");
    *(void **)&loaded.op_result = load_symbol(library, "cape_op_result");
    *(void **)&loaded.queue_open = load_symbol(library, "cape_queue_open");
}

#define cape_buf_free loaded.buf_free
#define cape_connect loaded.connect
#define cape_invoke loaded.invoke
#define cape_close loaded.close
#define cape_enclave_start loaded.enclave_start
#define cape_enclave_info loaded.enclave_info
#define cape_enclave_set_faults loaded.enclave_set_faults
#define cape_invoke_start loaded.invoke_start
#define cape_op_wait loaded.op_wait
#define cape_op_result loaded.op_result
#define cape_queue_open loaded.queue_open

#endif
