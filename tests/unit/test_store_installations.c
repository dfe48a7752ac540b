/* The contract of store.h: installations, the refresh lease, one-time states, settings. Written against that
 * header alone. */
#include "store_fixture.h"

static struct store_installation installation_of(const char *company, const char *location)
{
    return (struct store_installation){.company = (char *)company,
                                       .location = (char *)location,
                                       .account = (char *)"me",
                                       .status = (char *)"connected",
                                       .access_token = (char *)"access-1",
                                       .refresh_token = (char *)"refresh-1",
                                       .expires_ms = NOW + 1000,
                                       .scopes = (char *)"a b",
                                       .user_id = (char *)"u",
                                       .user_type = (char *)"Location",
                                       .details = (char *)"{}"};
}

static void put(struct store_session *session, const char *company, const char *location, int64_t now_ms)
{
    struct store_installation installation = installation_of(company, location);
    assert_int_equal(store_installation_put(session, &installation, now_ms), STORE_OK);
}

static struct store_installation get_installation(struct store_session *session, const char *company,
                                                  const char *location)
{
    struct store_installation installation;
    assert_int_equal(store_installation_get(session, company, location, &installation), STORE_OK);
    return installation;
}

static enum store_status begin(struct store_session *session, uint64_t version, const char *owner,
                               int64_t now_ms)
{
    return store_installation_refresh_begin(session, "co", "loc", version, owner, now_ms, 1000);
}

static enum store_status refreshed(struct store_session *session, const char *owner,
                                   const char *refresh_token)
{
    return store_installation_refreshed(session, "co", "loc", owner, "access-2", refresh_token, NOW + 9000,
                                        NULL, NOW + 5);
}

/* ---- records ---- */

static void keeps_a_record_whole(void **state)
{
    struct fixture *fixture = *state;
    put(fixture->session, "co", "loc", NOW);
    struct store_installation found = get_installation(fixture->other, "co", "loc");
    assert_string_equal(found.account, "me");
    assert_string_equal(found.status, "connected");
    assert_null(found.reason);
    assert_string_equal(found.access_token, "access-1");
    assert_string_equal(found.refresh_token, "refresh-1");
    assert_int_equal(found.expires_ms, NOW + 1000);
    assert_string_equal(found.scopes, "a b");
    assert_string_equal(found.user_id, "u");
    assert_string_equal(found.user_type, "Location");
    assert_string_equal(found.details, "{}");
    assert_int_equal(found.created_ms, NOW);
    assert_int_equal(found.version, 1);
    store_installation_deinit(&found);

    struct store_installation bare = {.company = (char *)"co", .location = (char *)"loc"};
    assert_int_equal(store_installation_put(fixture->session, &bare, NOW + 9), STORE_OK);
    found = get_installation(fixture->other, NULL, "loc");
    assert_string_equal(found.status, "connected");
    assert_null(found.access_token);
    assert_null(found.account);
    assert_int_equal(found.created_ms, NOW);
    assert_int_equal(found.updated_ms, NOW + 9);
    assert_int_equal(found.version, 2);
    store_installation_deinit(&found);
}

static void finds_by_location_company_or_both(void **state)
{
    struct fixture *fixture = *state;
    struct store_installation found;
    put(fixture->session, "co", "", NOW);
    put(fixture->session, "co", "l1", NOW);
    put(fixture->session, "other", "l2", NOW);
    assert_int_equal(store_installation_get(fixture->session, NULL, "", &found), STORE_NOT_FOUND);
    assert_int_equal(store_installation_get(fixture->session, NULL, "l3", &found), STORE_NOT_FOUND);
    assert_int_equal(store_installation_get(fixture->session, "co", "l2", &found), STORE_NOT_FOUND);
    found = get_installation(fixture->session, "co", "");
    assert_string_equal(found.location, "");
    store_installation_deinit(&found);
    found = get_installation(fixture->session, NULL, "l2");
    assert_string_equal(found.company, "other");
    store_installation_deinit(&found);

    struct store_installation_list list;
    assert_int_equal(store_installation_list(fixture->session, NULL, &list), STORE_OK);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[1].location, "l1");
    assert_string_equal(list.items[2].company, "other");
    store_installation_list_deinit(&list);
    assert_int_equal(store_installation_list(fixture->session, "co", &list), STORE_OK);
    assert_int_equal(list.count, 2);
    store_installation_list_deinit(&list);
    assert_int_equal(store_installation_list(fixture->session, "nobody", &list), STORE_OK);
    assert_int_equal(list.count, 0);
    store_installation_list_deinit(&list);
}

static size_t count_installations(struct store_session *session)
{
    struct store_installation_list list;
    assert_int_equal(store_installation_list(session, NULL, &list), STORE_OK);
    size_t count = list.count;
    store_installation_list_deinit(&list);
    return count;
}

static void a_location_finds_its_company_later(void **state)
{
    struct fixture *fixture = *state;
    put(fixture->session, "", "loc", NOW);
    put(fixture->session, "co", "loc", NOW + 5);
    assert_int_equal(count_installations(fixture->session), 1);
    struct store_installation found = get_installation(fixture->session, "co", "loc");
    assert_int_equal(found.created_ms, NOW);
    assert_int_equal(found.version, 2);
    store_installation_deinit(&found);
    put(fixture->session, "", "loc", NOW + 6);
    assert_int_equal(count_installations(fixture->session), 1);
    found = get_installation(fixture->session, NULL, "loc");
    assert_string_equal(found.company, "co");
    assert_int_equal(found.version, 3);
    store_installation_deinit(&found);
}

static void lists_what_expires_soonest_first(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *location, *status, *refresh_token;
        int64_t expires_ms;
    } rows[] = {{"late", "connected", "r", NOW + 9000}, {"soon", "connected", "r", NOW + 2},
                {"sooner", "connected", "r", NOW + 1},  {"minted", "connected", NULL, NOW},
                {"invalid", "invalid", "r", NOW},       {"removed", "removed", "r", NOW}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_installation row = installation_of("co", rows[i].location);
        row.status = (char *)rows[i].status;
        row.refresh_token = (char *)rows[i].refresh_token;
        row.expires_ms = rows[i].expires_ms;
        assert_int_equal(store_installation_put(fixture->session, &row, NOW), STORE_OK);
    }
    struct store_installation_list list;
    assert_int_equal(store_installation_expiring(fixture->session, NOW + 9000, 10, &list), STORE_OK);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].location, "sooner");
    assert_string_equal(list.items[1].location, "soon");
    store_installation_list_deinit(&list);
    assert_int_equal(store_installation_expiring(fixture->session, NOW + 9000, 1, &list), STORE_OK);
    assert_int_equal(list.count, 1);
    store_installation_list_deinit(&list);
}

/* ---- refreshing ---- */

static void one_refresh_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    put(fixture->session, "co", "loc", NOW);
    assert_int_equal(begin(fixture->session, 1, "p", NOW), STORE_OK);
    assert_int_equal(begin(fixture->other, 1, "q", NOW + 999), STORE_CONFLICT);
    assert_int_equal(begin(fixture->session, 1, "p", NOW + 999), STORE_CONFLICT);
    assert_int_equal(refreshed(fixture->other, "q", "stolen"), STORE_CONFLICT);
    assert_int_equal(refreshed(fixture->session, "p", "refresh-2"), STORE_OK);
    assert_int_equal(refreshed(fixture->session, "p", "twice"), STORE_CONFLICT);
    assert_int_equal(begin(fixture->other, 1, "q", NOW + 10), STORE_CONFLICT);
    struct store_installation found = get_installation(fixture->other, "co", "loc");
    assert_string_equal(found.access_token, "access-2");
    assert_string_equal(found.refresh_token, "refresh-2");
    assert_string_equal(found.scopes, "a b");
    assert_int_equal(found.expires_ms, NOW + 9000);
    assert_int_equal(found.refreshed_ms, NOW + 5);
    assert_int_equal(found.version, 2);
    store_installation_deinit(&found);
    assert_int_equal(begin(fixture->other, 2, "q", NOW + 10), STORE_OK);
    assert_int_equal(refreshed(fixture->other, "q", NULL), STORE_OK);
    found = get_installation(fixture->other, "co", "loc");
    assert_string_equal(found.refresh_token, "refresh-2");
    store_installation_deinit(&found);
}

static void a_refresh_cut_off_can_be_taken_over(void **state)
{
    struct fixture *fixture = *state;
    put(fixture->session, "co", "loc", NOW);
    assert_int_equal(begin(fixture->session, 1, "p", NOW), STORE_OK);
    assert_int_equal(begin(fixture->other, 1, "q", NOW + 1000), STORE_OK);
    assert_int_equal(refreshed(fixture->session, "p", "late"), STORE_CONFLICT);
    assert_int_equal(store_installation_refresh_failed(fixture->session, "co", "loc", "p", "late", true, NOW),
                     STORE_CONFLICT);
    assert_int_equal(refreshed(fixture->other, "q", "refresh-2"), STORE_OK);
}

static void a_failed_refresh_keeps_the_pair(void **state)
{
    struct fixture *fixture = *state;
    put(fixture->session, "co", "loc", NOW);
    assert_int_equal(begin(fixture->session, 1, "p", NOW), STORE_OK);
    assert_int_equal(
        store_installation_refresh_failed(fixture->session, "co", "loc", "p", "away", false, NOW), STORE_OK);
    struct store_installation found = get_installation(fixture->session, "co", "loc");
    assert_string_equal(found.status, "connected");
    assert_null(found.reason);
    store_installation_deinit(&found);
    assert_int_equal(begin(fixture->session, 1, "p", NOW), STORE_OK);
    assert_int_equal(
        store_installation_refresh_failed(fixture->session, "co", "loc", "p", "invalid_grant", true, NOW),
        STORE_OK);
    found = get_installation(fixture->session, "co", "loc");
    assert_string_equal(found.status, "invalid");
    assert_string_equal(found.reason, "invalid_grant");
    assert_string_equal(found.refresh_token, "refresh-1");
    assert_string_equal(found.access_token, "access-1");
    assert_int_equal(found.version, 1);
    store_installation_deinit(&found);
    assert_int_equal(begin(fixture->session, 1, "p", NOW), STORE_OK);
    assert_int_equal(refreshed(fixture->session, "p", "refresh-2"), STORE_OK);
    found = get_installation(fixture->session, "co", "loc");
    assert_string_equal(found.status, "connected");
    assert_null(found.reason);
    store_installation_deinit(&found);
}

static void a_new_install_ends_a_refresh(void **state)
{
    struct fixture *fixture = *state;
    put(fixture->session, "co", "loc", NOW);
    assert_int_equal(begin(fixture->session, 1, "p", NOW), STORE_OK);
    put(fixture->other, "co", "loc", NOW);
    assert_int_equal(refreshed(fixture->session, "p", "old"), STORE_CONFLICT);
    assert_int_equal(begin(fixture->session, 2, "p", NOW), STORE_OK);
}

static void what_was_removed_stays_removed(void **state)
{
    struct fixture *fixture = *state;
    put(fixture->session, "co", "loc", NOW);
    assert_int_equal(begin(fixture->session, 1, "p", NOW), STORE_OK);
    assert_int_equal(
        store_installation_set_status(fixture->other, "co", "loc", "removed", "uninstalled", NOW + 1),
        STORE_OK);
    assert_int_equal(refreshed(fixture->session, "p", "refresh-2"), STORE_OK);
    struct store_installation found = get_installation(fixture->session, "co", "loc");
    assert_string_equal(found.status, "removed");
    assert_string_equal(found.reason, "uninstalled");
    assert_string_equal(found.refresh_token, "refresh-2");
    store_installation_deinit(&found);
}

static void a_sweep_ends_refresh_leases_of_a_wrong_clock(void **state)
{
    struct fixture *fixture = *state;
    int64_t moved = 0;
    put(fixture->session, "co", "loc", NOW);
    assert_int_equal(begin(fixture->session, 1, "p", NOW + 86400000), STORE_OK);
    assert_int_equal(begin(fixture->other, 1, "q", NOW), STORE_CONFLICT);
    assert_int_equal(store_message_sweep(fixture->session, NOW, 60000, &moved), STORE_OK);
    assert_int_equal(moved, 1);
    assert_int_equal(begin(fixture->other, 1, "q", NOW), STORE_OK);
}

static void reseals_only_what_it_has_read(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    put(session, "co", "loc", NOW);
    assert_int_equal(store_installation_reseal(session, "co", "loc", 2, "a", "r"), STORE_CONFLICT);
    assert_int_equal(store_installation_reseal(session, "co", "loc", 1, "a", NULL), STORE_OK);
    struct store_installation found = get_installation(session, "co", "loc");
    assert_string_equal(found.access_token, "a");
    assert_string_equal(found.refresh_token, "refresh-1");
    assert_int_equal(found.version, 1);
    store_installation_deinit(&found);
}

static void knows_no_installation_that_was_not_put(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    assert_int_equal(begin(session, 1, "p", NOW), STORE_NOT_FOUND);
    assert_int_equal(refreshed(session, "p", "r"), STORE_NOT_FOUND);
    assert_int_equal(store_installation_refresh_failed(session, "co", "loc", "p", "x", true, NOW),
                     STORE_NOT_FOUND);
    assert_int_equal(store_installation_set_status(session, "co", "loc", "removed", NULL, NOW),
                     STORE_NOT_FOUND);
    assert_int_equal(store_installation_reseal(session, "co", "loc", 1, "a", "r"), STORE_NOT_FOUND);
}

/* ---- one-time states ---- */

static void a_state_is_taken_once(void **state)
{
    struct fixture *fixture = *state;
    char *data;
    assert_int_equal(store_state_put(fixture->session, "s1", "{\"x\":1}", NOW + 1000), STORE_OK);
    assert_int_equal(store_state_put(fixture->session, "s1", "other", NOW + 1000), STORE_DUPLICATE);
    assert_int_equal(store_state_take(fixture->other, "s1", NOW + 999, &data), STORE_OK);
    assert_string_equal(data, "{\"x\":1}");
    free(data);
    assert_int_equal(store_state_take(fixture->session, "s1", NOW + 999, &data), STORE_NOT_FOUND);
    assert_null(data);
    assert_int_equal(store_state_take(fixture->session, "never", NOW, &data), STORE_NOT_FOUND);
}

static void a_state_past_its_time_is_gone(void **state)
{
    struct fixture *fixture = *state;
    char name[16], *data;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "s%03d", i);
        assert_int_equal(store_state_put(fixture->session, name, NULL, NOW + 1000), STORE_OK);
    }
    assert_int_equal(store_state_take(fixture->session, "s299", NOW + 1000, &data), STORE_NOT_FOUND);
    assert_int_equal(store_state_put(fixture->session, "s000", NULL, NOW + 5000),
                     STORE_OK); /* it was forgotten */
}

/* ---- settings ---- */

static void settings_are_put_replaced_and_removed(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    struct store_setting_list list;
    assert_int_equal(store_setting_put(session, "b", "name", "1", false, NOW), STORE_OK);
    assert_int_equal(store_setting_put(session, "a", "zone", "Asia/Manila", false, NOW), STORE_OK);
    assert_int_equal(store_setting_put(session, "a", "key", "one", false, NOW), STORE_OK);
    assert_int_equal(store_setting_put(session, "a", "key", "sealed-two", true, NOW + 1), STORE_OK);
    assert_int_equal(store_setting_put(session, "a", "absent", NULL, false, NOW), STORE_OK);
    assert_int_equal(store_setting_list(fixture->other, "a", &list), STORE_OK);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].name, "key");
    assert_string_equal(list.items[0].value, "sealed-two");
    assert_true(list.items[0].sealed);
    assert_int_equal(list.items[0].updated_ms, NOW + 1);
    assert_string_equal(list.items[1].name, "zone");
    assert_false(list.items[1].sealed);
    store_setting_list_deinit(&list);
    assert_int_equal(store_setting_put(session, "a", "key", NULL, false, NOW), STORE_OK);
    assert_int_equal(store_setting_list(session, NULL, &list), STORE_OK);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].scope, "a");
    assert_string_equal(list.items[1].scope, "b");
    store_setting_list_deinit(&list);
    assert_int_equal(store_setting_list(session, "none", &list), STORE_OK);
    assert_int_equal(list.count, 0);
    store_setting_list_deinit(&list);
}

static void a_probe_says_that_it_can_commit(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(store_probe(fixture->session, NOW), STORE_OK);
    assert_int_equal(store_probe(fixture->session, NOW + 1), STORE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(keeps_a_record_whole),
        STORE_TEST(finds_by_location_company_or_both),
        STORE_TEST(a_location_finds_its_company_later),
        STORE_TEST(lists_what_expires_soonest_first),
        STORE_TEST(one_refresh_at_a_time),
        STORE_TEST(a_refresh_cut_off_can_be_taken_over),
        STORE_TEST(a_failed_refresh_keeps_the_pair),
        STORE_TEST(a_new_install_ends_a_refresh),
        STORE_TEST(what_was_removed_stays_removed),
        STORE_TEST(a_sweep_ends_refresh_leases_of_a_wrong_clock),
        STORE_TEST(reseals_only_what_it_has_read),
        STORE_TEST(knows_no_installation_that_was_not_put),
        STORE_TEST(a_state_is_taken_once),
        STORE_TEST(a_state_past_its_time_is_gone),
        STORE_TEST(settings_are_put_replaced_and_removed),
        STORE_TEST(a_probe_says_that_it_can_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
