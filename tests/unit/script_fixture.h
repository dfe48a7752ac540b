/* A host for tests of host/script: folders of Lua in a temporary place, generations over them, one script
 * thread, and calls of Lua functions whose results come back as text. */
#ifndef SCRIPT_FIXTURE_H
#define SCRIPT_FIXTURE_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/random.h"
#include "script/rule_service.h"
#include "script/script.h"

struct fixture {
    char folder[64], lua_path[80], agencies_path[80];
    struct config *config;
    struct script_host host;
    struct mailbox *mailbox;
    struct script_thread *thread;
};

static inline void fixture_write(const struct fixture *fixture, const char *relative, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->folder, relative);
    for (char *slash = path + strlen(fixture->folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            fail_msg("mkdir %s: %s", path, strerror(errno));
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    if (file == NULL)
        fail_msg("%s: %s", path, strerror(errno));
    fputs(text, file);
    fclose(file);
}

static inline void fixture_remove(const struct fixture *fixture, const char *relative)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s/%s'", fixture->folder, relative);
    assert_int_equal(system(command), 0);
}

/* Folders with an empty bascule.server; `environment` as for config_read. */
static inline void fixture_open(struct fixture *fixture, char *const environment[])
{
    struct buffer faults = {0};
    *fixture = (struct fixture){0};
    crypto_start();
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/bascule-script-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->lua_path, sizeof fixture->lua_path, "%s/lua", fixture->folder);
    snprintf(fixture->agencies_path, sizeof fixture->agencies_path, "%s/agencies", fixture->folder);
    fixture->config = config_read(environment, &faults);
    if (fixture->config == NULL)
        fail_msg("%s", faults.data);
    buffer_deinit(&faults);
    fixture->host.config = fixture->config;
    fixture->host.version = "1.2.3";
    fixture->host.process_id = "test";
    fixture->mailbox = mailbox_new(NULL, NULL);
    log_set_level(getenv("TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR + 1);
    fixture_write(fixture, "lua/bascule/server.lua", "return {}");
}

static inline char *const *fixture_no_environment(void)
{
    static char *const none[] = {NULL};
    return none;
}

static inline struct generations *fixture_generations(struct fixture *fixture, struct error *error)
{
    struct generations_options options = {
        .lua_path = fixture->lua_path,
        .agencies_path = fixture->agencies_path,
        .entry = "bascule.server",
        .kept = 4,
        .host = &fixture->host,
    };
    return generations_new(&options, error);
}

static inline void fixture_start_rules(struct fixture *fixture)
{
    struct rule_service_options options = rule_service_options_read(fixture->config);
    fixture->host.rules = rule_service_start(&options);
}

static inline void fixture_load(struct fixture *fixture)
{
    struct error error = {0};
    fixture_start_rules(fixture);
    fixture->host.generations = fixture_generations(fixture, &error);
    if (fixture->host.generations == NULL)
        fail_msg("%s", error.message);
    fixture->thread = script_thread_new(&fixture->host, fixture->mailbox);
}

static inline void fixture_close(struct fixture *fixture)
{
    rule_service_stop(fixture->host.rules);
    mailbox_drain(fixture->mailbox);
    script_thread_free(fixture->thread);
    generations_free(fixture->host.generations);
    rule_service_free(fixture->host.rules);
    mailbox_free(fixture->mailbox);
    config_free(fixture->config);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    assert_int_equal(system(command), 0);
}

/* One call of a Lua function and what came of it. */
struct call {
    bool ended, ok;
    char text[2048]; /* results by tostring, joined by " "; or the error */
    char generation[16];
};

static inline void call_done(lua_State *L, bool ok, const char *message, const char *generation,
                             void *argument)
{
    struct call *call = argument;
    size_t length = 0;
    call->ended = true;
    call->ok = ok;
    snprintf(call->generation, sizeof call->generation, "%s", generation);
    if (!ok)
        snprintf(call->text, sizeof call->text, "%s", message);
    for (int i = 1, count = lua_gettop(L); ok && i <= count && length < sizeof call->text; i++) {
        length += (size_t)snprintf(call->text + length, sizeof call->text - length, "%s%s", i > 1 ? " " : "",
                                   luaL_tolstring(L, i, NULL));
        lua_pop(L, 1);
    }
}

static inline void call_start(struct fixture *fixture, struct call *call, const char *module,
                              const char *function)
{
    *call = (struct call){0};
    script_start(fixture->thread, module, function, NULL, call_done, call);
}

static inline void call_wait(struct fixture *fixture, struct call *call)
{
    int64_t until_ms = clock_monotonic_ms() + 20000;
    while (!call->ended && clock_monotonic_ms() < until_ms) {
        mailbox_wait(fixture->mailbox, 100);
        mailbox_drain(fixture->mailbox);
    }
    assert_true(call->ended);
}

/* Runs `run` of the module and compares what it returns. */
static inline void assert_call(struct fixture *fixture, const char *module, const char *expected)
{
    struct call call;
    call_start(fixture, &call, module, "run");
    call_wait(fixture, &call);
    assert_string_equal(call.text, expected);
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

#endif
