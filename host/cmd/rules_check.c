/* bascule rules check: the files here, without a server. */
#include "base/log.h"
#include "cmd/rules.h"
#include "cmd/scripts_view.h"

static int check(struct program *program, bool as_json)
{
    log_set_level(LOG_ERROR + 1); /* the faults are shown below */
    int status = program_load_scripts(program, "bascule.server", NULL);
    if (status != EXIT_DONE)
        return status;
    json_t *scripts = scripts_describe(program->generations);
    size_t faults = scripts_faults(scripts);
    if (as_json)
        rules_print_json(scripts);
    else
        scripts_show_files(scripts);
    json_decref(scripts);
    return faults == 0 ? EXIT_DONE : EXIT_FAULT;
}

static int run(int argc, char **argv)
{
    bool as_json = false;
    struct program program;
    const struct option_rule options[] = {{.name = "--json", .given = &as_json}, {.name = NULL}};
    if (command_read(&rules_check, argc, argv, options, NULL, 0) < 0)
        return EXIT_CONFIGURATION;
    int status = program_configure(&program, &rules_check);
    if (status == EXIT_DONE)
        status = check(&program, as_json);
    program_close(&program);
    return status;
}

const struct command rules_check = {
    .name = "rules check",
    .summary = "compile and check every file of BASCULE_AGENCIES, without a server",
    .help =
        "usage: bascule rules check [--json]\n\n"
        "Compiles and checks every file of BASCULE_AGENCIES and runs its tests, without serving; status 1\n"
        "where one is broken, with its file and line.\n"
        "\nExamples:\n"
        "  BASCULE_AGENCIES=examples/agencies bascule rules check\n",
    .run = run,
};
