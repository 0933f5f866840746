// Requests to a service: a key and what is sealed to it, refusals with their report, and operations
// that end on a queue or are given up.
#include "check.hpp"

#include <poll.h>

namespace {

// The options of a request to the local enclave, which makes a Cape key and has no other route. The
// making takes a minute where each instruction is watched.
std::string request(const Local &local, const std::string &name, const std::string &policy = "")
{
    std::string options = "{\"request\": \"" + name + "\", \"url\": " + pick(local.enclave.info(), "url");
    if (!policy.empty()) {
        options += ", \"policy\": " + policy + ", \"attestation_roots\": " + pick(local.enclave.info(), "attestation_root");
    }
    return options + ", \"timeout_ms\": 300000}";
}

void what_is_sealed_to_the_key_reaches_the_function(const Local &local)
{
    const cape::Bytes key = cape::Request::run(request(local, "key", "\"any\""));
    CHECK(key.size() == 550);
    const std::string sealed = cape::encrypt(key, "secret");
    CHECK(sealed.rfind("cape:", 0) == 0);
    const cape::Connection conn(local.options());
    CHECK(text(conn.invoke(sealed)) == "secret");
    FAILS(CAPE_E_ARGUMENT, "argument.key", cape::encrypt("no key", "secret"));
}

void refusals(const Local &local)
{
    const std::string report =
        FAILS(CAPE_E_POLICY, "policy.pcr_mismatch",
              cape::Request::run(request(local, "key", "{\"pcrs\": {\"0\": " + quote(std::string(96, '5')) + "}}")));
    CHECK(pick(report, "reason") == "\"policy.pcr_mismatch\"");
    FAILS(CAPE_E_CONNECT, "connect.not_found", cape::Request::run(request(local, "list")));
    FAILS(CAPE_E_ARGUMENT, "argument.options", cape::Request::run("{}"));
    FAILS(CAPE_E_ARGUMENT, "argument.input", cape::Request::run(request(local, "list"), "input"));
}

void operations(const Local &local)
{
    cape::Queue queue;
    cape::Operation operation = cape::Request::start(request(local, "key", "\"any\""), {}, queue);
    pollfd told{queue.descriptor(), POLLIN, 0};
    CHECK(poll(&told, 1, 30000) == 1);
    const auto ended = queue.take();
    CHECK(ended.size() == 1 && ended[0] == operation.handle());
    CHECK(operation.result().size() == 550);
    queue.close();
    FAILS(CAPE_E_HANDLE, "handle.unknown", cape::Request::start(request(local, "list"), {}, queue));

    local.enclave.set_faults("[\"silent_start\"]");
    cape::Operation silent = cape::Request::start(request(local, "key", "\"any\""));
    silent.cancel();
    silent.wait();
    FAILS(CAPE_E_CANCELLED, "cancelled.not_sent", silent.result());
    cape::Operation given_up = cape::Request::start(request(local, "key", "\"any\""));
    given_up.close();
    local.enclave.set_faults("[]");
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    const Local local(argv);
    what_is_sealed_to_the_key_reaches_the_function(local);
    refusals(local);
    operations(local);
    CHECK(open_handles("operations") == 0 && open_handles("connections") == 0);
    return check_done();
}
