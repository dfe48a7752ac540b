/* Scripts: Lua states, coroutines that wait for C, generations of scripts and their reload. Knows nothing of
 * GHL or SMS.
 *
 * Two kinds of state. A *trusted* state (one a thread and generation of trusted files) runs lua/bascule with
 * the bindings of bindings/ and may wait for HTTP and the store: everything there runs in coroutines. A
 * *rule* state (one a rule thread and agency) runs one agency's rules.lua as pure functions, without any
 * binding that reaches out.
 *
 * A *generation* is an immutable set of all scripts: the trusted tree and every agency's rules. Each
 * coroutine keeps the generation that was current when it started until it ends, across all its waiting. */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "base/config.h"
#include "base/error.h"
#include "base/mailbox.h"
#include "base/timers.h"
#include "crypto/seal.h"
#include "crypto/signature.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "store/store_service.h"

/* A module that a higher floor adds to trusted states: `open` leaves its table on the stack, as luaopen_
 * functions do. */
struct script_module {
    const char *name; /* "host.queue" */
    lua_CFunction open;
};

struct rule_service; /* rule_service.h */

/* What bindings reach; made once by the program, outlives every state. Members may be NULL where a program
 * has no such service: the binding's calls then return nil, "UNAVAILABLE: ...", "UNAVAILABLE". */
struct script_host {
    const struct config *config;
    struct http_client *client;
    struct store_service *store;
    struct timers *timers;
    const struct signature_keys *webhook_keys;
    const struct seal_keys *seal_keys;
    const struct script_module *modules; /* ends with a row whose name is NULL; or NULL */
    void *queue;                         /* for the modules of the queue room */
    struct rule_service
        *rules; /* runs rules; NULL: they are tried where they are loaded, and none is asked */
    struct generations *generations;
    const char *lua_path; /* folder of trusted Lua, for host.dryrun where there are no generations; or NULL */
    const char *version;
    const char *process_id;     /* random, of this run: owner of leases */
    const char *arguments_json; /* host.config.arguments(): a JSON object, or NULL for an empty one */
};

/* The host of the state that `L` belongs to; for bindings. */
struct script_host *script_host_of(lua_State *L);

/* ---- generations ---- */

struct generations;

struct generations_options {
    const char *lua_path;      /* folder of trusted Lua (holds bascule/) */
    const char *agencies_path; /* folder of <slug>/rules.lua; may not exist yet: then there are no agencies */
    const char *entry;         /* trusted module that must load for a generation to be good, and whose
                                   handle(request) answers requests: "bascule.server" */
    unsigned kept;             /* generations kept for going back */
    struct script_host *host;
};

/* Reads and checks everything and makes the first generation. A broken trusted tree is an error (file:line in
 * it). A broken agency is none: it is logged and listed, and until it is mended its messages are refused with
 * that reason. */
struct generations *generations_new(const struct generations_options *options, struct error *error);
void generations_free(struct generations *generations); /* after all script threads */

/* Starts and ends the thread that watches the folders (inotify) and reloads. */
int generations_watch(struct generations *generations, struct error *error);
void generations_unwatch(struct generations *generations);

/* Any thread but an event loop's (they block for some milliseconds). Reload: 1 when a new generation is
 * current, 0 when nothing had changed, -1 with the first fault (file:line) where a file was refused; what is
 * good is taken all the same for agencies, nothing is for the trusted tree. Roll back: an earlier generation
 * becomes current and stays until a file changes; `id` NULL takes the one before the current. */
int generations_reload(struct generations *generations, struct error *error);
int generations_rollback(struct generations *generations, const char *id, struct error *error);

/* Whether a text could be published as the agency's rules: compiles and loads it, runs its tests, and looks
 * whether it claims what another agency has. -1 with "slug/rules.lua:line: what", the line (0 where none is
 * at fault), and an excerpt of the text around it. Not from an event loop. */
int generations_check(struct generations *generations, const char *slug, struct slice text,
                      struct error *error, long *line, struct buffer *excerpt);

/* The id of the current generation (12 hex digits of a content hash) into `id`. Any thread, never blocks. */
void generations_current_id(struct generations *generations, char id[16]);

/* JSON of the current generation, the kept ones, and every file: hash, loaded at, last error. For
 * /admin/v1/scripts. */
void generations_describe(struct generations *generations, struct buffer *json);

/* JSON of every agency that the current generation knows, an array: claims, what runs, its candidate and what
 * came of it, what is wrong. For /admin/v1/agencies. */
void generations_describe_agencies(struct generations *generations, struct buffer *json);

/* Ends what waits for the store on behalf of generations; before the store's service ends. */
void generations_stop(struct generations *generations);

/* ---- threads ---- */

/* The scripts' side of one thread. All calls below on that thread only. */
struct script_thread;

/* Completions of what coroutines wait for arrive in `mailbox`, which this thread drains. */
struct script_thread *script_thread_new(struct script_host *host, struct mailbox *mailbox);
/* Coroutines that still wait are abandoned: their `done` is called with an error first. */
void script_thread_free(struct script_thread *thread);
unsigned script_thread_active(const struct script_thread *thread); /* coroutines under way */

/* Pushes arguments on L, returns how many. */
typedef int (*script_push)(lua_State *L, void *argument);
/* The coroutine has ended. ok: its results are at 1..lua_gettop(L). Not ok: `message` says what happened,
 * with traceback. L is the coroutine's and is gone afterwards. `generation` is the id that it ran on. */
typedef void (*script_done)(lua_State *L, bool ok, const char *message, const char *generation,
                            void *argument);

/* Starts `function` of trusted module `module` in a coroutine of its own, on the current generation. It may
 * end at once, within this call. */
void script_start(struct script_thread *thread, const char *module, const char *function, script_push push,
                  script_done done, void *argument);

/* Serves an exchange: runs handle(request) of the generations' entry module and answers with what it returns
 * ({status, headers, body}); an error of the script is logged with its traceback and answered 500 without
 * detail. */
void script_serve(struct script_thread *thread, struct http_exchange *exchange);

/* ---- for bindings ---- */

/* A binding that waits: it checks script_may_wait, makes a request that embeds a struct script_wait with its
 * `push` and `release` set, submits it to a service whose answer goes to script_mailbox(L), and ends with
 * `return script_wait(L, &request->wait);`. The mail's deliver function calls script_wait_finish. Then `push`
 * runs inside the coroutine, pushes results and returns their number; the coroutine goes on
 * with them. `release` frees the request; it runs after `push`, and alone where the coroutine was abandoned:
 * so the request may point to nothing that the Lua state owns. `push` must not raise (memory that runs out
 * ends the process, so plain pushes are safe). */
struct script_coroutine;
struct script_wait {
    int (*push)(lua_State *L, struct script_wait *wait);
    void (*release)(struct script_wait *wait);
    /* the room's own: */
    struct script_coroutine *coroutine;
    struct script_thread *thread;
    struct script_wait *previous, *next; /* the thread's list of those who wait */
};

/* Registers the wait and yields; `return script_wait(L, wait);` is how a binding ends. Outside a coroutine
 * that may yield it raises a Lua error after calling release. */
int script_wait(lua_State *L, struct script_wait *wait);
/* On the thread, from a mail's deliver function: resumes the coroutine. */
void script_wait_finish(struct script_wait *wait);
/* Whether L runs where it may wait; check it before submitting. */
bool script_may_wait(lua_State *L);
struct mailbox *script_mailbox(lua_State *L); /* where answers for L's thread go */

/* The binding's way of failing: pushes nil, "NAME: text", "NAME"; returns 3. */
int script_fail(lua_State *L, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Names what the running coroutine works on ("request_id", "message_id"): the field goes with every line that
 * it logs. For script_push functions and bindings; both texts are copied (and cut past some 40 bytes). */
void script_set_subject(lua_State *L, const char *field, const char *value);

/* Pushes a message as Lua sees it (bascule.Message in lua/meta/delivery.lua), with `events` where it has any.
 */
void script_push_message(lua_State *L, const struct store_message *message);

/* What sealed secrets are bound to (seal.h, `context`), appended to `out`: for bindings, and for whoever
 * rotates keys. `which` is "access" or "refresh". */
void script_token_context(struct buffer *out, const char *company, const char *location, const char *which);
void script_setting_context(struct buffer *out, const char *scope, const char *name);

/* Tables of options: raises "unknown option 'timeot_ms'; did you mean 'timeout_ms'?" where the table at
 * `index` has a key that is not among `names` (NULL terminated). */
void script_check_options(lua_State *L, int index, const char *const *names);

/* JSON as scripts see it (see lua/meta/host.lua): pushes the value, or returns false with the reason and its
 * byte. */
bool script_json_decode(lua_State *L, struct slice text, char *reason, size_t reason_size);
/* Appends the value at `index` as JSON; false with the reason where it cannot be told as JSON. */
bool script_json_encode(lua_State *L, int index, struct buffer *out, char *reason, size_t reason_size);

/* `bascule lua FILE ...`: runs a Lua program with the host's bindings and the whole standard library, its
 * main chunk in a coroutine that may wait. For the simulator's tools and for busted. Returns the exit status:
 * the integer that the chunk returned, else 0; 1 where it raised. */
int script_run_program(struct script_host *host, const char *lua_path, int argc, char **argv);

#endif
