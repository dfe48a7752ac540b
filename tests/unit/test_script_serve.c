/* Requests through Lua and back: handle() on the loops of a real server, asked by host.http. */
#include "script_fixture.h"

#include "net/http_server.h"

/* libh2o keeps some freed blocks for each thread, and loses them when the thread ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libh2o-evloop\n";
}

static struct fixture fixture;
static struct http_server *server;
static struct mailbox *unread; /* where it is set, answers go here and nobody takes them */

static const char handler[] =
    "local time, json = require 'host.time', require 'host.json'\n"
    "local M = { kept = nil }\n"
    "local answers = {}\n"
    "function answers.echo(request)\n"
    "  return { status = 201, headers = { ['Content-Type'] = 'text/plain', ['x-number'] = 5,\n"
    "    ['x-list'] = { 'a', 'b' } }, body = table.concat({ request.method, request.path, request.query,\n"
    "    request.scheme, request.peer, request.body, request:header 'x-in' or '-', request:header 'x-none' "
    "or '-' }, '|') }\n"
    "end\n"
    "function answers.cached(request) return { status = 200, body = tostring(request.body == request.body) } "
    "end\n"
    "function answers.slow() time.sleep(20) return { status = 200, body = 'slept' } end\n"
    "function answers.fails() error 'a secret of the house' end\n"
    "function answers.nothing() end\n"
    "function answers.status() return { status = 99 } end\n"
    "function answers.body() return { status = 200, body = {} } end\n"
    "function answers.split() return { status = 200, headers = { ['x-a'] = 'b\\r\\nx-c: d' } } end\n"
    "function answers.name() return { status = 200, headers = { ['x a'] = 'b' } } end\n"
    "function answers.keep(request) M.kept = request; local _ = request.path return { status = 200, body = "
    "request.id } end\n"
    "function answers.late() return { status = 200, body = M.kept.path .. ' ' .. tostring(pcall(function() "
    "return M.kept.body end))\n"
    "  .. ' ' .. M.kept.id:sub(1, 0) } end\n"
    "function M.handle(request)\n"
    "  collectgarbage()\n"
    "  return answers[request.path:match '^/(%a+)'](request)\n"
    "end\n"
    "return M\n";

static const char client[] =
    "local http, config = require 'host.http', require 'host.config'\n"
    "local M = {}\n"
    "local function get(path, more)\n"
    "  local options = { url = 'http://127.0.0.1:' .. config.get 'BASCULE_LISTEN':match '%d+$' .. path }\n"
    "  for key, value in pairs(more or {}) do options[key] = value end\n"
    "  local answer, text = http.request(options)\n"
    "  return answer or { status = text, body = '', headers = {} }\n"
    "end\n"
    "function M.echo()\n"
    "  local a = get('/echo/x?q=1', { method = 'POST', body = 'the body', headers = { ['x-in'] = 'in' } })\n"
    "  return a.status, a.body, a.headers['content-type'], a.headers['x-number'], a.headers['x-list']\n"
    "end\n"
    "local function body(path) return function() local a = get(path) return a.status, a.body end end\n"
    "for _, name in ipairs { 'cached', 'slow', 'fails', 'nothing', 'status', 'body', 'split', 'name', 'late' "
    "} do\n"
    "  M[name] = body('/' .. name)\n"
    "end\n"
    "function M.keep() return get('/keep').status end\n"
    "return M\n";

static void *loop_start(struct http_loop *loop, unsigned index, void *argument)
{
    (void)index;
    (void)argument;
    return script_thread_new(&fixture.host, unread != NULL ? unread : http_loop_mailbox(loop));
}

static void loop_stop(void *context, void *argument)
{
    (void)argument;
    script_thread_free(context);
}

static void handle(struct http_exchange *exchange, void *context, void *argument)
{
    (void)argument;
    script_serve(context, exchange);
}

static void start_server(void)
{
    struct error error;
    struct http_server_options options = {
        .listen = "127.0.0.1:0",
        .workers = 1,
        .http2 = true,
        .body_limit_bytes = 1 << 20,
        .header_limit = 64,
        .connection_limit = 100,
        .connection_limit_peer = 100,
        .request_timeout_ms = 5000,
        .loop_start = loop_start,
        .loop_stop = loop_stop,
        .handle = handle,
    };
    server = http_server_start(&options, &error);
    if (server == NULL)
        fail_msg("%s", error.message);
}

/* The client learns the port by the configuration. */
static void use_port(void)
{
    char listen[64];
    struct buffer faults = {0};
    snprintf(listen, sizeof listen, "BASCULE_LISTEN=127.0.0.1:%d", http_server_port(server));
    config_free(fixture.config);
    fixture.config = config_read((char *[]){listen, NULL}, &faults);
    assert_non_null(fixture.config);
    fixture.host.config = fixture.config;
}

static int open_server(void **state)
{
    (void)state;
    struct error error;
    fixture_open(&fixture, fixture_no_environment());
    fixture_write(&fixture, "lua/bascule/server.lua", handler);
    fixture_write(&fixture, "lua/bascule/client.lua", client);
    fixture.host.timers = timers_start();
    fixture.host.client =
        http_client_start(&(struct http_client_options){.egress_allow = "127.0.0.0/8"}, &error);
    fixture_load(&fixture);
    start_server();
    use_port();
    return 0;
}

static int close_server(void **state)
{
    (void)state;
    http_server_drain(server, 0);
    http_server_free(server);
    http_client_stop(fixture.host.client);
    timers_stop(fixture.host.timers);
    fixture_close(&fixture);
    return 0;
}

static void assert_get(const char *function, const char *expected)
{
    struct call call;
    call_start(&fixture, &call, "bascule.client", function);
    call_wait(&fixture, &call);
    assert_contains(call.text, expected);
}

static void test_request_and_answer(void **state)
{
    (void)state;
    assert_get("echo", "201 POST|/echo/x|q=1|http|127.0.0.1|the body|in|- text/plain 5 a, b");
    assert_get("cached", "200 true");
    assert_get("slow", "200 slept");
}

static void test_faults_of_the_script(void **state)
{
    (void)state;
    struct call call;
    static const char *const functions[] = {"fails", "nothing", "status", "body", "split", "name"};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        call_start(&fixture, &call, "bascule.client", functions[i]);
        call_wait(&fixture, &call);
        assert_contains(call.text, "500 {\"error\":{\"code\":\"internal\"");
        assert_null(strstr(call.text, "secret"));
    }
}

static void test_request_that_is_kept_too_long(void **state)
{
    (void)state;
    assert_get("keep", "200");
    assert_get("late", "200 /keep false"); /* what was not read before cannot be read */
}

/* The loop ends while a handler waits: its exchange is answered (to nobody), nothing leaks. */
static void test_loop_ends_while_a_handler_waits(void **state)
{
    (void)state;
    struct call call;
    http_server_drain(server, 0);
    http_server_free(server);
    unread = mailbox_new(NULL, NULL);
    start_server();
    use_port();
    call_start(&fixture, &call, "bascule.client", "slow");
    usleep(100000);
    http_server_drain(server, 10);
    http_server_free(server);
    call_wait(&fixture, &call);
    assert_contains(call.text, "429"); /* the server's own */
    assert_int_equal(mailbox_drain(unread), 1);
    mailbox_free(unread);
    unread = NULL;
    start_server();
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, open_server, close_server)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_request_and_answer),
        WITH_SERVER(test_faults_of_the_script),
        WITH_SERVER(test_request_that_is_kept_too_long),
        WITH_SERVER(test_loop_ends_while_a_handler_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
