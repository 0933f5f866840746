// Owners move, close once, and close what they hold; errors carry what cape.h says.
#include "check.hpp"

#include <array>
#include <thread>
#include <type_traits>
#if __cplusplus >= 202002L
#include <span>
#endif

namespace {

template <typename Owner> constexpr bool only_moves()
{
    return std::is_nothrow_move_constructible_v<Owner> && std::is_nothrow_move_assignable_v<Owner> &&
           !std::is_copy_constructible_v<Owner> && !std::is_copy_assignable_v<Owner>;
}
static_assert(only_moves<cape::Connection>());
static_assert(only_moves<cape::Operation>());
static_assert(only_moves<cape::Queue>());
static_assert(only_moves<cape::LocalEnclave>());
// An exception is copied where no other may be thrown.
static_assert(std::is_nothrow_copy_constructible_v<cape::Error>);
// A null pointer and numbers are no text, and an array does not say where its bytes end.
static_assert(!std::is_constructible_v<cape::View, std::nullptr_t>);
static_assert(!std::is_constructible_v<cape::View, int>);
static_assert(!std::is_convertible_v<std::vector<int>, cape::View>);
static_assert(!std::is_convertible_v<std::uint8_t[4], cape::View>);

void connections_move(const Local &local)
{
    const auto before = open_handles("connections");
    {
        cape::Connection first(local.options()), none;
        const std::string report = first.report();
        CHECK(pick(report, "verdict") == "\"accepted\"");
        FAILS(CAPE_E_HANDLE, "handle.unknown", none.invoke("x"));
        CHECK(open_handles("connections") == before + 1);

        cape::Connection second(std::move(first));
        CHECK(second.report() == report && text(second.invoke("moved")) == "moved");
        CHECK(first.handle() == 0);
        FAILS(CAPE_E_HANDLE, "handle.unknown", first.invoke("x"));

        cape::Connection third(local.options());
        CHECK(open_handles("connections") == before + 2);
        third = std::move(second); // closes what it held
        CHECK(open_handles("connections") == before + 1);
        CHECK(text(third.invoke("assigned")) == "assigned");
        cape::Connection &itself = third;
        third = std::move(itself);
        CHECK(text(third.invoke("itself")) == "itself");

        third.close();
        third.close();
        second.close();
        CHECK(open_handles("connections") == before);
        FAILS(CAPE_E_HANDLE, "handle.unknown", third.invoke("x"));
        CHECK(third.report() == report);
        third = cape::Connection(local.options()); // open again
        CHECK(text(third.invoke("again")) == "again");
    }
    CHECK(open_handles("connections") == before);
}

void inputs_are_of_many_types(const Local &local)
{
    const cape::Connection conn(local.options());
    const std::string hello = "hello";
    const std::string nul("a\0b", 3);
    const std::vector<char> characters{'h', 'e', 'l', 'l', 'o'};
    const std::array<std::byte, 2> array{std::byte{0xff}, std::byte{0}};
    CHECK(text(conn.invoke("hello")) == hello && text(conn.invoke(hello)) == hello);
    CHECK(text(conn.invoke(std::string_view(hello).substr(1))) == "ello");
    CHECK(text(conn.invoke(nul)) == nul && text(conn.invoke(characters)) == hello);
    CHECK((conn.invoke(array) == cape::Bytes{0xff, 0}));
    CHECK(text(conn.invoke({hello.data(), 4})) == "hell");
    CHECK(conn.invoke({}).empty() && conn.invoke("").empty() && conn.invoke(cape::Bytes()).empty());
#if __cplusplus >= 202002L
    CHECK(text(conn.invoke(std::span(characters).subspan(2))) == "llo");
#endif
}

void errors_say_what_happened(const Local &local)
{
    FAILS(CAPE_E_ARGUMENT, "argument.options", cape::Connection("{"));
    FAILS(CAPE_E_ARGUMENT, "argument.policy_empty", cape::Connection(local.with_policy("{}")));
    FAILS(CAPE_E_ARGUMENT, "argument.options", cape::LocalEnclave("[]"));
    FAILS(CAPE_E_ARGUMENT, "argument.fault", local.enclave.set_faults("[\"no_such_fault\"]"));

    const std::string other(96, '5');
    const std::string report =
        FAILS(CAPE_E_POLICY, "policy.pcr_mismatch",
              cape::Connection(local.with_policy("{\"pcrs\": {\"0\": " + quote(other) + "}}")));
    CHECK(pick(report, "verdict") == "\"refused\"");
    CHECK(pick(report, "reason") == "\"policy.pcr_mismatch\"");

    const std::string judged =
        FAILS(CAPE_E_ATTESTATION, "cose.structure", cape::verify("\xff", "{\"policy\": \"any\"}"));
    CHECK(pick(judged, "verdict") == "\"refused\"");
    CHECK(FAILS(CAPE_E_ARGUMENT, "argument.policy_missing", cape::verify("x", "{}")).empty());

    FAILS(CAPE_E_ARGUMENT, "argument.json", cape::serdio_encode("["));
    FAILS(CAPE_E_PROTOCOL, "serdio.truncated", cape::serdio_decode(""));
    CHECK(cape::serdio_decode(cape::serdio_encode("{\"args\": [\"x\"]}")) == "\"x\"");

    local.enclave.set_faults("[\"reply_error\"]");
    {
        const cape::Connection conn(local.options());
        CHECK(FAILS(CAPE_E_FUNCTION, "function.error", conn.invoke("x")).empty());
        local.enclave.set_faults("[]");
    }
    try {
        cape::Connection nowhere("{}");
    } catch (const std::exception &error) { // as a program that knows nothing of cape::Error
        CHECK(*error.what() != '\0');
    }
}

// close() of another thread ends a call that waits.
void closing_wakes(const Local &local)
{
    local.enclave.set_faults("[\"no_reply\"]");
    cape::Connection conn(local.options());
    const auto bytes_sent = [] {
        const std::string counters = cape::counters(), name = "\"bytes_sent\":";
        return std::stoull(counters.substr(counters.find(name) + name.size()));
    };
    const auto before = bytes_sent();
    std::thread waiting(
        [&] { FAILS(CAPE_E_CLOSED, "closed.outcome_unknown", conn.invoke("never answered")); });
    for (int i = 0; i < 1500 && bytes_sent() == before; i++) { // until the request has left
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    conn.close();
    waiting.join();
    local.enclave.set_faults("[]");
}

void enclaves_move(char **argv)
{
    Local first(argv);
    cape::LocalEnclave moved(std::move(first.enclave));
    FAILS(CAPE_E_HANDLE, "handle.unknown", first.enclave.info());
    CHECK(text(cape::Connection(first.options()).invoke("x")) == "x");
    moved.close();
    moved.close();
    FAILS(CAPE_E_CONNECT, "connect.refused", cape::Connection(first.options()));
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    const auto version = cape::version();
    CHECK(version.major == CAPE_VERSION_MAJOR);
    {
        const Local local(argv);
        connections_move(local);
        inputs_are_of_many_types(local);
        errors_say_what_happened(local);
        closing_wakes(local);
    }
    enclaves_move(argv);
    CHECK(open_handles("enclaves") == 0 && open_handles("connections") == 0);
    std::uint64_t position = 0;
    CHECK(cape::log_read(position).front() == '[');
    return check_done();
}
