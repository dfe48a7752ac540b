#include "script/sources.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "script/rule_excerpt.h"

#define FILE_LONGEST ((size_t)4 << 20)
#define SETTLED_MS 100 /* stamps have a grain of some milliseconds: a later write may leave the same one */
#define FOLDERS_DEEPEST 8

static void source_deinit(struct source *source)
{
    free(source->name);
    free(source->path);
    free(source->file);
    free(source->fault);
    free(source->excerpt);
    buffer_deinit(&source->text);
    unit_unref(source->unit);
    unit_unref(source->good);
    claims_deinit(&source->seeming);
    candidate_unref(source->candidate);
}

void sources_deinit(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        source_deinit(&sources->items[i]);
    free(sources->items);
    *sources = (struct sources){0};
}

/* Of a file that is the same its unit has the text. */
static void set_excerpt(struct source *source, const char *fault)
{
    struct buffer excerpt = {0};
    struct slice text = {source->text.data, source->text.length};
    if (source->text.length == 0 && source->unit != NULL)
        text = unit_source(source->unit);
    if (fault != NULL)
        excerpt_append(&excerpt, text, excerpt_line_of_error(fault, source->path));
    free(source->excerpt);
    source->excerpt = excerpt.data;
}

void source_set_fault(struct source *source, const char *fault)
{
    set_excerpt(source, fault);
    bool same = fault != NULL && source->fault != NULL && strcmp(fault, source->fault) == 0;
    if (same)
        return;
    free(source->fault);
    source->fault = text_duplicate(fault);
    source->fault_at_ms = clock_wall_ms();
    if (fault != NULL)
        LOG_EVENT(LOG_ERROR, "script_refused", LOG_FIELD_TEXT("file", source->path),
                  LOG_FIELD_TEXT("message", fault));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct source *)a)->name, ((const struct source *)b)->name);
}

struct source *sources_find(const struct sources *sources, const char *name)
{
    struct source key = {.name = (char *)(uintptr_t)name};
    return sources->count == 0 ? NULL : bsearch(&key, sources->items, sources->count, sizeof key, by_name);
}

static struct source *add(struct sources *sources)
{
    sources->items = memory_resize(sources->items, (sources->count + 1) * sizeof *sources->items);
    struct source *source = &sources->items[sources->count++];
    *source = (struct source){0};
    return source;
}

/* ---- listing ---- */

static char *join(const char *folder, const char *name)
{
    struct buffer path = {0};
    buffer_append_format(&path, "%s/%s", folder, name);
    return path.data;
}

/* The last part of a path: errors say "agencies/acme/rules.lua" wherever the folder lies. */
static const char *label_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL || slash[1] == '\0' ? path : slash + 1;
}

static char *module_of(const char *relative)
{
    char *name = slice_duplicate((struct slice){relative, strlen(relative) - strlen(".lua")});
    for (char *c = name; *c != '\0'; c++) {
        if (*c == '/')
            *c = '.';
    }
    return name;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length > end_length && strcmp(text + length - end_length, end) == 0;
}

static void list_file(struct sources *found, const char *root, const char *relative)
{
    struct source *source = add(found);
    source->name = module_of(relative);
    source->path = join(label_of(root), relative);
    source->file = join(root, relative);
}

static int list_folder(struct sources *found, const char *root, const char *relative, unsigned depth,
                       struct error *error);

static int list_entry(struct sources *found, const char *root, const char *relative, unsigned depth,
                      struct error *error)
{
    struct stat status;
    char *file = join(root, relative);
    int result = 0;
    if (stat(file, &status) == 0 && S_ISDIR(status.st_mode))
        result = list_folder(found, root, relative, depth + 1, error);
    else if (ends_with(relative, ".lua"))
        list_file(found, root, relative);
    free(file);
    return result;
}

/* Of a folder that is not there: nothing. */
static int list_folder(struct sources *found, const char *root, const char *relative, unsigned depth,
                       struct error *error)
{
    char *folder = join(root, relative);
    DIR *entries = depth > FOLDERS_DEEPEST ? NULL : opendir(folder);
    int result = 0;
    if (entries == NULL && errno != ENOENT)
        result = error_set(error, ERROR_RETRYABLE, "%s: %s", folder, strerror(errno));
    for (struct dirent *entry; entries != NULL && result == 0 && (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char *below = join(relative, entry->d_name);
        result = list_entry(found, root, below, depth, error);
        free(below);
    }
    if (entries != NULL)
        closedir(entries);
    free(folder);
    return result;
}

static void list_agency(struct sources *found, const char *root, const char *slug)
{
    struct stat status;
    char *relative = join(slug, "rules.lua");
    char *file = join(root, relative);
    if (stat(file, &status) == 0) {
        struct source *source = add(found);
        source->name = text_duplicate(slug);
        source->path = join(label_of(root), relative);
        source->file = text_duplicate(file);
    }
    free(relative);
    free(file);
}

static int list_agencies(struct sources *found, const char *root, struct error *error)
{
    DIR *entries = opendir(root);
    if (entries == NULL)
        return errno == ENOENT ? 0 : error_set(error, ERROR_RETRYABLE, "%s: %s", root, strerror(errno));
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] != '.')
            list_agency(found, root, entry->d_name);
    }
    closedir(entries);
    return 0;
}

/* ---- reading ---- */

static bool same_stamp(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* `looked_ms`: from before the file was read, since a write between the two may leave the stamp as it is. */
static bool is_settled(const struct stat *stamp, int64_t looked_ms)
{
    int64_t written_ms = (int64_t)stamp->st_ctim.tv_sec * 1000 + stamp->st_ctim.tv_nsec / 1000000;
    return looked_ms - written_ms > SETTLED_MS;
}

static void refuse_reading(struct source *source, const char *failure)
{
    struct buffer fault = {0};
    buffer_append_format(&fault, "%s: %s", source->path, failure);
    source_set_fault(source, fault.data);
    buffer_deinit(&fault);
}

static void compile(struct source *source)
{
    struct error error;
    source->unit = unit_compile(source->name, source->path,
                                (struct slice){source->text.data, source->text.length}, &error);
    if (source->unit == NULL)
        source_set_fault(source, error.message);
    else
        source->unit->version = source->version;
}

/* What ran before runs on until the new text is found to be good. */
static void take_good(struct source *source, struct source *known)
{
    source->good = known->good;
    known->good = NULL;
}

/* What was known of a file that is the same goes over to the new list. */
static void take_over(struct source *source, struct source *known)
{
    struct source listed = *source;
    *source = *known;
    source->changed = false;
    known->name = listed.name;
    known->path = listed.path;
    known->file = listed.file;
    known->fault = known->excerpt = NULL;
    known->unit = known->good = NULL;
    known->text = (struct buffer){0};
    known->seeming = (struct claims){0};
    known->candidate = NULL;
}

static void read_source(struct source *source, struct source *known)
{
    struct stat stamp = {0};
    int64_t looked_ms = clock_wall_ms();
    if (known != NULL && known->settled && stat(source->file, &stamp) == 0 &&
        same_stamp(&stamp, &known->stamp)) {
        take_over(source, known);
        return;
    }
    struct buffer text = {0};
    char hash[UNIT_HASH_SIZE];
    const char *failure = file_read(source->file, FILE_LONGEST, &stamp, &text);
    unit_hash((struct slice){text.data, text.length}, hash);
    if (failure == NULL && known != NULL && strcmp(hash, known->hash) == 0) {
        buffer_deinit(&text);
        take_over(source, known);
    } else {
        source->changed = true;
        source->text = text;
        memcpy(source->hash, hash, sizeof hash);
        if (known != NULL)
            take_good(source, known);
        if (failure != NULL)
            refuse_reading(source, failure);
        else
            compile(source);
    }
    source->stamp = stamp;
    source->settled = failure == NULL && is_settled(&stamp, looked_ms);
}

static void read_all(struct sources *found, struct sources *previous, bool *changed)
{
    if (found->count > 0)
        qsort(found->items, found->count, sizeof *found->items, by_name);
    size_t known_count = 0;
    *changed = false;
    for (size_t i = 0; i < found->count; i++) {
        struct source *known = sources_find(previous, found->items[i].name);
        known_count += known != NULL;
        read_source(&found->items[i], known);
        *changed = *changed || found->items[i].changed;
    }
    *changed = *changed || known_count < previous->count;
    sources_deinit(previous);
}

int sources_read_trusted(const char *lua_path, struct sources *previous, struct sources *result,
                         bool *changed, struct error *error)
{
    *result = (struct sources){0};
    if (list_folder(result, lua_path, "bascule", 0, error) != 0 ||
        list_folder(result, lua_path, "simulator", 0, error) != 0) {
        sources_deinit(result);
        return -1;
    }
    read_all(result, previous, changed);
    return 0;
}

int sources_read_agencies(const char *agencies_path, struct sources *previous, struct sources *result,
                          bool *changed, struct error *error)
{
    *result = (struct sources){0};
    if (list_agencies(result, agencies_path, error) != 0) {
        sources_deinit(result);
        return -1;
    }
    read_all(result, previous, changed);
    return 0;
}

/* ---- rules from the store ---- */

static void take_version(struct source *source, const struct source_version *version, struct source *known)
{
    struct buffer path = {0};
    buffer_append_format(&path, "%s/rules.lua@%lld", version->agency, (long long)version->version);
    source->name = text_duplicate(version->agency);
    source->path = path.data;
    source->version = version->version;
    source->mode = version->mode;
    source->percent = version->percent;
    if (known != NULL && known->version == version->version && known->mode == version->mode &&
        known->percent == version->percent) {
        take_over(source, known);
        return;
    }
    source->changed = true;
    buffer_append(&source->text, version->text.data, version->text.length);
    unit_hash(version->text, source->hash);
    if (known != NULL)
        take_good(source, known);
    compile(source);
}

void sources_take_versions(const struct source_version *versions, size_t count, struct sources *previous,
                           struct sources *result, bool *changed)
{
    size_t known_count = 0;
    *result = (struct sources){0};
    *changed = false;
    for (size_t i = 0; i < count; i++) {
        struct source *known = sources_find(previous, versions[i].agency);
        known_count += known != NULL;
        take_version(add(result), &versions[i], known);
        *changed = *changed || result->items[i].changed;
    }
    if (count > 0)
        qsort(result->items, count, sizeof *result->items, by_name);
    *changed = *changed || known_count < previous->count;
    sources_deinit(previous);
}
