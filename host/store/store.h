/* The store: what Bascule keeps, and what each call promises. It speaks of messages, installations and
 * settings, and in store_memory.h and store_rules.h of what rules remember and of their versions, not of
 * tables. A backend stands behind it (backend.h), chosen by the address's scheme: SQLite (sqlite*.c) or
 * MongoDB (mongo*.c).
 *
 * A `struct store` is an opened store; a `struct store_session` is one connection to it, used by one thread
 * at a time. Calls block: event loops reach them through store_service.h only. A call is atomic: it happens
 * as a whole or not at all, and when it returns STORE_OK outside a batch its effect is durable (SQLite:
 * fsync; MongoDB: journaled by the majority of the replica set). On MongoDB, where the answer to a write may
 * be lost on its way, a call that returned BUSY may have happened all the same, and what goes beyond one
 * message is done step by step; where that shows, it is written at the call.
 *
 * Any number of processes may open the same store. What one process must not assume of another is written at
 * each call.
 *
 * Strings in results are owned by the result (`_deinit` frees them); strings in arguments are borrowed for
 * the call. Times are wall clock milliseconds; the caller passes `now_ms`, so that one clock decides. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum store_status {
    STORE_OK = 0,
    STORE_NOT_FOUND,
    STORE_DUPLICATE, /* it is there already: the answer of a deduplication, not an error */
    STORE_CONFLICT,  /* somebody else holds the lease, or the version moved on */
    STORE_REFUSED, /* a condition of an effect on memory does not hold (store_memory.h): ask the rule again */
    STORE_BUSY,    /* locked past the busy timeout: try again */
    STORE_FULL,    /* disk full or quota: try again later; nothing was lost */
    STORE_FAILED,  /* damaged file, bug, wrong version: a person must look */
};

struct store;
struct store_session;

struct store_options {
    /* "sqlite:PATH" or "sqlite::memory:" (one session only; for tests and the simulator), or
     * "mongodb://HOST:PORT,.../DATABASE?OPTIONS". MongoDB's options that bound a call's time and the number
     * of connections may stand there: serverSelectionTimeoutMS (else busy_timeout_ms), connectTimeoutMS
     * (5000), socketTimeoutMS (10000), wtimeoutMS (5000), waitQueueTimeoutMS (busy_timeout_ms), maxPoolSize
     * (100, one for each session). What they say of durability and read preference does not count. */
    const char *url;
    unsigned busy_timeout_ms;
};

/* Opens, creates and migrates; versions only go up. SQLite: each migration in one transaction; a file of a
 * newer version than this program knows is refused; missing folders are made (mode 0700; the file 0600).
 * MongoDB: indexes are made and checked; a newer version is refused where it says that programs as old as
 * this one would get something wrong. */
int store_open(const struct store_options *options, struct store **store, struct error *error);
void store_close(struct store *store); /* after all sessions */

int store_session_open(struct store *store, struct store_session **session, struct error *error);
void store_session_close(struct store_session *session);
/* A sentence about the last call that failed; no secrets. */
const char *store_session_error(const struct store_session *session);

/* Housekeeping (SQLite: moving the log into the file) happens on the way of a commit now and then, and takes
 * as long as hundreds of commits. A session that was told to leave it for later commits without; somebody
 * must then call store_session_tend when it is due, on any session of the store, after a commit. Calling it
 * sooner does nothing. */
void store_session_tend_later(struct store_session *session);
bool store_session_tend_due(const struct store_session *session);
enum store_status store_session_tend(struct store_session *session);

/* Where batches are atomic (SQLite), what is called between store_batch_begin and store_batch_commit is
 * durable once the commit returns STORE_OK, and none of it happened when it does not; one batch at a time,
 * others wait for it. Where they are not (MongoDB), each call of a batch is durable, and seen by others, when
 * it returns, and nothing takes it back: a batch gains nothing there, and several sessions at once do
 * (store_service.h).
 *
 * A batch in which a call ended in BUSY, FULL or FAILED is broken: its later calls do nothing and answer that
 * status, and so does its commit, which has rolled everything back where batches are atomic. The answers
 * NOT_FOUND, DUPLICATE, CONFLICT and REFUSED break nothing. */
bool store_batches_are_atomic(const struct store *store);
enum store_status store_batch_begin(struct store_session *session);
enum store_status store_batch_commit(struct store_session *session);
void store_batch_abort(struct store_session *session);

/* ---- messages ---- */

/* A message's id as text, with its NUL: "m" and 13 characters of Crockford's base 32. */
#define STORE_ID_SIZE 20

enum message_direction { MESSAGE_OUTBOUND, MESSAGE_INBOUND };

enum message_state {
    MESSAGE_QUEUED,      /* waits for its turn, or for its next attempt */
    MESSAGE_SENDING,     /* an attempt was begun and has not been settled */
    MESSAGE_DEFERRED,    /* a rule wants it sent later */
    MESSAGE_SENT,        /* the provider accepted it */
    MESSAGE_DELIVERED,   /* final */
    MESSAGE_UNDELIVERED, /* final */
    MESSAGE_REJECTED,    /* a rule refused it, with a reason; an operator may replay it */
    MESSAGE_DEAD,        /* attempts used up or refused for good; an operator may replay it */
};
const char *message_state_name(enum message_state state); /* "queued", ... */
int message_state_parse(const char *name, enum message_state *state);

/* A message has two tracks of work, each with a due time and a lease of its own, so that a GHL that is away
 * does not hold up sending, and the reverse. Claiming moves the due time to the lease's end: work that is
 * never settled comes back by itself. */
enum message_track {
    TRACK_DELIVERY, /* send it; once it is sent, ask the provider for its receipt */
    TRACK_REPORT,   /* tell GHL the newest status */
};

struct store_event {
    int64_t at_ms;
    char *kind; /* "received", "rule", "attempt_begun", "attempt", "receipt", "report", "dead", "replayed",
                   ... */
    char *data; /* a JSON object, or NULL */
};

struct store_message {
    char id[STORE_ID_SIZE];
    enum message_direction direction;
    enum message_state state;
    char *location, *company; /* company may be NULL */
    char *external_id;        /* GHL's messageId */
    char *conversation;       /* what order is kept within: the contact, or the conversation's id */
    char *payload;            /* the body as received, byte for byte; NUL terminated beside that */
    size_t payload_length;
    char
        *received; /* JSON object of how it came (request id, key, generation); the "received" event's data */
    char *reason;  /* of the present state, for a person; may be NULL */
    char *provider, *provider_message_id; /* once an attempt was made / accepted; may be NULL */
    char *sent; /* JSON object of what was handed to the provider, after the rule; may be NULL */
    int64_t created_ms, updated_ms;
    int64_t due_ms;    /* of TRACK_DELIVERY; 0: nothing due, or it waits behind another of its conversation */
    int64_t ready_ms;  /* since when it may be sent: accepted, replayed, or the end of its newest deferral
                          (due_ms of the settlement to MESSAGE_DEFERRED); its age is counted from here */
    unsigned attempts; /* begun since the message was accepted or replayed */
    unsigned polls;    /* receipts asked for */
    unsigned epoch; /* replays whose last outcome was known: a part of the idempotency key, so that a replay
                       is not answered from the provider's cache, while an unknown outcome still is */
    bool outcome_unknown; /* the newest attempt's, if it has ended */
    int64_t accepted_ms;  /* when the provider accepted it, or 0 */
    int64_t report_due_ms;
    char *report_status; /* "pending", "delivered", "failed", or NULL: newest status that GHL should hear */
    char *report_error;  /* JSON object {code,type,message} for "failed"; may be NULL */
    unsigned report_attempts;
    uint64_t lease;     /* of the track claimed: settle calls must name it. 0 where the row was merely read */
    bool lease_expired; /* the claim took the track over from a lease that was not settled */
    struct store_event *events; /* only by store_message_get, oldest first; MongoDB keeps the newest 1,000 */
    size_t event_count;
};
void store_message_deinit(struct store_message *message);

struct store_message_new {
    enum message_direction direction;
    const char *location, *company, *external_id, *conversation;
    struct slice payload;
    const char *received; /* JSON object */
    int64_t now_ms;
};

/* Commits a message, state queued, due at once. OK fills `id` with the new id, DUPLICATE with the id of the
 * message that is there already under the same (direction, location, external_id).
 *
 * Ids grow in the order of the commits; on MongoDB they do so for what one process accepts, while those of
 * several processes follow their clocks, and two messages that two replicas accept within what those differ
 * by (store_clock's error, milliseconds) may stand the other way round. No message that is accepted with a
 * `now_ms` of T or later has a lower id than the first of T. */
enum store_status store_message_accept(struct store_session *session, const struct store_message_new *message,
                                       char id[STORE_ID_SIZE]);

/* NOT_FOUND for an unknown or malformed id. With its events, "received" first. */
enum store_status store_message_get(struct store_session *session, const char *id,
                                    struct store_message *message);

struct store_message_filter {
    int state;            /* enum message_state, or -1 */
    const char *location; /* or NULL */
    const char *query;    /* an external id or Bascule's id, or text within the payload or `sent`; or NULL */
    const char *cursor;   /* `next` of the page before, or NULL */
    unsigned limit;       /* 1..500 */
    int64_t since_ms;     /* accepted then or later; 0: whenever. Older ones are not even looked at */
    int64_t until_ms;     /* accepted before; 0: whenever */
};
struct store_message_list {
    struct store_message *items; /* newest first */
    size_t count;
    char next[STORE_ID_SIZE]; /* "" at the end */
};
/* Where `query` is the id or the external id of messages that pass the other filters, those alone; else what
 * holds it as text, letters of ASCII in either case. One call looks at STORE_LIST_EXAMINED_MOST messages at
 * most: a page may come back with fewer than `limit` items, or none, and a `next` to go on with. With a
 * location it looks only at what came within minutes of one of that location's, or less. NOT_FOUND for a
 * malformed cursor. Without events. */
#define STORE_LIST_EXAMINED_MOST 5000
enum store_status store_message_list(struct store_session *session, const struct store_message_filter *filter,
                                     struct store_message_list *list);
void store_message_list_deinit(struct store_message_list *list);

/* How many messages wait (queued, sending, deferred); the cost grows with their number: call it now and then.
 */
enum store_status store_message_count(struct store_session *session, int64_t *waiting);

struct store_lanes {
    char **locations;
    size_t count;
};
/* Locations that have work due on `track`, in order, after `after` (NULL: from the start), at most `limit`.
 * The cost grows with the number of locations that have work, due or not yet, and not with that of messages.
 */
enum store_status store_lanes_due(struct store_session *session, enum message_track track, int64_t now_ms,
                                  const char *after, unsigned limit, struct store_lanes *lanes);
void store_lanes_deinit(struct store_lanes *lanes);

/* Claims up to `limit` due messages of a location, oldest due first, under a lease of `lease_ms`. Two
 * claimers never get the same work while a lease runs. The cost grows with `limit`, not with what waits.
 *
 * On TRACK_DELIVERY a message that is to be sent is left alone while an older message of its conversation (of
 * the same direction) is queued or sending, or deferred and due: order is kept within a conversation; a
 * deferral by rule holds nothing up. It loses its due time and becomes due again when the older one no longer
 * stands in its way (MongoDB: within a minute, where the process that settled the older one died of it).
 *
 * Work whose lease ran out comes back with lease_expired; a message whose state is SENDING also with
 * outcome_unknown: what became of its attempt nobody knows. `owner` names one run of one process: it never
 * gets back what it holds itself, so that a clock that jumps cannot make it send twice. */
struct store_claim {
    enum message_track track;
    const char *location;
    const char *owner;
    unsigned limit;
    int64_t now_ms;
    int64_t lease_ms;
};
enum store_status store_message_claim(struct store_session *session, const struct store_claim *claim,
                                      struct store_message_list *list);

/* Records, before anything is sent, that an attempt begins: state SENDING, attempts + 1, outcome not unknown,
 * no reason, `sent`, provider, and an "attempt_begun" event {attempt, provider, part, of}. CONFLICT where the
 * lease is not the caller's any more, or the message is not one to be sent: nothing may be sent then. Of a
 * lease of `lease_ms` at least seven eighths are left afterwards: it is renewed where more has passed since
 * the claim, so that no other process takes the message over during the call.
 *
 * The rule's effects on memory happen with it, as by store_memory_apply for this message: all of them and the
 * attempt, or, where one of their conditions does not hold, nothing and REFUSED. On MongoDB they happen just
 * before it: where the process dies in between, or another one takes the message over, they stand without the
 * attempt until the message's next ones take their place. */
struct store_effect;
struct store_attempt {
    const char *id;
    uint64_t lease;
    const char *provider;
    const char *sent;     /* JSON object */
    const char *event;    /* JSON object of the "rule" event that goes before it, or NULL */
    unsigned part, parts; /* which of how many sends of a message in several parts; 0: it is one send */
    int64_t now_ms;
    int64_t lease_ms; /* 0: the lease stays as it is */
    const struct store_effect *effects;
    size_t effect_count;
};
enum store_status store_attempt_begin(struct store_session *session, const struct store_attempt *attempt);

/* Ends a claim of TRACK_DELIVERY: new state (any but SENDING), next due time, events. Fields that are NULL
 * stay as they are, but `reason`, which is always set. Setting report_status to another value than the
 * present one sets report_error with it and makes TRACK_REPORT due (`report_delay_ms` later), or, while a
 * report is being made, due once that has ended. A message in a final state (delivered, undelivered) stays
 * there whatever is asked. CONFLICT where the lease is not the caller's any more; nothing is changed then. A
 * lease that ran out and that nobody took over still is the caller's. */
struct store_settlement {
    const char *id;
    uint64_t lease;
    enum message_state state;
    const char *reason;
    int64_t
        due_ms; /* queued, deferred: 0 is at once. Sent: of the receipt, 0 for none. Else nothing is due */
    bool outcome_unknown;
    bool accepted;  /* sets accepted_ms to now */
    bool polled;    /* counts a poll */
    bool uncounted; /* takes back the attempt that was begun, if one was: it never left the house */
    const char *provider_message_id;
    const char *sent; /* JSON object: what of a message in several parts has been handed over */
    const char *report_status, *report_error;
    int64_t report_delay_ms;
    const struct store_event *events;
    size_t event_count;
    int64_t now_ms;
};
enum store_status store_message_settle(struct store_session *session,
                                       const struct store_settlement *settlement);

/* Ends a claim of TRACK_REPORT. When the newest status changed meanwhile, the track stays due whatever
 * `due_ms` says. */
struct store_report_settlement {
    const char *id;
    uint64_t lease;
    const char *reported; /* the status that GHL took, or NULL: not yet */
    int64_t due_ms;       /* next try; 0: none (done, or given up) */
    bool uncounted;       /* the try was none (a gate was closed, a token is missing): report_attempts stays;
                             else it grows by one. It begins anew with every new status. */
    const struct store_event *event; /* or NULL */
    int64_t now_ms;
};
enum store_status store_report_settle(struct store_session *session,
                                      const struct store_report_settlement *settlement);

/* A dead or rejected message is queued again, attempts 0, with a "replayed" event whose data is `event` (JSON
 * object or NULL). CONFLICT in any other state. */
enum store_status store_message_replay(struct store_session *session, const char *id, const char *event,
                                       int64_t now_ms);

/* Makes good what a stepped clock left behind: work that was never begun (queued without attempts, a status
 * that was never reported) and whose due time lies further ahead than `most_ahead_ms` becomes due; leases
 * that end further ahead than that, those of refreshes too, end now. Returns in `moved` how many. The cost
 * grows with what waits. */
enum store_status store_message_sweep(struct store_session *session, int64_t now_ms, int64_t most_ahead_ms,
                                      int64_t *moved);

/* ---- installations ---- */

/* An installation is a company ("" location) or a location of a company. Tokens come sealed from the caller.
 */
struct store_installation {
    char *company;                      /* may be "" where a location's company is not known */
    char *location;                     /* "" for the company's own */
    char *account;                      /* who asked for it (O4), or NULL */
    char *status;                       /* "connected", "invalid" (reconnect), "removed" */
    char *reason;                       /* of a status that is not "connected" */
    char *access_token, *refresh_token; /* sealed; refresh_token may be NULL: minted from the company's */
    int64_t expires_ms;
    char *scopes, *user_id, *user_type; /* user_type: "Company" or "Location" */
    char *details; /* JSON object: further fields of the token answer that are no secrets; or NULL */
    int64_t created_ms, updated_ms, refreshed_ms;
    uint64_t version; /* grows with every change of the tokens */
};
void store_installation_deinit(struct store_installation *installation);

struct store_installation_list {
    struct store_installation *items;
    size_t count;
};
void store_installation_list_deinit(struct store_installation_list *list);

/* Adds or replaces, whole, by (company, location); ends a refresh lease; version + 1; created_ms is kept,
 * updated_ms is now. A location that was stored with company "" is taken over by its first record with a
 * company, and a record with company "" for a location whose company is known goes to that company. A NULL
 * status is "connected". */
enum store_status store_installation_put(struct store_session *session,
                                         const struct store_installation *installation, int64_t now_ms);
/* By location alone when `company` is NULL (of several, the one that changed last); by company alone with
 * location
 * "". */
enum store_status store_installation_get(struct store_session *session, const char *company,
                                         const char *location, struct store_installation *installation);
/* All, or those of a company (company not NULL), by company and location. */
enum store_status store_installation_list(struct store_session *session, const char *company,
                                          struct store_installation_list *list);
/* Connected ones with a refresh token of their own whose access token ends before `before_ms`, soonest first.
 */
enum store_status store_installation_expiring(struct store_session *session, int64_t before_ms,
                                              unsigned limit, struct store_installation_list *list);

/* The lease that makes a refresh single flight over processes. OK: the caller, and nobody else, may refresh
 * now, and must end by store_installation_refreshed or _refresh_failed with the same `owner`, which names one
 * run of one process. CONFLICT: the version is no longer `version` (read again: somebody has refreshed), or
 * the lease is held, be it by the same owner (wait, then read again). NOT_FOUND here and below: there is no
 * such installation. */
enum store_status store_installation_refresh_begin(struct store_session *session, const char *company,
                                                   const char *location, uint64_t version, const char *owner,
                                                   int64_t now_ms, int64_t lease_ms);
/* Stores the new pair durably, status "connected" (but "removed" stays), version + 1, lease ended. A NULL
 * refresh_token or `scopes` keeps the old one. CONFLICT where the lease went to another, or a put ended it:
 * nothing is changed. */
enum store_status store_installation_refreshed(struct store_session *session, const char *company,
                                               const char *location, const char *owner,
                                               const char *access_token, const char *refresh_token,
                                               int64_t expires_ms, const char *scopes, int64_t now_ms);
/* Ends the lease; the stored pair is never touched. `invalid` turns the status to "invalid" with the reason,
 * unless it is "removed". CONFLICT where the lease went to another. */
enum store_status store_installation_refresh_failed(struct store_session *session, const char *company,
                                                    const char *location, const char *owner,
                                                    const char *reason, bool invalid, int64_t now_ms);
/* Changes the status only (for UNINSTALL: "removed"). */
enum store_status store_installation_set_status(struct store_session *session, const char *company,
                                                const char *location, const char *status, const char *reason,
                                                int64_t now_ms);
/* Replaces sealed texts by others of the same secrets, for key rotation; NULL keeps one. CONFLICT when the
 * version moved on. Version stays. */
enum store_status store_installation_reseal(struct store_session *session, const char *company,
                                            const char *location, uint64_t version, const char *access_token,
                                            const char *refresh_token);

/* ---- one-time states, settings ---- */

/* A one-time state (OAuth): kept until `expires_ms`, taken once. DUPLICATE where it is there already. */
enum store_status store_state_put(struct store_session *session, const char *state, const char *data,
                                  int64_t expires_ms);
/* Takes it: the first caller gets its data (caller frees), any later one NOT_FOUND; so for one that is past
 * its time. Also forgets what has expired. */
enum store_status store_state_take(struct store_session *session, const char *state, int64_t now_ms,
                                   char **data);

/* Settings of a scope ("location:<id>"): a name and a text value, sealed by the caller where it is a secret.
 */
struct store_setting {
    char *scope, *name, *value;
    bool sealed;
    int64_t updated_ms;
};
struct store_setting_list {
    struct store_setting *items;
    size_t count;
};
void store_setting_list_deinit(struct store_setting_list *list);
/* Adds or replaces. A NULL value removes it, and it is no error where there is none. */
enum store_status store_setting_put(struct store_session *session, const char *scope, const char *name,
                                    const char *value, bool sealed, int64_t now_ms);
/* All of one scope, or of all scopes where `scope` is NULL; by scope and name. */
enum store_status store_setting_list(struct store_session *session, const char *scope,
                                     struct store_setting_list *list);

/* The clock that all who use the store share, where it has one (MongoDB: its primary's): what it shows now,
 * give or take `error_ms`. A process with such a store sets its own after it (clock_follow), at its start and
 * now and then, so that times and leases mean the same to replicas whose machines' clocks differ. NOT_FOUND:
 * this machine's own clock counts (SQLite). */
bool store_has_clock(const struct store *store);
enum store_status store_clock(struct store_session *session, int64_t *now_ms, int64_t *error_ms);

/* Answers whether the store can commit now (a write as large as a long message), for /readyz and `bascule
 * check`. */
enum store_status store_probe(struct store_session *session, int64_t now_ms);

#endif
