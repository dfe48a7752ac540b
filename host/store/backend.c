/* From store.h to the backend that a store was opened with: the address's scheme names it. */
#include "store/backend.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- stores and sessions ---- */

static struct store_backend sqlite, mongo;

static void backends_fill(void)
{
    sqlite_backend(&sqlite);
    mongo_backend(&mongo);
}

static const struct store_backend *backend_of(const char *url, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, backends_fill);
    if (strncmp(url, "sqlite:", 7) == 0)
        return &sqlite;
    if (strncmp(url, "mongodb://", 10) == 0 || strncmp(url, "mongodb+srv://", 14) == 0)
        return &mongo;
    error_set(error, ERROR_INVALID, "a store's address is sqlite:PATH or mongodb://HOST:PORT,.../DATABASE");
    return NULL;
}

int store_open(const struct store_options *options, struct store **store, struct error *error)
{
    const struct store_backend *backend = backend_of(options->url, error);
    if (backend == NULL || backend->open(options, store, error) != 0)
        return -1;
    (*store)->backend = backend;
    return 0;
}

void store_close(struct store *store)
{
    if (store != NULL)
        store->backend->close(store);
}

int store_session_open(struct store *store, struct store_session **session, struct error *error)
{
    if (store->backend->session_open(store, session, error) != 0)
        return -1;
    (*session)->backend = store->backend;
    return 0;
}

void store_session_close(struct store_session *session)
{
    if (session != NULL)
        session->backend->session_close(session);
}

const char *store_session_error(const struct store_session *session)
{
    return session->error;
}

enum store_status store_session_refuse(struct store_session *session, const char *reason)
{
    snprintf(session->error, sizeof session->error, "%s", reason);
    return session->status = STORE_FAILED;
}

bool store_status_is_error(enum store_status status)
{
    return status == STORE_BUSY || status == STORE_FULL || status == STORE_FAILED;
}

bool store_batches_are_atomic(const struct store *store)
{
    return store->backend->atomic_batches;
}

bool store_has_clock(const struct store *store)
{
    return store->backend->has_clock;
}

bool store_session_tend_due(const struct store_session *session)
{
    return session->backend->session_tend_due(session);
}

/* ---- calls ---- */

void store_session_tend_later(struct store_session *session)
{
    session->backend->session_tend_later(session);
}

enum store_status store_session_tend(struct store_session *session)
{
    return session->backend->session_tend(session);
}

enum store_status store_batch_begin(struct store_session *session)
{
    return session->backend->batch_begin(session);
}

enum store_status store_batch_commit(struct store_session *session)
{
    return session->backend->batch_commit(session);
}

void store_batch_abort(struct store_session *session)
{
    session->backend->batch_abort(session);
}

enum store_status store_message_accept(struct store_session *session, const struct store_message_new *message,
                                       char id[STORE_ID_SIZE])
{
    return session->backend->message_accept(session, message, id);
}

enum store_status store_message_get(struct store_session *session, const char *id,
                                    struct store_message *message)
{
    return session->backend->message_get(session, id, message);
}

enum store_status store_message_list(struct store_session *session, const struct store_message_filter *filter,
                                     struct store_message_list *list)
{
    return session->backend->message_list(session, filter, list);
}

enum store_status store_message_count(struct store_session *session, int64_t *waiting)
{
    return session->backend->message_count(session, waiting);
}

enum store_status store_lanes_due(struct store_session *session, enum message_track track, int64_t now_ms,
                                  const char *after, unsigned limit, struct store_lanes *lanes)
{
    return session->backend->lanes_due(session, track, now_ms, after, limit, lanes);
}

enum store_status store_message_claim(struct store_session *session, const struct store_claim *claim,
                                      struct store_message_list *list)
{
    return session->backend->message_claim(session, claim, list);
}

enum store_status store_attempt_begin(struct store_session *session, const struct store_attempt *attempt)
{
    return session->backend->attempt_begin(session, attempt);
}

enum store_status store_message_settle(struct store_session *session,
                                       const struct store_settlement *settlement)
{
    return session->backend->message_settle(session, settlement);
}

enum store_status store_report_settle(struct store_session *session,
                                      const struct store_report_settlement *settlement)
{
    return session->backend->report_settle(session, settlement);
}

enum store_status store_message_replay(struct store_session *session, const char *id, const char *event,
                                       int64_t now_ms)
{
    return session->backend->message_replay(session, id, event, now_ms);
}

enum store_status store_message_sweep(struct store_session *session, int64_t now_ms, int64_t most_ahead_ms,
                                      int64_t *moved)
{
    return session->backend->message_sweep(session, now_ms, most_ahead_ms, moved);
}

enum store_status store_installation_put(struct store_session *session,
                                         const struct store_installation *installation, int64_t now_ms)
{
    return session->backend->installation_put(session, installation, now_ms);
}

enum store_status store_installation_get(struct store_session *session, const char *company,
                                         const char *location, struct store_installation *installation)
{
    return session->backend->installation_get(session, company, location, installation);
}

enum store_status store_installation_list(struct store_session *session, const char *company,
                                          struct store_installation_list *list)
{
    return session->backend->installation_list(session, company, list);
}

enum store_status store_installation_expiring(struct store_session *session, int64_t before_ms,
                                              unsigned limit, struct store_installation_list *list)
{
    return session->backend->installation_expiring(session, before_ms, limit, list);
}

enum store_status store_installation_refresh_begin(struct store_session *session, const char *company,
                                                   const char *location, uint64_t version, const char *owner,
                                                   int64_t now_ms, int64_t lease_ms)
{
    return session->backend->installation_refresh_begin(session, company, location, version, owner, now_ms,
                                                        lease_ms);
}

enum store_status store_installation_refreshed(struct store_session *session, const char *company,
                                               const char *location, const char *owner,
                                               const char *access_token, const char *refresh_token,
                                               int64_t expires_ms, const char *scopes, int64_t now_ms)
{
    return session->backend->installation_refreshed(session, company, location, owner, access_token,
                                                    refresh_token, expires_ms, scopes, now_ms);
}

enum store_status store_installation_refresh_failed(struct store_session *session, const char *company,
                                                    const char *location, const char *owner,
                                                    const char *reason, bool invalid, int64_t now_ms)
{
    return session->backend->installation_refresh_failed(session, company, location, owner, reason, invalid,
                                                         now_ms);
}

enum store_status store_installation_set_status(struct store_session *session, const char *company,
                                                const char *location, const char *status, const char *reason,
                                                int64_t now_ms)
{
    return session->backend->installation_set_status(session, company, location, status, reason, now_ms);
}

enum store_status store_installation_reseal(struct store_session *session, const char *company,
                                            const char *location, uint64_t version, const char *access_token,
                                            const char *refresh_token)
{
    return session->backend->installation_reseal(session, company, location, version, access_token,
                                                 refresh_token);
}

enum store_status store_state_put(struct store_session *session, const char *state, const char *data,
                                  int64_t expires_ms)
{
    return session->backend->state_put(session, state, data, expires_ms);
}

enum store_status store_state_take(struct store_session *session, const char *state, int64_t now_ms,
                                   char **data)
{
    return session->backend->state_take(session, state, now_ms, data);
}

enum store_status store_setting_put(struct store_session *session, const char *scope, const char *name,
                                    const char *value, bool sealed, int64_t now_ms)
{
    return session->backend->setting_put(session, scope, name, value, sealed, now_ms);
}

enum store_status store_setting_list(struct store_session *session, const char *scope,
                                     struct store_setting_list *list)
{
    return session->backend->setting_list(session, scope, list);
}

enum store_status store_clock(struct store_session *session, int64_t *now_ms, int64_t *error_ms)
{
    return session->backend->clock(session, now_ms, error_ms);
}

enum store_status store_probe(struct store_session *session, int64_t now_ms)
{
    return session->backend->probe(session, now_ms);
}

enum store_status store_memory_read(struct store_session *session, const char *message_id,
                                    const struct store_memory_key *keys, size_t count, int64_t now_ms,
                                    struct store_remembered *remembered)
{
    return session->backend->memory_read(session, message_id, keys, count, now_ms, remembered);
}

enum store_status store_memory_apply(struct store_session *session, const char *message_id,
                                     const struct store_effect *effects, size_t count, int64_t now_ms)
{
    return session->backend->memory_apply(session, message_id, effects, count, now_ms);
}

enum store_status store_memory_sweep(struct store_session *session, int64_t now_ms, bool *more)
{
    return session->backend->memory_sweep(session, now_ms, more);
}

enum store_status store_rules_add(struct store_session *session, const struct store_rules_new *rules,
                                  uint64_t *version)
{
    return session->backend->rules_add(session, rules, version);
}

enum store_status store_rules_record(struct store_session *session, const struct store_rules_new *rules,
                                     uint64_t *version)
{
    return session->backend->rules_record(session, rules, version);
}

enum store_status store_rules_get(struct store_session *session, const char *agency, uint64_t version,
                                  struct store_rules_version *found)
{
    return session->backend->rules_get(session, agency, version, found);
}

enum store_status store_rules_list(struct store_session *session, const char *agency, uint64_t before,
                                   unsigned limit, struct store_rules_list *list)
{
    return session->backend->rules_list(session, agency, before, limit, list);
}

enum store_status store_rules_current(struct store_session *session, struct store_rules_list *list)
{
    return session->backend->rules_current(session, list);
}

enum store_status store_rules_set_mode(struct store_session *session, const struct store_rules_change *change)
{
    return session->backend->rules_set_mode(session, change);
}

enum store_status store_rules_revision(struct store_session *session, uint64_t *revision)
{
    return session->backend->rules_revision(session, revision);
}
