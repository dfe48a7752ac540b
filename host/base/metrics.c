#include "base/metrics.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A few dozen series, kept sorted by their key, so a binary search finds one and the exposition needs no
 * sorting. */
struct series {
    char *key; /* name, or name{label} */
    size_t name_length;
    int64_t value;
    const char *type;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct series *all;
static size_t count;

#define KEY_SIZE 256
#define NAME_MOST 100 /* of a metric and of a label; the rest is for the label's value */

/* A label without "=" is left out; what does not fit is cut. */
static void make_key(char key[KEY_SIZE], const char *name, const char *label)
{
    const char *equals = label == NULL ? NULL : strchr(label, '=');
    int name_length = snprintf(key, KEY_SIZE, "%.*s", NAME_MOST, name);
    if (equals == NULL)
        return;
    int label_length = (int)(equals - label);
    int length = name_length + snprintf(key + name_length, (size_t)(KEY_SIZE - name_length), "{%.*s=\"",
                                        label_length < NAME_MOST ? label_length : NAME_MOST, label);
    const char *value = equals + (equals[1] == '"' ? 2 : 1);
    for (; *value != '\0' && *value != '"' && length < KEY_SIZE - 3; value++)
        key[length++] = isalnum((unsigned char)*value) || strchr("_-.", *value) != NULL ? *value : '_';
    snprintf(key + length, (size_t)(KEY_SIZE - length), "\"}");
}

/* By name, then by label: "{" counts as less than any character of a name, so that no other name comes
 * between. */
static int compare_keys(const char *a, const char *b)
{
    for (; *a == *b && *a != '\0'; a++, b++)
        ;
    int rank_a = *a == '{' ? 1 : (unsigned char)*a, rank_b = *b == '{' ? 1 : (unsigned char)*b;
    return rank_a - rank_b;
}

static struct series *find(const char *name, const char *label, const char *type)
{
    char key[KEY_SIZE];
    make_key(key, name, label);
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_keys(all[middle].key, key);
        if (order == 0)
            return &all[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (type == NULL)
        return NULL;
    all = memory_resize(all, (count + 1) * sizeof *all);
    memmove(all + low + 1, all + low, (count - low) * sizeof *all);
    all[low] = (struct series){text_duplicate(key), strcspn(key, "{"), 0, type};
    count++;
    return &all[low];
}

void metrics_add(const char *name, const char *label, int64_t amount)
{
    pthread_mutex_lock(&mutex);
    find(name, label, "counter")->value += amount;
    pthread_mutex_unlock(&mutex);
}

void metrics_set(const char *name, const char *label, int64_t value)
{
    pthread_mutex_lock(&mutex);
    find(name, label, "gauge")->value = value;
    pthread_mutex_unlock(&mutex);
}

int64_t metrics_value(const char *name, const char *label)
{
    pthread_mutex_lock(&mutex);
    const struct series *series = find(name, label, NULL);
    int64_t value = series == NULL ? 0 : series->value;
    pthread_mutex_unlock(&mutex);
    return value;
}

void metrics_write(struct buffer *out)
{
    pthread_mutex_lock(&mutex);
    const struct series *previous = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct series *series = &all[i];
        bool same = previous != NULL && previous->name_length == series->name_length &&
                    strncmp(previous->key, series->key, series->name_length) == 0;
        if (!same)
            buffer_append_format(out, "# TYPE %.*s %s\n", (int)series->name_length, series->key,
                                 series->type);
        buffer_append_format(out, "%s %lld\n", series->key, (long long)series->value);
        previous = series;
    }
    pthread_mutex_unlock(&mutex);
}
