/* Messages, options and checks of the tests of what the queue makes of answers. After cmocka.h. */
#ifndef TESTS_OUTCOME_FIXTURE_H
#define TESTS_OUTCOME_FIXTURE_H

#include <string.h>
#include <jansson.h>

#include "base/clock.h"
#include "queue/outcome.h"

#define NOW 1767225600000
#define HOUR 3600000LL

static const struct queue_options options = {
    .attempts = 3,
    .retry_base_ms = 1000,
    .retry_most_ms = 60000,
    .most_age_ms = 24 * HOUR,
    .receipt_poll_ms = 5000,
    .receipt_most_ms = 30 * 60000,
};

static inline struct store_message message_of(enum message_state state)
{
    struct store_message message = {
        .state = state, .lease = 7, .created_ms = NOW - 1000, .ready_ms = NOW - 1000};
    strcpy(message.id, "m0000000000001");
    return message;
}

static inline struct settling settling_of(const struct store_message *message)
{
    return (struct settling){message, &options, "0123456789ab", 42, NOW, UINT32_MAX};
}

/* The one event of a kind, decoded; the caller releases it. Fails the test where there is none. */
static inline json_t *event_of(const struct settlement *settlement, const char *kind)
{
    for (size_t i = 0; i < settlement->event_count; i++) {
        if (strcmp(settlement->events[i].kind, kind) != 0)
            continue;
        json_error_t error;
        json_t *data = json_loads(settlement->events[i].data, JSON_REJECT_DUPLICATES, &error);
        if (data == NULL)
            fail_msg("%s: %s", error.text, settlement->events[i].data);
        return data;
    }
    fail_msg("no event '%s' among %zu", kind, settlement->event_count);
    return NULL;
}

static inline void assert_member(const json_t *object, const char *name, const char *expected)
{
    const char *value = json_string_value(json_object_get(object, name));
    if (value == NULL)
        fail_msg("no text '%s'", name);
    assert_string_equal(value, expected);
}

static inline void assert_time(const json_t *text, int64_t expected_ms)
{
    int64_t at_ms;
    assert_non_null(text);
    assert_int_equal(clock_parse_iso(json_string_value(text), &at_ms), 0);
    assert_int_equal(at_ms, expected_ms);
}

static inline void assert_report_failed(const struct settlement *settlement, const char *code,
                                        const char *type)
{
    assert_string_equal(settlement->delivery.report_status, "failed");
    json_t *error = json_loads(settlement->delivery.report_error, 0, NULL);
    assert_member(error, "code", code);
    assert_member(error, "type", type);
    assert_true(json_string_length(json_object_get(error, "message")) > 0);
    assert_int_equal(json_object_size(error), 3);
    json_decref(error);
}

static inline struct outcome refused(enum refusal kind)
{
    return (struct outcome){.name = OUTCOME_REFUSED, .kind = kind, .attempted = true, .provider = "cast"};
}

#endif
