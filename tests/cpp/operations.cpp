// Operations: waiting, results of every size, cancelling, deadlines, and what is left of them.
#include "check.hpp"

#include <numeric>
#include <thread>

using namespace std::chrono_literals;

namespace {

cape::Bytes pattern(std::size_t size)
{
    cape::Bytes bytes(size);
    std::iota(bytes.begin(), bytes.end(), static_cast<std::uint8_t>(size));
    return bytes;
}

void results_of_every_size(const cape::Connection &conn)
{
    for (const std::size_t size : {0U, 1U, 64U, 4096U, 1U << 20U}) {
        const cape::Bytes input = pattern(size);
        cape::Operation operation = conn.invoke_start(input);
        operation.wait();
        CHECK(operation.wait_for(0s) && operation.wait_for(1h));
        const cape_progress progress = operation.progress();
        CHECK(progress.finished == 1 && progress.sent == progress.to_send);
        CHECK(progress.to_send >= size && progress.received >= size);
        CHECK(operation.result() == input);
        CHECK(operation.handle() == 0);
        FAILS(CAPE_E_HANDLE, "handle.unknown", operation.result());
        operation.close();
    }
}

void results_go_into_memory_of_the_caller(const cape::Connection &conn)
{
    cape::Operation operation = conn.invoke_start("hello");
    operation.wait();
    char buffer[6] = "?????";
    std::size_t needed = 0;
    FAILS(CAPE_E_LIMIT, "limit.input", operation.result(buffer, SIZE_MAX));
    FAILS(CAPE_E_LIMIT, "limit.buffer", operation.result(buffer, 4, &needed));
    CHECK(needed == 5 && buffer[0] == '?' && operation.handle() != 0);
    CHECK(operation.result(buffer, needed) == 5 && std::string_view(buffer) == "hello");
    CHECK(operation.handle() == 0);
}

void many_at_once(const cape::Connection &conn)
{
    std::vector<cape::Operation> operations; // moves as it grows
    for (std::size_t i = 0; i < 50; i++) {
        operations.push_back(conn.invoke_start(std::to_string(i)));
    }
    for (std::size_t i = operations.size(); i-- > 0;) {
        operations[i].wait();
        CHECK(text(operations[i].result()) == std::to_string(i));
    }
}

void unanswered(const Local &local)
{
    local.enclave.set_faults("[\"no_reply\"]");
    cape::Connection conn(local.options());
    const auto before = open_handles("operations");

    cape::Operation operation = conn.invoke_start("x");
    CHECK(!operation.wait_for(0s) && !operation.wait_for(-1s) && !operation.wait_for(50ms));
    FAILS(CAPE_E_TIMEOUT, "timeout.pending", operation.result());
    CHECK(operation.progress().finished == 0 && operation.handle() != 0);
    std::thread canceller([&] { operation.cancel(); });
    operation.wait();
    canceller.join();
    operation.cancel();
    FAILS(CAPE_E_CANCELLED, "cancelled.outcome_unknown", operation.result());
    FAILS(CAPE_E_HANDLE, "handle.unknown", operation.cancel());
    FAILS(CAPE_E_HANDLE, "handle.unknown", operation.wait());

    // A deadline of nothing is not the connection's own of 30 s.
    for (const auto timeout : {0ms, 1ms, 200ms}) {
        const auto start = std::chrono::steady_clock::now();
        cape::Operation late = conn.invoke_start("x", timeout);
        late.wait();
        CHECK(std::chrono::steady_clock::now() - start < 10s);
        try {
            late.result();
            CHECK(!"a result");
        } catch (const cape::Error &error) {
            CHECK(error.code() == CAPE_E_TIMEOUT);
        }
    }

    {
        cape::Operation moved(conn.invoke_start("x")), given_up = conn.invoke_start("x");
        CHECK(open_handles("operations") == before + 2);
        cape::Operation owner(std::move(moved));
        given_up = std::move(owner);
        CHECK(open_handles("operations") == before + 1 && given_up.handle() != 0);
        FAILS(CAPE_E_HANDLE, "handle.unknown", owner.progress());
    }
    CHECK(open_handles("operations") == before);

    cape::Operation left = conn.invoke_start("x");
    conn.close();
    left.wait();
    try {
        left.result();
        CHECK(!"a result");
    } catch (const cape::Error &error) {
        CHECK(error.code() == CAPE_E_CLOSED);
    }
    FAILS(CAPE_E_HANDLE, "handle.unknown", conn.invoke_start("x"));
    local.enclave.set_faults("[]");
}

void connects(const Local &local)
{
    const auto before = open_handles("connections");
    {
        cape::Operation dialling = cape::Connection::connect_start(local.options());
        dialling.wait();
        cape::Connection conn = dialling.connection();
        CHECK(text(conn.invoke("x")) == "x" && pick(conn.report(), "verdict") == "\"accepted\"");
        CHECK(conn.report().front() == '{' && conn.report().back() == '}');
        FAILS(CAPE_E_HANDLE, "handle.unknown", dialling.connection());

        cape::Operation ready = cape::Connection::connect_start(local.options());
        ready.wait();
        CHECK(open_handles("connections") >= before + 1);
        // Destroyed with what it has brought.
    }
    CHECK(open_handles("connections") == before);

    cape::Operation refused = cape::Connection::connect_start(
        local.with_policy("{\"pcrs\": {\"0\": " + quote(std::string(96, '5')) + "}}"));
    refused.wait();
    const std::string report =
        FAILS(CAPE_E_POLICY, "policy.pcr_mismatch", refused.connection());
    CHECK(pick(report, "reason") == "\"policy.pcr_mismatch\"");
    FAILS(CAPE_E_ARGUMENT, "argument.options", cape::Connection::connect_start("?"));

    local.enclave.set_faults("[\"silent_handshake\"]");
    cape::Operation silent = cape::Connection::connect_start(local.options());
    FAILS(CAPE_E_TIMEOUT, "timeout.pending", silent.connection());
    silent.cancel();
    silent.wait();
    FAILS(CAPE_E_CANCELLED, "cancelled.not_sent", silent.connection());
    local.enclave.set_faults("[]");
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    cape::Operation none;
    FAILS(CAPE_E_HANDLE, "handle.unknown", none.wait());
    FAILS(CAPE_E_HANDLE, "handle.unknown", none.result());
    none.close();

    const Local local(argv);
    {
        const cape::Connection conn(local.options());
        results_of_every_size(conn);
        results_go_into_memory_of_the_caller(conn);
        many_at_once(conn);
    }
    unanswered(local);
    connects(local);
    CHECK(open_handles("operations") == 0 && open_handles("connections") == 0);
    return check_done();
}
