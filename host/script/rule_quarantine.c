#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "script/rule_threads.h"

#define QUARANTINED_MOST 256

struct quarantined {
    char *agency, *hash, *reason;
    struct quarantined *older;
};

static void forget(struct quarantined *entry)
{
    free(entry->agency);
    free(entry->hash);
    free(entry->reason);
    free(entry);
}

static void forget_oldest(struct quarantine *quarantine)
{
    struct quarantined **link = &quarantine->newest;
    while ((*link)->older != NULL)
        link = &(*link)->older;
    forget(*link);
    *link = NULL;
    quarantine->count--;
}

void quarantine_add(struct quarantine *quarantine, const struct rule_work *work, const char *reason)
{
    struct quarantined *entry = memory_allocate(sizeof *entry);
    entry->agency = text_duplicate(work->agency);
    entry->hash = text_duplicate(work->hash);
    entry->reason = text_duplicate(reason);
    entry->older = quarantine->newest;
    quarantine->newest = entry;
    if (++quarantine->count > QUARANTINED_MOST)
        forget_oldest(quarantine);
}

const char *quarantine_find(const struct quarantine *quarantine, const char *agency, const char *hash,
                            bool agency_whole)
{
    for (const struct quarantined *entry = quarantine->newest; entry != NULL; entry = entry->older) {
        if (strcmp(entry->agency, agency) == 0 && (agency_whole || strcmp(entry->hash, hash) == 0))
            return entry->reason;
    }
    return NULL;
}

void quarantine_deinit(struct quarantine *quarantine)
{
    while (quarantine->count > 0)
        forget_oldest(quarantine);
}
