#include "net/http_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/client_hosts.h"
#include "net/client_sockets.h"
#include "net/client_transfer.h"
#include "net/egress.h"

enum {
    DEFAULT_CONNECTIONS_HOST = 512,
    DEFAULT_CONNECTIONS_TOTAL = 1024,
    /* Deadlines are looked at this often. A call that ends so much late costs nobody anything, and a call
     * that ends in time, as nearly all do, costs no timer. */
    SWEEP_MS = 50,
};

TAILQ_HEAD(transfers, transfer);

struct http_client {
    struct mailbox *inbox; /* of calls; their mail's own deliver is for the reply */
    atomic_bool stopping;
    pthread_t thread;

    struct egress *egress;
    char *user_agent, *ca_file;
    unsigned connections_total;

    /* The thread's own. */
    CURLM *multi;
    struct client_sockets *sockets;
    struct client_hosts *hosts;
    struct transfer_setting setting;
    struct transfers under_way, unused;
    size_t unused_count;
    int64_t sweep_at_ms;
};

static struct http_call *call_of(struct mail *mail)
{
    return (struct http_call *)((char *)mail - offsetof(struct http_call, mail));
}

static void reply(struct http_call *call, int64_t now_ms)
{
    call->elapsed_ms = (unsigned)(now_ms - call->submitted_ms);
    mailbox_post(call->reply, &call->mail);
}

static struct transfer *transfer_take(struct http_client *client)
{
    struct transfer *transfer = TAILQ_FIRST(&client->unused);
    if (transfer == NULL)
        return transfer_new(&client->setting);
    TAILQ_REMOVE(&client->unused, transfer, all);
    client->unused_count--;
    return transfer;
}

static void transfer_release(struct http_client *client, struct transfer *transfer)
{
    curl_multi_remove_handle(client->multi, transfer->easy);
    TAILQ_REMOVE(&client->under_way, transfer, all);
    client_hosts_leave(client->hosts, transfer->host, transfer_protocol(transfer));
    if (client->unused_count >= client->connections_total) {
        transfer_free(transfer);
        return;
    }
    TAILQ_INSERT_HEAD(&client->unused, transfer,
                      all); /* the last used is the one in the processor's caches */
    client->unused_count++;
}

static void start_what_may(struct http_client *client)
{
    struct client_host *host;
    struct http_call *call;
    while ((call = client_hosts_next(client->hosts, &host)) != NULL) {
        struct transfer *transfer = transfer_take(client);
        transfer_begin(transfer, call, host);
        TAILQ_INSERT_TAIL(&client->under_way, transfer, all);
        curl_multi_add_handle(client->multi, transfer->easy);
    }
}

static void receive(struct http_client *client)
{
    struct mail *mail;
    while ((mail = mailbox_take(client->inbox)) != NULL) {
        struct http_call *call = call_of(mail);
        if (!transfer_check(call)) {
            reply(call, clock_monotonic_ms());
        } else if (!client_hosts_wait(client->hosts, call)) {
            call->result = HTTP_CALL_INVALID;
            transfer_reason(call, "the URL is not of the form http(s)://host/...");
            reply(call, clock_monotonic_ms());
        }
    }
}

static void finish_what_ended(struct http_client *client)
{
    CURLMsg *message;
    int left;
    int64_t now_ms = clock_monotonic_ms();
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        char *private_data;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private_data);
        struct transfer *transfer = (void *)private_data;
        struct http_call *call = transfer->call;
        transfer_answer(transfer, message->data.result);
        transfer_release(client, transfer);
        reply(call, now_ms);
    }
}

static void end_waiting(struct http_client *client, int64_t now_ms, bool all, enum http_call_result result,
                        const char *sentence)
{
    struct mail *mail = client_hosts_overdue(client->hosts, now_ms, all);
    while (mail != NULL) {
        struct http_call *call = call_of(mail);
        mail = mail->next;
        call->result = result;
        transfer_reason(call, "%s", sentence);
        reply(call, now_ms);
    }
}

static void end_under_way(struct http_client *client, int64_t now_ms, bool all, enum http_call_result result,
                          const char *sentence)
{
    struct transfer *next;
    for (struct transfer *transfer = TAILQ_FIRST(&client->under_way); transfer != NULL; transfer = next) {
        next = TAILQ_NEXT(transfer, all);
        struct http_call *call = transfer->call;
        if (!all && client_call_deadline_ms(call) > now_ms)
            continue;
        transfer_abort(transfer, result, sentence);
        transfer_release(client, transfer);
        reply(call, now_ms);
    }
}

static void sweep(struct http_client *client)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms < client->sweep_at_ms)
        return;
    client->sweep_at_ms = now_ms + SWEEP_MS;
    end_under_way(client, now_ms, false, HTTP_CALL_TIMEOUT, "no whole answer in time");
    end_waiting(client, now_ms, false, HTTP_CALL_TIMEOUT,
                "all connections were taken, and none became free in time");
}

static void take_work(struct http_client *client)
{
    receive(client);
    start_what_may(client);
}

static void stop_work(struct http_client *client)
{
    int64_t now_ms = clock_monotonic_ms();
    end_under_way(client, now_ms, true, HTTP_CALL_CLOSED, "the client is stopping");
    end_waiting(client, now_ms, true, HTTP_CALL_CLOSED, "the client is stopping");
}

static void *run(void *argument)
{
    struct http_client *client = argument;
    for (;;) {
        take_work(client);
        client_sockets_prepare(client->sockets);
        take_work(client); /* what came in between, and woke nobody */
        if (atomic_load(&client->stopping))
            break;
        client_sockets_run(client->sockets, TAILQ_EMPTY(&client->under_way) ? -1 : SWEEP_MS);
        finish_what_ended(client);
        sweep(client);
    }
    stop_work(client);
    return NULL;
}

/* Called by who posts, when the inbox turns from empty to filled. */
static void wake(void *argument)
{
    struct http_client *client = argument;
    client_sockets_wake(client->sockets);
}

static unsigned or_default(unsigned value, unsigned fallback)
{
    return value == 0 ? fallback : value;
}

static void multi_set_limits(CURLM *multi, unsigned connections_host, unsigned connections_total)
{
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)connections_host);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)connections_total);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
                      (long)connections_total); /* idle ones, for the next burst */
}

static void client_free(struct http_client *client)
{
    struct transfer *transfer;
    while ((transfer = TAILQ_FIRST(&client->unused)) != NULL) {
        TAILQ_REMOVE(&client->unused, transfer, all);
        transfer_free(transfer);
    }
    if (client->multi != NULL)
        curl_multi_cleanup(client->multi); /* closes connections, by client_sockets_close */
    client_sockets_free(client->sockets);
    client_hosts_free(client->hosts);
    mailbox_free(client->inbox);
    egress_free(client->egress);
    free(client->user_agent);
    free(client->ca_file);
    free(client);
    curl_global_cleanup(); /* counts its calls */
}

static struct http_client *client_new(const struct http_client_options *options)
{
    struct http_client *client = memory_allocate(sizeof *client);
    unsigned connections_host = or_default(options->connections_host, DEFAULT_CONNECTIONS_HOST);
    client->connections_total = or_default(options->connections_total, DEFAULT_CONNECTIONS_TOTAL);
    TAILQ_INIT(&client->under_way);
    TAILQ_INIT(&client->unused);
    client->user_agent = text_duplicate(options->user_agent);
    client->ca_file = text_duplicate(options->ca_file);
    client->inbox = mailbox_new(wake, client);
    client->hosts = client_hosts_new(connections_host, client->connections_total);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->multi = curl_multi_init();
    if (client->multi != NULL) {
        multi_set_limits(client->multi, connections_host, client->connections_total);
        client->sockets = client_sockets_new(client->multi);
    }
    return client;
}

struct http_client *http_client_start(const struct http_client_options *options, struct error *error)
{
    struct http_client *client = client_new(options);
    client->egress = egress_new(options->egress_allow, error);
    if (client->egress == NULL)
        goto fail;
    if (client->sockets == NULL) {
        error_set(error, ERROR_RETRYABLE, "the HTTP client gets no descriptors from the system");
        goto fail;
    }
    client->setting =
        (struct transfer_setting){client->egress, client->sockets, client->user_agent, client->ca_file};
    if (pthread_create(&client->thread, NULL, run, client) != 0) {
        error_set(error, ERROR_RETRYABLE, "the HTTP client's thread cannot be started");
        goto fail;
    }
    return client;
fail:
    client_free(client);
    return NULL;
}

void http_client_stop(struct http_client *client)
{
    if (client == NULL)
        return;
    atomic_store(&client->stopping, true);
    client_sockets_wake(client->sockets);
    pthread_join(client->thread, NULL);
    client_free(client);
}

void http_client_submit(struct http_client *client, struct http_call *call)
{
    call->submitted_ms = clock_monotonic_ms();
    mailbox_post(client->inbox, &call->mail);
}

bool http_client_may_reach(const struct http_client *client, const char *address)
{
    return egress_permits_text(client->egress, address);
}
