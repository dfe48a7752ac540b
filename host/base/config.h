/* Configuration: environment variables, each also as NAME_FILE (the value is then read from that file,
 * without its trailing newline). The table of names, defaults, limits and meanings is `config_settings`;
 * README's table and `bascule check` are printed from it. */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum setting_type {
    SETTING_TEXT,
    SETTING_SECRET,  /* text that is shown masked everywhere */
    SETTING_INTEGER, /* within minimum..maximum */
    SETTING_SWITCH,  /* on/off, true/false, yes/no, 1/0; kept as "on" or "off" */
    SETTING_URL,     /* http:// or https://, no trailing slash kept */
    SETTING_ADDRESS, /* HOST:PORT, [IPv6]:PORT; port 0 picks a free one */
    SETTING_CHOICE,  /* one of `choices` */
    SETTING_LINES,   /* text of one or more lines: PEM */
    SETTING_STORE,   /* sqlite:PATH, mongodb://..., mongodb+srv://...; shown without its credentials */
    SETTING_PATH,    /* how the path of a URL begins: "/api/v1"; no trailing slash kept */
    SETTING_REGION,  /* ISO 3166 code of a country, two letters, kept in upper case */
};

/* One row of the table. */
struct setting {
    const char *name;  /* "BASCULE_LISTEN" */
    const char *alias; /* another accepted name ("BASE_URL"), or NULL */
    enum setting_type type;
    const char *fallback;     /* default as text, or NULL for none */
    int64_t minimum, maximum; /* of SETTING_INTEGER; of others `minimum` is the least length in bytes */
    const char *choices;      /* of SETTING_CHOICE: "resend|fail" */
    const char *meaning;      /* one line for people, with the unit */
};

extern const struct setting config_settings[]; /* ends with a row whose name is NULL */

struct config;

/* Reads the configuration from an environment (NULL terminated "NAME=value" list). Every fault appends one
 * line to `faults` ("BASCULE_LISTN: unknown setting; did you mean BASCULE_LISTEN?") and reading goes on, so
 * that one start shows them all. Unknown BASCULE_ names are faults; an unknown GHL_, CAST_ name is one where
 * it is a near miss of a known name. A name set together with its alias or its _FILE form is a fault. An
 * empty value is as good as none (compose files write NAME=${NAME:-}). Returns NULL when there was a fault.
 * Values never stand in a fault line when the setting is a secret.
 *
 * Two defaults follow from other settings: BASCULE_BASE_URL from the listener (unset where its port is 0,
 * which is picked later), GHL_APP_ID from GHL_CLIENT_ID.
 */
struct config *config_read(char *const environment[], struct buffer *faults);
void config_free(struct config *config);

/* The value as text, or NULL where it is unset and has no default. Name must be in the table (else it aborts:
 * a bug). Borrowed until config_free. Any thread: a configuration does not change once it is read. */
const char *config_text(const struct config *config, const char *name);
int64_t config_integer(const struct config *config, const char *name);
bool config_switch(const struct config *config, const char *name);
bool config_is_set(const struct config *config, const char *name); /* given, not merely defaulted */

/* Appends the value as people may see it: "(set)" for a secret, no credentials in a store's URL, nothing
 * where there is no value. */
void config_show(const struct config *config, const char *name, struct buffer *out);

#endif
