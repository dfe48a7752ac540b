/* bascule check: what a server would find with these settings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/program.h"
#include "cmd/scripts_view.h"

struct report {
    bool json;
    json_t *settings, *keys, *scripts;
    const char *store;
};

static void collect_settings(const struct config *config, struct report *report)
{
    struct buffer value = {0};
    report->settings = json_object();
    for (const struct setting *setting = config_settings; setting->name != NULL; setting++) {
        buffer_clear(&value);
        config_show(config, setting->name, &value);
        json_object_set_new(report->settings, setting->name,
                            value.length > 0 ? json_string(value.data) : json_null());
    }
    buffer_deinit(&value);
}

static void collect_keys(const struct signature_keys *keys, struct report *report)
{
    char text[128];
    report->keys = json_array();
    for (size_t i = 0; i < signature_keys_count(keys); i++)
        json_array_append_new(report->keys, json_string(signature_keys_describe(keys, i, text, sizeof text)));
}

static int check_store(struct program *program, struct report *report)
{
    struct error error;
    struct store_session *session;
    int status = program_open_store(program);
    if (status != EXIT_DONE)
        return status;
    if (store_session_open(program->store, &session, &error) != 0)
        return command_fail(&command_check, EXIT_FAULT, "%s", error.message);
    if (store_probe(session, clock_wall_ms()) != STORE_OK)
        status = command_fail(&command_check, EXIT_FAULT, "the store cannot commit: %s",
                              store_session_error(session));
    else
        report->store = "can commit";
    store_session_close(session);
    return status;
}

static int check_scripts(struct program *program, struct report *report)
{
    log_set_level(LOG_ERROR + 1); /* the faults are shown below */
    int status = program_load_scripts(program, "bascule.server", NULL);
    if (status != EXIT_DONE)
        return status;
    report->scripts = scripts_describe(program->generations);
    return scripts_faults(report->scripts) == 0 ? EXIT_DONE : EXIT_FAULT;
}

static void show_settings(const struct program *program, const struct report *report)
{
    const char *name;
    json_t *value;
    printf("settings\n");
    json_object_foreach(report->settings, name, value)
    {
        if (json_is_string(value))
            printf("  %-32s %s%s\n", name, json_string_value(value),
                   config_is_set(program->config, name) ? "" : "  (default)");
    }
}

static void show(const struct program *program, const struct report *report)
{
    show_settings(program, report);
    printf("\nwebhooks are checked with\n");
    for (size_t i = 0; i < json_array_size(report->keys); i++)
        printf("  %s\n", json_string_value(json_array_get(report->keys, i)));
    if (report->store != NULL)
        printf("\nstore\n  %s\n", report->store);
    if (report->scripts != NULL) {
        printf("\nscripts\n");
        scripts_show_files(report->scripts);
    }
}

static json_t *or_null(json_t *value)
{
    return value != NULL ? json_incref(value) : json_null();
}

static void show_json(const struct report *report, int status)
{
    json_t *all =
        json_pack("{s:b, s:s, s:o, s:o, s:o, s:o}", "ok", status == EXIT_DONE, "version", BASCULE_VERSION,
                  "settings", or_null(report->settings), "webhook_keys", or_null(report->keys), "store",
                  report->store != NULL ? json_string(report->store) : json_null(), "scripts",
                  or_null(report->scripts));
    json_dumpf(all, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
    putchar('\n');
    json_decref(all);
}

/* Everything is looked at, so that one call shows all faults; the worst of them is the exit status. */
static int look(struct program *program, struct report *report)
{
    int status = program_read_seal_keys(program, true), next;
    if ((next = program_read_webhook_keys(program)) > status)
        status = next;
    collect_settings(program->config, report);
    if (program->webhook_keys != NULL)
        collect_keys(program->webhook_keys, report);
    if ((next = check_store(program, report)) > status)
        status = next;
    if ((next = check_scripts(program, report)) > status)
        status = next;
    return status;
}

static int run(int argc, char **argv)
{
    struct program program;
    struct report report = {0};
    const struct option_rule rules[] = {{.name = "--json", .given = &report.json}, {.name = NULL}};
    if (command_read(&command_check, argc, argv, rules, NULL, 0) < 0)
        return EXIT_CONFIGURATION;
    int status = program_configure(&program, &command_check);
    if (status == EXIT_DONE) {
        status = look(&program, &report);
        if (report.json)
            show_json(&report, status);
        else
            show(&program, &report);
    }
    json_decref(report.settings);
    json_decref(report.keys);
    json_decref(report.scripts);
    program_close(&program);
    return status;
}

const struct command command_check = {
    .name = "check",
    .summary = "settings (secrets masked), store, rules: what a server would find",
    .help = "usage: bascule check [--json]\n\n"
            "Shows the settings with secrets masked, and whether the store can commit and the rules load.\n"
            "Status 2 where a setting is wrong, 1 where the store or a rule is; a line for each fault.\n"
            "\nExamples:\n"
            "  bascule check --json\n",
    .run = run,
};
