/*
 * libcape for C++17: the interface of cape.h, with owners that close what they opened, and errors
 * as exceptions. It is all in this header, and needs nothing but the library.
 *
 * Start here:
 *
 *     cape::Connection conn(options);
 *     cape::Bytes output = conn.invoke("hello");
 *
 * Conventions, which hold for everything here; cape.h says the rest, and what the options are:
 *
 *   Errors     A function that fails throws cape::Error, which has the code, the reason and the
 *              message, and the attestation report where there is one. Where memory runs out
 *              here and not in the library, it is std::bad_alloc.
 *   Owners     Connection, Operation, Queue and LocalEnclave can be moved and not copied. They
 *              close what they hold when they go; close() does so earlier, never throws, and may
 *              be called again. One that is closed, or was moved from, answers every call with
 *              CAPE_E_HANDLE.
 *   Threads    Any thread may call any const function, cancel() and close() on an object while
 *              others use it. Moving it, assigning to it and destroying it is for one at a time.
 *   Bytes      Inputs are views (cape::View) that are borrowed for the length of the call.
 *   JSON       Options, reports and the like are text: use the JSON library that you have.
 */
#ifndef CAPE_HPP
#define CAPE_HPP

#include <cape.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <unistd.h>

namespace cape {

using Bytes = std::vector<std::uint8_t>;

/* Bytes of somebody else, with any content. Text does, and so does whatever has its bytes in one
 * piece: std::vector and std::array of them, and std::span in C++20. A pointer to char is text
 * that ends in NUL; of an array, say how long it is. */
class View {
public:
    constexpr View() noexcept = default;
    View(const void *data, std::size_t size) noexcept
        : data_(static_cast<const std::uint8_t *>(data)), size_(size) {}
    View(std::nullptr_t) = delete;
    View(const char *text) noexcept : View(text, std::strlen(text)) {}

    template <typename Container,
              typename Element = std::remove_cv_t<std::remove_pointer_t<
                  decltype(std::data(std::declval<const Container &>()))>>,
              typename = std::enable_if_t<!std::is_array_v<Container> && sizeof(Element) == 1 &&
                                          std::is_trivially_copyable_v<Element>>>
    View(const Container &bytes) noexcept : View(std::data(bytes), std::size(bytes)) {}

    const std::uint8_t *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

private:
    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

/* What the library has to say about a call that failed. */
class Error : public std::exception {
public:
    explicit Error(const cape_error &error, std::string report = {})
        : error_(error), report_(report.empty() ? nullptr
                                                : std::make_shared<const std::string>(std::move(report))) {}

    /* One of CAPE_E_*. */
    std::int32_t code() const noexcept { return error_.code; }
    /* A stable word that says more, such as "chain.expired". */
    const char *reason() const noexcept { return error_.reason; }
    /* One line: what happened, to what, and what to do. */
    const char *message() const noexcept { return error_.message; }
    const char *what() const noexcept override { return error_.message; }
    /* The attestation report as JSON where a document was examined; otherwise empty. */
    std::string_view report() const noexcept
    {
        return report_ ? std::string_view(*report_) : std::string_view();
    }

private:
    cape_error error_;
    std::shared_ptr<const std::string> report_; /* shared, so that a copy cannot fail */
};

/* What the owners are made of. Programs have no use for it. */
namespace detail {

/* Receives what the library says about one call. */
class Status {
public:
    Status() noexcept { error_.size = sizeof error_; }
    operator cape_error *() noexcept { return &error_; }
    bool is(const char *reason) const noexcept { return std::strcmp(error_.reason, reason) == 0; }
    const cape_error &error() const noexcept { return error_; }

private:
    cape_error error_{};
};

inline void check(std::int32_t code, const Status &status)
{
    if (code != CAPE_OK) {
        throw Error(status.error());
    }
}

/* Memory of the library. */
class Buffer {
public:
    Buffer() noexcept = default;
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() { cape_buf_free(&buf_); }

    cape_buf *out() noexcept { return &buf_; }
    std::string text() const { return std::string(buf_.data, buf_.data + buf_.len); }
    Bytes bytes() const { return Bytes(buf_.data, buf_.data + buf_.len); }

private:
    cape_buf buf_ = {nullptr, 0};
};

/* A handle that is closed once. */
class Handle {
public:
    Handle() noexcept = default;
    explicit Handle(cape_handle handle) noexcept : handle_(handle) {}
    Handle(Handle &&other) noexcept : handle_(other.release()) {}
    Handle &operator=(Handle &&other) noexcept
    {
        if (this != &other) {
            close();
            handle_ = other.release();
        }
        return *this;
    }
    ~Handle() { close(); }

    cape_handle get() const noexcept { return handle_; }
    cape_handle release() noexcept { return handle_.exchange(0); }
    void close() noexcept { cape_close(release(), nullptr); }

private:
    std::atomic<cape_handle> handle_{0};
};

/* A file descriptor that is closed once. */
class Descriptor {
public:
    Descriptor() noexcept = default;
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(Descriptor &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor &operator=(Descriptor &&other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor()
    {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    int get() const noexcept { return fd_; }

private:
    int fd_ = -1;
};

/* A deadline as the library takes it, where 0 stands for one of its own: 1 ms at least. */
inline std::uint32_t milliseconds(std::chrono::milliseconds timeout) noexcept
{
    constexpr auto longest = std::numeric_limits<std::uint32_t>::max();
    if (timeout.count() < 1) {
        return 1;
    }
    return timeout.count() < longest ? static_cast<std::uint32_t>(timeout.count()) : longest;
}

} // namespace detail

class Connection;

/* Tells a thread or an event loop that operations have ended. One queue serves any number of
 * them, and never shows those of another. */
class Queue {
public:
    Queue()
    {
        cape_handle handle = 0;
        std::int32_t fd = -1;
        detail::Status status;
        detail::check(cape_queue_open(&handle, &fd, status), status);
        handle_ = detail::Handle(handle);
        descriptor_ = detail::Descriptor(fd);
    }

    /* Becomes readable when an operation has ended: for poll, epoll and the like. It belongs to
     * this object, and lasts as long, also when the queue is closed. */
    int descriptor() const noexcept { return descriptor_.get(); }

    /* The handles of operations that have ended, each once, in that order, and at most so many.
     * Never waits: empty means that none is left, and that the descriptor is no longer readable. */
    std::vector<cape_handle> take(std::size_t most = 256) const
    {
        std::vector<cape_handle> ended(most);
        std::size_t count = 0;
        detail::Status status;
        detail::check(cape_queue_take(handle_.get(), ended.data(), most, &count, status), status);
        ended.resize(count);
        return ended;
    }

    cape_handle handle() const noexcept { return handle_.get(); }
    /* The operations go on without it. */
    void close() noexcept { handle_.close(); }

private:
    friend class Connection;
    friend class Request;

    /* For a call that takes a queue, where 0 would mean none: one that is closed is an error. */
    cape_handle told() const noexcept
    {
        const cape_handle handle = handle_.get();
        return handle != 0 ? handle : std::numeric_limits<cape_handle>::max();
    }

    detail::Descriptor descriptor_;
    detail::Handle handle_;
};

/* A connect, an invoke or a request that goes on by itself. Wait for it or let a queue tell of its end, then
 * take its outcome once, which closes it. Destroying one that goes on cancels it. */
class Operation {
public:
    /* None: every call answers CAPE_E_HANDLE. */
    Operation() noexcept = default;

    /* Waits until it has ended, in whatever way. */
    void wait() const
    {
        detail::Status status;
        detail::check(cape_op_wait(handle_.get(), 0, status), status);
    }

    /* The same, for so long at most, and 1 ms at least. False: it goes on. */
    bool wait_for(std::chrono::milliseconds timeout) const
    {
        detail::Status status;
        const auto code = cape_op_wait(handle_.get(), detail::milliseconds(timeout), status);
        if (code == CAPE_E_TIMEOUT && status.is("timeout.wait")) {
            return false;
        }
        detail::check(code, status);
        return true;
    }

    /* The result of an invoke or a request that has ended, which the library writes straight into
     * it. Never waits: CAPE_E_TIMEOUT with reason "timeout.pending" says that it goes on. */
    Bytes result()
    {
        Bytes output(256); /* a result that fits is taken by one call */
        while (!take(nullptr, output)) {
        }
        return output;
    }

    /* The same into memory of the caller; gives the number of bytes. CAPE_E_LIMIT with reason
     * "limit.buffer" leaves the result where it is: *needed is then the room that it takes. */
    std::size_t result(void *buffer, std::size_t capacity, std::size_t *needed = nullptr)
    {
        std::size_t length = 0;
        detail::Status status;
        const auto code = cape_op_result(handle_.get(), nullptr, static_cast<std::uint8_t *>(buffer),
                                         capacity, &length, status);
        if (needed != nullptr) {
            *needed = length;
        }
        settle(code, status);
        detail::check(code, status);
        return length;
    }

    /* What a connect has opened, once it has ended. Never waits. */
    Connection connection();

    cape_progress progress() const
    {
        cape_progress progress{};
        progress.size = sizeof progress;
        detail::Status status;
        detail::check(cape_op_progress(handle_.get(), &progress, status), status);
        return progress;
    }

    /* Ends it at once, with CAPE_E_CANCELLED as its outcome; does nothing when it has ended. */
    void cancel() const
    {
        detail::Status status;
        detail::check(cape_op_cancel(handle_.get(), status), status);
    }

    /* By which Queue::take names it; 0 when it is closed. */
    cape_handle handle() const noexcept { return handle_.get(); }
    /* Gives it up: it is cancelled, and what it has brought is wiped. */
    void close() noexcept { handle_.close(); }

private:
    friend class Connection;
    friend class Request;

    explicit Operation(cape_handle handle) noexcept : handle_(handle) {}

    /* Forgets the handle, unless the outcome is still to be taken. */
    void settle(std::int32_t code, const detail::Status &status) noexcept
    {
        if (code == CAPE_OK) {
            handle_.release();
        } else if (!status.is("limit.buffer") && !status.is("limit.input") &&
                   !status.is("timeout.pending") && !status.is("argument.null")) {
            handle_.close();
        }
    }

    /* Takes the outcome into bytes, which it makes as long as that. False: there was not enough
     * room, and now there is. */
    bool take(cape_handle *conn, Bytes &bytes)
    {
        std::size_t length = 0;
        detail::Status status;
        const auto code =
            cape_op_result(handle_.get(), conn, bytes.data(), bytes.size(), &length, status);
        if (code == CAPE_E_LIMIT && status.is("limit.buffer")) {
            bytes.resize(length);
            return false;
        }
        settle(code, status);
        if (code != CAPE_OK) {
            throw Error(status.error(), std::string(bytes.data(), bytes.data() + length));
        }
        bytes.resize(length);
        return true;
    }

    detail::Handle handle_;
};

/* A session with a function of an attested enclave. */
class Connection {
public:
    /* None: every call answers CAPE_E_HANDLE. */
    Connection() noexcept = default;

    Connection(Connection &&) noexcept = default;
    Connection &operator=(Connection &&other) noexcept
    {
        if (this != &other) {
            handle_ = std::move(other.handle_);
            report_ = std::move(other.report_);
        }
        return *this;
    }

    /* Dials and verifies, as cape_connect does, with its options. */
    explicit Connection(std::string_view options)
    {
        cape_handle handle = 0;
        detail::Buffer report;
        detail::Status status;
        const auto code =
            cape_connect(options.data(), options.size(), &handle, report.out(), status);
        if (code != CAPE_OK) {
            throw Error(status.error(), report.text());
        }
        handle_ = detail::Handle(handle);
        report_ = report.text();
    }

    /* Starts that, and returns at once; Operation::connection gives the connection. */
    static Operation connect_start(std::string_view options) { return dial(options, 0); }
    static Operation connect_start(std::string_view options, const Queue &queue)
    {
        return dial(options, queue.told());
    }

    /* How the enclave's document was judged, as JSON. */
    const std::string &report() const noexcept { return report_; }

    /* Sends input sealed to the enclave, and waits for the function's result. */
    Bytes invoke(View input) const
    {
        detail::Buffer output;
        detail::Status status;
        detail::check(
            cape_invoke(handle_.get(), input.data(), input.size(), output.out(), status), status);
        return output.bytes();
    }

    /* Starts that with a copy of input, and returns at once. The deadline is that of the
     * connection, unless timeout gives one. */
    Operation invoke_start(View input,
                           std::optional<std::chrono::milliseconds> timeout = std::nullopt) const
    {
        return start(input, timeout, 0);
    }
    Operation invoke_start(View input, const Queue &queue,
                           std::optional<std::chrono::milliseconds> timeout = std::nullopt) const
    {
        return start(input, timeout, queue.told());
    }

    cape_handle handle() const noexcept { return handle_.get(); }
    /* Never waits. Calls and operations that are under way end with CAPE_E_CLOSED. */
    void close() noexcept { handle_.close(); }

private:
    friend class Operation;

    Connection(cape_handle handle, std::string report) noexcept
        : handle_(handle), report_(std::move(report)) {}

    static Operation dial(std::string_view options, cape_handle queue)
    {
        cape_handle operation = 0;
        detail::Status status;
        detail::check(
            cape_connect_start(options.data(), options.size(), queue, &operation, status), status);
        return Operation(operation);
    }

    Operation start(View input, std::optional<std::chrono::milliseconds> timeout,
                    cape_handle queue) const
    {
        cape_handle operation = 0;
        detail::Status status;
        detail::check(cape_invoke_start(handle_.get(), input.data(), input.size(),
                                        timeout ? detail::milliseconds(*timeout) : 0, queue,
                                        &operation, status),
                      status);
        return Operation(operation);
    }

    detail::Handle handle_;
    std::string report_;
};

inline Connection Operation::connection()
{
    cape_handle handle = 0;
    Bytes report(4096); /* without room for it, the report would be left out */
    while (!take(&handle, report)) {
    }
    detail::Handle owned(handle);
    std::string text(report.begin(), report.end());
    return Connection(owned.release(), std::move(text));
}

/* Requests to a Cape service that are not calls of a function, such as {"request": "deploy", ...};
 * see cape_request_start. What each comes to are the bytes of Operation::result(). */
class Request {
public:
    static Bytes run(std::string_view options, View input = {})
    {
        Operation operation = start(options, input);
        operation.wait();
        return operation.result();
    }
    static Operation start(std::string_view options, View input = {})
    {
        return send(options, input, 0);
    }
    static Operation start(std::string_view options, View input, const Queue &queue)
    {
        return send(options, input, queue.told());
    }

private:
    static Operation send(std::string_view options, View input, cape_handle queue)
    {
        cape_handle operation = 0;
        detail::Status status;
        detail::check(cape_request_start(options.data(), options.size(), input.data(), input.size(),
                                         queue, &operation, status),
                      status);
        return Operation(operation);
    }
};

/* Seals a plaintext to a Cape key, as text; see cape_encrypt. */
inline std::string encrypt(View key, View plaintext)
{
    detail::Buffer output;
    detail::Status status;
    detail::check(cape_encrypt(key.data(), key.size(), plaintext.data(), plaintext.size(),
                               output.out(), status),
                  status);
    return output.text();
}

/* A local enclave inside this process, to develop and test with; see cape_enclave_start. */
class LocalEnclave {
public:
    explicit LocalEnclave(std::string_view options)
    {
        cape_handle handle = 0;
        detail::Status status;
        detail::check(cape_enclave_start(options.data(), options.size(), &handle, status), status);
        handle_ = detail::Handle(handle);
    }

    /* What a client needs to know of it, as JSON. */
    std::string info() const
    {
        detail::Buffer info;
        detail::Status status;
        detail::check(cape_enclave_info(handle_.get(), info.out(), status), status);
        return info.text();
    }

    /* Makes it misbehave from now on: a JSON array of names. */
    void set_faults(std::string_view faults) const
    {
        detail::Status status;
        detail::check(cape_enclave_set_faults(handle_.get(), faults.data(), faults.size(), status),
                      status);
    }

    cape_handle handle() const noexcept { return handle_.get(); }
    void close() noexcept { handle_.close(); }

private:
    detail::Handle handle_;
};

/* Verifies an attestation document, as cape_verify does, with its options. Gives the report as
 * JSON; that of a document that is refused is in the error. */
inline std::string verify(View document, std::string_view options)
{
    detail::Buffer report;
    detail::Status status;
    const auto code = cape_verify(document.data(), document.size(), options.data(), options.size(),
                                  report.out(), status);
    if (code != CAPE_OK) {
        throw Error(status.error(), report.text());
    }
    return report.text();
}

/* The arguments of a call, from JSON; see cape_serdio_encode. */
inline Bytes serdio_encode(std::string_view json)
{
    detail::Buffer output;
    detail::Status status;
    detail::check(cape_serdio_encode(json.data(), json.size(), output.out(), status), status);
    return output.bytes();
}

/* A function's result, as JSON; see cape_serdio_decode. */
inline std::string serdio_decode(View data)
{
    detail::Buffer json;
    detail::Status status;
    detail::check(cape_serdio_decode(data.data(), data.size(), json.out(), status), status);
    return json.text();
}

/* Records of the library's log after position, which is moved on, as a JSON array. */
inline std::string log_read(std::uint64_t &position)
{
    detail::Buffer records;
    detail::Status status;
    detail::check(cape_log_read(&position, records.out(), status), status);
    return records.text();
}

/* The counts of this process, as a JSON object; see cape_counters. */
inline std::string counters()
{
    detail::Buffer counters;
    detail::Status status;
    detail::check(cape_counters(counters.out(), status), status);
    return counters.text();
}

struct Version {
    std::uint32_t major, minor, patch;
};

/* That of the library that is loaded. */
inline Version version()
{
    Version version{};
    detail::Status status;
    detail::check(cape_version(&version.major, &version.minor, &version.patch, status), status);
    return version;
}

} // namespace cape

#endif
