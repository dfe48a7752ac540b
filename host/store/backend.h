/* What a backend of the store is: the functions of store.h, store_memory.h and store_rules.h, one by one,
 * with the promises written there, and what every store and every session has. Private to host/store and its
 * tests.
 *
 * A backend's own structs begin with these, so that a pointer to one is a pointer to the other:
 *
 *     struct sqlite_session { struct store_session base; sqlite3 *db; ... };
 *
 * Each of its files fills the functions it defines into the table, by one function at its end; the table is
 * filled once, before the first store is opened, and is not written again. A call of store.h then costs one
 * indirect call more than the function itself. */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include "store/store.h"
#include "store/store_memory.h"
#include "store/store_rules.h"

struct store_backend {
    bool atomic_batches; /* store_batches_are_atomic */
    bool has_clock;      /* else `clock` answers NOT_FOUND */
    int (*open)(const struct store_options *options, struct store **store, struct error *error);
    void (*close)(struct store *store); /* never NULL here, nor below */
    int (*session_open)(struct store *store, struct store_session **session, struct error *error);
    void (*session_close)(struct store_session *session);
    void (*session_tend_later)(struct store_session *session);
    bool (*session_tend_due)(const struct store_session *session);
    enum store_status (*session_tend)(struct store_session *session);
    enum store_status (*batch_begin)(struct store_session *session);
    enum store_status (*batch_commit)(struct store_session *session);
    void (*batch_abort)(struct store_session *session);
    enum store_status (*message_accept)(struct store_session *session,
                                        const struct store_message_new *message, char id[STORE_ID_SIZE]);
    enum store_status (*message_get)(struct store_session *session, const char *id,
                                     struct store_message *message);
    enum store_status (*message_list)(struct store_session *session,
                                      const struct store_message_filter *filter,
                                      struct store_message_list *list);
    enum store_status (*message_count)(struct store_session *session, int64_t *waiting);
    enum store_status (*lanes_due)(struct store_session *session, enum message_track track, int64_t now_ms,
                                   const char *after, unsigned limit, struct store_lanes *lanes);
    enum store_status (*message_claim)(struct store_session *session, const struct store_claim *claim,
                                       struct store_message_list *list);
    enum store_status (*attempt_begin)(struct store_session *session, const struct store_attempt *attempt);
    enum store_status (*message_settle)(struct store_session *session,
                                        const struct store_settlement *settlement);
    enum store_status (*report_settle)(struct store_session *session,
                                       const struct store_report_settlement *settlement);
    enum store_status (*message_replay)(struct store_session *session, const char *id, const char *event,
                                        int64_t now_ms);
    enum store_status (*message_sweep)(struct store_session *session, int64_t now_ms, int64_t most_ahead_ms,
                                       int64_t *moved);
    enum store_status (*installation_put)(struct store_session *session,
                                          const struct store_installation *installation, int64_t now_ms);
    enum store_status (*installation_get)(struct store_session *session, const char *company,
                                          const char *location, struct store_installation *installation);
    enum store_status (*installation_list)(struct store_session *session, const char *company,
                                           struct store_installation_list *list);
    enum store_status (*installation_expiring)(struct store_session *session, int64_t before_ms,
                                               unsigned limit, struct store_installation_list *list);
    enum store_status (*installation_refresh_begin)(struct store_session *session, const char *company,
                                                    const char *location, uint64_t version, const char *owner,
                                                    int64_t now_ms, int64_t lease_ms);
    enum store_status (*installation_refreshed)(struct store_session *session, const char *company,
                                                const char *location, const char *owner,
                                                const char *access_token, const char *refresh_token,
                                                int64_t expires_ms, const char *scopes, int64_t now_ms);
    enum store_status (*installation_refresh_failed)(struct store_session *session, const char *company,
                                                     const char *location, const char *owner,
                                                     const char *reason, bool invalid, int64_t now_ms);
    enum store_status (*installation_set_status)(struct store_session *session, const char *company,
                                                 const char *location, const char *status, const char *reason,
                                                 int64_t now_ms);
    enum store_status (*installation_reseal)(struct store_session *session, const char *company,
                                             const char *location, uint64_t version, const char *access_token,
                                             const char *refresh_token);
    enum store_status (*state_put)(struct store_session *session, const char *state, const char *data,
                                   int64_t expires_ms);
    enum store_status (*state_take)(struct store_session *session, const char *state, int64_t now_ms,
                                    char **data);
    enum store_status (*setting_put)(struct store_session *session, const char *scope, const char *name,
                                     const char *value, bool sealed, int64_t now_ms);
    enum store_status (*setting_list)(struct store_session *session, const char *scope,
                                      struct store_setting_list *list);
    enum store_status (*clock)(struct store_session *session, int64_t *now_ms, int64_t *error_ms);
    enum store_status (*probe)(struct store_session *session, int64_t now_ms);
    enum store_status (*memory_read)(struct store_session *session, const char *message_id,
                                     const struct store_memory_key *keys, size_t count, int64_t now_ms,
                                     struct store_remembered *remembered);
    enum store_status (*memory_apply)(struct store_session *session, const char *message_id,
                                      const struct store_effect *effects, size_t count, int64_t now_ms);
    enum store_status (*memory_sweep)(struct store_session *session, int64_t now_ms, bool *more);
    enum store_status (*rules_add)(struct store_session *session, const struct store_rules_new *rules,
                                   uint64_t *version);
    enum store_status (*rules_record)(struct store_session *session, const struct store_rules_new *rules,
                                      uint64_t *version);
    enum store_status (*rules_get)(struct store_session *session, const char *agency, uint64_t version,
                                   struct store_rules_version *found);
    enum store_status (*rules_list)(struct store_session *session, const char *agency, uint64_t before,
                                    unsigned limit, struct store_rules_list *list);
    enum store_status (*rules_current)(struct store_session *session, struct store_rules_list *list);
    enum store_status (*rules_set_mode)(struct store_session *session,
                                        const struct store_rules_change *change);
    enum store_status (*rules_revision)(struct store_session *session, uint64_t *revision);
};

/* Both are set by store.c once the backend has opened them. */
struct store {
    const struct store_backend *backend;
};

struct store_session {
    const struct store_backend *backend;
    bool in_batch;
    enum store_status broken; /* the batch is, by this; STORE_OK while it is sound */
    enum store_status status; /* of `error` */
    char error[256];          /* what store_session_error answers */
};

bool store_status_is_error(enum store_status status); /* BUSY, FULL, FAILED: what breaks a batch */
/* Notes the sentence, and answers STORE_FAILED. */
enum store_status store_session_refuse(struct store_session *session, const char *reason);

/* Each fills its table. */
void sqlite_backend(struct store_backend *backend);
void mongo_backend(struct store_backend *backend);

/* Ids as text. */
void store_id_format(int64_t id, char text[STORE_ID_SIZE]);
int store_id_parse(const char *text, int64_t *id); /* -1 where it is no id */

#endif
