/* The input's lines as an environment. A configuration comes back or faults do, never both nor neither; a
 * fault is one line; every value that was kept can be asked for. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/utf8.h"

#define LINES_MOST 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Lines that name a file are left out: the fuzzer is not to wander over the disk. */
static void split(char *text, char *environment[LINES_MOST + 1])
{
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL && count < LINES_MOST;
         line = strtok_r(NULL, "\n", &rest))
        if (strstr(line, "_FILE=") == NULL)
            environment[count++] = line;
    environment[count] = NULL;
}

static void ask_for_all(const struct config *config)
{
    struct buffer shown = {0};
    for (const struct setting *setting = config_settings; setting->name != NULL; setting++) {
        const char *text = config_text(config, setting->name);
        check(text != NULL || setting->fallback == NULL);
        check(text == NULL || utf8_valid_prefix(text, strlen(text)) == strlen(text));
        buffer_clear(&shown);
        config_show(config, setting->name, &shown);
        if (setting->type == SETTING_SECRET && text != NULL)
            check(strcmp(shown.data, "(set)") == 0);
        if (setting->type == SETTING_INTEGER) {
            int64_t number = config_integer(config, setting->name);
            check(number >= setting->minimum && number <= setting->maximum);
        }
    }
    buffer_deinit(&shown);
}

static void check_faults(const struct buffer *faults)
{
    check(faults->length > 0 && faults->data[faults->length - 1] == '\n');
    for (const char *line = faults->data; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *colon = strstr(line, ": ");
        check(colon != NULL && colon < strchr(line, '\n') && colon[2] != '\n');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *environment[LINES_MOST + 1];
    char *text = slice_duplicate((struct slice){(const char *)data, size});
    split(text, environment);
    struct buffer faults = {0};
    struct config *config = config_read(environment, &faults);
    check((config == NULL) == (faults.length > 0));
    if (config != NULL)
        ask_for_all(config);
    else
        check_faults(&faults);
    config_free(config);
    buffer_deinit(&faults);
    free(text);
    return 0;
}
