/* The contract of outbound, inbound and report (lua/meta/rules.lua): what they are given, what they may
 * answer and say, and the words with which the rest is refused. */
#include "script_fixture.h"

#include "script/rule_excerpt.h"
#include "script/rule_state.h"

static const struct rule_limits limits = {
    .memory_bytes = (size_t)8 << 20,
    .ms = 20000,
    .instructions = 1000000,
    .value_bytes = 30,
    .log_lines = 3,
    .log_bytes = 20,
    .parts = 3,
    .names = 16,
};

static const char head[] =
    "return { locations = { 'a' }, memory = { today = { kind = 'counter', per = 'agency', window = 'day' },"
    " seen = { kind = 'value', per = 'contact', ttl = '1d' } },\n";

static struct rule_state *load(const char *text, struct error *error)
{
    struct unit *unit = unit_compile("one", "agencies/one/rules.lua", slice_from(text), error);
    struct unit_set *library = unit_set_new(NULL, 0);
    struct rule_state *state = unit == NULL ? NULL : rule_state_new(unit, library, &limits, error);
    unit_unref(unit);
    unit_set_unref(library);
    if (state == NULL)
        fail_msg("%s", error->message);
    return state;
}

static void push_json(lua_State *L, const char *json)
{
    char reason[160];
    if (!script_json_decode(L, slice_from(json), reason, sizeof reason))
        fail_msg("%s: %s", json, reason);
}

/* The decision as JSON, or the error. */
static const char *decide_in(struct rule_state *state, enum rule_function function, const char *message,
                             const char *context)
{
    static char answer[4000];
    char reason[160];
    struct error error = {0};
    struct buffer json = {0};
    lua_State *L = luaL_newstate();
    push_json(L, message);
    push_json(L, context);
    if (rule_call(state, function, L, 1, 2, &error) != 0) {
        snprintf(answer, sizeof answer, "%s", error.message);
        assert_int_equal(lua_gettop(L), 2);
    } else {
        assert_int_equal(lua_gettop(L), 3);
        assert_true(script_json_encode(L, 3, &json, reason, sizeof reason));
        snprintf(answer, sizeof answer, "%s", json.data);
    }
    buffer_deinit(&json);
    lua_close(L);
    return answer;
}

static const char samples[RULE_FUNCTIONS][200] = {
    "{\"to\":\"1\",\"body\":\"hello\",\"attachments\":[]}",
    "{\"from\":\"1\",\"to\":\"2\",\"body\":\"hello\"}",
    ("{\"status\":\"failed\",\"error\":{\"code\":\"9\",\"type\":\"x\",\"message\":\"m\"},\"body\":\"hello\","
     "\"attempts\":2}"),
};

/* The body begins on line 3. */
static const char *decide(enum rule_function function, const char *body)
{
    static const char context[] = "{\"now\":5,\"location\":\"a\",\"settings\":{}}";
    char text[4000];
    struct error error = {0};
    snprintf(text, sizeof text, "%s%s = function(message, context)\n%s\nend }", head,
             rule_function_names[function], body);
    struct rule_state *state = load(text, &error);
    const char *answer = decide_in(state, function, samples[function], context);
    rule_state_free(state);
    return answer;
}

struct answer {
    const char *body, *answer;
};

static void assert_answers(enum rule_function function, const struct answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(decide(function, answers[i].body), answers[i].answer);
}

#define ASSERT_ANSWERS(function, answers) assert_answers(function, answers, sizeof answers / sizeof *answers)
#define AT(line) "agencies/one/rules.lua:" line ": "
#define REJECT(reason) "{\"action\":\"reject\",\"reason\":\"" reason "\"}"

/* ---- answers ---- */

static void test_answers_of_each_function(void **state)
{
    (void)state;
    static const struct answer outbound[] = {
        {"return message",
         "{\"action\":\"send\",\"message\":{\"attachments\":[],\"body\":\"hello\",\"to\":\"1\"}}"},
        {"message.attachments = {} return message",
         "{\"action\":\"send\",\"message\":{\"attachments\":[],\"body\":\"hello\",\"to\":\"1\"}}"},
        {"return context.reject 'no'", REJECT("no")},
        {"return context.dnd(true)", AT("3") "context.dnd is not for outbound"},
        {"return context.reply 'x'", AT("3") "context.reply is not for outbound"},
    };
    static const struct answer inbound[] = {
        {"message.body = 'x' return message",
         "{\"action\":\"send\",\"message\":{\"body\":\"x\",\"from\":\"1\",\"to\":\"2\"}}"},
        {"return context.defer { until_ = 6 }", "{\"action\":\"defer\",\"until_ms\":6}"},
        {"return context.route { 'x' }", AT("3") "context.route is not for inbound"},
        {"return context.split { 'x' }", AT("3") "context.split is not for inbound"},
        {"message.sender = 'x' return message", AT("3") "unknown key 'sender' in the message"},
        {"message.from = nil return message", AT("3") "message.from must be a text, not nil"},
        {"", AT("2") "inbound returned nothing; return message, or context.reject(\"why\")"},
    };
    static const struct answer report[] = {
        {"return { status = 'read' }", "{\"action\":\"send\",\"message\":{\"status\":\"read\"}}"},
        {"return context.reject 'no'", REJECT("no")},
        {"return context.defer { until_ = 6 }", AT("3") "context.defer is not for report"},
        {"return context.count 'today'", AT("3") "context.count is not for report"},
        {"return 5", AT("2") "report returned number; return report, or context.reject(\"why\")"},
    };
    ASSERT_ANSWERS(RULE_OUTBOUND, outbound);
    ASSERT_ANSWERS(RULE_INBOUND, inbound);
    ASSERT_ANSWERS(RULE_REPORT, report);
}

/* What one function may answer is no answer of another one that found it. */
static void test_answers_that_were_kept(void **state)
{
    (void)state;
    struct error error = {0};
    static const char context[] = "{\"now\":5,\"location\":\"a\",\"settings\":{}}";
    struct rule_state *rules = load("local kept return { locations = { 'a' },\n"
                                    "outbound = function(message, context)\n"
                                    "kept = context.defer { until_ = 6 } return kept end,\n"
                                    "report = function() return kept end }",
                                    &error);
    assert_string_equal(decide_in(rules, RULE_OUTBOUND, samples[RULE_OUTBOUND], context),
                        "{\"action\":\"defer\",\"until_ms\":6}");
    assert_non_null(strstr(decide_in(rules, RULE_REPORT, samples[RULE_REPORT], context),
                           "context.defer is not for report"));
    rule_state_free(rules);
}

static void test_a_report_changes_its_status_and_error(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"message.error.message = 'y' return message",
         "{\"action\":\"send\",\"message\":{\"attempts\":2,\"body\":\"hello\",\"error\":{\"code\":\"9\","
         "\"message\":\"y\",\"type\":\"x\"},\"status\":\"failed\"}}"},
        {"\nmessage.body = 'x' return message",
         AT("4") "report.body cannot be changed; of a report only status and error can"},
        {"message.attempts = 3 return message",
         AT("3") "report.attempts cannot be changed; of a report only status and error can"},
        {"message.status = 'deliverd' return message",
         AT("3") "report.status cannot be \"deliverd\"; did you mean \"delivered\"?"},
        {"message.status = 'sent' return message",
         AT("3") "report.status cannot be \"sent\"; there are \"pending\", \"delivered\", \"failed\" and "
                 "\"read\""},
        {"message.status = 5 return message", AT("3") "report.status must be a text, not number"},
        {"message.error = 'x' return message",
         AT("3") "report.error must be a table { code, type, message }, not string"},
        {"message.error = { mesage = 'x' } return message",
         AT("3") "unknown key 'mesage' in report.error; did you mean 'message'?"},
        {"message.error = { code = 5 } return message",
         AT("3") "report.error.code must be a text, not number"},
    };
    ASSERT_ANSWERS(RULE_REPORT, answers);
}

#define PART(body) "{\"attachments\":[],\"body\":\"" body "\",\"to\":\"1\"}"

static void test_split(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"return context.split { 'a', { to = '2', body = 'b' } }",
         "{\"action\":\"split\",\"parts\":[" PART("a") ",{\"body\":\"b\",\"to\":\"2\"}]}"},
        {"message.attachments = { 'u' } return context.split { 'a', 'b', { to = '2', body = 'c' } }",
         "{\"action\":\"split\",\"parts\":[" PART(
             "a") ",{\"attachments\":[\"u\"],\"body\":\"b\",\"to\":\"1\"},{\"body\":\"c\",\"to\":\"2\"}]}"},
        {"message.to = '7' message.attachments = nil local m = message return context.split { m, 'x', m }",
         "{\"action\":\"split\",\"parts\":[{\"body\":\"hello\",\"to\":\"7\"},{\"body\":\"x\",\"to\":\"7\"},{"
         "\"body\":\"hello\",\"to\":\"7\"}]}"},
        {"return context.split {}", AT("3") "context.split needs at least one message: context.split { "
                                            "\"first\", \"second\" }"},
        {"return context.split { 'a', 'b', 'c', 'd' }",
         AT("3") "context.split takes at most 3 messages, not 4"},
        {"return context.split { 'a', 5 }",
         AT("3") "a message of context.split must be a text or a message, not number"},
        {"return context.split { 'a',\n{ to = '1', bdy = 'x' } }",
         AT("4") "unknown key 'bdy' in part 2; did you mean 'body'?"},
        {"return context.split { { to = 5 } }", AT("3") "part 1.to must be a text, not number"},
        {"return context.split { { body = 'x' } }", AT("2") "part 1.to must be a text, not nil"},
        {"local s = context.split { 'x' } s.parts = 5 return s",
         AT("2") "the result's parts were overwritten"},
        {"local s = context.split { 'x' } s.parts = { 5 } return s",
         AT("2") "the result's parts were overwritten"},
        {"local s = context.split { 'x' } s.parts = {} return s",
         AT("2") "the result's parts were overwritten"},
        {"local r = context.reject 'x' r.action, r.parts, r.reason = 3, { 'a' }, nil return r",
         AT("2") "the result's reason was overwritten"},
        {"local r = context.route { 'x' } r.providers = { 5 } return r",
         AT("2") "the result's providers were overwritten"},
        {"local r = context.route { 'x' } r.providers = nil return r",
         AT("2") "the result's providers were overwritten"},
        {"local d = context.defer { until_ = 5 } d.until_ms = nil return d",
         AT("2") "the result's until_ms was overwritten"},
        {"local d = context.defer { until_ = 5 } d.until_ms = 0 / 0 return d",
         AT("2") "the result's until_ms was overwritten"},
        {"return context.split { 'a', '\\xff' }",
         AT("2") "the messages of context.split[2].body: it is not valid UTF-8 (was it cut in the middle of "
                 "a character?)"},
    };
    ASSERT_ANSWERS(RULE_OUTBOUND, answers);
}

static void test_types_of_a_message(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"message.attachments = 'x' return message",
         AT("3") "message.attachments must be a list of texts, not string"},
        {"message.attachments = { 5 } return message", AT("3") "message.attachments must be a list of texts"},
        {"message.attachments = { a = 'x' } return message",
         AT("3") "message.attachments must be a list of texts"},
        {"message.reference = true return message", AT("3") "message.reference must be a text, not boolean"},
        /* set in two places: the text does not tell which */
        {"message.sender = 1 message.body = 'x'\nmessage.sender = 2 return message",
         AT("2") "message.sender must be a text, not number"},
        {"return { to = '1', ['bdy'] = 'x' }",
         AT("3") "unknown key 'bdy' in the message; did you mean 'body'?"},
        {"-- message.bdy = 'x'\nif message.bdy == 5 then end\nmessage.bdy = 'x' return message",
         AT("5") "unknown key 'bdy' in the message; did you mean 'body'?"},
        {"message['b' .. 'dy'] = 'x' return message",
         AT("2") "unknown key 'bdy' in the message; did you mean 'body'?"},
        {"message.attachments = { [1] = 'x', [2] = 'y' } message.body = nil return message",
         "{\"action\":\"send\",\"message\":{\"attachments\":[\"x\",\"y\"],\"to\":\"1\"}}"},
    };
    ASSERT_ANSWERS(RULE_OUTBOUND, answers);
}

static void test_what_cannot_be_kept_is_named_by_its_path(void **state)
{
    (void)state;
    struct error error = {0};
    struct rule_state *rules = load("return { locations = { 'a' }, outbound = function(m)\n"
                                    "m.payload.x[3] = m.kind == 'f' and type or m.kind == 'c' and "
                                    "coroutine.create(type) or { ['a\\n'] = '\\xff' } return m end }",
                                    &error);
    static const char *const cases[][2] = {
        {"f", AT("1") "message.payload.x[3]: a function cannot be kept"},
        {"c", AT("1") "message.payload.x[3]: a thread cannot be kept"},
        {"b", AT("1") "message.payload.x[3].a?: it is not valid UTF-8 (was it cut in the middle of a "
                      "character?)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char given[100];
        snprintf(given, sizeof given, "{\"to\":\"1\",\"kind\":\"%s\",\"payload\":{\"x\":[1,2]}}",
                 cases[i][0]);
        assert_string_equal(decide_in(rules, RULE_OUTBOUND, given, "{}"), cases[i][1]);
    }
    rule_state_free(rules);
}

/* As GHL sends it, and worse. */
/* Each of a hundred copies of a table of 17 values that says it is 65,536 long. */
static void test_tables_that_claim_to_be_long_take_no_room(void **state)
{
    (void)state;
    char text[1000];
    struct error error = {0};
    snprintf(
        text, sizeof text,
        "%soutbound = function(message)\n"
        "local long = { [1] = 1, [2] = 1, [4] = 1, [8] = 1, [16] = 1, [32] = 1, [64] = 1, [128] = 1,\n"
        "  [256] = 1, [512] = 1, [1024] = 1, [2048] = 1, [4096] = 1, [8192] = 1, [16384] = 1, [32768] = 1,\n"
        "  [65536] = 1 }\n"
        "assert(#long == 65536)\n"
        "for i = 1, 100 do message.extra[i] = long end return message end }",
        head);
    struct rule_state *rules = load(text, &error);
    lua_State *L = luaL_newstate();
    push_json(L, "{\"to\":\"1\",\"extra\":[]}");
    push_json(L, "{\"now\":5,\"location\":\"a\",\"settings\":{}}");
    if (rule_call(rules, RULE_OUTBOUND, L, 1, 2, &error) != 0)
        fail_msg("%s", error.message);
    assert_in_range(lua_gc(L, LUA_GCCOUNT), 1, 2048);
    lua_close(L);
    rule_state_free(rules);
}

static void test_a_payload_survives(void **state)
{
    (void)state;
    static const char message[] =
        "{\"body\":\"Kumustá 🌴\\u0000\\u001f\",\"payload\":{\"attachments\":[],\"big\":9007199254740993,"
        "\"deep\":[[],[[1,{}]],{\"a\":[]}],\"empty\":{},\"float\":1.5,\"none\":null,\"userId\":\"u\"},"
        "\"to\":\"+639171234567\"}";
    char expected[600];
    struct error error = {0};
    struct rule_state *rules =
        load("return { locations = { 'a' }, outbound = function(m) return m end }", &error);
    snprintf(expected, sizeof expected, "{\"action\":\"send\",\"message\":%s}", message);
    assert_string_equal(decide_in(rules, RULE_OUTBOUND, message, "{}"), expected);
    rule_state_free(rules);
}

/* ---- the context ---- */

static void test_the_context_has_its_fields(void **state)
{
    (void)state;
    static const char body[] =
        "local c, m = context, context.memory return context.reject(table.concat({ c.now, c.location, "
        "c.company or '-', c.agency, c.settings.s or '-', c.seed, c.attempt, m.today.count, "
        "tostring(m.seen.value), tostring(m.other) }, ' '))";
    char text[1000];
    struct error error = {0};
    snprintf(text, sizeof text, "%soutbound = function(message, context)\n%s\nend }", head, body);
    struct rule_state *rules = load(text, &error);
    assert_string_equal(
        decide_in(rules, RULE_OUTBOUND, "{\"to\":\"1\"}",
                  "{\"now\":5,\"location\":\"a\",\"company\":\"c\",\"settings\":{\"s\":\"x\"},"
                  "\"seed\":9007199254740991,\"attempt\":3,\"memory\":{\"today\":{\"count\":4},"
                  "\"seen\":{\"value\":\"v\"},\"other\":{\"count\":1}}}"),
        REJECT("5 a c one x 9007199254740991 3 4 v nil"));
    assert_string_equal(
        decide_in(rules, RULE_OUTBOUND, "{\"to\":\"1\"}", "{\"now\":5,\"location\":\"a\",\"settings\":{}}"),
        REJECT("5 a - one - 0 0 0 nil nil"));
    rule_state_free(rules);
}

static void test_the_context_cannot_be_tampered_with(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"return context.reject(tostring(getmetatable(context)))", REJECT("context")},
        {"setmetatable(context, {})", AT("3") "cannot change a protected metatable"},
        /* a finalizer would run where no limit holds */
        {"getmetatable(message.attachments).__gc = function() while true do end end",
         AT("3") "attempt to index a string value"},
        {"context.reject = nil return context.reject 'still there'", REJECT("still there")},
    };
    ASSERT_ANSWERS(RULE_OUTBOUND, answers);
}

#define SENT(effects) \
    "{\"action\":\"send\"," effects "\"message\":{\"attachments\":[],\"body\":\"hello\",\"to\":\"1\"}}"
static void test_log_has_a_budget(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"context.log 'a' context.log 'b' return message", SENT("\"log\":[\"a\",\"b\"],")},
        {"for i = 1, 5 do context.log('' .. i) end return message",
         SENT("\"log\":[\"1\",\"2\",\"3\"],\"log_dropped\":2,")},
        {"context.log(('x'):rep(15)) context.log(('y'):rep(6)) context.log 'z' return message",
         SENT("\"log\":[\"xxxxxxxxxxxxxxx\",\"z\"],\"log_dropped\":1,")},
        {"context.log '\xe2\x82\xac\\xe2\\x82' return message", SENT("\"log\":[\"\xe2\x82\xac\"],")},
        {"context.log(5)", AT("3") "context.log's text must be a text, not number"},
        {"context.log 'why' return context.reject 'no'",
         "{\"action\":\"reject\",\"log\":[\"why\"],\"reason\":\"no\"}"},
        {"coroutine.wrap(function() context.log 'c' end)() return message", SENT("\"log\":[\"c\"],")},
    };
    ASSERT_ANSWERS(RULE_OUTBOUND, answers);
}

static void test_memory(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"context.count 'today' return message",
         SENT("\"memory\":[{\"by\":1,\"name\":\"today\",\"op\":\"add\"}],")},
        {"context.count('today', { by = 2, most = 9 }) context.count('today', { most = 7 }) return message",
         SENT("\"memory\":[{\"by\":3,\"most\":7,\"name\":\"today\",\"op\":\"add\"}],")},
        {"local v = { 1, { n = 2 } } context.remember('seen', v, { first = true }) v[1] = 9 return message",
         SENT("\"memory\":[{\"first\":true,\"name\":\"seen\",\"op\":\"set\",\"value\":[1,{\"n\":2}]}],")},
        {"context.remember('seen', false) return message",
         SENT("\"memory\":[{\"name\":\"seen\",\"op\":\"set\",\"value\":false}],")},
        {"context.remember('seen', 1, { first = true }) context.forget 'seen' return message",
         SENT("\"memory\":[{\"name\":\"seen\",\"op\":\"forget\"}],")},
        {"context.forget 'seen' context.count 'today' return context.reject 'no'", REJECT("no")},
        {"context.count 'today' return context.defer { until_ = 9 }",
         "{\"action\":\"defer\",\"until_ms\":9}"},
        {"context.count 'today' return context.split { 'x' }",
         "{\"action\":\"split\",\"memory\":[{\"by\":1,\"name\":\"today\",\"op\":\"add\"}],\"parts\":[" PART(
             "x") "]}"},
    };
    ASSERT_ANSWERS(RULE_OUTBOUND, answers);
}

static void test_wrong_use_of_memory(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"context.count 'tody'",
         AT("3") "context.count: 'tody' is not declared in memory; did you mean 'today'?"},
        {"context.forget 'colour'", AT("3") "context.forget: 'colour' is not declared in memory"},
        {"context.count 'seen'", AT("3") "context.count: 'seen' is a value, not a counter"},
        {"context.remember('today', 1)", AT("3") "context.remember: 'today' is a counter, not a value"},
        {"context.forget 'today'", AT("3") "context.forget: 'today' is a counter, not a value"},
        {"context.count()", AT("3") "context.count's name must be a text, not nil"},
        {"context.count('today', { by = 0 })",
         AT("3") "context.count's by must be a whole number from 1 to 1000000000"},
        {"context.count('today', { by = 1000000001 })",
         AT("3") "context.count's by must be a whole number from 1 to 1000000000"},
        {"context.count('today', { most = math.maxinteger })",
         AT("3") "context.count's most must be a whole number from 0 to 1000000000"},
        {"context.count('today', { by = 1000000000 }) context.count 'today'",
         AT("3") "context.count: 'today' grows by more than 1000000000 in all"},
        {"context.count('today', { most = 1.5 })",
         AT("3") "context.count's most must be a whole number from 0 to 1000000000"},
        {"context.count('today', { mot = 1 })", AT("3") "unknown option 'mot'; did you mean 'most'?"},
        {"context.remember('seen')", AT("3") "context.remember needs a value; context.forget forgets one"},
        {"context.remember('seen', { a = { type } })",
         AT("3") "context.remember's value.a[1]: a function cannot be kept (at most 30 bytes of JSON are "
                 "kept)"},
        {"context.remember('seen', ('x'):rep(31))",
         AT("3") "context.remember's value: it is too large (at most 30 bytes of JSON are kept)"},
        {"context.remember('seen', ('x'):rep(29))",
         AT("3") "context.remember's value: it is too large (31 bytes of JSON; at most 30 are kept)"},
        {"local t = {} for _ = 1, 40 do t = { t } end context.remember('seen', t)",
         AT("3") "context.remember's value[1]: it holds too many values (at most 30 bytes of JSON are kept)"},
    };
    ASSERT_ANSWERS(RULE_OUTBOUND, answers);
}

static void test_the_sender_is_answered(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"context.dnd(true) context.reply 'bye' context.remember('seen', 1) return context.reject 'stop'",
         "{\"action\":\"reject\",\"dnd\":true,\"memory\":[{\"name\":\"seen\",\"op\":\"set\",\"value\":1}],"
         "\"reason\":\"stop\",\"reply\":\"bye\"}"},
        {"context.dnd(true) context.dnd(false) return context.reject 'x'",
         "{\"action\":\"reject\",\"dnd\":false,\"reason\":\"x\"}"},
        {"context.dnd(true) context.reply 'later' return context.defer { until_ = 9 }",
         "{\"action\":\"defer\",\"until_ms\":9}"},
        {"context.dnd 'yes'", AT("3") "context.dnd needs true or false, not string"},
        {"context.reply(5)", AT("3") "context.reply's text must be a text, not number"},
        {"context.reply '\\xff'", AT("3") "context.reply's text is not valid UTF-8 (was it cut in the middle "
                                          "of a character?)"},
    };
    ASSERT_ANSWERS(RULE_INBOUND, answers);
}

static void test_what_one_call_said_is_not_told_of_the_next(void **state)
{
    (void)state;
    struct error error = {0};
    char text[600];
    snprintf(text, sizeof text,
             "%soutbound = function(m, c) if m.body == 'x' then c.log 'l' c.count 'today' error 'e' end "
             "return c.reject 'no' end }",
             head);
    struct rule_state *rules = load(text, &error);
    assert_string_equal(decide_in(rules, RULE_OUTBOUND, "{\"to\":\"1\",\"body\":\"x\"}", "{}"), AT("2") "e");
    assert_string_equal(decide_in(rules, RULE_OUTBOUND, "{\"to\":\"1\",\"body\":\"y\"}", "{}"), REJECT("no"));
    rule_state_free(rules);
}

static void test_the_same_gives_the_same(void **state)
{
    (void)state;
    static const char message[] = "{\"to\":\"1\",\"body\":\"a b c d e f\",\"payload\":{\"x\":[1,2,3]}}";
    static const char context[] = "{\"now\":5,\"location\":\"a\",\"seed\":77,\"settings\":{\"p\":\"cast\"}}";
    char text[1000], first[2000];
    struct error error = {0};
    snprintf(text, sizeof text,
             "%soutbound = function(m, c)\n"
             "local words, seen = {}, {} for w in m.body:gmatch '%%a' do seen[w] = true end\n"
             "for w in pairs(seen) do words[#words + 1] = w end\n"
             "table.sort(words, function(a, b) return a:byte() * c.seed %% 7 < b:byte() * c.seed %% 7 end)\n"
             "c.log(table.concat(words)) c.count('today', { by = c.seed %% 5 + 1 })\n"
             "return c.split { words[1], words[2] } end }",
             head);
    struct rule_state *rules[2] = {load(text, &error), load(text, &error)};
    snprintf(first, sizeof first, "%s", decide_in(rules[0], RULE_OUTBOUND, message, context));
    assert_contains(first, "\"action\":\"split\"");
    for (int i = 0; i < 1000; i++)
        assert_string_equal(decide_in(rules[i % 2], RULE_OUTBOUND, message, context), first);
    rule_state_free(rules[0]);
    rule_state_free(rules[1]);
}

/* ---- excerpts ---- */

static void assert_excerpt(const char *source, long line, const char *expected)
{
    struct buffer shown = {0};
    excerpt_append(&shown, slice_from(source), line);
    assert_string_equal(shown.data == NULL ? "" : shown.data, expected);
    buffer_deinit(&shown);
}

static void test_excerpts(void **state)
{
    (void)state;
    assert_excerpt("a\nb\nc\nd\n", 2, "  1 | a\n> 2 | b\n  3 | c\n");
    assert_excerpt("a\nb\nc\nd\n", 1, "> 1 | a\n  2 | b\n");
    assert_excerpt("a\nb\nc\nd", 4, "  3 | c\n> 4 | d\n");
    assert_excerpt("a\r\n\r\nc", 2, "  1 | a\n> 2 |\n  3 | c\n");
    assert_excerpt("1\n2\n3\n4\n5\n6\n7\n8\n\tx\n10", 9, "   8 | 8\n>  9 | \tx\n  10 | 10\n");
    assert_excerpt("\x1b[2J\xff", 1, "> 1 | ?[2J?\n");
    assert_excerpt("a", 2, "");
    assert_excerpt("a", 0, "");
    assert_excerpt("", 1, "");
    char longer[300], expected[300];
    memset(longer, 'x', sizeof longer);
    longer[200] = '\0';
    snprintf(expected, sizeof expected, "> 1 | %.120s...\n", longer);
    assert_excerpt(longer, 1, expected);
}

static void test_lines_of_errors(void **state)
{
    (void)state;
    assert_int_equal(excerpt_line_of_error("a/rules.lua:12: what", "a/rules.lua"), 12);
    assert_int_equal(excerpt_line_of_error("a/rules.lua: what", "a/rules.lua"), 0);
    assert_int_equal(excerpt_line_of_error("b/rules.lua:12: what", "a/rules.lua"), 0);
    assert_int_equal(excerpt_line_of_error("...long/rules.lua:7: what", "agencies/long/rules.lua"), 7);
    assert_int_equal(excerpt_line_of_error("...longer/rules.lua:7: what", "agencies/long/rules.lua"), 0);
    long line;
    assert_string_equal(excerpt_skip_place("...long/rules.lua:7: what", "agencies/long/rules.lua", &line),
                        "what");
    assert_null(excerpt_skip_place("what", "agencies/long/rules.lua", &line));
    assert_int_equal(excerpt_line_of_error("", "a"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_of_each_function),
        cmocka_unit_test(test_answers_that_were_kept),
        cmocka_unit_test(test_a_report_changes_its_status_and_error),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_types_of_a_message),
        cmocka_unit_test(test_what_cannot_be_kept_is_named_by_its_path),
        cmocka_unit_test(test_tables_that_claim_to_be_long_take_no_room),
        cmocka_unit_test(test_a_payload_survives),
        cmocka_unit_test(test_the_context_has_its_fields),
        cmocka_unit_test(test_the_context_cannot_be_tampered_with),
        cmocka_unit_test(test_log_has_a_budget),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_wrong_use_of_memory),
        cmocka_unit_test(test_the_sender_is_answered),
        cmocka_unit_test(test_what_one_call_said_is_not_told_of_the_next),
        cmocka_unit_test(test_the_same_gives_the_same),
        cmocka_unit_test(test_excerpts),
        cmocka_unit_test(test_lines_of_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
