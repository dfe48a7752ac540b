#include "cmd/scripts_view.h"

#include <stdio.h>
#include <string.h>

json_t *scripts_describe(struct generations *generations)
{
    struct buffer text = {0};
    generations_describe(generations, &text);
    json_t *scripts = json_loadb(text.data, text.length, 0, NULL);
    buffer_deinit(&text);
    return scripts;
}

static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "-";
}

/* What is wrong with a file, or NULL. Described here it is an object with its time; the admin API makes it
 * text. */
static const char *fault_of(const json_t *file)
{
    const json_t *fault = json_object_get(file, "last_error");
    return json_string_value(json_is_object(fault) ? json_object_get(fault, "message") : fault);
}

/* The lines around it, or NULL. */
static const char *excerpt_of(const json_t *file)
{
    const json_t *fault = json_object_get(file, "last_error");
    return json_string_value(json_is_object(fault) ? json_object_get(fault, "excerpt")
                                                   : json_object_get(file, "last_error_excerpt"));
}

static void show_excerpt(const char *excerpt)
{
    while (excerpt != NULL && *excerpt != '\0') {
        size_t length = strcspn(excerpt, "\n");
        printf("           %.*s\n", (int)length, excerpt);
        excerpt += length + (excerpt[length] == '\n');
    }
}

size_t scripts_faults(const json_t *scripts)
{
    const json_t *files = json_object_get(scripts, "files");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(files); i++)
        count += fault_of(json_array_get(files, i)) != NULL;
    return count;
}

static void show_list(const char *label, const json_t *list)
{
    if (json_array_size(list) == 0)
        return;
    printf("  %s", label);
    for (size_t i = 0; i < json_array_size(list); i++)
        printf(" %s", json_string_value(json_array_get(list, i)));
}

static void show_file(const json_t *file)
{
    const char *fault = fault_of(file);
    bool agency = strcmp(member(file, "kind"), "agency") == 0;
    if (!agency && fault == NULL)
        return;
    bool hidden = json_object_get(file, "note") != NULL;
    const char *quarantined = json_string_value(json_object_get(file, "quarantined"));
    printf("  %-6s %s",
           fault != NULL         ? "FAULT"
           : quarantined != NULL ? "HELD"
           : hidden              ? "unused"
                                 : "good",
           member(file, "path"));
    show_list("for", json_object_get(file, "locations"));
    show_list("for company", json_object_get(file, "companies"));
    putchar('\n');
    if (quarantined != NULL)
        printf("         %s\n", quarantined);
    if (json_object_get(file, "note") != NULL)
        printf("         %s\n", member(file, "note"));
    if (fault != NULL) {
        printf("         %s\n", fault);
        show_excerpt(excerpt_of(file));
    }
}

void scripts_show_files(const json_t *scripts)
{
    const json_t *files = json_object_get(scripts, "files");
    size_t trusted = 0;
    for (size_t i = 0; i < json_array_size(files); i++) {
        show_file(json_array_get(files, i));
        trusted += strcmp(member(json_array_get(files, i), "kind"), "trusted") == 0;
    }
    printf("  generation %s, %zu files of the trusted Lua\n",
           member(json_object_get(scripts, "current"), "id"), trusted);
}

void scripts_show_generations(const json_t *scripts)
{
    const char *current = member(json_object_get(scripts, "current"), "id");
    const json_t *kept = json_object_get(scripts, "kept");
    for (size_t i = 0; i < json_array_size(kept); i++) {
        const json_t *generation = json_array_get(kept, i);
        const char *id = member(generation, "id");
        printf("%s %s  %s\n", strcmp(id, current) == 0 ? "*" : " ", id, member(generation, "loaded_at"));
    }
}
