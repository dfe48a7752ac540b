#include "cmd/rules_program.h"

#include <stdlib.h>

#include "base/log.h"

void rules_switch(json_t *arguments, const char *name, bool given)
{
    if (given)
        json_object_set_new(arguments, name, json_true());
}

/* The scripts before the store: what is published there would come before the files, and a record of them
 * would be kept. */
static int start(struct program *program, const struct rules_program *work)
{
    log_set_level(LOG_ERROR + 1); /* the program tells what it finds */
    int status = program_read_seal_keys(program, false);
    if (status == EXIT_DONE)
        status = program_load_scripts(program, "bascule.server", work->agencies_path);
    if (status == EXIT_DONE && work->store)
        status = program_open_store(program);
    if (status == EXIT_DONE && work->store)
        status = program_start_store_service(program);
    return status == EXIT_DONE ? EXIT_DONE : EXIT_CONFIGURATION;
}

static int run_file(struct program *program, const char *name)
{
    const char *lua_path = program_lua_path(program, "bascule/server.lua");
    struct buffer file = {0};
    buffer_append_format(&file, "%s/commands/%s.lua", lua_path, name);
    int status = script_run_program(program_host(program), lua_path, 1, &file.data);
    buffer_deinit(&file);
    return status;
}

int rules_program_run(const struct rules_program *work)
{
    struct program program;
    char *arguments = NULL;
    int status = program_configure(&program, work->command);
    if (status == EXIT_DONE)
        status = start(&program, work);
    if (status == EXIT_DONE) {
        rules_argument(work->arguments, "lua", program_lua_path(&program, "bascule/server.lua"));
        program.host.arguments_json = arguments = json_dumps(work->arguments, JSON_SORT_KEYS);
        status = run_file(&program, work->name);
    }
    program_close(&program);
    free(arguments);
    json_decref(work->arguments);
    return status;
}
