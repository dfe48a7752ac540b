/* bascule rules new: a folder with a rule, its spec and fixtures, made of lua/kit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/rules.h"

static const struct {
    const char *from, *to; /* below lua/kit, below the agency's folder */
} files[] = {
    {"rules.lua", "rules.lua"},
    {"spec/rules_spec.lua", "spec/rules_spec.lua"},
    {"fixtures/outbound.json", "fixtures/outbound.json"},
    {"fixtures/inbound.json", "fixtures/inbound.json"},
    {"luacheckrc", ".luacheckrc"},
    {"luarc.json", ".luarc.json"},
};
static const char *const folders[] = {"", "/spec", "/fixtures"};

struct kit {
    const char *slug, *location, *lua_path;
    char *folder; /* the agency's */
};

static int refuse(const char *path)
{
    return command_fail(&rules_new, EXIT_FAULT, "%s: %s", path, strerror(errno));
}

static int make_folders(const struct kit *kit)
{
    int status = EXIT_DONE;
    for (size_t i = 0; i < sizeof folders / sizeof *folders && status == EXIT_DONE; i++) {
        struct buffer path = {0};
        buffer_append_format(&path, "%s%s", kit->folder, folders[i]);
        if (mkdir(path.data, 0755) != 0)
            status = refuse(path.data);
        buffer_deinit(&path);
    }
    return status;
}

/* The value of a placeholder such as "{{SLUG}}" at the beginning of `text`, or NULL. */
static const char *find_value(const struct kit *kit, const char *text, size_t *length)
{
    const struct {
        const char *name, *value;
    } values[] = {{"{{SLUG}}", kit->slug}, {"{{LOCATION}}", kit->location}, {"{{LUA}}", kit->lua_path}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        *length = strlen(values[i].name);
        if (strncmp(text, values[i].name, *length) == 0)
            return values[i].value;
    }
    return NULL;
}

static void fill_line(const struct kit *kit, const char *line, FILE *to)
{
    for (size_t length; *line != '\0';) {
        const char *value = *line == '{' ? find_value(kit, line, &length) : NULL;
        if (value != NULL) {
            fputs(value, to);
            line += length;
        } else {
            fputc(*line++, to);
        }
    }
}

static int copy_stream(const struct kit *kit, FILE *from, FILE *to, const char *path)
{
    char line[1024];
    while (fgets(line, sizeof line, from) != NULL)
        fill_line(kit, line, to);
    return ferror(from) || ferror(to) ? refuse(path) : EXIT_DONE;
}

static int make_file(const struct kit *kit, const char *from_name, const char *to_name)
{
    struct buffer from_path = {0}, to_path = {0};
    buffer_append_format(&from_path, "%s/kit/%s", kit->lua_path, from_name);
    buffer_append_format(&to_path, "%s/%s", kit->folder, to_name);
    FILE *from = fopen(from_path.data, "re"), *to = from == NULL ? NULL : fopen(to_path.data, "wxe");
    int status = from == NULL ? refuse(from_path.data)
                 : to == NULL ? refuse(to_path.data)
                              : copy_stream(kit, from, to, to_path.data);
    if (to != NULL && fclose(to) != 0 && status == EXIT_DONE)
        status = refuse(to_path.data);
    if (from != NULL)
        fclose(from);
    if (status == EXIT_DONE)
        printf("%s\n", to_path.data);
    buffer_deinit(&from_path);
    buffer_deinit(&to_path);
    return status;
}

static int make(struct program *program, struct kit *kit)
{
    const char *agencies = config_text(program->config, "BASCULE_AGENCIES");
    struct buffer folder = {0}, location = {0};
    struct stat found;
    kit->lua_path = program_lua_path(program, "kit/rules.lua");
    if (kit->lua_path == NULL)
        return EXIT_CONFIGURATION;
    buffer_append_format(&folder, "%s/%s", agencies, kit->slug);
    buffer_append_format(&location, "location-of-%s", kit->slug);
    kit->folder = folder.data;
    if (kit->location == NULL)
        kit->location = location.data;
    int status = EXIT_DONE;
    if (stat(folder.data, &found) == 0)
        status = command_fail(&rules_new, EXIT_CONFIGURATION, "%s is there already", folder.data);
    else if (mkdir(agencies, 0755) != 0 && errno != EEXIST)
        status = refuse(agencies);
    if (status == EXIT_DONE)
        status = make_folders(kit);
    for (size_t i = 0; i < sizeof files / sizeof *files && status == EXIT_DONE; i++)
        status = make_file(kit, files[i].from, files[i].to);
    buffer_deinit(&folder);
    buffer_deinit(&location);
    return status;
}

static bool is_id(const char *id)
{
    return *id != '\0' && strpbrk(id, "\"\\{}\n") == NULL;
}

static int run(int argc, char **argv)
{
    struct program program;
    struct kit kit = {0};
    const struct option_rule options[] = {{.name = "--location", .value = &kit.location}, {.name = NULL}};
    int count = command_read(&rules_new, argc, argv, options, &kit.slug, 1);
    if (count < 0)
        return EXIT_CONFIGURATION;
    if (count == 0)
        return command_fail(&rules_new, EXIT_CONFIGURATION, "which agency? bascule rules new SLUG");
    if (!rules_check_slug(&rules_new, kit.slug))
        return EXIT_CONFIGURATION;
    if (kit.location != NULL && !is_id(kit.location))
        return command_fail(&rules_new, EXIT_CONFIGURATION, "'%s' is no location id", kit.location);
    int status = program_configure(&program, &rules_new);
    if (status == EXIT_DONE)
        status = make(&program, &kit);
    program_close(&program);
    return status;
}

const struct command rules_new = {
    .name = "rules new",
    .summary = "make an agency's folder: a rule, its spec, fixtures, configuration for editors",
    .help =
        "usage: bascule rules new SLUG [--location ID]\n\n"
        "Makes the folder SLUG below BASCULE_AGENCIES with rules.lua, spec/rules_spec.lua, fixtures/*.json,\n"
        ".luacheckrc (luacheck) and .luarc.json (completion in editors), and lists what it made. A folder\n"
        "that is there already is left alone.\n"
        "\nExamples:\n"
        "  bascule rules new acme --location GKAWb4yu7A4LSc0skQ6g\n",
    .run = run,
};
