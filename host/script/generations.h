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
    int64_t at_ms;
};

struct faults {
    struct fault *items;
    size_t count;
};
void faults_add(struct faults *faults, const char *path, const char *message, int64_t at_ms);
void faults_deinit(struct faults *faults);

struct generations {
    char *lua_path, *agencies_path, *entry;
    unsigned kept_most;
    struct script_host *host;

    pthread_mutex_t reload_mutex; /* one change at a time; guards what follows */
    struct sources trusted_sources, agency_sources;
    struct unit_set *trusted, *library; /* newest good ones from disk */
    char *trial_fault;                  /* of the trusted tree as a whole, each of whose files compiles */
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
/* Under reload_mutex: reads the agencies' rules, tries what changed (all, where the library did), and settles
 * what each agency runs. -1 where the folder cannot be read: all is as it was then. */
int generations_read_agencies(struct generations *generations, bool library_changed, bool *changed,
                              struct error *error);
void generations_replace_faults(struct generations *generations, struct faults *faults); /* takes them */

#endif
