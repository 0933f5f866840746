/* Just enough JSON for the examples: text out of a document, and text into one. A program of
 * your own will have a library for this. */
#ifndef EXAMPLE_JSON_H
#define EXAMPLE_JSON_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Copies the text that follows the first "name": in json, with its quotes and escapes, so that
 * it can be put into another document as it is. Returns 0 when there is none or no room. */
static inline int json_pick(const char *json, size_t len, const char *name, char *into,
                            size_t room)
{
    size_t name_len = strlen(name);
    for (size_t i = 0; i + name_len + 3 < len; i++) {
        if (json[i] != '"' || memcmp(json + i + 1, name, name_len) != 0 ||
            memcmp(json + i + 1 + name_len, "\":", 2) != 0) {
            continue;
        }
        size_t start = i + name_len + 3;
        while (start < len && json[start] == ' ') {
            start++;
        }
        size_t end = start + 1;
        while (end < len && json[end] != '"') {
            end += json[end] == '\\' ? 2 : 1;
        }
        if (end >= len || json[start] != '"' || end + 1 - start >= room) {
            return 0;
        }
        memcpy(into, json + start, end + 1 - start);
        into[end + 1 - start] = '\0';
        return 1;
    }
    return 0;
}

/* Puts text into quotes. Returns 0 when there is no room. */
static inline int json_quote(const char *text, char *into, size_t room)
{
    size_t used = 0;
    if (room < 3) {
        return 0;
    }
    into[used++] = '"';
    for (; *text != '\0'; text++) {
        if (used + 8 > room) { /* the longest escape, a quote, and NUL */
            return 0;
        }
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            into[used++] = '\\';
            into[used++] = (char)c;
        } else if (c < 0x20) {
            used += (size_t)snprintf(into + used, 7, "\\u%04x", c);
        } else {
            into[used++] = (char)c;
        }
    }
    into[used++] = '"';
    into[used] = '\0';
    return 1;
}

#endif
