/* The actions of `bascule rules`: each a command of its own, in a file host/cmd/rules_*.c; rules.c lists
 * them.
 */
#ifndef CMD_RULES_H
#define CMD_RULES_H

#include <jansson.h>

#include "cmd/program.h"

extern const struct command rules_check, rules_list, rules_rollback, rules_run, rules_diff, rules_test,
    rules_new, rules_publish, rules_promote, rules_withdraw, rules_unpublish, rules_history, rules_show;

/* Where a running server is, and how its answer is shown; options of every action that calls one. */
struct rules_server {
    bool json;
    const char *url;
};
#define RULES_SERVER_OPTIONS(server)             \
    {.name = "--json", .given = &(server).json}, \
    {                                            \
        .name = "--url", .value = &(server).url  \
    }

/* One call of the admin API by `command`: configures, calls, and takes everything down. `body` (may be NULL)
 * is released. EXIT_DONE with the answer, for the caller to release; else what is wrong was said on standard
 * error. */
int rules_ask(const struct command *command, const struct rules_server *server, const char *method,
              const char *path, json_t *body, json_t **answer);

/* The same of /admin/v1/agencies/SLUG and `rest` ("/rules"). */
int rules_ask_agency(const struct command *command, const struct rules_server *server, const char *method,
                     const char *slug, const char *rest, json_t *body, json_t **answer);

/* The same, and shows what came of it: "acme: version 4 is live (generation ...)", or the answer as JSON.
 * Returns the status to end with. */
int rules_change(const struct command *command, const struct rules_server *server, const char *method,
                 const char *slug, const char *rest, json_t *body);

/* Whether an agency may be called so, as the server has it; else what is wrong is said on standard error. */
bool rules_check_slug(const struct command *command, const char *slug);
/* Puts `value` under `name` where it is not NULL. */
void rules_argument(json_t *arguments, const char *name, const char *value);
void rules_print_json(const json_t *value);

#endif
