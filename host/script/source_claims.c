/* What a file that does not load seems to be for. */
#include <ctype.h>
#include <string.h>

#include "script/sources.h"

static void guess_ids(struct slice text, const char *key, struct texts *ids)
{
    const char *at = text.length == 0 ? NULL : memmem(text.data, text.length, key, strlen(key));
    const char *end = text.data + text.length;
    if (at == NULL)
        return;
    at += strlen(key);
    while (at < end && (isspace((unsigned char)*at) || *at == '='))
        at++;
    if (at == end || *at != '{')
        return;
    for (const char *open = NULL; at < end && (*at != '}' || open != NULL); at++) {
        if (open != NULL && *at == *open) {
            texts_add(ids, (struct slice){open + 1, (size_t)(at - open - 1)});
            open = NULL;
        } else if (open == NULL && (*at == '"' || *at == '\'')) {
            open = at;
        } else if (*at == '\n') {
            open = NULL; /* a quote that was not closed: perhaps the very fault */
        }
    }
}

void source_guess_claims(struct source *source)
{
    struct slice text = {source->text.data, source->text.length};
    claims_deinit(&source->seeming);
    guess_ids(text, "locations", &source->seeming.locations);
    guess_ids(text, "companies", &source->seeming.companies);
}
