/* Judges the attestation documents that standard input lists, on each line a path, a tab, and
 * the options of cape_verify. Prints for each its code, reason and report, with tabs between. */
#define _POSIX_C_SOURCE 200809L

#include <cape.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t document[1 << 20]; /* far more than one may have */

/* Reads a file into document. Ends the program when it cannot. */
static size_t read_document(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    size_t len = fread(document, 1, sizeof document, file);
    fclose(file);
    return len;
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t read;
    while ((read = getline(&line, &room, stdin)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *options = strchr(line, '\t');
        if (options == NULL) {
            fprintf(stderr, "a line has no tab\n");
            return 2;
        }
        *options++ = '\0';

        cape_buf report = {0};
        cape_error err = CAPE_ERROR_INIT;
        size_t len = read_document(line);
        int32_t code = cape_verify(document, len, options, strlen(options), &report, &err);
        if (report.len == 0) {
            fprintf(stderr, "%s: %s (%s)\n", line, err.message, err.reason);
            return 2;
        }
        printf("%d\t%s\t%.*s\n", (int)code, err.reason, (int)report.len, (char *)report.data);
        cape_buf_free(&report);
    }
    free(line);
    return 0;
}
