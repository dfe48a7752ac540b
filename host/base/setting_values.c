#include "base/setting_values.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

#define QUOTED_MOST_BYTES 80

typedef bool reader(const struct setting *setting, char *text, int64_t *number, struct buffer *why);

static void quote(struct buffer *out, const char *text)
{
    struct slice shown = slice_from(text);
    if (shown.length > QUOTED_MOST_BYTES)
        shown.length = QUOTED_MOST_BYTES;
    buffer_append_json_string(out, shown);
}

static bool refuse(struct buffer *why, const char *text, const char *reason)
{
    quote(why, text);
    buffer_append_format(why, " is not %s", reason);
    return false;
}

static bool read_text(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    (void)number;
    if (strlen(text) >= (size_t)setting->minimum)
        return true;
    buffer_append_format(why, "is shorter than %lld characters", (long long)setting->minimum);
    return false;
}

static bool read_integer(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    char *end = NULL;
    errno = 0;
    long long read = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0)
        return refuse(why, text, "a whole number");
    if (read < setting->minimum || read > setting->maximum) {
        buffer_append_format(why, "%lld is not within %lld..%lld", read, (long long)setting->minimum,
                             (long long)setting->maximum);
        return false;
    }
    *number = read;
    return true;
}

static bool is_word(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasecmp(text, *words) == 0)
            return true;
    return false;
}

static bool read_switch(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    (void)setting;
    static const char *const on[] = {"on", "true", "yes", "1", NULL};
    static const char *const off[] = {"off", "false", "no", "0", NULL};
    if (!is_word(text, on) && !is_word(text, off))
        return refuse(why, text, "on or off");
    *number = is_word(text, on);
    return true;
}

static bool read_choice(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    (void)number;
    for (const char *at = setting->choices; at != NULL;) {
        const char *bar = strchr(at, '|');
        struct slice choice = {at, bar == NULL ? strlen(at) : (size_t)(bar - at)};
        if (slice_equal(choice, slice_from(text)))
            return true;
        at = bar == NULL ? NULL : bar + 1;
    }
    quote(why, text);
    buffer_append_format(why, " is none of %s", setting->choices);
    return false;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits >= 1 && digits <= 5 && text[digits] == '\0' && atoi(text) <= 65535;
}

/* HOST, HOST:PORT, [IPv6], [IPv6]:PORT. */
static bool is_authority(const char *text, bool port_needed)
{
    char host[256];
    bool bracketed = text[0] == '[';
    size_t length = strcspn(text + bracketed, bracketed ? "]" : ":");
    if (length == 0 || length >= sizeof host)
        return false;
    memcpy(host, text + bracketed, length);
    host[length] = '\0';
    const char *rest = text + bracketed + length;
    struct in6_addr address;
    if (bracketed && (*rest++ != ']' || inet_pton(AF_INET6, host, &address) != 1))
        return false;
    for (size_t i = 0; i < length && !bracketed; i++)
        if (!isalnum((unsigned char)host[i]) && strchr(".-_", host[i]) == NULL)
            return false;
    return *rest == '\0' ? !port_needed : *rest == ':' && is_port(rest + 1);
}

static bool read_address(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    (void)setting;
    (void)number;
    return is_authority(text, true) || refuse(why, text, "HOST:PORT or [IPv6]:PORT");
}

static void drop_trailing_slashes(char *text)
{
    for (size_t length = strlen(text); length > 0 && text[length - 1] == '/'; length--)
        text[length - 1] = '\0';
}

static bool read_url(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    (void)setting;
    (void)number;
    size_t scheme = strncasecmp(text, "http://", 7) == 0 ? 7 : strncasecmp(text, "https://", 8) == 0 ? 8 : 0;
    char *authority = text + scheme;
    if (authority[strcspn(authority, "@")] != '\0') {
        buffer_append_text(why, "a URL with a user or a password is not taken");
        return false;
    }
    size_t length = strcspn(authority, "/?");
    char *host = slice_duplicate((struct slice){authority, length});
    bool sound = scheme > 0 && is_authority(host, false) && strpbrk(text, " #\"<>\\") == NULL;
    free(host);
    if (!sound)
        return refuse(why, text, "a URL that begins with http:// or https://");
    for (size_t i = 0; i < scheme; i++)
        text[i] = (char)tolower((unsigned char)text[i]);
    if (strchr(authority, '?') == NULL)
        drop_trailing_slashes(text);
    return true;
}

static bool read_path(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    (void)setting;
    (void)number;
    if (text[0] != '/' || strpbrk(text, " ?#\"<>\\") != NULL)
        return refuse(why, text, "a path that begins with /");
    drop_trailing_slashes(text);
    return true;
}

static bool read_store(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    (void)setting;
    (void)number;
    static const char *const schemes[] = {"sqlite:", "mongodb://", "mongodb+srv://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0 && text[strlen(schemes[i])] != '\0')
            return true;
    buffer_append_text(
        why, "neither sqlite:PATH nor mongodb://... nor mongodb+srv://..."); /* it may hold a password */
    return false;
}

static bool read_region(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    (void)setting;
    (void)number;
    if (strlen(text) != 2 || !isalpha((unsigned char)text[0]) || !isalpha((unsigned char)text[1]))
        return refuse(why, text, "a country's code of two letters");
    text[0] = (char)toupper((unsigned char)text[0]);
    text[1] = (char)toupper((unsigned char)text[1]);
    return true;
}

static reader *const readers[] = {
    [SETTING_TEXT] = read_text,     [SETTING_SECRET] = read_text,   [SETTING_INTEGER] = read_integer,
    [SETTING_SWITCH] = read_switch, [SETTING_URL] = read_url,       [SETTING_ADDRESS] = read_address,
    [SETTING_CHOICE] = read_choice, [SETTING_LINES] = read_text,    [SETTING_STORE] = read_store,
    [SETTING_PATH] = read_path,     [SETTING_REGION] = read_region,
};

/* A line break inside a token would be one inside a header or a log line. */
static bool is_clean(const struct setting *setting, const char *text, struct buffer *why)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        bool of_lines = setting->type == SETTING_LINES && strchr("\r\n\t", text[i]) != NULL;
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) {
            if (of_lines)
                continue;
            buffer_append_text(why, "holds a control character or a line break");
            return false;
        }
    }
    if (utf8_valid_prefix(text, length) == length)
        return true;
    buffer_append_text(why, "is not UTF-8");
    return false;
}

bool setting_read(const struct setting *setting, char *text, int64_t *number, struct buffer *why)
{
    return is_clean(setting, text, why) && readers[setting->type](setting, text, number, why);
}

/* The credentials of a URL end at the last "@" before its path; a "/" in a password is written %2F. */
static void show_store(const char *text, struct buffer *out)
{
    const char *host = strstr(text, "://");
    const char *at = host == NULL ? NULL : memrchr(host, '@', strlen(host));
    if (at == NULL) {
        buffer_append_text(out, text);
        return;
    }
    buffer_append(out, text, (size_t)(host - text));
    buffer_append_format(out, "://***%s", at);
}

void setting_show(const struct setting *setting, const char *text, struct buffer *out)
{
    if (setting->type == SETTING_SECRET)
        buffer_append_text(out, "(set)");
    else if (setting->type == SETTING_STORE)
        show_store(text, out);
    else
        buffer_append_text(out, text);
}
