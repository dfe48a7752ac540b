#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/http2_guard.h"
#include "net/http_framing.h"

static const char *fault_of(const char *text, struct http_head *head)
{
    return http_head_fault(slice_from(text), head);
}

static void measures_a_good_head(void **state)
{
    (void)state;
    const char *text =
        "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Any: \t caf\xC3\xA9 \r\nX-None:\r\n\r\nabc";
    struct http_head head;
    assert_null(fault_of(text, &head));
    assert_int_equal(head.fields, 4);
    assert_int_equal(head.bytes, strlen(text) - 3);
    assert_null(fault_of("\r\nGET / HTTP/1.0\r\n\r\n", &head));
    assert_int_equal(head.fields, 0);
    assert_int_equal(head.bytes, 20);
    assert_null(fault_of("GET / HTTP/1.1\r\nhOsT:\r\n\r\n", &head));
    assert_null(fault_of("GET / HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: Chunked\r\n\r\n", &head));
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    const struct {
        const char *text, *fault;
    } cases[] = {
        {"", "no method"},
        {"GET", "no method"},
        {"GET /", "HTTP/1.0 or HTTP/1.1"},
        {"GET / HTTP/1.1", "CR LF"},
        {"GET / HTTP/1.1\r\n", "colon"},
        {"GET / HTTP/1.1\r\nHost: a\r\n", "colon"},
        {"GET / HTTP/1.1\r\nHost: a", "CR LF"},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\ncontent-LENGTH: 1\r\n\r\n",
         "more than one Content-Length"},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1111111111111111111\r\n\r\n", "must be a number"},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", "must be a number"},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", "together"},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "must be chunked"},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         "more than one"},
        {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0"},
        {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "folded"},
        {"GET / HTTP/1.1\r\n folded\r\nHost: a\r\n\r\n", "folded"},
        {"GET / HTTP/1.1\r\n\r\n", "needs a Host"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "more than one Host"},
        {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "Host is malformed"},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "colon"},
        {"GET / HTTP/1.1\r\nHost: a\x7F\r\n\r\n", "CR LF"},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "must be a path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head;
        const char *fault = fault_of(cases[i].text, &head);
        if (fault == NULL || strstr(fault, cases[i].fault) == NULL)
            fail_msg("%s: %s, not %s", cases[i].text, fault == NULL ? "no fault" : fault, cases[i].fault);
    }
}

static void refuses_nul_in_a_value(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
    struct http_head head;
    assert_non_null(http_head_fault((struct slice){text, sizeof text - 1}, &head));
}

/* However the bytes are portioned, the end is seen exactly when it has come. */
static void sees_the_end_of_a_head(void **state)
{
    (void)state;
    const char *const ends[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n",
                                "GET / HTTP/1.1\r\nHost: a\n\r\n"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t whole = strlen(ends[i]);
        for (size_t seen = 0; seen < whole; seen++) {
            for (size_t length = seen; length < whole; length++)
                assert_false(http_head_complete((struct slice){ends[i], length}, seen));
            assert_true(http_head_complete((struct slice){ends[i], whole}, seen));
        }
    }
}

static void guard_refills_its_budget(void **state)
{
    (void)state;
    struct http2_guard guard;
    http2_guard_init(&guard, 1000, 0);
    for (int i = 0; i < HTTP2_GUARD_BUDGET; i++)
        assert_true(http2_guard_spend(&guard, 0));
    assert_false(http2_guard_spend(&guard, 1));
    for (int i = 0; i < HTTP2_GUARD_BUDGET_PER_SECOND; i++)
        assert_true(http2_guard_spend(&guard, 1000));
    assert_false(http2_guard_spend(&guard, 1000));
    for (int64_t ms = 1001; ms < 3000; ms++) /* asking often earns no less */
        http2_guard_spend(&guard, ms);
    assert_true(http2_guard_spend(&guard, 1000000));
    assert_int_equal(guard.budget, HTTP2_GUARD_BUDGET - 1);
}

static void guard_waits_for_whole_frames(void **state)
{
    (void)state;
    static const char bytes[] = HTTP2_GUARD_PREFACE "\0\0\x02\x10\0\0\0\0\0xx"
                                                    "\0\0\x01\x01\x05\0\0\0\x01\x82";
    struct http2_guard guard;
    http2_guard_init(&guard, 1000, 0);
    for (size_t length = 0; length < sizeof bytes; length++) {
        char copy[sizeof bytes];
        size_t left = length;
        memcpy(copy, bytes, length);
        http2_guard_init(&guard, 1000, 0);
        assert_null(http2_guard_check(&guard, copy, &left, 0));
        assert_int_equal(left, length < 24 + 11 ? length
                                                : length - 11); /* the unknown frame is cut out, once whole */
    }
}

static void guard_refuses_broken_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *block;
        size_t length;
    } blocks[] = {
        {"\xFF", 1},                         /* an integer without end */
        {"\xFF\xFF\xFF\xFF\xFF\xFF\x0F", 7}, /* an absurd one */
        {"\x40\x05name", 6},                 /* a string longer than its block */
        {"\x40\x01n", 3},                    /* no value */
        {"\x7F\xFF\xFF\xFF\x7F\x01", 6},
    };
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        char bytes[64] = HTTP2_GUARD_PREFACE;
        size_t length = 24 + 9 + blocks[i].length;
        const char head[9] = {0, 0, (char)blocks[i].length, 1, 5, 0, 0, 0, 1};
        struct http2_guard guard;
        memcpy(bytes + 24, head, 9);
        memcpy(bytes + 33, blocks[i].block, blocks[i].length);
        http2_guard_init(&guard, 1000, 0);
        assert_string_equal(http2_guard_check(&guard, bytes, &length, 0), "header_block_malformed");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_a_good_head),        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(refuses_nul_in_a_value),      cmocka_unit_test(sees_the_end_of_a_head),
        cmocka_unit_test(guard_refills_its_budget),    cmocka_unit_test(guard_waits_for_whole_frames),
        cmocka_unit_test(guard_refuses_broken_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
