#include "cmd/admin_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 15000

static void deliver_nothing(struct mail *mail)
{
    (void)mail; /* who waits looks at the call itself */
}

/* A listener on all addresses is reached on loopback. */
static char *base_url(const struct config *config, const char *url)
{
    struct buffer text = {0};
    if (url == NULL) {
        const char *listen = config_text(config, "BASCULE_LISTEN");
        const char *port = strrchr(listen, ':');
        if (strncmp(listen, "0.0.0.0:", 8) == 0)
            buffer_append_format(&text, "http://127.0.0.1%s", port);
        else if (strncmp(listen, "[::]:", 5) == 0)
            buffer_append_format(&text, "http://[::1]%s", port);
        else
            buffer_append_format(&text, "http://%s", listen);
    } else {
        buffer_append_text(&text, url);
    }
    return text.data;
}

static struct http_call *new_call(const struct program *program, const char *url, const char *method,
                                  const char *path, const char *token, json_t *body)
{
    struct http_call *call = http_call_new();
    struct buffer text = {0};
    char *base = base_url(program->config, url);
    buffer_append_format(&text, "%s%s", base, path);
    http_call_set(call, method, text.data);
    buffer_clear(&text);
    buffer_append_format(&text, "Bearer %s", token);
    http_call_add_header(call, "authorization", text.data);
    if (body != NULL) {
        http_call_add_header(call, "content-type", "application/json");
        call->body = json_dumps(body, JSON_COMPACT);
        call->body_length = strlen(call->body);
    }
    call->timeout_ms = TIMEOUT_MS;
    call->mail.deliver = deliver_nothing;
    buffer_deinit(&text);
    free(base);
    return call;
}

static void run_call(struct program *program, struct http_call *call)
{
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    call->reply = mailbox;
    http_client_submit(program->client, call);
    mailbox_wait(mailbox, -1);
    mailbox_drain(mailbox);
    mailbox_free(mailbox);
}

static json_t *read_answer(const struct program *program, const struct http_call *call)
{
    if (call->result != HTTP_CALL_ANSWERED) {
        command_fail(program->command, 0, "no server answers at %s: %s", call->url, call->reason);
        return NULL;
    }
    json_t *answer = json_loadb(call->answer_body.data, call->answer_body.length, 0, NULL);
    if (call->status / 100 == 2 && answer != NULL)
        return answer;
    const char *message = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
    const char *excerpt = json_string_value(json_object_get(json_object_get(answer, "error"), "excerpt"));
    command_fail(program->command, 0, "%s (HTTP %d)", message != NULL ? message : "the server refused",
                 call->status);
    if (excerpt != NULL)
        fprintf(stderr, "%s\n", excerpt);
    json_decref(answer);
    return NULL;
}

json_t *admin_call(struct program *program, const char *url, const char *method, const char *path,
                   json_t *body)
{
    const char *token = config_text(program->config, "BASCULE_ADMIN_TOKEN");
    json_t *answer = NULL;
    if (token == NULL) {
        command_fail(program->command, 0, "BASCULE_ADMIN_TOKEN: needed, as the server has it");
    } else {
        struct http_call *call = new_call(program, url, method, path, token, body);
        run_call(program, call);
        answer = read_answer(program, call);
        http_call_free(call);
    }
    json_decref(body);
    return answer;
}
