// What the tests of cape.hpp share: expectations, and a local enclave to try them on. Each test is
// a program that is given a Python interpreter and the folder of its functions, and ends with
// status 0 when all was as expected.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <cape.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "json.hpp"

inline int check_failures = 0;

// Prints what is not as expected, and goes on.
#define CHECK(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            check_failures++;                                                                 \
            std::cerr << __FILE__ << ":" << __LINE__ << ": " << #condition << "\n";           \
        }                                                                                     \
    } while (0)

// Checks that a call throws an error of this code and reason, and gives the error's report.
#define FAILS(code, reason, call)                                                             \
    check_fails(__LINE__, #call, (code), (reason), [&] { call; })

template <typename Call>
std::string check_fails(int line, const char *text, std::int32_t code, std::string_view reason,
                        Call call)
{
    try {
        call();
    } catch (const cape::Error &error) {
        if (error.code() != code || error.reason() != reason || *error.message() == '\0' ||
            error.what() != error.message()) {
            check_failures++;
            std::cerr << "line " << line << ": " << text << " failed with " << error.code() << " "
                      << error.reason() << " (" << error.what() << "), expected " << code << " "
                      << reason << "\n";
        }
        return std::string(error.report());
    }
    check_failures++;
    std::cerr << "line " << line << ": " << text << " did not fail\n";
    return {};
}

inline int check_done() { return check_failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE; }

inline std::string text(const cape::Bytes &bytes) { return {bytes.begin(), bytes.end()}; }

// A local enclave with the functions of a folder, and how to reach it.
class Local {
public:
    explicit Local(char **argv)
        : enclave("{\"python\": " + quote(argv[1]) + ", \"functions\": [" +
                  quote(std::string(argv[2]) + "/echo") + "]}"),
          info_(enclave.info()) {}

    // Options for cape::Connection; more goes in with a comma in front.
    std::string options(const std::string &more = "") const
    {
        return with_policy("{\"pcrs\": {\"0\": [" + pick(info_, "0") + "]}}", more);
    }
    std::string with_policy(const std::string &policy, const std::string &more = "") const
    {
        return "{\"url\": " + pick(info_, "url") + ", \"function\": \"local/echo\"" +
               ", \"attestation_roots\": " + pick(info_, "attestation_root") +
               ", \"policy\": " + policy + more + "}";
    }

    cape::LocalEnclave enclave;

private:
    std::string info_;
};

// How many handles of a kind are open.
inline unsigned long open_handles(const std::string &kind)
{
    const std::string counters = cape::counters();
    const auto handles = counters.find("\"handles\":");
    const auto start = counters.find("\"" + kind + "\":", handles);
    if (handles == std::string::npos || start == std::string::npos) {
        throw std::runtime_error("no " + kind + " in " + counters);
    }
    return std::stoul(counters.substr(start + kind.size() + 3));
}

#endif
