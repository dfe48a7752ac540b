/* What is SQLite's own: query plans, the cost of a claim, full disks, foreign files, the log's writes. */
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "store/sqlite.h"
#include "store/store_memory.h"
#include "store/store_rules.h"

/* ---- plans ---- */

static int64_t steps_of(struct store_session *session)
{
    int64_t steps = 0;
    for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(sqlite_session(session)->db, s)) != NULL;)
        steps += sqlite3_stmt_status(s, SQLITE_STMTSTATUS_VM_STEP, 1);
    return steps;
}

static void plan_of(sqlite3 *db, const char *sql, struct buffer *plan)
{
    struct buffer explain = {0};
    sqlite3_stmt *s = NULL;
    buffer_append_text(&explain, "EXPLAIN QUERY PLAN ");
    buffer_append_text(&explain, sql);
    assert_int_equal(sqlite3_prepare_v2(db, explain.data, -1, &s, NULL), SQLITE_OK);
    buffer_append_text(plan, "");
    while (sqlite3_step(s) == SQLITE_ROW)
        buffer_append_format(plan, "%s; ", (const char *)sqlite3_column_text(s, 3));
    sqlite3_finalize(s);
    buffer_deinit(&explain);
}

static void accept_many(struct store_session *session, const char *location, const char *conversation,
                        int first, int count)
{
    assert_int_equal(store_batch_begin(session), STORE_OK);
    for (int i = first; i < first + count; i++) {
        char external_id[16];
        snprintf(external_id, sizeof external_id, "x%d", i);
        accept_one(session, location, external_id, conversation != NULL ? conversation : external_id);
    }
    assert_int_equal(store_batch_commit(session), STORE_OK);
}

static void remember_and_forget(struct store_session *session)
{
    struct store_effect effects[] = {
        {.entry = {"a", "n", "k"}, .op = EFFECT_ADD, .by = 1, .most = 5, .expires_ms = NOW + 1},
        {.entry = {"a", "v", "k"}, .op = EFFECT_SET, .value = "1", .expires_ms = NOW + 1}};
    struct store_remembered remembered;
    bool more;
    assert_int_equal(store_memory_apply(session, "m1", effects, 2, NOW), STORE_OK);
    assert_int_equal(store_memory_apply(session, "m2", effects, 2, NOW + 1), STORE_OK);
    assert_int_equal(store_memory_read(session, "m1", &effects[0].entry, 1, NOW, &remembered), STORE_OK);
    assert_int_equal(store_memory_sweep(session, NOW + 1, &more), STORE_OK);
}

/* Everything that runs for a message, from its acceptance to its last report. */
static void run_the_road(struct store_session *session)
{
    struct store_lanes lanes;
    struct store_message_new again = new_message("a", "x0", "c");
    struct id id;
    accept_many(session, "a", "c", 0, 3);
    assert_int_equal(store_message_accept(session, &again, id.text), STORE_DUPLICATE);
    assert_int_equal(store_lanes_due(session, TRACK_DELIVERY, NOW, NULL, 10, &lanes), STORE_OK);
    store_lanes_deinit(&lanes);
    struct claimed claimed = claim_one(session, "p", TRACK_DELIVERY, "a", NOW);
    assert_int_equal(claim_count(session, "p", TRACK_DELIVERY, "a", NOW), 0);
    assert_int_equal(begin_attempt(session, &claimed, NOW), STORE_OK);
    struct store_settlement settlement = {.id = claimed.id,
                                          .lease = claimed.lease,
                                          .state = MESSAGE_SENT,
                                          .report_status = "pending",
                                          .now_ms = NOW};
    assert_int_equal(store_message_settle(session, &settlement), STORE_OK);
    assert_int_equal(store_lanes_due(session, TRACK_REPORT, NOW, NULL, 10, &lanes), STORE_OK);
    store_lanes_deinit(&lanes);
    claimed = claim_one(session, "p", TRACK_REPORT, "a", NOW);
    struct store_event event = {NOW, "report", NULL};
    struct store_report_settlement report = {
        .id = claimed.id, .lease = claimed.lease, .reported = "pending", .event = &event, .now_ms = NOW};
    assert_int_equal(store_report_settle(session, &report), STORE_OK);
    assert_int_equal(store_message_replay(session, claimed.id, NULL, NOW), STORE_CONFLICT);
    struct store_message message = get(session, claimed.id);
    store_message_deinit(&message);
    struct store_message_filter filter = {.state = -1, .location = "a", .limit = 10};
    struct store_message_list list;
    assert_int_equal(store_message_list(session, &filter, &list), STORE_OK);
    store_message_list_deinit(&list);
    remember_and_forget(session);
}

static void the_road_scans_nothing(void **state)
{
    struct fixture *fixture = *state;
    run_the_road(fixture->session);
    int checked = 0;
    for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(sqlite_session(fixture->session)->db, s)) != NULL;) {
        struct buffer plan = {0};
        plan_of(sqlite_session(fixture->session)->db, sqlite3_sql(s), &plan);
        /* max(id) reads the last entry; a lone insert has no plan. */
        if (strstr(sqlite3_sql(s), "max(id)") == NULL && strstr(plan.data, "SCAN") != NULL)
            fail_msg("%s\nscans: %s", sqlite3_sql(s), plan.data);
        if (strstr(plan.data, "TEMP B-TREE") != NULL)
            fail_msg("%s\nsorts: %s", sqlite3_sql(s), plan.data);
        checked += strstr(plan.data, "SEARCH") != NULL;
        buffer_deinit(&plan);
    }
    assert_true(checked >= 12);
}

static void assert_plan(sqlite3 *db, const char *sql, const char *expected)
{
    struct buffer plan = {0};
    plan_of(db, sql, &plan);
    if (strstr(plan.data, expected) == NULL)
        fail_msg("%s\nplan: %s\nwithout: %s", sql, plan.data, expected);
    buffer_deinit(&plan);
}

static void each_search_has_its_index(void **state)
{
    struct fixture *fixture = *state;
    run_the_road(fixture->session);
    static const struct {
        const char *part, *plan;
    } expected[] = {
        {"SELECT location, due_ms", "USING COVERING INDEX message_due (location>?)"},
        {"SELECT location, report_due_ms", "USING COVERING INDEX message_report (location>?)"},
        {"FROM message INDEXED BY message_due", "USING INDEX message_due (location=? AND due_ms<?)"},
        {"FROM message INDEXED BY message_report",
         "USING INDEX message_report (location=? AND report_due_ms<?)"},
        {"SELECT 1 FROM message INDEXED BY message_waiting",
         "message_waiting (conversation_hash=? AND rowid<?)"},
        {"external_hash = ?1 AND place_hash", "message_external (external_hash=? AND place_hash=?)"},
        {"FROM event", "USING PRIMARY KEY (message=?)"},
        {"FROM message_place",
         "PRIMARY KEY (location=? AND block>? AND block<?); SEARCH message USING INTEGER "
         "PRIMARY KEY (rowid>? AND rowid<?); "},
        {"DELETE FROM memory WHERE id IN", "memory_expires (expires_ms<?)"},
        {"DELETE FROM memory_mark WHERE (entry", "memory_expires (expires_ms<?)"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        bool found = false;
        for (sqlite3_stmt *s = NULL;
             (s = sqlite3_next_stmt(sqlite_session(fixture->session)->db, s)) != NULL;) {
            if (strstr(sqlite3_sql(s), expected[i].part) == NULL)
                continue;
            assert_plan(sqlite_session(fixture->session)->db, sqlite3_sql(s), expected[i].plan);
            found = true;
        }
        if (!found)
            fail_msg("no statement has \"%s\"", expected[i].part);
    }
}

/* ---- cost ---- */

static int64_t cost_of_a_claim(struct store_session *session, const char *location, int64_t now_ms)
{
    steps_of(session);
    claim_count(session, "p", TRACK_DELIVERY, location, now_ms);
    return steps_of(session);
}

static void a_claim_costs_the_same_at_200000_as_at_100(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_many(session, "few", NULL, 0, 100);
    int64_t few = cost_of_a_claim(session, "few", NOW);
    for (int i = 0; i < 40; i++)
        accept_many(session, "many", NULL, i * 5000, 5000);
    int64_t many = cost_of_a_claim(session, "many", NOW);
    print_message("steps: %lld with 100 waiting, %lld with 200000\n", (long long)few, (long long)many);
    assert_true(few > 0);
    assert_true(many < few * 11 / 10);
    steps_of(session);
    struct store_lanes lanes;
    assert_int_equal(store_lanes_due(session, TRACK_DELIVERY, NOW, NULL, 10, &lanes), STORE_OK);
    store_lanes_deinit(&lanes);
    assert_true(steps_of(session) < 200);
}

static void what_waits_in_a_conversation_is_passed_once(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_many(session, "a", "c", 0, 3000);
    accept_many(session, "a", NULL, 3000, 100);
    size_t claimed = 0;
    for (int i = 0; i < 10; i++)
        claimed += claim_count(session, "p", TRACK_DELIVERY, "a", NOW);
    assert_int_equal(claimed, 101);
    assert_true(cost_of_a_claim(session, "a", NOW) < 100);
}

/* ---- full disks ---- */

static void pragma(struct store_session *session, const char *sql)
{
    assert_int_equal(sqlite3_exec(sqlite_session(session)->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* Accepts until the disk is full; returns how many were acknowledged. */
static int fill(struct store_session *session, int first)
{
    for (int i = first;; i++) {
        char external_id[16];
        struct id id;
        snprintf(external_id, sizeof external_id, "x%d", i);
        struct store_message_new message = new_message("a", external_id, external_id);
        enum store_status status = store_message_accept(session, &message, id.text);
        if (status != STORE_OK) {
            assert_int_equal(status, STORE_FULL);
            assert_true(strlen(store_session_error(session)) > 0);
            return i;
        }
    }
}

static void assert_sound(struct store_session *session, int64_t messages)
{
    sqlite3_stmt *s = sqlite_statement(session, "PRAGMA integrity_check");
    int64_t waiting;
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), "ok");
    sqlite3_reset(s);
    assert_int_equal(store_message_count(session, &waiting), STORE_OK);
    assert_int_equal(waiting, messages);
}

static void a_full_file_loses_nothing_and_recovers(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    pragma(session, "PRAGMA max_page_count=60");
    int count = fill(session, 0);
    assert_true(count > 10);
    assert_sound(fixture->other, count);

    struct id id;
    assert_int_equal(store_batch_begin(session), STORE_OK);
    struct store_message_new large = new_message("a", "large", "c");
    char *payload = memory_allocate(300000);
    large.payload = (struct slice){payload, 300000};
    assert_int_equal(store_message_accept(session, &large, id.text), STORE_FULL);
    struct store_message_new small = new_message("a", "small", "c");
    assert_int_equal(store_message_accept(session, &small, id.text), STORE_FULL);
    assert_int_equal(store_batch_commit(session), STORE_FULL);
    assert_sound(fixture->other, count);

    pragma(session, "PRAGMA max_page_count=1000000");
    assert_int_equal(store_message_accept(session, &large, id.text), STORE_OK);
    assert_sound(fixture->other, count + 1);
    free(payload);
}

static void reserve(const char *path, off_t bytes)
{
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    assert_int_equal(posix_fallocate(file, 0, bytes), 0);
    close(file);
}

static void a_full_disk_loses_nothing_and_recovers(void **state)
{
    struct fixture *fixture = *state;
    char folder[96], url[128], ballast[128];
    snprintf(folder, sizeof folder, "%s/small", fixture->folder);
    snprintf(url, sizeof url, "sqlite:%s/bascule.db", folder);
    snprintf(ballast, sizeof ballast, "%s/ballast", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("none", folder, "tmpfs", 0, "size=2m") != 0) {
        print_message("no tmpfs here: %s\n", strerror(errno));
        skip();
    }
    reserve(ballast, 700000);
    struct store *store = open_store(url);
    struct store_session *session = open_session(store), *other = open_session(store);
    int count = fill(session, 0);
    assert_true(count > 10);
    assert_int_equal(fill(session, count), count); /* and it stays full */
    assert_sound(other, count);
    assert_int_equal(unlink(ballast), 0);
    assert_int_equal(store_probe(session, NOW), STORE_OK);
    count = fill(session, count);
    assert_sound(other, count);
    store_session_close(session);
    store_session_close(other);
    store_close(store);
    store = open_store(url);
    session = open_session(store);
    assert_sound(session, count);
    store_session_close(session);
    store_close(store);
}

/* However the test ended, its disk must go before its folder can. */
static int small_disk_teardown(void **state)
{
    struct fixture *fixture = *state;
    char folder[96];
    snprintf(folder, sizeof folder, "%s/small", fixture->folder);
    umount2(folder, MNT_DETACH);
    return fixture_teardown(state);
}

/* ---- files ---- */

static void files_are_the_owners_alone(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    struct stat status;
    accept_one(fixture->session, "a", "x1", "c1");
    static const struct {
        const char *name;
        mode_t mode;
    } expected[] = {{"", 0700}, {"/bascule.db", 0600}, {"/bascule.db-wal", 0600}, {"/bascule.db-shm", 0600}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        snprintf(path, sizeof path, "%s/store%s", fixture->folder, expected[i].name);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, expected[i].mode);
    }
}

static void assert_refused(const char *url, const char *words)
{
    struct store *store = NULL;
    struct error error = {0};
    assert_int_equal(store_open(&(struct store_options){url, 100}, &store, &error), -1);
    assert_int_equal(error.kind, ERROR_PERMANENT);
    if (strstr(error.message, words) == NULL)
        fail_msg("\"%s\" without \"%s\"", error.message, words);
}

static void a_newer_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    pragma(fixture->session, "PRAGMA user_version=1000");
    assert_refused(fixture->url, "newer than this program");
}

/* One message, without a page to follow. */
static void assert_listed(struct store_session *session, const char *location)
{
    struct store_message_list list;
    struct store_message_filter filter = {.state = -1, .location = location, .limit = 10};
    assert_int_equal(store_message_list(session, &filter, &list), STORE_OK);
    assert_int_equal(list.count, 1);
    store_message_list_deinit(&list);
}

/* A file as version 1 left it: migrations only add. */
static void a_file_of_version_1_is_brought_up_to_date(void **state)
{
    struct fixture *fixture = *state;
    struct id id = accept_one(fixture->session, "a", "x1", "c1");
    pragma(fixture->session,
           "DROP TABLE message_place; DROP TABLE memory; DROP TABLE memory_mark; DROP TABLE rules_version;"
           "DROP TABLE rules_revision; PRAGMA user_version=1");
    struct store *again = open_store(fixture->url);
    struct store_session *session = open_session(again);
    assert_int_equal(state_of(session, id.text), MESSAGE_QUEUED);
    assert_listed(session, "a");
    struct store_effect effect = {
        .entry = {"a", "n", "k"}, .op = EFFECT_SET, .value = "1", .expires_ms = NOW + 1};
    assert_int_equal(store_memory_apply(session, id.text, &effect, 1, NOW), STORE_OK);
    uint64_t revision;
    assert_int_equal(store_rules_revision(session, &revision), STORE_OK);
    store_session_close(session);
    store_close(again);
}

static void files_of_others_are_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[128], url[160];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/other.db", fixture->folder);
    snprintf(url, sizeof url, "sqlite:%s", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE theirs (a)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_refused(url, "another program");
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("This is a text, not a database. ", file);
    fclose(file);
    assert_refused(url, "not a database");
    snprintf(url, sizeof url, "sqlite:%s", fixture->folder);
    assert_refused(url, "Is a directory");
    assert_refused("sqlite:/proc/bascule/x.db", "folder");
}

static void a_store_in_memory_has_one_session(void **state)
{
    (void)state;
    struct store *store = open_store("sqlite::memory:");
    struct store_session *session = open_session(store), *second;
    struct error error;
    assert_int_equal(store_session_open(store, &second, &error), -1);
    run_the_road(session);
    store_session_close(session);
    store_close(store);
}

static void assert_setting(struct store_session *session, const char *sql, const char *expected)
{
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(sqlite_session(session)->db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), expected);
    sqlite3_finalize(s);
}

/* What sqlite_vfs.c counts on when it keeps the log's writes back until the sync. */
static void commits_are_synced_and_nothing_is_written_before(void **state)
{
    struct fixture *fixture = *state;
    assert_setting(fixture->session, "PRAGMA journal_mode", "wal");
    assert_setting(fixture->session, "PRAGMA synchronous", "2");
    assert_setting(fixture->session, "PRAGMA cache_spill", "0");
}

static void the_log_is_moved_into_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    store_session_tend_later(session);
    for (int i = 0; !store_session_tend_due(session); i++)
        accept_many(session, "a", NULL, i * 5000, 5000);
    assert_int_equal(store_session_tend(fixture->other), STORE_OK);
    accept_one(session, "a", "one more", "c");
    assert_false(store_session_tend_due(session));
    assert_int_equal(store_session_tend(session), STORE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(the_road_scans_nothing),
        STORE_TEST(each_search_has_its_index),
        STORE_TEST(a_claim_costs_the_same_at_200000_as_at_100),
        STORE_TEST(what_waits_in_a_conversation_is_passed_once),
        STORE_TEST(a_full_file_loses_nothing_and_recovers),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing_and_recovers, fixture_setup,
                                        small_disk_teardown),
        STORE_TEST(files_are_the_owners_alone),
        STORE_TEST(a_newer_file_is_refused),
        STORE_TEST(a_file_of_version_1_is_brought_up_to_date),
        STORE_TEST(files_of_others_are_refused),
        STORE_TEST(a_store_in_memory_has_one_session),
        STORE_TEST(commits_are_synced_and_nothing_is_written_before),
        STORE_TEST(the_log_is_moved_into_the_file),
    };
    unsetenv(STORE_VARIABLE); /* these are of SQLite, whatever others run against */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
