/* A small cache of values with an end, shared by all threads of the process. What it holds may vanish at any
 * time. */
#ifndef SCRIPT_CACHE_H
#define SCRIPT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct cache_value {
    enum { CACHE_NOTHING, CACHE_TEXT, CACHE_INTEGER, CACHE_FLOAT, CACHE_BOOLEAN } type;
    struct buffer text;
    int64_t integer; /* also of a boolean */
    double number;
};

/* Any thread. The caller's text is copied, both ways: cache_get's is for the caller to free. */
void cache_put(struct slice key, const struct cache_value *value, int64_t ttl_ms);
struct cache_value cache_get(struct slice key);
void cache_clear(void);

#endif
