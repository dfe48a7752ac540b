/* The agencies' part of a reload: each one's rules are loaded, tried and settled by themselves. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "script/generations.h"
#include "script/rule_trial.h"

static void set_fault(struct source *source, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set_fault(struct source *source, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    source_set_fault(source, text);
}

/* The contract has inbound already. */
static void warn_of_inbound(const struct source *source)
{
    LOG_EVENT(LOG_WARN, "rules_function_unused", LOG_FIELD_TEXT("agency", source->name),
              LOG_FIELD_TEXT("key", "inbound"),
              LOG_FIELD_TEXT("message", "this version takes no replies from providers; nothing but the "
                                        "file's tests calls inbound"));
}

/* Loads the rules as a rule thread would, and runs the tests of a file that does not run yet. */
static bool try_rules(const struct generations *generations, struct source *source, struct claims *claims,
                      struct declarations *declarations)
{
    bool runs = source->good == source->unit;
    struct rule_trial trial = {
        .agency = source->name,
        .unit = source->unit,
        .library = generations->library,
        .with_tests = !runs,
        .limits = rule_limits_read(generations->host->config),
    };
    struct rule_verdict verdict;
    rule_trial_run(generations->host->rules, &trial, &verdict);
    *claims = verdict.claims;
    *declarations = verdict.declarations;
    if (verdict.failed)
        source_set_fault(source, verdict.error.message);
    if (!verdict.failed && !runs && verdict.has_inbound)
        warn_of_inbound(source);
    return !verdict.failed;
}

static void judge_rules(struct generations *generations, struct source *source)
{
    struct claims claims = {0};
    struct declarations declarations = {0};
    source->fits = source->unit != NULL && try_rules(generations, source, &claims, &declarations);
    /* A unit that has run before is shared by threads; it has these already, and they are the same. */
    if (source->good != source->unit && source->fits) {
        claims_deinit(&source->unit->claims);
        declarations_deinit(&source->unit->declarations);
        source->unit->claims = claims;
        source->unit->declarations = declarations;
    } else {
        claims_deinit(&claims);
        declarations_deinit(&declarations);
    }
}

struct claimed {
    const char *key;
    size_t agency;
};

static int by_key_then_agency(const void *a, const void *b)
{
    const struct claimed *left = a, *right = b;
    int order = strcmp(left->key, right->key);
    return order != 0 ? order : (left->agency > right->agency) - (left->agency < right->agency);
}

static size_t gather_claims(const struct sources *agencies, bool companies, struct claimed *claimed)
{
    size_t count = 0;
    for (size_t i = 0; i < agencies->count; i++) {
        const struct source *source = &agencies->items[i];
        const struct unit *unit = source->fits ? source->unit : source->good;
        if (unit == NULL)
            continue;
        const struct texts *keys = companies ? &unit->claims.companies : &unit->claims.locations;
        for (size_t k = 0; k < keys->count; k++, count++) {
            if (claimed != NULL)
                claimed[count] = (struct claimed){keys->items[k], i};
        }
    }
    return count;
}

/* What two agencies claim is the fault of the later one by slug. */
static void find_conflicts(struct sources *agencies, bool companies)
{
    size_t count = gather_claims(agencies, companies, NULL);
    struct claimed *claimed = memory_allocate(count * sizeof *claimed);
    gather_claims(agencies, companies, claimed);
    qsort(claimed, count, sizeof *claimed, by_key_then_agency);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (strcmp(claimed[first].key, claimed[i].key) != 0)
            first = i;
        struct source *source = &agencies->items[claimed[i].agency];
        if (claimed[first].agency == claimed[i].agency || !source->fits)
            continue;
        source->conflicts = true;
        set_fault(source, "%s: %s \"%s\" belongs to agency '%s' already", source->path,
                  companies ? "company" : "location", claimed[i].key,
                  agencies->items[claimed[first].agency].name);
    }
    free(claimed);
}

/* Whose rules are in order runs on them from now on; the others stay on what they had. */
static void settle_agencies(struct sources *agencies)
{
    for (size_t i = 0; i < agencies->count; i++)
        agencies->items[i].conflicts = false;
    find_conflicts(agencies, false);
    find_conflicts(agencies, true);
    for (size_t i = 0; i < agencies->count; i++) {
        struct source *source = &agencies->items[i];
        if (source->fits && !source->conflicts) {
            source_set_fault(source, NULL);
            struct unit *unit = unit_ref(source->unit);
            unit_unref(source->good);
            source->good = unit;
        } else if (source->good == NULL && source->changed) {
            source_guess_claims(source);
        }
    }
}

int generations_read_agencies(struct generations *generations, bool library_changed, bool *changed,
                              struct error *error)
{
    struct sources found;
    if (sources_read_agencies(generations->agencies_path, &generations->agency_sources, &found, changed,
                              error) != 0)
        return -1;
    generations->agency_sources = found;
    for (size_t i = 0; i < found.count; i++) {
        if (found.items[i].changed || library_changed)
            judge_rules(generations, &found.items[i]);
    }
    if (*changed || library_changed)
        settle_agencies(&generations->agency_sources);
    for (size_t i = 0; i < found.count; i++)
        buffer_deinit(&found.items[i].text);
    return 0;
}
