#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/egress.h"

static const char *const public_addresses[] = {
    "1.1.1.1",          "8.8.8.8",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
    "100.128.0.0",      "126.255.255.255", "128.0.0.0",       "169.253.255.255", "169.255.0.0",
    "172.15.255.255",   "172.32.0.0",      "191.255.255.255", "192.0.1.0",       "192.167.255.255",
    "192.169.0.0",      "198.17.255.255",  "198.20.0.0",      "203.0.112.255",   "203.0.114.0",
    "223.255.255.255",  "2606:4700::1111", "2001:4860::8888", "2a00::1",         "::ffff:8.8.8.8",
    "64:ff9b::808:808",
};

static const char *const other_addresses[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff:fff::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "",
    "localhost",
    "127.1",
    "10.0.0.0/8",
    "fe80::1%eth0",
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void only_public_addresses_are_permitted(void **state)
{
    (void)state;
    struct egress *egress = egress_new(NULL, NULL);
    for (size_t i = 0; i < COUNT(public_addresses); i++)
        if (!egress_permits_text(egress, public_addresses[i]))
            fail_msg("%s is public", public_addresses[i]);
    for (size_t i = 0; i < COUNT(other_addresses); i++)
        if (egress_permits_text(egress, other_addresses[i]))
            fail_msg("%s is not public", other_addresses[i]);
    egress_free(egress);
}

static void the_operator_may_allow_more(void **state)
{
    (void)state;
    struct egress *egress = egress_new("127.0.0.0/8, 10.1.2.3 192.168.4.0/23,fd00::/8,::1", NULL);
    static const char *const allowed[] = {"127.0.0.1",        "127.9.9.9",       "10.1.2.3",
                                          "192.168.5.255",    "fd00::1",         "::1",
                                          "::ffff:127.0.0.1", "64:ff9b::7f00:1", "8.8.8.8"};
    static const char *const denied[] = {"10.1.2.4", "192.168.6.0", "192.168.3.255", "fc00::1", "::2", "::"};
    assert_non_null(egress);
    for (size_t i = 0; i < COUNT(allowed); i++)
        if (!egress_permits_text(egress, allowed[i]))
            fail_msg("%s is allowed", allowed[i]);
    for (size_t i = 0; i < COUNT(denied); i++)
        if (egress_permits_text(egress, denied[i]))
            fail_msg("%s is not allowed", denied[i]);
    egress_free(egress);
}

static void everything_can_be_allowed(void **state)
{
    (void)state;
    struct egress *egress = egress_new("0.0.0.0/0,::/0", NULL);
    assert_true(egress_permits_text(egress, "10.0.0.1"));
    assert_true(egress_permits_text(egress, "fe80::1"));
    egress_free(egress);
    egress = egress_new("0.0.0.0/0", NULL);
    assert_true(egress_permits_text(egress, "10.0.0.1"));
    assert_false(egress_permits_text(egress, "fe80::1"));
    egress_free(egress);
}

static void malformed_lists_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const lists[] = {"10.0.0.0/33", "::1/129",      "10.0.0.0/", "10.0.0.0/-1",
                                        "10.0.0.0/8x", "10.0.0",       "localhost", "10.0.0.0/+8",
                                        "/8",          "10.0.0.0/0008"};
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct error error = {0};
        if (egress_new(lists[i], &error) != NULL)
            fail_msg("%s was taken", lists[i]);
        assert_int_equal(error.kind, ERROR_INVALID);
        assert_non_null(strstr(error.message, lists[i]));
    }
}

static void other_families_are_refused(void **state)
{
    (void)state;
    struct egress *egress = egress_new("0.0.0.0/0,::/0", NULL);
    struct sockaddr address = {.sa_family = AF_UNIX};
    assert_false(egress_permits(egress, &address));
    egress_free(egress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_public_addresses_are_permitted),
        cmocka_unit_test(the_operator_may_allow_more),
        cmocka_unit_test(everything_can_be_allowed),
        cmocka_unit_test(malformed_lists_are_refused_by_name),
        cmocka_unit_test(other_families_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
