/* The queue at work: real threads, SQLite in a temporary folder, and a bascule.delivery of the test's own,
 * which does what a message's payload tells it to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>
#include <lauxlib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/random.h"
#include "queue/queue.h"
#include "store/store_memory.h"

#define PATIENCE_MS 20000

/* ---- what the test's Lua tells us ---- */

#define NOTES_MOST 4096
static pthread_mutex_t notes_mutex = PTHREAD_MUTEX_INITIALIZER;
static char *notes[NOTES_MOST];
static size_t note_count;

static int note(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    pthread_mutex_lock(&notes_mutex);
    lua_Integer before = 0;
    for (size_t i = 0; i < note_count; i++)
        before += strcmp(notes[i], text) == 0;
    if (note_count < NOTES_MOST)
        notes[note_count++] = text_duplicate(text);
    pthread_mutex_unlock(&notes_mutex);
    lua_pushinteger(L, before);
    return 1;
}

static size_t notes_of(const char *text)
{
    size_t count = 0;
    pthread_mutex_lock(&notes_mutex);
    for (size_t i = 0; i < note_count; i++)
        count += strcmp(notes[i], text) == 0;
    pthread_mutex_unlock(&notes_mutex);
    return count;
}

static int open_test(lua_State *L)
{
    static const luaL_Reg functions[] = {{"note", note}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

/* `note` returns how often the same was noted before: a counter over all states. */
static const char delivery_lua[] =
    "local gate = require 'host.gate'\n"
    "local json = require 'host.json'\n"
    "local store = require 'host.store'\n"
    "local test = require 'host.test'\n"
    "local time = require 'host.time'\n"
    "local delivery = {}\n"
    "function delivery.send(message)\n"
    "  local order = json.decode(message.payload)\n"
    "  local before = test.note('send ' .. message.external_id)\n"
    "  if order.gate then\n"
    "    local open, wait_ms = gate.enter 'test'\n"
    "    if not open then return { outcome = 'busy', wait_ms = wait_ms, reason = 'the gate' } end\n"
    "  end\n"
    "  if order.fault == 'before' and before == 0 then error 'boom before' end\n"
    "  local ok = store.attempt_begin { id = message.id, lease = message.lease, provider = 'test', sent = { "
    "to = 'x' } }\n"
    "  if not ok then return nil end\n"
    "  if order.sleep_ms then time.sleep(order.sleep_ms) end\n"
    "  if order.gate then gate.leave('test', before == 0 and 'paused' or 'answered', 150) end\n"
    "  if order.fault == 'after' and before == 0 then error 'boom after' end\n"
    "  local outcome = order.outcomes and order.outcomes[before + 1] or order.always or 'accepted'\n"
    "  if outcome == 'accepted' then\n"
    "    return { outcome = 'accepted', provider = 'test', provider_message_id = 'p1', receipt = "
    "order.receipt }\n"
    "  elseif outcome == 'unknown' then\n"
    "    return { outcome = 'unknown', provider = 'test', idempotent = order.idempotent }\n"
    "  elseif outcome == 'nonsense' then\n"
    "    return { outcome = 'nonsense' }\n"
    "  end\n"
    "  return { outcome = 'refused', kind = outcome, provider = 'test', reason = 'told to' }\n"
    "end\n"
    "function delivery.receipt(message)\n"
    "  return { receipt = message.polls > 0 and 'delivered' or 'pending' }\n"
    "end\n"
    "function delivery.report(message)\n"
    "  test.note('report ' .. message.report_status .. ' ' .. message.external_id)\n"
    "  return { outcome = 'reported' }\n"
    "end\n"
    "return delivery\n";

/* ---- the world around a queue ---- */

struct world {
    char folder[64];
    struct config *config;
    struct store *store;
    struct store_session *session; /* the test's own */
    struct store_service *service;
    struct timers *timers;
    struct script_module modules[4];
    struct script_host host;
    struct queue_options options;
    struct queue *queue;
};

static const struct gates_options gates = {
    .failures_to_open = 3, .open_ms = 100, .open_most_ms = 1000, .most_gates = 100};

static void write_file(const struct world *world, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", world->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void write_scripts(const struct world *world)
{
    char path[160];
    snprintf(path, sizeof path, "%s/lua", world->folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/lua/bascule", world->folder);
    mkdir(path, 0700);
    write_file(world, "lua/bascule/delivery.lua", delivery_lua);
    write_file(world, "lua/bascule/maintenance.lua",
               "return { run = function() require('host.test').note 'maintenance' end }\n");
    write_file(world, "lua/bascule/server.lua",
               "return { handle = function() return { status = 404 } end }\n");
}

static void load_scripts(struct world *world)
{
    struct error error;
    char lua_path[160], agencies_path[160];
    snprintf(lua_path, sizeof lua_path, "%s/lua", world->folder);
    snprintf(agencies_path, sizeof agencies_path, "%s/agencies", world->folder);
    struct generations_options options = {.lua_path = lua_path,
                                          .agencies_path = agencies_path,
                                          .entry = "bascule.server",
                                          .kept = 2,
                                          .host = &world->host};
    world->host.generations = generations_new(&options, &error);
    if (world->host.generations == NULL)
        fail_msg("%s", error.message);
}

static void open_store(struct world *world)
{
    struct error error;
    char url[160];
    snprintf(url, sizeof url, "sqlite:%s/queue.db", world->folder);
    struct store_options options = {.url = url, .busy_timeout_ms = 2000};
    if (store_open(&options, &world->store, &error) != 0 ||
        store_session_open(world->store, &world->session, &error) != 0)
        fail_msg("%s", error.message);
    world->service = store_service_start(world->store, 1, 1, &error);
    assert_non_null(world->service);
}

static int set_up(void **state)
{
    struct world *world = memory_allocate(sizeof *world);
    struct buffer faults = {0};
    char *const environment[] = {NULL};
    strcpy(world->folder, "/tmp/test_queue_XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world->config = config_read(environment, &faults);
    buffer_deinit(&faults);
    open_store(world);
    world->timers = timers_start();
    for (size_t i = 0; i < 2; i++)
        world->modules[i] = queue_modules[i];
    world->modules[2] = (struct script_module){"host.test", open_test};
    world->host = (struct script_host){.config = world->config,
                                       .store = world->service,
                                       .timers = world->timers,
                                       .modules = world->modules,
                                       .version = "test",
                                       .process_id = "this-process"};
    write_scripts(world);
    load_scripts(world);
    world->options = (struct queue_options){.workers = 2,
                                            .in_flight = 64,
                                            .attempts = 3,
                                            .retry_base_ms = 20,
                                            .retry_most_ms = 100,
                                            .most_age_ms = 3600000,
                                            .lease_ms = 60000,
                                            .receipt_poll_ms = 20,
                                            .receipt_most_ms = 60000,
                                            .waiting_limit = 1000};
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    char command[128];
    queue_stop(world->queue, PATIENCE_MS);
    store_service_stop(world->service);
    timers_stop(world->timers);
    generations_free(world->host.generations);
    store_session_close(world->session);
    store_close(world->store);
    config_free(world->config);
    snprintf(command, sizeof command, "rm -rf %s", world->folder);
    assert_int_equal(system(command), 0);
    free(world);
    for (size_t i = 0; i < note_count; i++)
        free(notes[i]);
    note_count = 0;
    return 0;
}

static void start(struct world *world)
{
    struct error error;
    world->queue = queue_start(&world->host, &world->options, &gates, &error);
    if (world->queue == NULL)
        fail_msg("%s", error.message);
}

static void stop(struct world *world, int64_t deadline_ms)
{
    queue_stop(world->queue, deadline_ms);
    world->queue = NULL;
}

struct accepted {
    char id[STORE_ID_SIZE];
};

static struct accepted accept_in(struct world *world, const char *location, const char *conversation,
                                 const char *external_id, const char *payload)
{
    struct accepted accepted;
    struct store_message_new message = {.direction = MESSAGE_OUTBOUND,
                                        .location = location,
                                        .external_id = external_id,
                                        .conversation = conversation,
                                        .payload = slice_from(payload),
                                        .received = "{}",
                                        .now_ms = clock_wall_ms()};
    assert_int_equal(store_message_accept(world->session, &message, accepted.id), STORE_OK);
    if (world->queue != NULL)
        queue_wake(world->queue, location);
    return accepted;
}

static struct accepted accept_one(struct world *world, const char *external_id, const char *payload)
{
    return accept_in(world, "location1", external_id, external_id, payload);
}

static struct store_message get(struct world *world, struct accepted accepted)
{
    struct store_message message;
    assert_int_equal(store_message_get(world->session, accepted.id, &message), STORE_OK);
    return message;
}

/* Waits for the state; the caller ends the message. */
static struct store_message wait_for(struct world *world, struct accepted accepted, enum message_state state)
{
    for (int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;;) {
        struct store_message message = get(world, accepted);
        if (message.state == state)
            return message;
        if (clock_monotonic_ms() > until_ms)
            fail_msg("%s is %s (%s), not %s", message.external_id, message_state_name(message.state),
                     message.reason != NULL ? message.reason : "no reason", message_state_name(state));
        store_message_deinit(&message);
        usleep(2000);
    }
}

static void reach(struct world *world, struct accepted accepted, enum message_state state)
{
    struct store_message message = wait_for(world, accepted, state);
    store_message_deinit(&message);
}

static void wait_for_note(const char *text)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (notes_of(text) == 0) {
        if (clock_monotonic_ms() > until_ms)
            fail_msg("nothing noted '%s'", text);
        usleep(2000);
    }
}

/* "attempt:unknown attempt_begun ..." of the events, "received" left out. */
static char *kinds_of(const struct store_message *message)
{
    struct buffer kinds = {0};
    buffer_append_text(&kinds, "");
    for (size_t i = 1; i < message->event_count; i++) {
        json_t *data = message->events[i].data != NULL ? json_loads(message->events[i].data, 0, NULL) : NULL;
        const char *outcome = json_string_value(json_object_get(data, "outcome"));
        buffer_append_format(&kinds, "%s%s", i > 1 ? " " : "", message->events[i].kind);
        if (outcome != NULL && strcmp(message->events[i].kind, "attempt") == 0)
            buffer_append_format(&kinds, ":%s", outcome);
        json_decref(data);
    }
    return kinds.data;
}

static void assert_kinds(const struct store_message *message, const char *expected)
{
    char *kinds = kinds_of(message);
    assert_string_equal(kinds, expected);
    free(kinds);
}

/* ---- tests ---- */

static void test_a_message_is_sent_receipted_and_reported(void **state)
{
    struct world *world = *state;
    start(world);
    struct accepted accepted = accept_one(world, "one", "{\"receipt\":true}");
    struct store_message message = wait_for(world, accepted, MESSAGE_DELIVERED);
    assert_int_equal(message.attempts, 1);
    assert_int_equal(message.polls, 2);
    assert_string_equal(message.provider_message_id, "p1");
    store_message_deinit(&message);
    wait_for_note("report delivered one");
    stop(world, PATIENCE_MS);
    message = get(world, accepted);
    char *kinds = kinds_of(&message);
    assert_non_null(strstr(kinds, "attempt_begun attempt:accepted"));
    assert_non_null(strstr(kinds, "receipt"));
    assert_non_null(strstr(kinds, "report"));
    free(kinds);
    store_message_deinit(&message);
}

static void test_maintenance_is_run_at_the_start(void **state)
{
    struct world *world = *state;
    start(world);
    wait_for_note("maintenance");
}

/* As many messages counted as take several parts to forget. */
static void remember_what_is_over(struct world *world, const struct store_memory_key *entry)
{
    struct store_effect effect = {
        .entry = *entry, .op = EFFECT_ADD, .by = 1, .most = STORE_EFFECT_NO_LIMIT, .expires_ms = 1};
    assert_int_equal(store_batch_begin(world->session), STORE_OK);
    for (int i = 0; i < 5500; i++) {
        char message_id[16];
        snprintf(message_id, sizeof message_id, "m%d", i);
        assert_int_equal(store_memory_apply(world->session, message_id, &effect, 1, 0), STORE_OK);
    }
    assert_int_equal(store_batch_commit(world->session), STORE_OK);
}

static void test_memory_that_is_over_is_forgotten(void **state)
{
    struct world *world = *state;
    static const struct store_memory_key entry = {"loc", "today", "location"};
    struct store_remembered remembered = {.count = 1};
    remember_what_is_over(world, &entry);
    start(world);
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (remembered.count > 0) {
        assert_int_equal(store_memory_read(world->session, NULL, &entry, 1, 0, &remembered), STORE_OK);
        assert_true(clock_monotonic_ms() < until_ms);
        usleep(2000);
    }
}

static void test_order_is_kept_within_a_conversation(void **state)
{
    struct world *world = *state;
    struct accepted last;
    char external_id[16], payload[64];
    start(world);
    for (int i = 0; i < 12; i++) {
        snprintf(external_id, sizeof external_id, "%02d", i);
        snprintf(payload, sizeof payload, "{\"sleep_ms\":%d%s}", (11 - i) % 4 * 10,
                 i == 3 ? ",\"outcomes\":[\"retryable\"]" : "");
        last = accept_in(world, "location1", "conversation", external_id, payload);
    }
    reach(world, last, MESSAGE_SENT);
    stop(world, PATIENCE_MS);
    const char *before = "";
    for (size_t i = 0; i < note_count; i++) {
        if (strncmp(notes[i], "send", 4) != 0)
            continue;
        assert_true(strcmp(notes[i], before) >= 0);
        before = notes[i];
    }
    assert_int_equal(notes_of("send 03"), 2);
    assert_int_equal(notes_of("send 11"), 1);
}

static void test_a_slow_location_does_not_hold_up_another(void **state)
{
    struct world *world = *state;
    char external_id[16];
    struct accepted slow[40];
    world->options.in_flight = 16;
    start(world);
    for (int i = 0; i < 40; i++) {
        snprintf(external_id, sizeof external_id, "slow%d", i);
        slow[i] = accept_in(world, "slow", external_id, external_id, "{\"sleep_ms\":400}");
    }
    usleep(100000);
    int64_t began_ms = clock_monotonic_ms();
    struct accepted quick = accept_in(world, "quick", "quick", "quick", "{}");
    reach(world, quick, MESSAGE_SENT);
    struct store_message last = get(world, slow[39]);
    assert_int_equal(last.state, MESSAGE_QUEUED);
    store_message_deinit(&last);
    assert_true(clock_monotonic_ms() - began_ms < 2000);
}

static void test_a_refused_message_is_tried_again(void **state)
{
    struct world *world = *state;
    start(world);
    struct accepted accepted = accept_one(world, "one", "{\"outcomes\":[\"retryable\",\"rate_limited\"]}");
    struct store_message message = wait_for(world, accepted, MESSAGE_SENT);
    assert_int_equal(message.attempts, 3);
    char *kinds = kinds_of(&message);
    assert_non_null(
        strstr(kinds, "attempt:refused attempt_begun attempt:refused attempt_begun attempt:accepted"));
    free(kinds);
    store_message_deinit(&message);
}

static void test_attempts_used_up_is_dead_and_a_replay_sends_it(void **state)
{
    struct world *world = *state;
    start(world);
    struct accepted accepted =
        accept_one(world, "one", "{\"outcomes\":[\"retryable\",\"retryable\",\"retryable\"]}");
    struct store_message message = wait_for(world, accepted, MESSAGE_DEAD);
    assert_int_equal(message.attempts, 3);
    assert_string_equal(message.reason, "gave up after attempt 3: told to");
    store_message_deinit(&message);
    wait_for_note("report failed one");
    assert_int_equal(store_message_replay(world->session, accepted.id, NULL, clock_wall_ms()), STORE_OK);
    message = wait_for(world, accepted, MESSAGE_SENT); /* found by the scan: nobody woke the lane */
    assert_int_equal(message.attempts, 1);
    store_message_deinit(&message);
}

static void test_an_unknown_outcome_is_sent_again_only_where_it_is_safe(void **state)
{
    struct world *world = *state;
    start(world);
    struct accepted safe = accept_one(world, "safe", "{\"outcomes\":[\"unknown\"],\"idempotent\":true}");
    struct accepted unsafe = accept_one(world, "unsafe", "{\"outcomes\":[\"unknown\"]}");
    reach(world, safe, MESSAGE_SENT);
    struct store_message message = wait_for(world, unsafe, MESSAGE_DEAD);
    assert_true(message.outcome_unknown);
    assert_int_equal(notes_of("send unsafe"), 1);
    store_message_deinit(&message);
}

/* Another process claims the one message of a location and begins its attempt; returns the lease. */
static uint64_t begin_elsewhere(struct world *world, const char *location, int64_t lease_ms)
{
    struct store_message_list list = {0};
    struct store_claim claim = {.track = TRACK_DELIVERY,
                                .location = location,
                                .owner = "another-process",
                                .limit = 1,
                                .now_ms = clock_wall_ms(),
                                .lease_ms = lease_ms};
    assert_int_equal(store_message_claim(world->session, &claim, &list), STORE_OK);
    assert_int_equal(list.count, 1);
    uint64_t lease = list.items[0].lease;
    struct store_attempt attempt = {
        .id = list.items[0].id, .lease = lease, .provider = "test", .sent = "{}", .now_ms = clock_wall_ms()};
    assert_int_equal(store_attempt_begin(world->session, &attempt), STORE_OK);
    store_message_list_deinit(&list);
    return lease;
}

static void test_what_a_dead_process_was_sending_is_taken_over_as_unknown(void **state)
{
    struct world *world = *state;
    struct accepted accepted = accept_one(world, "one", "{}");
    begin_elsewhere(world, "location1", 200); /* and is never heard of again */
    start(world);
    struct store_message message = wait_for(world, accepted, MESSAGE_SENT);
    assert_int_equal(message.attempts, 2);
    char *kinds = kinds_of(&message);
    assert_non_null(strstr(kinds, "attempt_begun attempt:unknown attempt_begun attempt:accepted"));
    free(kinds);
    store_message_deinit(&message);
}

static void test_a_message_that_waits_at_a_gate_uses_up_no_attempt(void **state)
{
    struct world *world = *state;
    start(world);
    struct accepted first = accept_one(world, "first", "{\"gate\":true}");
    reach(world, first, MESSAGE_SENT); /* and leaves the gate paused */
    struct accepted second = accept_one(world, "second", "{\"gate\":true}");
    struct store_message message = wait_for(world, second, MESSAGE_SENT);
    assert_int_equal(message.attempts, 1);
    assert_true(notes_of("send second") >= 2);
    char *kinds = kinds_of(&message);
    assert_memory_equal(kinds, "waiting attempt_begun attempt:accepted",
                        strlen("waiting attempt_begun attempt:accepted"));
    free(kinds);
    store_message_deinit(&message);
}

static void test_an_error_of_the_scripts_before_an_attempt_costs_none(void **state)
{
    struct world *world = *state;
    start(world);
    struct accepted accepted = accept_one(world, "one", "{\"fault\":\"before\"}");
    struct store_message message = wait_for(world, accepted, MESSAGE_SENT);
    assert_int_equal(message.attempts, 1);
    char *kinds = kinds_of(&message);
    assert_memory_equal(kinds, "fault attempt_begun attempt:accepted",
                        strlen("fault attempt_begun attempt:accepted"));
    free(kinds);
    store_message_deinit(&message);
}

static void test_an_error_of_the_scripts_within_an_attempt_is_an_unknown_outcome(void **state)
{
    struct world *world = *state;
    start(world);
    struct accepted accepted = accept_one(world, "one", "{\"fault\":\"after\"}");
    struct store_message message = wait_for(world, accepted, MESSAGE_SENT);
    assert_int_equal(message.attempts, 2);
    char *kinds = kinds_of(&message);
    assert_non_null(strstr(kinds, "attempt_begun attempt:unknown attempt_begun attempt:accepted"));
    free(kinds);
    store_message_deinit(&message);
}

static void test_an_answer_out_of_contract_is_an_error_of_the_scripts(void **state)
{
    struct world *world = *state;
    start(world);
    struct accepted accepted = accept_one(world, "one", "{\"outcomes\":[\"nonsense\"]}");
    struct store_message message = wait_for(world, accepted, MESSAGE_SENT);
    assert_int_equal(message.attempts, 2);
    store_message_deinit(&message);
}

static void test_stopping_settles_what_is_under_way_and_claims_no_more(void **state)
{
    struct world *world = *state;
    start(world);
    assert_true(queue_accepts(world->queue));
    struct accepted begun = accept_one(world, "begun", "{\"sleep_ms\":300}");
    wait_for_note("send begun");
    queue_drain(world->queue);
    assert_false(queue_accepts(world->queue));
    struct accepted late = accept_one(world, "late", "{}");
    stop(world, PATIENCE_MS);
    reach(world, begun, MESSAGE_SENT);
    reach(world, late, MESSAGE_QUEUED);
    assert_int_equal(notes_of("send late"), 0);
}

static void test_stopping_does_not_wait_for_ever(void **state)
{
    struct world *world = *state;
    start(world);
    struct accepted accepted = accept_one(world, "one", "{\"sleep_ms\":600000}");
    wait_for_note("send one");
    reach(world, accepted, MESSAGE_SENDING);
    int64_t began_ms = clock_monotonic_ms();
    stop(world, 100);
    assert_true(clock_monotonic_ms() - began_ms < 5000);
    struct store_message message = get(world, accepted);
    assert_int_equal(message.state, MESSAGE_SENDING); /* its lease will end */
    assert_kinds(&message, "attempt_begun");
    store_message_deinit(&message);
}

static void test_too_many_waiting_messages_are_refused(void **state)
{
    struct world *world = *state;
    world->options.workers = 0;
    world->options.waiting_limit = 3;
    start(world);
    char external_id[16];
    for (int i = 0; i < 3; i++) {
        assert_true(queue_accepts(world->queue));
        snprintf(external_id, sizeof external_id, "%d", i);
        accept_one(world, external_id, "{}");
    }
    assert_false(queue_accepts(world->queue));
}

static void test_a_report_is_made_while_all_places_for_sending_are_taken(void **state)
{
    struct world *world = *state;
    world->options.in_flight = 2;
    struct accepted sent = accept_in(world, "other", "sent", "sent", "{}");
    struct store_settlement settlement = {.id = sent.id,
                                          .lease = begin_elsewhere(world, "other", 60000),
                                          .state = MESSAGE_SENT,
                                          .accepted = true,
                                          .report_status = "pending",
                                          .report_delay_ms = 300,
                                          .now_ms = clock_wall_ms()};
    assert_int_equal(store_message_settle(world->session, &settlement), STORE_OK);
    start(world);
    struct accepted slow = accept_one(world, "slow", "{\"sleep_ms\":1500}");
    wait_for_note("report pending sent");
    struct store_message message = get(world, slow);
    assert_int_equal(message.state, MESSAGE_SENDING);
    store_message_deinit(&message);
}

static void test_a_burst_over_many_locations(void **state)
{
    struct world *world = *state;
    enum { COUNT = 600 };
    static struct accepted accepted[COUNT];
    char external_id[16], location[16];
    world->options.in_flight = 256;
    assert_int_equal(store_batch_begin(world->session), STORE_OK);
    for (int i = 0; i < COUNT; i++) {
        snprintf(external_id, sizeof external_id, "%d", i);
        snprintf(location, sizeof location, "location%d", i % 20);
        accepted[i] = accept_in(world, location, external_id, external_id, "{\"sleep_ms\":20}");
    }
    assert_int_equal(store_batch_commit(world->session), STORE_OK);
    int64_t began_ms = clock_monotonic_ms();
    start(world);
    for (int i = 0; i < COUNT; i++)
        reach(world, accepted[i], MESSAGE_SENT);
    int64_t took_ms = clock_monotonic_ms() - began_ms;
    print_message("%d messages in %lld ms\n", COUNT, (long long)took_ms);
    stop(world, PATIENCE_MS);
    for (int i = 0; i < COUNT; i++) {
        snprintf(external_id, sizeof external_id, "send %d", i);
        assert_int_equal(notes_of(external_id), 1);
    }
}

/* ---- a store that takes its time, or takes nothing */

struct store_trouble {
    struct store_job job;
    int64_t sleep_ms;
    enum store_status status;
    atomic_bool over;
};

static enum store_status make_trouble(struct store_job *job, struct store_session *session)
{
    struct store_trouble *trouble = (struct store_trouble *)job;
    (void)session;
    usleep((useconds_t)trouble->sleep_ms * 1000);
    return trouble->status;
}

static void trouble_over(struct mail *mail)
{
    atomic_store(&((struct store_trouble *)mail)->over, true);
}

/* What is submitted behind it gathers into one group while it sleeps. */
static void submit_trouble(struct world *world, struct mailbox *mailbox, struct store_trouble *trouble)
{
    trouble->job.mail.deliver = trouble_over;
    trouble->job.reply = mailbox;
    trouble->job.run = make_trouble;
    store_service_write(world->service, &trouble->job);
}

static void wait_for_trouble(struct mailbox *mailbox, const struct store_trouble *trouble)
{
    while (!atomic_load(&trouble->over)) {
        mailbox_wait(mailbox, -1);
        mailbox_drain(mailbox);
    }
}

static void test_a_claim_that_comes_home_after_the_end_is_left(void **state)
{
    struct world *world = *state;
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct store_trouble slow = {.sleep_ms = 500};
    struct accepted accepted = accept_one(world, "1", "{}");
    submit_trouble(world, mailbox, &slow);
    start(world);
    usleep(200 * 1000); /* the claim waits behind the slow one */
    stop(world, 0);
    wait_for_trouble(mailbox, &slow);
    mailbox_free(mailbox);
    assert_int_equal(notes_of("send 1"), 0);
    struct store_message message = get(world, accepted);
    assert_int_equal(message.state, MESSAGE_QUEUED);
    store_message_deinit(&message);
}

/* Which nothing may stay behind of: a disk that is full fails every claim, twice a second. */
static void test_a_claim_that_cannot_be_committed_is_made_again(void **state)
{
    struct world *world = *state;
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct store_trouble slow = {.sleep_ms = 400}, full = {.status = STORE_FULL};
    struct accepted accepted = accept_one(world, "1", "{}");
    submit_trouble(world, mailbox, &slow);
    start(world);
    usleep(200 * 1000);
    submit_trouble(world, mailbox, &full);
    wait_for_trouble(mailbox, &full);
    mailbox_free(mailbox);
    reach(world, accepted, MESSAGE_SENT);
    assert_int_equal(notes_of("send 1"), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_message_is_sent_receipted_and_reported),
        TEST(test_maintenance_is_run_at_the_start),
        TEST(test_memory_that_is_over_is_forgotten),
        TEST(test_order_is_kept_within_a_conversation),
        TEST(test_a_slow_location_does_not_hold_up_another),
        TEST(test_a_refused_message_is_tried_again),
        TEST(test_attempts_used_up_is_dead_and_a_replay_sends_it),
        TEST(test_an_unknown_outcome_is_sent_again_only_where_it_is_safe),
        TEST(test_what_a_dead_process_was_sending_is_taken_over_as_unknown),
        TEST(test_a_message_that_waits_at_a_gate_uses_up_no_attempt),
        TEST(test_an_error_of_the_scripts_before_an_attempt_costs_none),
        TEST(test_an_error_of_the_scripts_within_an_attempt_is_an_unknown_outcome),
        TEST(test_an_answer_out_of_contract_is_an_error_of_the_scripts),
        TEST(test_stopping_settles_what_is_under_way_and_claims_no_more),
        TEST(test_stopping_does_not_wait_for_ever),
        TEST(test_a_claim_that_comes_home_after_the_end_is_left),
        TEST(test_a_claim_that_cannot_be_committed_is_made_again),
        TEST(test_too_many_waiting_messages_are_refused),
        TEST(test_a_report_is_made_while_all_places_for_sending_are_taken),
        TEST(test_a_burst_over_many_locations),
    };
    crypto_start();
    log_set_level(LOG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
