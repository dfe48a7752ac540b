#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/setting_values.h"

#define FILE_SUFFIX "_FILE"
#define FILE_MOST_BYTES (64 * 1024)
#define NAME_SIZE 80

struct value {
    char *text;
    int64_t number; /* of integers and switches */
    bool given;
};

struct config {
    struct value *values; /* one a row of config_settings */
};

static size_t row_count(void)
{
    size_t count = 0;
    while (config_settings[count].name != NULL)
        count++;
    return count;
}

/* The table is in the order in which people read it, and settings are looked up for every message. */
static const struct setting **rows_by_name;
static size_t row_total;

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct setting *const *)a)->name, (*(const struct setting *const *)b)->name);
}

static void sort_rows(void)
{
    row_total = row_count();
    rows_by_name = memory_allocate(row_total * sizeof *rows_by_name);
    for (size_t i = 0; i < row_total; i++)
        rows_by_name[i] = &config_settings[i];
    qsort(rows_by_name, row_total, sizeof *rows_by_name, by_name);
}

static size_t row_of(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, sort_rows);
    const struct setting key = {.name = name}, *wanted = &key;
    const struct setting **found = bsearch(&wanted, rows_by_name, row_total, sizeof *rows_by_name, by_name);
    if (found != NULL)
        return (size_t)(*found - config_settings);
    fprintf(stderr, "bascule: no setting is called %s\n", name);
    abort();
}

static size_t row_of_type(const char *name, enum setting_type type)
{
    size_t row = row_of(name);
    if (config_settings[row].type != type) {
        fprintf(stderr, "bascule: setting %s is of another type\n", name);
        abort();
    }
    return row;
}

static void fault(struct buffer *faults, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fault(struct buffer *faults, const char *name, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    for (; *name != '\0'; name++) /* a name may hold anything but "="; a fault is one line */
        buffer_append(faults, isgraph((unsigned char)*name) ? name : "?", 1);
    buffer_append_format(faults, ": %s\n", sentence);
}

/* ---- Where a value stands ---- */

struct source {
    char name[NAME_SIZE]; /* as the operator wrote it */
    const char *value;    /* borrowed from the environment */
    bool in_file;
};

static const char *find_variable(char *const environment[], const char *name)
{
    size_t length = strlen(name);
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

/* True where `name`, with or without the suffix, is set and the only one that is. */
static bool look_for(char *const environment[], const char *name, struct source *source,
                     struct buffer *faults)
{
    for (int in_file = 0; name != NULL && in_file <= 1; in_file++) {
        char full[NAME_SIZE];
        snprintf(full, sizeof full, "%s%s", name, in_file ? FILE_SUFFIX : "");
        const char *value = find_variable(environment, full);
        if (value == NULL || *value == '\0')
            continue;
        if (source->value != NULL) {
            fault(faults, full, "set together with %s, which is the same setting; keep one", source->name);
            return false;
        }
        source->value = value;
        source->in_file = in_file;
        memcpy(source->name, full, sizeof full);
    }
    return true;
}

/* The file's text without its last line break; NULL, with a fault, where it has none. The path is not shown:
 * it may be a secret that was put under the wrong name. */
static char *read_file(const struct source *source, struct buffer *faults)
{
    char *text = NULL;
    FILE *file = fopen(source->value, "re");
    if (file == NULL) {
        fault(faults, source->name, "its file cannot be opened: %s", strerror(errno));
        return NULL;
    }
    text = memory_allocate(FILE_MOST_BYTES + 2);
    size_t length = fread(text, 1, FILE_MOST_BYTES + 1, file);
    const char *why = NULL;
    if (ferror(file))
        why = strerror(errno);
    else if (length > FILE_MOST_BYTES)
        why = "it is larger than 64 KiB";
    else if (memchr(text, '\0', length) != NULL)
        why = "it holds a NUL byte";
    fclose(file);
    if (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    if (length > 0 && text[length - 1] == '\r')
        text[--length] = '\0';
    if (why == NULL && length == 0)
        why = "it is empty";
    if (why == NULL)
        return text;
    fault(faults, source->name, "its file cannot be read: %s", why);
    free(text);
    return NULL;
}

static void read_setting(const struct setting *setting, char *const environment[], struct value *value,
                         struct buffer *faults)
{
    struct source source = {0};
    if (!look_for(environment, setting->name, &source, faults) ||
        !look_for(environment, setting->alias, &source, faults))
        return;
    value->given = source.value != NULL;
    if (source.in_file)
        value->text = read_file(&source, faults);
    else
        value->text = text_duplicate(value->given ? source.value : setting->fallback);
    struct buffer why = {0};
    if (value->text != NULL && !setting_read(setting, value->text, &value->number, &why))
        fault(faults, source.name, "%s", why.data);
    buffer_deinit(&why);
}

/* ---- Names that are no setting ---- */

/* Every name that is read: own names and aliases, each also with the suffix. The list ends with NULL. */
static char **make_known_names(void)
{
    char **names = memory_allocate((row_count() * 4 + 1) * sizeof *names);
    size_t count = 0;
    for (const struct setting *setting = config_settings; setting->name != NULL; setting++) {
        const char *const both[] = {setting->name, setting->alias};
        for (size_t i = 0; i < 2 && both[i] != NULL; i++) {
            struct buffer in_file = {0};
            buffer_append_format(&in_file, "%s" FILE_SUFFIX, both[i]);
            names[count++] = text_duplicate(both[i]);
            names[count++] = in_file.data;
        }
    }
    return names;
}

static bool is_known(char *const *names, const char *name)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* BASCULE_..., also with the first word misspelt. */
static bool is_own_name(const char *name)
{
    char first[NAME_SIZE];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(name, "_"), name);
    return strchr(name, '_') != NULL && text_distance(first, "BASCULE") <= 2;
}

static bool is_neighbours_name(const char *name)
{
    return strncmp(name, "GHL_", 4) == 0 || strncmp(name, "CAST_", 5) == 0;
}

static void find_strangers(char *const environment[], struct buffer *faults)
{
    char **known = make_known_names();
    for (; *environment != NULL; environment++) {
        struct slice whole = {*environment, strcspn(*environment, "=")};
        char *name = slice_duplicate(whole);
        bool own = is_own_name(name);
        if ((own || is_neighbours_name(name)) && !is_known(known, name)) {
            const char *near = text_suggest(name, (const char *const *)known);
            if (near != NULL)
                fault(faults, name, "unknown setting; did you mean %s?", near);
            else if (own)
                fault(faults, name, "unknown setting");
        }
        free(name);
    }
    for (size_t i = 0; known[i] != NULL; i++)
        free(known[i]);
    free(known);
}

/* ---- What follows from several ---- */

static void check_tls(const struct config *config, struct buffer *faults)
{
    if (!config_is_set(config, "BASCULE_LISTEN_TLS"))
        return;
    static const char *const needed[] = {"BASCULE_TLS_CERT", "BASCULE_TLS_KEY"};
    for (size_t i = 0; i < 2; i++)
        if (!config_is_set(config, needed[i]))
            fault(faults, needed[i], "needed by BASCULE_LISTEN_TLS");
}

/* A port that is picked when the listener is bound cannot be known here: the URL then stays unset. */
static void derive_base_url(struct config *config)
{
    struct value *value = &config->values[row_of("BASCULE_BASE_URL")];
    if (value->text != NULL)
        return;
    const char *tls = config_text(config, "BASCULE_LISTEN_TLS");
    const char *address = tls != NULL ? tls : config_text(config, "BASCULE_LISTEN");
    const char *port = strrchr(address, ':');
    if (strcmp(port, ":0") == 0)
        return;
    bool anywhere = strstr(address, "0.0.0.0:") == address || strstr(address, "[::]:") == address;
    struct buffer url = {0};
    buffer_append_text(&url, tls != NULL ? "https://" : "http://");
    buffer_append_text(&url, anywhere ? "localhost" : "");
    buffer_append_text(&url, anywhere ? port : address);
    value->text = url.data;
}

static void derive_app_id(struct config *config)
{
    struct value *value = &config->values[row_of("GHL_APP_ID")];
    const char *client = config_text(config, "GHL_CLIENT_ID");
    if (value->text == NULL && client != NULL)
        value->text = slice_duplicate((struct slice){client, strcspn(client, "-")});
}

struct config *config_read(char *const environment[], struct buffer *faults)
{
    size_t before = faults->length;
    struct config *config = memory_allocate(sizeof *config);
    config->values = memory_allocate(row_count() * sizeof *config->values);
    for (size_t i = 0; config_settings[i].name != NULL; i++)
        read_setting(&config_settings[i], environment, &config->values[i], faults);
    find_strangers(environment, faults);
    check_tls(config, faults);
    if (faults->length == before) {
        derive_base_url(config);
        derive_app_id(config);
        return config;
    }
    config_free(config);
    return NULL;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; config_settings[i].name != NULL; i++) {
        char *text = config->values[i].text;
        if (text != NULL)
            explicit_bzero(text, strlen(text));
        free(text);
    }
    free(config->values);
    free(config);
}

/* ---- Asking ---- */

const char *config_text(const struct config *config, const char *name)
{
    size_t row = row_of(name);
    if (config_settings[row].type == SETTING_SWITCH)
        return config->values[row].number ? "on" : "off";
    return config->values[row].text;
}

int64_t config_integer(const struct config *config, const char *name)
{
    return config->values[row_of_type(name, SETTING_INTEGER)].number;
}

bool config_switch(const struct config *config, const char *name)
{
    return config->values[row_of_type(name, SETTING_SWITCH)].number != 0;
}

bool config_is_set(const struct config *config, const char *name)
{
    return config->values[row_of(name)].given;
}

void config_show(const struct config *config, const char *name, struct buffer *out)
{
    const char *text = config_text(config, name);
    if (text != NULL)
        setting_show(&config_settings[row_of(name)], text, out);
}
