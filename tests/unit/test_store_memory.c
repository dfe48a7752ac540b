/* The contract of store_memory.h, and of memory in store_attempt_begin. Written against the headers alone. */
#include "store/store_memory.h"

#include "store_fixture.h"

#include <pthread.h>

#define HOUR_MS INT64_C(3600000)

static const struct store_memory_key TODAY = {"loc", "today", "contact:c1|2026-11-21"};
static const struct store_memory_key LAST = {"loc", "last", "contact:c1"};

/* ---- short words ---- */

static struct store_effect add_to(struct store_memory_key entry, int64_t by)
{
    return (struct store_effect){.entry = entry,
                                 .op = EFFECT_ADD,
                                 .by = by,
                                 .most = STORE_EFFECT_NO_LIMIT,
                                 .expires_ms = NOW + HOUR_MS};
}

static struct store_effect add_at_most(struct store_memory_key entry, int64_t by, int64_t most)
{
    struct store_effect effect = add_to(entry, by);
    effect.most = most;
    return effect;
}

static struct store_effect set(struct store_memory_key entry, const char *value)
{
    return (struct store_effect){
        .entry = entry, .op = EFFECT_SET, .value = value, .expires_ms = NOW + HOUR_MS};
}

static struct store_effect set_first(struct store_memory_key entry, const char *value)
{
    struct store_effect effect = set(entry, value);
    effect.first = true;
    return effect;
}

static struct store_effect forget(struct store_memory_key entry)
{
    return (struct store_effect){.entry = entry, .op = EFFECT_FORGET};
}

static enum store_status apply_at(struct store_session *session, const char *message,
                                  struct store_effect effect, int64_t now_ms)
{
    return store_memory_apply(session, message, &effect, 1, now_ms);
}

static enum store_status apply(struct store_session *session, const char *message, struct store_effect effect)
{
    return apply_at(session, message, effect, NOW);
}

static void assert_count_at(struct store_session *session, const char *message, struct store_memory_key key,
                            int64_t now_ms, int64_t count)
{
    struct store_remembered remembered;
    assert_int_equal(store_memory_read(session, message, &key, 1, now_ms, &remembered), STORE_OK);
    assert_int_equal(remembered.count, count);
    store_remembered_deinit(&remembered, 1);
}

static void assert_count(struct store_session *session, const char *message, int64_t count)
{
    assert_count_at(session, message, TODAY, NOW, count);
}

static void assert_value_at(struct store_session *session, const char *message, int64_t now_ms,
                            const char *value)
{
    struct store_remembered remembered;
    assert_int_equal(store_memory_read(session, message, &LAST, 1, now_ms, &remembered), STORE_OK);
    if (value == NULL)
        assert_null(remembered.value);
    else
        assert_string_equal(remembered.value, value);
    store_remembered_deinit(&remembered, 1);
}

static void assert_value(struct store_session *session, const char *message, const char *value)
{
    assert_value_at(session, message, NOW, value);
}

/* ---- counters ---- */

static void a_counter_adds_up_what_messages_add(void **state)
{
    struct fixture *fixture = *state;
    assert_count(fixture->session, "m1", 0);
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 1)), STORE_OK);
    assert_int_equal(apply(fixture->other, "m2", add_to(TODAY, 4)), STORE_OK);
    assert_count(fixture->other, "m3", 5);
    assert_count(fixture->session, NULL, 5);
}

static void a_message_is_not_shown_what_it_added(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 2)), STORE_OK);
    assert_int_equal(apply(fixture->session, "m2", add_to(TODAY, 3)), STORE_OK);
    assert_count(fixture->other, "m1", 3);
    assert_count(fixture->other, "m2", 2);
}

static void a_message_counts_once_however_often_it_is_tried(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 1)), STORE_OK);
    assert_count(fixture->session, NULL, 1);
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 5)), STORE_OK);
    assert_count(fixture->session, NULL, 5);
}

static void without_a_message_each_call_counts(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(apply(fixture->session, NULL, add_to(TODAY, 1)), STORE_OK);
    assert_int_equal(apply(fixture->session, NULL, add_to(TODAY, 1)), STORE_OK);
    assert_count(fixture->session, NULL, 2);
}

static void scope_name_and_key_tell_entries_apart(void **state)
{
    struct fixture *fixture = *state;
    const struct store_memory_key others[] = {{"loc2", "today", "contact:c1|2026-11-21"},
                                              {"loc", "today2", "contact:c1|2026-11-21"},
                                              {"loc", "today", "contact:c1|2026-11-22"},
                                              {"loct", "oday", "contact:c1|2026-11-21"}};
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 1)), STORE_OK);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_count_at(fixture->session, NULL, others[i], NOW, 0);
}

static void more_than_most_is_refused_and_adds_nothing(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(apply(fixture->session, "m1", add_at_most(TODAY, 1, 2)), STORE_OK);
    assert_int_equal(apply(fixture->other, "m2", add_at_most(TODAY, 1, 2)), STORE_OK);
    assert_int_equal(apply(fixture->session, "m3", add_at_most(TODAY, 1, 2)), STORE_REFUSED);
    assert_count(fixture->session, NULL, 2);
    /* One that is in may be tried again. */
    assert_int_equal(apply(fixture->session, "m2", add_at_most(TODAY, 1, 2)), STORE_OK);
    assert_count(fixture->session, NULL, 2);
}

static void additions_of_one_call_are_taken_together(void **state)
{
    struct fixture *fixture = *state;
    struct store_effect effects[] = {add_to(TODAY, 1), set(LAST, "1"), add_at_most(TODAY, 2, 3)};
    assert_int_equal(store_memory_apply(fixture->session, "m1", effects, 3, NOW), STORE_OK);
    assert_count(fixture->session, NULL, 3);
    assert_int_equal(store_memory_apply(fixture->session, "m2", effects, 3, NOW), STORE_REFUSED);
    assert_int_equal(store_memory_apply(fixture->session, "m1", effects, 3, NOW), STORE_OK);
    assert_count(fixture->session, NULL, 3);
}

static void a_counter_begins_anew_when_its_time_is_over(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 1)), STORE_OK);
    assert_count_at(fixture->session, "m2", TODAY, NOW + HOUR_MS - 1, 1);
    assert_count_at(fixture->session, "m2", TODAY, NOW + HOUR_MS, 0);
    struct store_effect later = add_at_most(TODAY, 1, 1);
    later.expires_ms = NOW + 2 * HOUR_MS;
    assert_int_equal(apply_at(fixture->session, "m2", later, NOW + HOUR_MS), STORE_OK);
    /* What m1 added to the one before is none of this one. */
    assert_count_at(fixture->session, "m1", TODAY, NOW + HOUR_MS, 1);
}

static void a_counter_keeps_its_latest_end(void **state)
{
    struct fixture *fixture = *state;
    struct store_effect shorter = add_to(TODAY, 1);
    shorter.expires_ms = NOW + 1;
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 1)), STORE_OK);
    assert_int_equal(apply(fixture->session, "m2", shorter), STORE_OK);
    assert_count_at(fixture->session, NULL, TODAY, NOW + HOUR_MS - 1, 2);
}

/* As many as no store keeps together with the counter itself. */
static void many_messages_each_know_their_own_share(void **state)
{
    struct fixture *fixture = *state;
    char message[16];
    for (int i = 0; i < 200; i++) {
        snprintf(message, sizeof message, "m%d", i);
        assert_int_equal(apply(fixture->session, message, add_to(TODAY, 1)), STORE_OK);
    }
    for (int i = 0; i < 200; i += 33) {
        snprintf(message, sizeof message, "m%d", i);
        assert_count(fixture->other, message, 199);
        assert_int_equal(apply(fixture->other, message, add_at_most(TODAY, 1, 200)), STORE_OK);
    }
    assert_count(fixture->session, NULL, 200);
    assert_int_equal(apply(fixture->session, "m0", add_to(TODAY, 5)), STORE_OK);
    assert_count(fixture->session, NULL, 204);
    assert_count(fixture->session, "m0", 199);
}

static void shares_last_as_long_as_their_counter(void **state)
{
    struct fixture *fixture = *state;
    char message[16];
    bool more;
    for (int i = 0; i < 200; i++) {
        snprintf(message, sizeof message, "m%d", i);
        struct store_effect effect = add_to(TODAY, 1);
        effect.expires_ms = i < 199 ? NOW + HOUR_MS : NOW + 2 * HOUR_MS;
        assert_int_equal(apply(fixture->session, message, effect), STORE_OK);
    }
    assert_int_equal(store_memory_sweep(fixture->session, NOW + HOUR_MS, &more), STORE_OK);
    assert_count_at(fixture->session, "m0", TODAY, NOW + HOUR_MS, 199);
}

/* ---- values ---- */

static void a_value_is_kept_until_its_time_is_over(void **state)
{
    struct fixture *fixture = *state;
    assert_value(fixture->session, "m2", NULL);
    assert_int_equal(apply(fixture->session, "m1", set(LAST, "{\"a\":[]}")), STORE_OK);
    assert_value(fixture->other, "m2", "{\"a\":[]}");
    assert_value_at(fixture->other, "m2", NOW + HOUR_MS - 1, "{\"a\":[]}");
    assert_value_at(fixture->other, "m2", NOW + HOUR_MS, NULL);
}

static void a_message_is_shown_the_value_before_its_own(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(apply(fixture->session, "m1", set(LAST, "1")), STORE_OK);
    assert_value(fixture->session, "m1", NULL);
    assert_int_equal(apply(fixture->session, "m2", set(LAST, "2")), STORE_OK);
    assert_value(fixture->session, "m1", "2");
    assert_value(fixture->session, "m2", "1");
    assert_int_equal(apply(fixture->session, "m2", set(LAST, "3")), STORE_OK);
    assert_value(fixture->session, "m2", "1");
    assert_value(fixture->session, "m3", "3");
}

static void what_a_message_replaced_does_not_outlive_its_time(void **state)
{
    struct fixture *fixture = *state;
    struct store_effect longer = set(LAST, "2");
    longer.expires_ms = NOW + 2 * HOUR_MS;
    assert_int_equal(apply(fixture->session, "m1", set(LAST, "1")), STORE_OK);
    assert_int_equal(apply(fixture->session, "m2", longer), STORE_OK);
    assert_value_at(fixture->session, "m2", NOW + HOUR_MS - 1, "1");
    assert_value_at(fixture->session, "m2", NOW + HOUR_MS, NULL);
}

static void the_first_to_keep_a_value_holds_it(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(apply(fixture->session, "m1", set_first(LAST, "1")), STORE_OK);
    assert_int_equal(apply(fixture->other, "m2", set_first(LAST, "2")), STORE_REFUSED);
    assert_value(fixture->session, "m3", "1");
    assert_int_equal(apply(fixture->session, "m1", set_first(LAST, "1")), STORE_OK);
    struct store_effect later = set_first(LAST, "2");
    later.expires_ms = NOW + 2 * HOUR_MS;
    assert_int_equal(apply_at(fixture->session, "m2", later, NOW + HOUR_MS), STORE_OK);
    assert_value_at(fixture->session, "m3", NOW + HOUR_MS, "2");
}

static void what_is_forgotten_is_gone_for_others(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(apply(fixture->session, "m1", forget(LAST)), STORE_OK);
    assert_int_equal(apply(fixture->session, "m1", set(LAST, "1")), STORE_OK);
    assert_int_equal(apply(fixture->session, "m2", forget(LAST)), STORE_OK);
    assert_value(fixture->session, "m3", NULL);
    assert_value(fixture->session, "m2", "1"); /* its rule, asked again, sees what it saw */
    assert_int_equal(apply(fixture->session, "m2", forget(LAST)), STORE_OK);
    assert_value(fixture->session, "m2", "1");
    assert_int_equal(apply(fixture->session, "m3", set_first(LAST, "3")), STORE_OK);
    assert_value(fixture->session, "m1", "3");
}

static void reads_many_in_the_order_asked(void **state)
{
    struct fixture *fixture = *state;
    struct store_remembered remembered[3];
    const struct store_memory_key keys[] = {LAST, {"loc", "nothing", "x"}, TODAY};
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 7)), STORE_OK);
    assert_int_equal(apply(fixture->session, "m1", set(LAST, "\"v\"")), STORE_OK);
    assert_int_equal(store_memory_read(fixture->session, "m2", keys, 3, NOW, remembered), STORE_OK);
    assert_string_equal(remembered[0].value, "\"v\"");
    assert_int_equal(remembered[0].count, 0);
    assert_null(remembered[1].value);
    assert_int_equal(remembered[1].count, 0);
    assert_null(remembered[2].value);
    assert_int_equal(remembered[2].count, 7);
    store_remembered_deinit(remembered, 3);
}

/* ---- together ---- */

static void one_broken_condition_leaves_all_undone(void **state)
{
    struct fixture *fixture = *state;
    struct store_effect effects[] = {add_to(TODAY, 1), set_first(LAST, "2")};
    assert_int_equal(apply(fixture->session, "m1", set(LAST, "1")), STORE_OK);
    assert_int_equal(store_memory_apply(fixture->session, "m2", effects, 2, NOW), STORE_REFUSED);
    assert_count(fixture->session, NULL, 0);
    assert_value(fixture->session, "m3", "1");
}

#define CONTENDERS 4
#define CONTENDER_MESSAGES 20
#define SHARED_MOST 9

static const struct store_memory_key SHARED[] = {{"loc", "one", "location"}, {"loc", "two", "location"}};

struct contender {
    pthread_t thread;
    struct store_session *session;
    int number;
    bool failed;
};

/* Half of them name the two the other way round. What is refused is tried again, as the road does. */
static void *contend(void *argument)
{
    struct contender *contender = argument;
    int first = contender->number % 2;
    struct store_effect effects[] = {add_at_most(SHARED[first], 1, SHARED_MOST),
                                     add_at_most(SHARED[1 - first], 1, SHARED_MOST)};
    for (int i = 0; i < CONTENDER_MESSAGES; i++) {
        char message[32];
        snprintf(message, sizeof message, "m%d-%d", contender->number, i);
        enum store_status status = STORE_REFUSED;
        for (int tries = 0; tries < 3 && status == STORE_REFUSED; tries++)
            status = store_memory_apply(contender->session, message, effects, 2, NOW);
        contender->failed |= status != STORE_OK && status != STORE_REFUSED;
    }
    return NULL;
}

static void of_those_who_contend_for_two_limits_each_has_both_or_none(void **state)
{
    struct fixture *fixture = *state;
    struct contender contenders[CONTENDERS] = {0};
    for (int i = 0; i < CONTENDERS; i++) {
        contenders[i].number = i;
        contenders[i].session = open_session(fixture->store);
        assert_int_equal(pthread_create(&contenders[i].thread, NULL, contend, &contenders[i]), 0);
    }
    for (int i = 0; i < CONTENDERS; i++) {
        pthread_join(contenders[i].thread, NULL);
        store_session_close(contenders[i].session);
        assert_false(contenders[i].failed);
    }
    assert_count_at(fixture->session, NULL, SHARED[0], NOW, SHARED_MOST);
    assert_count_at(fixture->session, NULL, SHARED[1], NOW, SHARED_MOST);
}

static void a_refused_call_breaks_no_batch(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    struct store_effect refused[] = {set(LAST, "2"), add_at_most(TODAY, 1, 1)};
    assert_int_equal(store_batch_begin(session), STORE_OK);
    assert_int_equal(apply(session, "m1", add_at_most(TODAY, 1, 1)), STORE_OK);
    assert_int_equal(store_memory_apply(session, "m2", refused, 2, NOW), STORE_REFUSED);
    assert_int_equal(apply(session, "m3", set(LAST, "3")), STORE_OK);
    assert_int_equal(store_batch_commit(session), STORE_OK);
    assert_count(fixture->other, NULL, 1);
    assert_value(fixture->other, "m1", "3");
}

static void an_aborted_batch_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    SKIP_WITHOUT_ATOMIC_BATCHES(fixture);
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 1)), STORE_OK);
    store_batch_abort(fixture->session);
    assert_count(fixture->session, NULL, 0);
}

static void what_is_beyond_the_limits_fails(void **state)
{
    struct fixture *fixture = *state;
    struct store_effect many[STORE_EFFECTS_MOST + 1];
    for (size_t i = 0; i <= STORE_EFFECTS_MOST; i++)
        many[i] = add_to(TODAY, 1);
    assert_int_equal(store_memory_apply(fixture->session, "m1", many, STORE_EFFECTS_MOST + 1, NOW),
                     STORE_FAILED);
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, STORE_EFFECT_NUMBER_MOST + 1)),
                     STORE_FAILED);
    assert_int_equal(apply(fixture->session, "m1", set(LAST, NULL)), STORE_FAILED);
    assert_count(fixture->session, NULL, 0);
}

/* ---- attempts ---- */

static enum store_status begin_with(struct store_session *session, const struct claimed *claimed,
                                    const struct store_effect *effects, size_t count)
{
    struct store_attempt attempt = {.id = claimed->id,
                                    .lease = claimed->lease,
                                    .provider = "cast",
                                    .sent = "{}",
                                    .now_ms = NOW,
                                    .effects = effects,
                                    .effect_count = count};
    return store_attempt_begin(session, &attempt);
}

static struct claimed accept_and_claim(struct store_session *session, const char *external_id)
{
    accept_one(session, "a", external_id, external_id);
    return claim_one(session, "p", TRACK_DELIVERY, "a", NOW);
}

static void effects_happen_as_the_attempt_begins(void **state)
{
    struct fixture *fixture = *state;
    struct claimed claimed = accept_and_claim(fixture->session, "x1");
    struct store_effect effects[] = {add_at_most(TODAY, 1, 1), set(LAST, "1")};
    assert_int_equal(begin_with(fixture->session, &claimed, effects, 2), STORE_OK);
    assert_count(fixture->other, NULL, 1);
    assert_count(fixture->other, claimed.id, 0);
    assert_value(fixture->other, NULL, "1");
    assert_int_equal(state_of(fixture->other, claimed.id), MESSAGE_SENDING);
}

static void a_broken_condition_begins_no_attempt(void **state)
{
    struct fixture *fixture = *state;
    struct claimed claimed = accept_and_claim(fixture->session, "x1");
    struct store_effect effects[] = {set(LAST, "1"), add_at_most(TODAY, 1, 1)};
    assert_int_equal(apply(fixture->other, "another", add_to(TODAY, 1)), STORE_OK);
    assert_int_equal(begin_with(fixture->session, &claimed, effects, 2), STORE_REFUSED);
    assert_value(fixture->session, NULL, NULL);
    struct store_message message = get(fixture->session, claimed.id);
    assert_int_equal(message.state, MESSAGE_QUEUED);
    assert_int_equal(message.attempts, 0);
    assert_int_equal(message.event_count, 1);
    store_message_deinit(&message);
    /* The claim is still the caller's. */
    assert_int_equal(begin_with(fixture->session, &claimed, effects, 1), STORE_OK);
}

static void a_lost_lease_changes_no_memory(void **state)
{
    struct fixture *fixture = *state;
    struct claimed claimed = accept_and_claim(fixture->session, "x1");
    struct store_effect effect = add_to(TODAY, 1);
    claimed.lease++;
    assert_int_equal(begin_with(fixture->session, &claimed, &effect, 1), STORE_CONFLICT);
    assert_count(fixture->session, NULL, 0);
}

static void a_second_attempt_counts_no_second_time(void **state)
{
    struct fixture *fixture = *state;
    struct claimed claimed = accept_and_claim(fixture->session, "x1");
    struct store_effect effect = add_at_most(TODAY, 1, 1);
    assert_int_equal(begin_with(fixture->session, &claimed, &effect, 1), STORE_OK);
    assert_int_equal(settle_as(fixture->session, &claimed, MESSAGE_QUEUED, 0, NOW), STORE_OK);
    claimed = claim_one(fixture->session, "p", TRACK_DELIVERY, "a", NOW);
    assert_int_equal(begin_with(fixture->session, &claimed, &effect, 1), STORE_OK);
    assert_count(fixture->session, NULL, 1);
}

/* As a process leaves it that died after the effects and before the attempt, where a store has them apart. */
static void effects_without_their_attempt_count_once(void **state)
{
    struct fixture *fixture = *state;
    struct claimed claimed = accept_and_claim(fixture->session, "x1");
    struct store_effect effects[] = {add_at_most(TODAY, 1, 1), set_first(LAST, "1")};
    assert_int_equal(apply(fixture->other, claimed.id, effects[0]), STORE_OK);
    assert_count(fixture->session, claimed.id, 0);
    assert_int_equal(begin_with(fixture->session, &claimed, effects, 2), STORE_OK);
    assert_count(fixture->session, NULL, 1);
    assert_value(fixture->session, NULL, "1");
}

/* ---- lasting, and forgetting ---- */

static void memory_outlives_the_process(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 1)), STORE_OK);
    struct store *again = open_store(fixture->url);
    struct store_session *session = open_session(again);
    assert_count(session, "m1", 0);
    assert_count(session, NULL, 1);
    store_session_close(session);
    store_close(again);
}

static void a_sweep_forgets_what_is_over_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    bool more;
    struct store_effect longer = add_to((struct store_memory_key){"loc", "month", "location"}, 1);
    longer.expires_ms = NOW + 2 * HOUR_MS;
    assert_int_equal(apply(fixture->session, "m1", add_to(TODAY, 1)), STORE_OK);
    assert_int_equal(apply(fixture->session, "m1", set(LAST, "1")), STORE_OK);
    assert_int_equal(apply(fixture->session, "m1", longer), STORE_OK);
    assert_int_equal(store_memory_sweep(fixture->session, NOW + HOUR_MS, &more), STORE_OK);
    assert_false(more);
    /* A sweep removes: they are not there at an earlier time either. */
    assert_count(fixture->session, NULL, 0);
    assert_value(fixture->session, NULL, NULL);
    assert_count_at(fixture->session, NULL, longer.entry, NOW, 1);
    assert_count_at(fixture->session, "m1", longer.entry, NOW, 0);
}

static void a_large_sweep_comes_to_an_end(void **state)
{
    struct fixture *fixture = *state;
    bool more = true;
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    for (int i = 0; i < 2500; i++) {
        char message[16], number[16];
        snprintf(message, sizeof message, "m%d", i);
        snprintf(number, sizeof number, "number:%d", i);
        assert_int_equal(apply(fixture->session, message, add_to(TODAY, 1)), STORE_OK);
        assert_int_equal(
            apply(fixture->session, message, set((struct store_memory_key){"loc", "last", number}, "1")),
            STORE_OK);
    }
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    for (int i = 0; more; i++) {
        assert_true(i < 100);
        assert_int_equal(store_memory_sweep(fixture->session, NOW + HOUR_MS, &more), STORE_OK);
    }
    assert_count(fixture->session, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_counter_adds_up_what_messages_add),
        STORE_TEST(a_message_is_not_shown_what_it_added),
        STORE_TEST(a_message_counts_once_however_often_it_is_tried),
        STORE_TEST(without_a_message_each_call_counts),
        STORE_TEST(scope_name_and_key_tell_entries_apart),
        STORE_TEST(more_than_most_is_refused_and_adds_nothing),
        STORE_TEST(additions_of_one_call_are_taken_together),
        STORE_TEST(a_counter_begins_anew_when_its_time_is_over),
        STORE_TEST(a_counter_keeps_its_latest_end),
        STORE_TEST(many_messages_each_know_their_own_share),
        STORE_TEST(shares_last_as_long_as_their_counter),
        STORE_TEST(a_value_is_kept_until_its_time_is_over),
        STORE_TEST(a_message_is_shown_the_value_before_its_own),
        STORE_TEST(what_a_message_replaced_does_not_outlive_its_time),
        STORE_TEST(the_first_to_keep_a_value_holds_it),
        STORE_TEST(what_is_forgotten_is_gone_for_others),
        STORE_TEST(reads_many_in_the_order_asked),
        STORE_TEST(one_broken_condition_leaves_all_undone),
        STORE_TEST(of_those_who_contend_for_two_limits_each_has_both_or_none),
        STORE_TEST(a_refused_call_breaks_no_batch),
        STORE_TEST(an_aborted_batch_leaves_nothing),
        STORE_TEST(what_is_beyond_the_limits_fails),
        STORE_TEST(effects_happen_as_the_attempt_begins),
        STORE_TEST(a_broken_condition_begins_no_attempt),
        STORE_TEST(a_lost_lease_changes_no_memory),
        STORE_TEST(a_second_attempt_counts_no_second_time),
        STORE_TEST(effects_without_their_attempt_count_once),
        STORE_TEST(memory_outlives_the_process),
        STORE_TEST(a_sweep_forgets_what_is_over_and_nothing_else),
        STORE_TEST(a_large_sweep_comes_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
