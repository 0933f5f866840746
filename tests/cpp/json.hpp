// Just enough JSON for the examples and tests: text out of a document, and text into one. A
// program of your own will have a library for this.
#ifndef EXAMPLE_JSON_HPP
#define EXAMPLE_JSON_HPP

#include <stdexcept>
#include <string>
#include <string_view>

// The text that follows the first "name": in json, with its quotes and escapes, so that it can be
// put into another document as it is.
inline std::string pick(std::string_view json, const std::string &name)
{
    auto start = json.find("\"" + name + "\":");
    if (start != std::string_view::npos) {
        start = json.find('"', start + name.size() + 3);
    }
    if (start == std::string_view::npos) {
        throw std::runtime_error("no " + name + " in " + std::string(json));
    }
    auto end = start + 1;
    while (end < json.size() && json[end] != '"') {
        end += json[end] == '\\' ? 2U : 1U;
    }
    return std::string(json.substr(start, end + 1 - start));
}

inline std::string quote(std::string_view text)
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

#endif
