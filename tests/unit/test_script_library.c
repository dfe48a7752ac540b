/* What the rules' own library costs every agency on every rule thread. */
#include "script_fixture.h"

#include <glob.h>

#include "script/rule_state.h"

#define UNITS_MOST 32

static struct unit *compile(const char *name, const char *text)
{
    struct error error;
    struct unit *unit = unit_compile(name, "rules.lua", slice_from(text), &error);
    if (unit == NULL)
        fail_msg("%s: %s", name, error.message);
    return unit;
}

static char *read_file(const char *path)
{
    char *text = memory_allocate(64 * 1024);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, 64 * 1024 - 1, file) < 64 * 1024 - 1);
    fclose(file);
    return text;
}

static struct unit_set *read_library(void)
{
    struct unit *units[UNITS_MOST];
    glob_t found;
    assert_int_equal(glob(TEST_SOURCE_DIR "/lua/bascule/rules/*.lua", 0, NULL, &found), 0);
    assert_true(found.gl_pathc > 5 && found.gl_pathc <= UNITS_MOST);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *text = read_file(found.gl_pathv[i]);
        struct buffer name = {0};
        const char *file = strrchr(found.gl_pathv[i], '/') + 1;
        buffer_append_format(&name, "bascule.rules.%.*s", (int)(strlen(file) - strlen(".lua")), file);
        units[i] = compile(name.data, text);
        buffer_deinit(&name);
        free(text);
    }
    struct unit_set *library = unit_set_new(units, found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc; i++)
        unit_unref(units[i]);
    globfree(&found);
    return library;
}

static size_t bytes_with(const char *modules)
{
    struct error error;
    struct buffer text = {0};
    buffer_append_format(&text,
                         "for name in ('%s'):gmatch '%%w+' do require('bascule.' .. name) end\n"
                         "return { locations = { 'l' }, outbound = function(message) return message end }",
                         modules);
    struct unit_set *library = read_library();
    struct unit *unit = compile("agency", text.data);
    struct rule_limits limits = {.memory_bytes = 8 << 20, .ms = 10000, .instructions = 100000000};
    struct rule_state *state = rule_state_new(unit, library, &limits, &error);
    if (state == NULL)
        fail_msg("%s", error.message);
    lua_gc(state->L, LUA_GCCOLLECT);
    size_t bytes = (size_t)lua_gc(state->L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(state->L, LUA_GCCOUNTB);
    rule_state_free(state);
    unit_unref(unit);
    unit_set_unref(library);
    buffer_deinit(&text);
    printf("# %zu bytes with %s\n", bytes, *modules == '\0' ? "no module" : modules);
    return bytes;
}

static void test_an_agency_with_the_usual_modules_is_small(void **state)
{
    (void)state;
    assert_in_range(bytes_with("hours phone text"), 1, 80 * 1024);
}

static void test_an_agency_with_every_module_is_small(void **state)
{
    (void)state;
    assert_in_range(bytes_with("caps dedupe hash hours phone routing template text words"), 1, 120 * 1024);
}

static void test_what_is_not_required_costs_nothing(void **state)
{
    (void)state;
    assert_in_range(bytes_with(""), 1, 40 * 1024);
}

/* The host's functions behind the library work in C: each is charged, so that endless calls of it end. */
static void test_endless_calls_of_the_host_end(void **state)
{
    (void)state;
    static const char *const attacks[] = {
        "local phone = require 'bascule.phone' local t = ('(0917) '):rep(14) while true do "
        "pcall(phone.parse, t) end",
        "local phone = require 'bascule.phone' phone.parse(('('):rep(1e5)) while true do end",
        "local hours = require 'bascule.hours' while true do pcall(hours.at, 0, 'Asia/Manilla') end",
        "local template, v = require 'bascule.template', {} for i = 1, 1e4 do v['k' .. i] = i end\n"
        "while true do pcall(template.render, '{{x}}', v) end",
    };
    struct unit_set *library = read_library();
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        struct error error;
        struct unit *unit = compile("agency", attacks[i]);
        struct rule_limits limits = {.memory_bytes = 8 << 20, .ms = 10000, .instructions = 1000000};
        assert_null(rule_state_new(unit, library, &limits, &error));
        if (strstr(error.message, "ran more than") == NULL &&
            strstr(error.message, "took longer than") == NULL)
            fail_msg("attack %zu ended with: %s", i, error.message);
        unit_unref(unit);
    }
    unit_set_unref(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_agency_with_the_usual_modules_is_small),
        cmocka_unit_test(test_an_agency_with_every_module_is_small),
        cmocka_unit_test(test_what_is_not_required_costs_nothing),
        cmocka_unit_test(test_endless_calls_of_the_host_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
