/* The document of an agency's rules: reading it, and changing it as a whole. */
#include "store/mongo_rules.h"

#include <stdlib.h>

/* ---- reading ---- */

void mongo_agency_deinit(struct mongo_agency *agency)
{
    for (size_t i = 0; i < agency->count; i++)
        store_rules_version_deinit(&agency->items[i].is);
    free(agency->items);
    *agency = (struct mongo_agency){0};
}

static struct mongo_rules_version read_version(const char *agency, const bson_t *document)
{
    bson_iter_t source;
    struct mongo_rules_version version = {
        .is = {.agency = text_duplicate(agency),
               .version = (uint64_t)mongo_integer(document, "version"),
               .hash = mongo_text(document, "hash"),
               .origin = (enum store_rules_origin)mongo_integer(document, "origin"),
               .mode = (enum store_rules_mode)mongo_integer(document, "mode"),
               .percent = (unsigned)mongo_integer(document, "percent"),
               .by = mongo_text(document, "by"),
               .note = mongo_text(document, "note"),
               .at_ms = mongo_integer(document, "at_ms"),
               .changed_by = mongo_text(document, "changed_by"),
               .reason = mongo_text(document, "reason"),
               .changed_ms = mongo_integer(document, "changed_ms")},
    };
    if (bson_iter_init_find(&source, document, "source") && BSON_ITER_HOLDS_OID(&source)) {
        version.has_source = true;
        bson_oid_copy(bson_iter_oid(&source), &version.source);
    }
    return version;
}

void mongo_agency_read_versions(const bson_t *document, const char *field, struct mongo_agency *agency)
{
    char *name = mongo_text(document, "_id");
    bson_iter_t array, at;
    if (bson_iter_init_find(&array, document, field) && bson_iter_recurse(&array, &at)) {
        while (bson_iter_next(&at) && BSON_ITER_HOLDS_DOCUMENT(&at)) {
            const uint8_t *data;
            uint32_t length;
            bson_t version;
            bson_iter_document(&at, &length, &data);
            if (!bson_init_static(&version, data, length))
                continue;
            agency->items = memory_resize(agency->items, (agency->count + 1) * sizeof *agency->items);
            agency->items[agency->count++] = read_version(name, &version);
        }
    }
    free(name);
}

static int compare_versions(const void *left, const void *right)
{
    const struct mongo_rules_version *a = left, *b = right;
    return (a->is.version > b->is.version) - (a->is.version < b->is.version);
}

enum store_status mongo_agency_load(struct store_session *session, const char *name,
                                    struct mongo_agency *agency)
{
    bson_t found;
    *agency = (struct mongo_agency){0};
    enum store_status status =
        mongo_find(session, MONGO_RULES, BCON_NEW("_id", BCON_UTF8(name)), NULL, &found);
    if (status == STORE_OK) {
        agency->revision = mongo_integer(&found, "revision");
        agency->newest = (uint64_t)mongo_integer(&found, "newest");
        agency->published = (uint64_t)mongo_integer(&found, "published");
        mongo_agency_read_versions(&found, "history", agency);
        mongo_agency_read_versions(&found, "running", agency);
        if (agency->count > 0)
            qsort(agency->items, agency->count, sizeof *agency->items, compare_versions);
    }
    bson_destroy(&found);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

struct mongo_rules_version *mongo_agency_find(struct mongo_agency *agency, uint64_t version)
{
    for (size_t i = 0; i < agency->count; i++)
        if (agency->items[i].is.version == version)
            return &agency->items[i];
    return NULL;
}

/* ---- writing ---- */

static void append_version(bson_t *array, const struct mongo_rules_version *version)
{
    char digits[16];
    const char *key;
    bson_t document;
    const struct store_rules_version *is = &version->is;
    bson_uint32_to_string(bson_count_keys(array), &key, digits, sizeof digits);
    bson_append_document_begin(array, key, -1, &document);
    BSON_APPEND_INT64(&document, "version", (int64_t)is->version);
    BSON_APPEND_INT32(&document, "origin", (int32_t)is->origin);
    BSON_APPEND_INT32(&document, "mode", (int32_t)is->mode);
    BSON_APPEND_INT32(&document, "percent", (int32_t)is->percent);
    BSON_APPEND_INT64(&document, "at_ms", is->at_ms);
    mongo_put_text(&document, "hash", is->hash);
    mongo_put_text(&document, "by", is->by);
    mongo_put_text(&document, "note", is->note);
    mongo_put_text(&document, "changed_by", is->changed_by);
    mongo_put_text(&document, "reason", is->reason);
    mongo_put_time(&document, "changed_ms", is->changed_ms);
    if (version->has_source)
        BSON_APPEND_OID(&document, "source", &version->source);
    bson_append_document_end(array, &document);
}

static bool runs(const struct mongo_rules_version *version)
{
    return version->is.origin == RULES_PUBLISHED && rules_mode_runs(version->is.mode);
}

static bson_t *fields_of(const struct mongo_agency *agency, bool announced)
{
    bson_t running = BSON_INITIALIZER, history = BSON_INITIALIZER;
    size_t first = agency->count > MONGO_RULES_HISTORY_MOST ? agency->count - MONGO_RULES_HISTORY_MOST : 0;
    for (size_t i = 0; i < agency->count; i++)
        if (runs(&agency->items[i]))
            append_version(&running, &agency->items[i]);
        else if (i >= first)
            append_version(&history, &agency->items[i]);
    bson_t *fields = BCON_NEW("newest", BCON_INT64((int64_t)agency->newest), "published",
                              BCON_INT64((int64_t)agency->published), "running", BCON_ARRAY(&running),
                              "history", BCON_ARRAY(&history));
    if (announced)
        BSON_APPEND_BOOL(fields, "unannounced", true);
    bson_destroy(&running);
    bson_destroy(&history);
    return fields;
}

/* NOT_FOUND: somebody else was faster. */
static enum store_status save(struct store_session *session, const char *name,
                              const struct mongo_agency *agency, bool announced)
{
    enum store_status status;
    bson_t *fields = fields_of(agency, announced);
    bson_t *key = BCON_NEW("_id", BCON_UTF8(name), "revision", BCON_INT64(agency->revision));
    if (agency->revision == 0) {
        bson_t *document = BCON_NEW("_id", BCON_UTF8(name), "revision", BCON_INT64(1));
        bson_concat(document, fields);
        bson_destroy(key);
        status = mongo_insert(session, MONGO_RULES, document);
    } else {
        status = mongo_update(
            session, MONGO_RULES, key,
            BCON_NEW("$set", BCON_DOCUMENT(fields), "$inc", "{", "revision", BCON_INT64(1), "}"));
    }
    bson_destroy(fields);
    return status == STORE_DUPLICATE ? STORE_NOT_FOUND : status;
}

enum store_status mongo_agency_change(struct store_session *session, const char *name,
                                      mongo_agency_decide *decide, void *argument, bool announced,
                                      struct mongo_agency *after)
{
    enum store_status status;
    bool faster;
    *after = (struct mongo_agency){0};
    do {
        mongo_agency_deinit(after);
        faster = false;
        status = mongo_agency_load(session, name, after);
        if (status == STORE_OK)
            status = decide(after, argument);
        if (status == STORE_OK) {
            status = save(session, name, after, announced);
            faster = status == STORE_NOT_FOUND;
        }
    } while (faster);
    after->revision++;
    return status;
}
