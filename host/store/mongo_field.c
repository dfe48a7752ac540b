/* Fields of documents. */
#include "store/mongo.h"

void mongo_push(bson_t *array, const bson_t *document, const char *field)
{
    char digits[16];
    const char *key;
    bson_iter_t at;
    bson_uint32_to_string(bson_count_keys(array), &key, digits, sizeof digits);
    if (bson_iter_init_find(&at, document, field))
        bson_append_iter(array, key, -1, &at);
}

char *mongo_text(const bson_t *document, const char *field)
{
    bson_iter_t at;
    uint32_t length;
    if (!bson_iter_init_find(&at, document, field) || !BSON_ITER_HOLDS_UTF8(&at))
        return NULL;
    const char *text = bson_iter_utf8(&at, &length);
    return slice_duplicate((struct slice){text, length});
}

int64_t mongo_integer(const bson_t *document, const char *field)
{
    bson_iter_t at;
    if (!bson_iter_init_find(&at, document, field))
        return 0;
    return BSON_ITER_HOLDS_DATE_TIME(&at) ? bson_iter_date_time(&at) : bson_iter_as_int64(&at);
}

bool mongo_flag(const bson_t *document, const char *field)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, document, field) && bson_iter_as_bool(&at);
}

bool mongo_has(const bson_t *document, const char *field)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, document, field) && !BSON_ITER_HOLDS_NULL(&at);
}

void mongo_put_text(bson_t *document, const char *field, const char *text)
{
    if (text != NULL)
        BSON_APPEND_UTF8(document, field, text);
}

void mongo_put_time(bson_t *document, const char *field, int64_t ms)
{
    if (ms != 0)
        BSON_APPEND_INT64(document, field, ms);
}
