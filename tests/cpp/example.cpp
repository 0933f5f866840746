// Calls two functions that run in an enclave, and knows which enclave answered.
//
//     example PYTHON ECHO_FOLDER PYTHAGOREAN_FOLDER     starts a local enclave in this process
//     example --demo URL ROOT_PEM_FILE PCR0             calls one that runs already
//
// Build: c++ -std=c++17 example.cpp -lcape
#include <cape.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

// Throws what the library has to say.
void check(int32_t code, const cape_error &err)
{
    if (code != CAPE_OK) {
        throw std::runtime_error(std::string(err.message) + " (" + err.reason + ")");
    }
}

// Memory of the library.
class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() { cape_buf_free(&buf_); }

    cape_buf *out() { return &buf_; }
    std::string text() const
    {
        return buf_.len == 0 ? std::string()
                             : std::string(reinterpret_cast<const char *>(buf_.data), buf_.len);
    }

private:
    cape_buf buf_ = {nullptr, 0};
};

// A connection or a local enclave.
class Handle {
public:
    Handle() = default;
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { cape_close(handle_, nullptr); }

    cape_handle *out() { return &handle_; }
    cape_handle get() const { return handle_; }

private:
    cape_handle handle_ = 0;
};

// The text that follows the first "name": in json, with its quotes and escapes. A program of
// your own will have a JSON library.
std::string pick(const std::string &json, const std::string &name)
{
    auto start = json.find("\"" + name + "\":");
    if (start != std::string::npos) {
        start = json.find('"', start + name.size() + 3);
    }
    if (start == std::string::npos) {
        throw std::runtime_error("no " + name + " in " + json);
    }
    auto end = start + 1;
    while (end < json.size() && json[end] != '"') {
        end += json[end] == '\\' ? 2 : 1;
    }
    return json.substr(start, end + 1 - start);
}

std::string quote(std::string_view text)
{
    std::string quoted = "\"";
    for (char c : text) {
        if (c == '\n') {
            quoted += "\\n";
        } else if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

// Where an enclave is and how to know it, each as JSON text with its quotes.
struct Enclave {
    std::string url, root, pcr0;
};

// A session with one function. Returns the attestation report.
std::string connect(Handle &conn, const Enclave &enclave, const std::string &function)
{
    const std::string options = "{\"url\": " + enclave.url + ", \"function\": " + quote(function) +
                                ", \"attestation_roots\": " + enclave.root +
                                ", \"policy\": {\"pcrs\": {\"0\": [" + enclave.pcr0 + "]}}}";
    Buffer report;
    cape_error err = CAPE_ERROR_INIT;
    check(cape_connect(options.data(), options.size(), conn.out(), report.out(), &err), err);
    return report.text();
}

std::string invoke(const Handle &conn, const std::string &input)
{
    Buffer output;
    cape_error err = CAPE_ERROR_INIT;
    check(cape_invoke(conn.get(), reinterpret_cast<const uint8_t *>(input.data()), input.size(),
                      output.out(), &err),
          err);
    return output.text();
}

double pythagorean(const Handle &conn, int a, int b)
{
    const std::string arguments =
        "{\"args\": [" + std::to_string(a) + ", " + std::to_string(b) + "]}";
    Buffer input, json;
    cape_error err = CAPE_ERROR_INIT;
    check(cape_serdio_encode(arguments.data(), arguments.size(), input.out(), &err), err);
    const std::string output = invoke(conn, input.text());
    check(cape_serdio_decode(reinterpret_cast<const uint8_t *>(output.data()), output.size(),
                             json.out(), &err),
          err);
    return std::stod(json.text());
}

bool local(std::string_view python, std::string_view echo, std::string_view triangle)
{
    const std::string options = "{\"python\": " + quote(python) + ", \"functions\": [" +
                                quote(echo) + ", " + quote(triangle) + "]}";
    Handle server;
    Buffer info;
    cape_error err = CAPE_ERROR_INIT;
    check(cape_enclave_start(options.data(), options.size(), server.out(), &err), err);
    check(cape_enclave_info(server.get(), info.out(), &err), err);
    const std::string json = info.text();
    const Enclave enclave{pick(json, "url"), pick(json, "attestation_root"), pick(json, "0")};

    Handle triangles, echoes;
    connect(triangles, enclave, "local/pythagorean");
    connect(echoes, enclave, "local/echo");
    const double c = pythagorean(triangles, 3, 4);
    const std::string same = invoke(echoes, "hello");
    std::cout << "pythagorean(3, 4) = " << c << "\necho(hello) = " << same << "\n";
    return c == 5 && same == "hello";
}

bool demo(const char *url, const char *root_file, const char *pcr0)
{
    std::ifstream file(root_file, std::ios::binary);
    const std::string root{std::istreambuf_iterator<char>(file), {}};
    Handle conn;
    const std::string report =
        connect(conn, {quote(url), quote(root), quote(pcr0)}, "local/pythagorean");
    const std::string module = pick(report, "module_id"), measured = pick(report, "0");
    const double first = pythagorean(conn, 3, 4), second = pythagorean(conn, 5, 12);
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
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
    std::cerr << "usage: example PYTHON ECHO_FOLDER PYTHAGOREAN_FOLDER\n"
                 "       example --demo URL ROOT_PEM_FILE PCR0\n";
    return 2;
}
