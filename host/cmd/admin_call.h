/* One call to the admin API of the server that runs with the same settings. */
#ifndef CMD_ADMIN_CALL_H
#define CMD_ADMIN_CALL_H

#include <jansson.h>

#include "cmd/program.h"

/* `url` NULL: where BASCULE_LISTEN says that it listens. `body` (may be NULL) is released. Returns the
 * answer, which the caller releases; or NULL after saying on standard error what went wrong. */
json_t *admin_call(struct program *program, const char *url, const char *method, const char *path,
                   json_t *body);

#endif
