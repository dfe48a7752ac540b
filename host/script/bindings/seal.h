/* Secrets between Lua, which sees them in clear, and the store, which never does. */
#ifndef SCRIPT_BINDING_SEAL_H
#define SCRIPT_BINDING_SEAL_H

#include "script/bindings/bindings.h"

/* The sealed text of a token, or NULL for a NULL one; caller frees. `which` is "access" or "refresh". */
char *seal_token(const struct seal_keys *keys, const char *company, const char *location, const char *which,
                 struct slice token);
/* Opens into `token` (appends); -1 where no key opens it. NULL opens as nothing. */
int open_token(const struct seal_keys *keys, const char *company, const char *location, const char *which,
               const char *sealed, struct buffer *token, struct error *error);

char *seal_setting(const struct seal_keys *keys, const char *scope, const char *name, struct slice value);
int open_setting(const struct seal_keys *keys, const char *scope, const char *name, const char *sealed,
                 struct buffer *value, struct error *error);

#endif
