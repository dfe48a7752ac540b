/* bascule rules test: the agencies' own tests and specs; lua/commands/rules_test.lua. */
#include <unistd.h>

#include "cmd/rules_program.h"

#define PATH_SIZE 4096

/* Of this program, for the specs run in a process of their own. */
static void add_program(json_t *arguments)
{
    char path[PATH_SIZE];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    rules_argument(arguments, "program", path);
}

static int run(int argc, char **argv)
{
    bool as_json = false;
    const char *slug = NULL;
    const struct option_rule options[] = {{.name = "--json", .given = &as_json}, {.name = NULL}};
    if (command_read(&rules_test, argc, argv, options, &slug, 1) < 0)
        return EXIT_CONFIGURATION;
    json_t *arguments = json_object();
    rules_argument(arguments, "agency", slug);
    rules_switch(arguments, "json", as_json);
    add_program(arguments);
    return rules_program_run(&(struct rules_program){
        .command = &rules_test,
        .name = "rules_test",
        .arguments = arguments,
    });
}

const struct command rules_test = {
    .name = "rules test",
    .summary = "run the tests within agencies' files, and the specs beside them",
    .help =
        "usage: bascule rules test [SLUG] [--json]\n\n"
        "Runs the tests within the rules.lua of every agency of BASCULE_AGENCIES (or of SLUG), and the\n"
        "specs in its folder spec/ by busted. Status 0: all passed; 1: one failed; 2: what was asked makes\n"
        "no sense, or busted is missing.\n"
        "\nExamples:\n"
        "  bascule rules test acme\n"
        "  BASCULE_AGENCIES=examples/recipes bascule rules test\n",
    .run = run,
};
