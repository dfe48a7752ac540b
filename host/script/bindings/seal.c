#include "script/bindings/seal.h"

void script_token_context(struct buffer *out, const char *company, const char *location, const char *which)
{
    buffer_append_format(out, "token:%s/%s/%s", company, location, which);
}

void script_setting_context(struct buffer *out, const char *scope, const char *name)
{
    buffer_append_format(out, "setting:%s/%s", scope, name);
}

static char *close_under(const struct seal_keys *keys, struct buffer *context, struct slice secret)
{
    char *sealed = seal_close(keys, context->data, secret);
    buffer_deinit(context);
    return sealed;
}

static int open_under(const struct seal_keys *keys, struct buffer *context, const char *sealed,
                      struct buffer *secret, struct error *error)
{
    int result = seal_open(keys, context->data, sealed, secret, error);
    buffer_deinit(context);
    return result;
}

char *seal_token(const struct seal_keys *keys, const char *company, const char *location, const char *which,
                 struct slice token)
{
    struct buffer context = {0};
    if (token.data == NULL)
        return NULL;
    script_token_context(&context, company, location, which);
    return close_under(keys, &context, token);
}

int open_token(const struct seal_keys *keys, const char *company, const char *location, const char *which,
               const char *sealed, struct buffer *token, struct error *error)
{
    struct buffer context = {0};
    if (sealed == NULL)
        return 0;
    script_token_context(&context, company, location, which);
    return open_under(keys, &context, sealed, token, error);
}

char *seal_setting(const struct seal_keys *keys, const char *scope, const char *name, struct slice value)
{
    struct buffer context = {0};
    script_setting_context(&context, scope, name);
    return close_under(keys, &context, value);
}

int open_setting(const struct seal_keys *keys, const char *scope, const char *name, const char *sealed,
                 struct buffer *value, struct error *error)
{
    struct buffer context = {0};
    script_setting_context(&context, scope, name);
    return open_under(keys, &context, sealed, value, error);
}
