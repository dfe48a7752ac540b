/* The rooms of struct generations, for the files that share them: generations.c (what runs), reload.c (what
 * is to run), reload_agencies.c (the agencies' part of it), watch.c (when to look), describe.c (what to
 * tell). */
#ifndef SCRIPT_GENERATIONS_H
#define SCRIPT_GENERATIONS_H

#include <pthread.h>

#include "script/generation.h"
#include "script/sources.h"

/* What is wrong with a file at present. */
struct fault {
    char *path, *message;
    char *excerpt; /* of the file, around the line at fault; or NULL */
    int64_t at_ms;
};

struct faults {
    struct fault *items;
    size_t count;
};
void faults_add(struct faults *faults, const char *path, const char *message, const char *excerpt,
                int64_t at_ms);
void faults_deinit(struct faults *faults);

struct generations {
    char *lua_path, *agencies_path, *entry;
    unsigned kept_most;
    struct script_host *host;

    pthread_mutex_t reload_mutex; /* one change at a time; guards what follows */
    struct sources trusted_sources, agency_sources;
    struct sources published_sources, candidate_sources; /* newest of the store */
    int64_t rules_revision;                              /* of the store, as these were read; -1: never */
    struct unit_set *trusted, *library;                  /* newest good ones from disk */
    char *trial_fault; /* of the trusted tree as a whole, each of whose files compiles */
    int64_t trial_fault_at_ms;
    char newest_id[GENERATION_ID_SIZE]; /* what the disk says, also while an earlier one runs */

    pthread_mutex_t mutex; /* for moments only: event loops take it; guards what follows */
    _Atomic(struct generation *) current;
    struct generation **kept; /* newest first, the current one among them */
    size_t kept_count;
    unsigned last_number;
    bool rolled_back;
    struct faults faults;

    struct mailbox *keeper;
    struct keeper_stop *keeper_stop;
    pthread_t keeper_thread;
    struct watch *watch;
};

/* Makes it the current one; takes the reference. */
void generations_publish(struct generations *generations, struct generation *generation);
/* reload_agencies.c. Under reload_mutex: reads the agencies' rules, tries what changed (all, where the
 * library did), and settles what each agency runs. -1 where the folder or the store cannot be read: all is as
 * it was then. */
int generations_read_agencies(struct generations *generations, bool library_changed, bool *changed,
                              struct error *error);
/* The source that counts of each agency, by slug: its published version, else its file. Under reload_mutex;
 * the sources are borrowed. */
struct effective {
    struct source **items;
    size_t count;
};
struct effective effective_list(const struct generations *generations);
void effective_deinit(struct effective *list);

/* published.c: the rules that the store has. Not from an event loop: these wait for the store. Where the host
 * has no store there are none, and nothing is recorded. */
struct published;
/* Reads them where their revision is another than that of the sources; else, and without a store,
 * `*published` is NULL. -1 where the store cannot be read. */
int published_fetch(const struct generations *generations, struct published **published, struct error *error);
void published_free(struct published *published); /* NULL is fine */
/* Makes them the sources; releases them. True where something changed. NULL: nothing did. */
bool published_take(struct generations *generations, struct published *published);
/* Records in the history the texts of files that came to run by this reload. */
void published_record(struct generations *generations);
/* True where the store's revision is another than that of the sources. */
bool published_is_due(struct generations *generations);
/* Takes back the canaries that are spoiled (candidate.h), and reloads. One that the store could not be told
 * of stays spoiled, and the next call tries again. */
void generations_withdraw_spoiled(struct generations *generations);
void generations_withdraw_soon(struct generations *generations); /* on the keeper's thread; never blocks */

struct faults generations_copy_faults(struct generations *generations); /* for faults_deinit */
void generations_replace_faults(struct generations *generations, struct faults *faults); /* takes them */

#endif
