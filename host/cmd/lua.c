/* bascule lua FILE: for tools and specs. */
#include <string.h>

#include "cmd/program.h"

static int run(int argc, char **argv)
{
    struct program program;
    if (argc < 2)
        return command_fail(&command_lua, EXIT_CONFIGURATION, "which file? (see bascule lua --help)");
    int status = program_configure(&program, &command_lua);
    if (status == EXIT_DONE)
        status = program_read_seal_keys(&program, false);
    if (status == EXIT_DONE)
        status = program_start_client(&program, NULL);
    const char *lua_path = NULL;
    if (status == EXIT_DONE && (lua_path = program_lua_path(&program, "bascule/server.lua")) == NULL)
        status = EXIT_CONFIGURATION;
    program.host.lua_path = lua_path;
    if (status == EXIT_DONE)
        status = script_run_program(program_host(&program), lua_path, argc - 1, argv + 1);
    program_close(&program);
    return status;
}

const struct command command_lua = {
    .name = "lua",
    .summary = "run a Lua program with the host's modules",
    .help = "usage: bascule lua FILE [ARGUMENT...]\n\n"
            "Runs a Lua program with the host's modules (host.http, host.json, ...) and the whole standard\n"
            "library; its main chunk may wait. For tools and specs. Arguments are in `arg`.\n"
            "\nExamples:\n"
            "  bascule lua /usr/bin/busted examples/recipes\n",
    .run = run,
    .own_options = true,
};
