/* Several processes on one store: claims, deduplication, refresh leases, one-time states and ids hold over
 * all of them, and one that is killed loses nothing that it acknowledged. Written against store.h alone. */
#include "store/store_memory.h"
#include "store/store_rules.h"

#include "store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define PROCESSES 3

/* In a child no assertion of cmocka may run: it would jump back into the parent's test runner. */
#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                       \
        }                                                                   \
    } while (0)

struct worker {
    struct store_session *session;
    char name[8];
    int number;
    FILE *out; /* lines for the parent */
};

static void worker_main(const char *url, int number, int out, void (*work)(struct worker *worker))
{
    struct store *store;
    struct error error;
    struct worker worker = {.number = number, .out = fdopen(out, "w")};
    setvbuf(worker.out, NULL, _IOLBF, 0); /* a pipe keeps short writes whole */
    snprintf(worker.name, sizeof worker.name, "p%d", number);
    CHECK(store_open(&(struct store_options){url, 20000}, &store, &error) == 0);
    CHECK(store_session_open(store, &worker.session, &error) == 0);
    work(&worker);
    CHECK(fclose(worker.out) == 0);
    store_session_close(worker.session);
    store_close(store);
    _exit(0);
}

/* Runs `work` in as many processes at once and returns all lines that they wrote. Nothing of the store may be
 * open in the parent: connections do not survive a fork. */
static struct buffer run_workers(const char *url, void (*work)(struct worker *worker))
{
    struct buffer lines = {0};
    pid_t children[PROCESSES];
    int pipes[2];
    char chunk[4096];
    ssize_t length;
    assert_int_equal(pipe(pipes), 0);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(pipes[0]);
            worker_main(url, i, pipes[1], work);
        }
        assert_true(children[i] > 0);
    }
    close(pipes[1]);
    while ((length = read(pipes[0], chunk, sizeof chunk)) > 0)
        buffer_append(&lines, chunk, (size_t)length);
    close(pipes[0]);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    buffer_append_text(&lines, "");
    return lines;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts the lines and returns how many there are, and in `distinct` how many different ones. */
static size_t count_lines(struct buffer *lines, size_t *distinct)
{
    char **sorted = memory_allocate((lines->length + 1) * sizeof *sorted);
    size_t count = 0;
    for (char *line = strtok(lines->data, "\n"); line != NULL; line = strtok(NULL, "\n"))
        sorted[count++] = line;
    qsort(sorted, count, sizeof *sorted, compare_lines);
    *distinct = count > 0 ? 1 : 0;
    for (size_t i = 1; i < count; i++)
        *distinct += strcmp(sorted[i - 1], sorted[i]) != 0;
    free(sorted);
    buffer_deinit(lines);
    return count;
}

static int closed_setup(void **state)
{
    fixture_setup(state);
    struct fixture *fixture = *state;
    store_session_close(fixture->session);
    store_session_close(fixture->other);
    store_close(fixture->store);
    fixture->session = fixture->other = NULL;
    fixture->store = NULL;
    return 0;
}

static void reopen(struct fixture *fixture)
{
    fixture->store = open_store(fixture->url);
    fixture->session = open_session(fixture->store);
}

static void reclose(struct fixture *fixture)
{
    store_session_close(fixture->session);
    store_close(fixture->store);
    fixture->session = NULL;
    fixture->store = NULL;
}

/* ---- claims ---- */

#define MESSAGES 2400
#define LOCATIONS 8

static void work_location(struct worker *worker, const char *location)
{
    struct store_message_list list;
    struct store_claim claim = {TRACK_DELIVERY, location, worker->name, 7, NOW, LEASE_MS};
    CHECK(store_message_claim(worker->session, &claim, &list) == STORE_OK);
    for (size_t i = 0; i < list.count; i++) {
        struct store_message *message = &list.items[i];
        struct store_attempt attempt = {.id = message->id,
                                        .lease = message->lease,
                                        .provider = worker->name,
                                        .sent = "{}",
                                        .now_ms = NOW};
        struct store_settlement settlement = {
            .id = message->id, .lease = message->lease, .state = MESSAGE_SENT, .now_ms = NOW};
        CHECK(store_attempt_begin(worker->session, &attempt) == STORE_OK);
        fprintf(worker->out, "%s\n", message->id);
        CHECK(store_message_settle(worker->session, &settlement) == STORE_OK);
    }
    store_message_list_deinit(&list);
}

static void work_until_nothing_waits(struct worker *worker)
{
    int64_t waiting = 1;
    while (waiting > 0) {
        struct store_lanes lanes;
        CHECK(store_lanes_due(worker->session, TRACK_DELIVERY, NOW, NULL, LOCATIONS, &lanes) == STORE_OK);
        for (size_t i = 0; i < lanes.count; i++)
            work_location(worker, lanes.locations[(i + (size_t)worker->number) % lanes.count]);
        store_lanes_deinit(&lanes);
        CHECK(store_message_count(worker->session, &waiting) == STORE_OK);
    }
}

static void each_message_is_claimed_once(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    for (int i = 0; i < MESSAGES; i++) {
        char external_id[16], location[16], conversation[16];
        snprintf(external_id, sizeof external_id, "x%d", i);
        snprintf(location, sizeof location, "l%d", i % LOCATIONS);
        snprintf(conversation, sizeof conversation, "c%d", i / 3); /* a third of them wait for another */
        accept_one(fixture->session, location, external_id, conversation);
    }
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    reclose(fixture);
    struct buffer lines = run_workers(fixture->url, work_until_nothing_waits);
    size_t distinct, count = count_lines(&lines, &distinct);
    assert_int_equal(count, MESSAGES);
    assert_int_equal(distinct, MESSAGES);
}

/* ---- accepting ---- */

#define SAME 701 /* a prime, so that every worker's order has all of them */

/* Everybody accepts the same messages, in an order of his own. A worker's own new ids grow. */
static void accept_the_same(struct worker *worker)
{
    char last[STORE_ID_SIZE] = "";
    for (int i = 0; i < SAME; i++) {
        char external_id[16], id[STORE_ID_SIZE];
        snprintf(external_id, sizeof external_id, "x%d", (i * (2 * worker->number + 1)) % SAME);
        struct store_message_new message = new_message("l", external_id, "c");
        enum store_status status = store_message_accept(worker->session, &message, id);
        CHECK(status == STORE_OK || status == STORE_DUPLICATE);
        fprintf(worker->out, "%s %s\n", external_id, id);
        if (status == STORE_OK) {
            CHECK(strcmp(id, last) > 0);
            strcpy(last, id);
        }
    }
}

static void one_message_has_one_id_everywhere(void **state)
{
    struct fixture *fixture = *state;
    struct buffer lines = run_workers(fixture->url, accept_the_same);
    size_t distinct, count = count_lines(&lines, &distinct);
    int64_t waiting;
    assert_int_equal(count, PROCESSES * SAME);
    reopen(fixture);
    assert_int_equal(store_message_count(fixture->session, &waiting), STORE_OK);
    assert_int_equal(waiting, distinct);
    assert_int_equal(distinct, SAME);
}

/* ---- refreshes and states ---- */

#define REFRESHES 250

/* The refresh token of a version is used by whoever holds the lease; the provider would refuse a second use.
 */
static void refresh_again_and_again(struct worker *worker)
{
    for (int done = 0; done < REFRESHES;) {
        struct store_installation found;
        CHECK(store_installation_get(worker->session, "co", "loc", &found) == STORE_OK);
        enum store_status status = store_installation_refresh_begin(worker->session, "co", "loc",
                                                                    found.version, worker->name, NOW, 60000);
        CHECK(status == STORE_OK || status == STORE_CONFLICT);
        if (status == STORE_OK) {
            char next[32];
            fprintf(worker->out, "%s\n", found.refresh_token);
            snprintf(next, sizeof next, "r%llu", (unsigned long long)found.version + 1);
            CHECK(store_installation_refreshed(worker->session, "co", "loc", worker->name, "a", next, NOW,
                                               NULL, NOW) == STORE_OK);
            done++;
        }
        store_installation_deinit(&found);
    }
}

static void a_refresh_token_is_used_once(void **state)
{
    struct fixture *fixture = *state;
    struct store_installation first = {.company = (char *)"co",
                                       .location = (char *)"loc",
                                       .access_token = (char *)"a",
                                       .refresh_token = (char *)"r1"};
    reopen(fixture);
    assert_int_equal(store_installation_put(fixture->session, &first, NOW), STORE_OK);
    reclose(fixture);
    struct buffer lines = run_workers(fixture->url, refresh_again_and_again);
    size_t distinct, count = count_lines(&lines, &distinct);
    assert_int_equal(count, PROCESSES * REFRESHES);
    assert_int_equal(distinct, PROCESSES * REFRESHES);
}

#define STATES 600

static void take_all_states(struct worker *worker)
{
    for (int i = 0; i < STATES; i++) {
        char name[16], *data;
        snprintf(name, sizeof name, "s%d", i);
        enum store_status status = store_state_take(worker->session, name, NOW, &data);
        CHECK(status == STORE_OK || status == STORE_NOT_FOUND);
        if (status == STORE_OK)
            fprintf(worker->out, "%s\n", data);
        free(data);
    }
}

static void a_state_is_taken_by_one(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    for (int i = 0; i < STATES; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        assert_int_equal(store_state_put(fixture->session, name, name, NOW + 1), STORE_OK);
    }
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    reclose(fixture);
    struct buffer lines = run_workers(fixture->url, take_all_states);
    size_t distinct, count = count_lines(&lines, &distinct);
    assert_int_equal(count, STATES);
    assert_int_equal(distinct, STATES);
}

/* ---- memory and versions of rules ---- */

#define COUNTED_MOST 40

/* Everybody counts as long as there is room. */
static void count_until_refused(struct worker *worker)
{
    struct store_effect effect = {.entry = {"loc", "today", "location"},
                                  .op = EFFECT_ADD,
                                  .by = 1,
                                  .most = COUNTED_MOST,
                                  .expires_ms = NOW + 1};
    enum store_status status = STORE_OK;
    for (int i = 0; status == STORE_OK; i++) {
        char message_id[32];
        snprintf(message_id, sizeof message_id, "%s-%d", worker->name, i);
        status = store_memory_apply(worker->session, message_id, &effect, 1, NOW);
        CHECK(status == STORE_OK || status == STORE_REFUSED);
        if (status == STORE_OK)
            fprintf(worker->out, "%s\n", message_id);
    }
}

static void a_counter_stops_at_its_most(void **state)
{
    struct fixture *fixture = *state;
    struct buffer lines = run_workers(fixture->url, count_until_refused);
    size_t distinct, count = count_lines(&lines, &distinct);
    assert_int_equal(count, COUNTED_MOST);
}

#define PUBLICATIONS 40

static void publish_and_record(struct worker *worker)
{
    for (int i = 0; i < PUBLICATIONS; i++) {
        uint64_t version;
        char hash[16];
        snprintf(hash, sizeof hash, "h%d", i);
        struct store_rules_new rules = {
            .agency = "acme", .source = SLICE_LITERAL("x"), .hash = hash, .now_ms = NOW, .kept = 10};
        CHECK(store_rules_add(worker->session, &rules, &version) == STORE_OK);
        fprintf(worker->out, "%d\n", (int)version);
        rules.hash = "the file's, the same everywhere";
        enum store_status status = store_rules_record(worker->session, &rules, &version);
        CHECK(status == STORE_OK || status == STORE_DUPLICATE);
        if (status == STORE_OK)
            fprintf(worker->out, "%d\n", (int)version);
    }
}

static void a_version_is_numbered_once_and_one_is_live(void **state)
{
    struct fixture *fixture = *state;
    struct store_rules_list list;
    struct buffer lines = run_workers(fixture->url, publish_and_record);
    size_t distinct, count = count_lines(&lines, &distinct);
    assert_int_equal(count, PROCESSES * PUBLICATIONS + 1);
    assert_int_equal(distinct, count);
    reopen(fixture);
    assert_int_equal(store_rules_current(fixture->session, &list), STORE_OK);
    assert_int_equal(list.count, 1);
    store_rules_list_deinit(&list);
}

/* ---- opening and dying ---- */

static void probe_once(struct worker *worker)
{
    CHECK(store_probe(worker->session, NOW) == STORE_OK);
}

static void a_new_store_is_made_by_one_of_many(void **state)
{
    struct fixture *fixture = *state;
    char name[16], url[512];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "new%d", i);
        store_address(fixture, name, url, sizeof url);
        struct buffer lines = run_workers(url, probe_once);
        buffer_deinit(&lines);
        drop_store(url);
    }
}

static void accept_for_ever(const char *url, int round, int out)
{
    struct store *store;
    struct store_session *session;
    struct error error;
    CHECK(store_open(&(struct store_options){url, 20000}, &store, &error) == 0);
    CHECK(store_session_open(store, &session, &error) == 0);
    for (int group = 0;; group++) {
        struct id ids[16];
        CHECK(store_batch_begin(session) == STORE_OK);
        for (int i = 0; i < 16; i++) {
            char external_id[32];
            snprintf(external_id, sizeof external_id, "x%d-%d-%d", round, group, i);
            struct store_message_new message = new_message("l", external_id, external_id);
            CHECK(store_message_accept(session, &message, ids[i].text) == STORE_OK);
        }
        CHECK(store_batch_commit(session) == STORE_OK);
        CHECK(write(out, ids, sizeof ids) == (ssize_t)sizeof ids);
    }
}

/* Kills a writer in the middle of its work and returns the ids that it had acknowledged. */
static struct buffer kill_a_writer(const char *url, int round)
{
    struct buffer ids = {0};
    char chunk[4096];
    ssize_t length;
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        accept_for_ever(url, round, pipes[1]);
    }
    close(pipes[1]);
    assert_true((length = read(pipes[0], chunk, sizeof chunk)) > 0); /* it is at work */
    buffer_append(&ids, chunk, (size_t)length);
    nanosleep(&(struct timespec){.tv_nsec = 1000000L * (1 + round * 7 % 23)}, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    while ((length = read(pipes[0], chunk, sizeof chunk)) > 0)
        buffer_append(&ids, chunk, (size_t)length);
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return ids;
}

static void a_killed_process_loses_nothing_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 12; round++) {
        struct buffer ids = kill_a_writer(fixture->url, round);
        size_t count = ids.length / sizeof(struct id);
        assert_true(count >= 16);
        reopen(fixture);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(state_of(fixture->session, ((struct id *)ids.data)[i].text), MESSAGE_QUEUED);
        reclose(fixture);
        buffer_deinit(&ids);
    }
}

#define PROCESS_TEST(function) cmocka_unit_test_setup_teardown(function, closed_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS_TEST(each_message_is_claimed_once),
        PROCESS_TEST(one_message_has_one_id_everywhere),
        PROCESS_TEST(a_refresh_token_is_used_once),
        PROCESS_TEST(a_state_is_taken_by_one),
        PROCESS_TEST(a_counter_stops_at_its_most),
        PROCESS_TEST(a_version_is_numbered_once_and_one_is_live),
        PROCESS_TEST(a_new_store_is_made_by_one_of_many),
        PROCESS_TEST(a_killed_process_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
