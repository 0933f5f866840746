// Calls two functions that run in an enclave, and knows which enclave answered.
//
//     example PYTHON ECHO_FOLDER PYTHAGOREAN_FOLDER     starts a local enclave in this process
//     example --demo URL ROOT_PEM_FILE PCR0             calls one that runs already
//
// Build: c++ -std=c++17 example.cpp -lcape
#include <cape.hpp>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include "json.hpp"

namespace {

// Where an enclave is and how to know it, each as JSON text with its quotes.
struct Enclave {
    std::string url, root, pcr0;
};

// A session with one function.
cape::Connection connect(const Enclave &enclave, std::string_view function)
{
    return cape::Connection("{\"url\": " + enclave.url + ", \"function\": " + quote(function) +
                            ", \"attestation_roots\": " + enclave.root +
                            ", \"policy\": {\"pcrs\": {\"0\": [" + enclave.pcr0 + "]}}}");
}

// The arguments of a call to pythagorean.
cape::Bytes legs(int a, int b)
{
    return cape::serdio_encode("{\"args\": [" + std::to_string(a) + ", " + std::to_string(b) + "]}");
}

double number(const cape::Bytes &output) { return std::stod(cape::serdio_decode(output)); }

bool local(std::string_view python, std::string_view echo, std::string_view triangle)
{
    const cape::LocalEnclave server("{\"python\": " + quote(python) + ", \"functions\": [" +
                                    quote(echo) + ", " + quote(triangle) + "]}");
    const std::string info = server.info();
    const Enclave enclave{pick(info, "url"), pick(info, "attestation_root"), pick(info, "0")};

    const double c = number(connect(enclave, "local/pythagorean").invoke(legs(3, 4)));
    const cape::Bytes same = connect(enclave, "local/echo").invoke("hello");
    std::cout << "pythagorean(3, 4) = " << c << "\necho(hello) = "
              << std::string(same.begin(), same.end()) << "\n";
    return c == 5 && std::string(same.begin(), same.end()) == "hello";
}

bool demo(const char *url, const char *root_file, const char *pcr0)
{
    std::ifstream file(root_file, std::ios::binary);
    const std::string root{std::istreambuf_iterator<char>(file), {}};
    const cape::Connection conn =
        connect({quote(url), quote(root), quote(pcr0)}, "local/pythagorean");
    const std::string module = pick(conn.report(), "module_id"), measured = pick(conn.report(), "0");

    // Two calls at once: each operation goes on by itself.
    cape::Operation one = conn.invoke_start(legs(3, 4)), other = conn.invoke_start(legs(5, 12));
    one.wait();
    other.wait();
    const double first = number(one.result()), second = number(other.result());
    std::cout << "c++     attested " << module.substr(1, module.size() - 2) << "  PCR0 "
              << measured.substr(1, 8) << "...  pythagorean(3, 4) = " << first
              << "  pythagorean(5, 12) = " << second << "\n";
    return first == 5 && second == 13;
}

} // namespace

int main(int argc, char **argv)
{
    const std::string first = argc > 1 ? argv[1] : "";
    try {
        if (argc == 5 && first == "--demo") {
            return demo(argv[2], argv[3], argv[4]) ? 0 : 1;
        }
        if (argc == 4) {
            return local(argv[1], argv[2], argv[3]) ? 0 : 1;
        }
    } catch (const cape::Error &failure) {
        std::cerr << failure.message() << " (" << failure.reason() << ")\n";
        return 1;
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
    std::cerr << "usage: example PYTHON ECHO_FOLDER PYTHAGOREAN_FOLDER\n"
                 "       example --demo URL ROOT_PEM_FILE PCR0\n";
    return 2;
}
