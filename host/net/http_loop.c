#include "net/http_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"

/* Connections taken in one go, so that a storm of them does not starve those that are there. */
#define ACCEPT_BATCH 64

#define SWEEP_MS 1000

/* A client that has its answer but does not read it keeps memory for it: after this long it goes. */
#define STALLED_ANSWER_MS 60000

/* How long the end waits for refused requests to be told, and then for sockets to be seen as closed. */
#define FAREWELL_MS 250
#define CLOSING_MS 2000

static uint64_t mixed(uint64_t x)
{
    /* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection, so ids of one loop never repeat. */
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void http_loop_make_id(struct http_loop *loop, char id[HTTP_REQUEST_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = mixed(loop->next_id);
    loop->next_id += 0x9E3779B97F4A7C15u;
    for (int i = HTTP_REQUEST_ID_SIZE - 2; i >= 0; i--, value >>= 4)
        id[i] = digits[value & 15];
    id[HTTP_REQUEST_ID_SIZE - 1] = '\0';
}

static void listeners_read(struct http_loop *loop, h2o_socket_cb on_accept)
{
    for (int i = 0; i < LISTENERS; i++) {
        if (loop->listeners[i] == NULL)
            continue;
        if (on_accept != NULL)
            h2o_socket_read_start(loop->listeners[i], on_accept);
        else
            h2o_socket_read_stop(loop->listeners[i]);
    }
    loop->listeners_paused = on_accept == NULL;
}

static void on_accept(h2o_socket_t *listener, const char *fault)
{
    (void)fault;
    struct http_loop *loop = listener->data;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        h2o_socket_t *socket = h2o_evloop_socket_accept(listener);
        if (socket != NULL) {
            connection_open(loop, socket, listener == loop->listeners[LISTENER_TLS]);
        } else {
            /* No descriptor or no memory: the listener stays readable, and would be asked for ever. The sweep
             * resumes. */
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                listeners_read(loop, NULL);
            return;
        }
    }
}

static void listeners_open(struct http_loop *loop)
{
    for (int i = 0; i < LISTENERS; i++) {
        if (loop->listen_fds[i] < 0)
            continue;
        loop->listeners[i] =
            h2o_evloop_socket_create(loop->context.loop, loop->listen_fds[i], H2O_SOCKET_FLAG_DONT_READ);
        loop->listeners[i]->data = loop;
        loop->listen_fds[i] = -1;
    }
    listeners_read(loop, on_accept);
}

static void listeners_close(struct http_loop *loop)
{
    for (int i = 0; i < LISTENERS; i++) {
        if (loop->listeners[i] == NULL)
            continue;
        on_accept(loop->listeners[i], NULL); /* who is in the queue was promised a connection */
        h2o_socket_close(loop->listeners[i]);
        loop->listeners[i] = NULL;
    }
}

static void report(struct http_loop *loop)
{
    static const char *const labels[] = {
        NULL, NULL, "class=\"2xx\"", "class=\"3xx\"", "class=\"4xx\"", "class=\"5xx\""};
    for (int i = 2; i < 6; i++) {
        if (loop->answers[i] > 0)
            metrics_add("bascule_http_answers_total", labels[i], (int64_t)loop->answers[i]);
        loop->answers[i] = 0;
    }
    if (loop->index == 0)
        metrics_set("bascule_http_connections", NULL, http_census_count(loop->server->census));
}

static void condemn_stalled(struct http_loop *loop, int64_t now_ms)
{
    for (h2o_linklist_t *node = loop->links.next; node != &loop->links; node = node->next) {
        struct request_link *link = H2O_STRUCT_FROM_MEMBER(struct request_link, node, node);
        if (link->exchange == NULL && now_ms - link->answered_ms > STALLED_ANSWER_MS)
            connection_condemn(link->connection, "stalled");
    }
}

/* By the monotonic clock: libh2o's timers follow the wall clock, and would wait out a step back of it. */
static void sweep(struct http_loop *loop)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - loop->swept_ms < SWEEP_MS)
        return;
    loop->swept_ms = now_ms;
    if (loop->listeners_paused)
        listeners_read(loop, on_accept);
    condemn_stalled(loop, now_ms);
    report(loop);
}

/* ---- mail ---- */

/* Any thread, under the mailbox's lock, and only when the mailbox turns from empty to filled: so the one
 * message is never sent while it is still under way, and the pipe behind it never fills. */
static void wake(void *argument)
{
    struct http_loop *loop = argument;
    h2o_multithread_send_message(&loop->receiver, &loop->wake);
}

static void on_wake(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct http_loop *loop = H2O_STRUCT_FROM_MEMBER(struct http_loop, receiver, receiver);
    while (!h2o_linklist_is_empty(messages))
        h2o_linklist_unlink(messages->next);
    mailbox_drain(loop->mailbox);
}

static void begin_drain(struct mail *mail)
{
    struct http_loop *loop = H2O_STRUCT_FROM_MEMBER(struct http_loop, drain_mail, mail);
    listeners_close(loop);
    h2o_context_request_shutdown(&loop->context);
    for (h2o_linklist_t *node = loop->connections.next; node != &loop->connections; node = node->next)
        connection_stop_idle(H2O_STRUCT_FROM_MEMBER(struct connection, node, node));
}

static void begin_stop(struct mail *mail)
{
    H2O_STRUCT_FROM_MEMBER(struct http_loop, stop_mail, mail)->stopping = true;
}

/* ---- the thread ---- */

static void run_until_empty(struct http_loop *loop, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    while (!h2o_linklist_is_empty(&loop->connections) && clock_monotonic_ms() < until_ms)
        h2o_evloop_run(loop->context.loop, 10);
}

/* What is left when the end has come: requests without an answer are told so, then every socket is shut down.
 */
static void close_all(struct http_loop *loop)
{
    listeners_close(loop);
    for (h2o_linklist_t *node = loop->links.next, *next; node != &loop->links; node = next) {
        struct request_link *link = H2O_STRUCT_FROM_MEMBER(struct request_link, node, node);
        next = node->next;
        if (link->exchange != NULL)
            request_abandon(link);
    }
    run_until_empty(loop, FAREWELL_MS);
    for (h2o_linklist_t *node = loop->connections.next; node != &loop->connections; node = node->next)
        connection_drop(H2O_STRUCT_FROM_MEMBER(struct connection, node, node));
    run_until_empty(loop, CLOSING_MS);
}

/* On the loop's own thread, like its disposal: what libh2o makes here takes its buffers from the thread's own
 * pool, and would go on doing so from another thread. */
static void set_up(struct http_loop *loop)
{
    h2o_context_init(&loop->context, h2o_evloop_create(), &loop->server->config);
    loop->accept = (h2o_accept_ctx_t){.ctx = &loop->context, .hosts = loop->server->config.hosts};
    h2o_multithread_register_receiver(loop->context.queue, &loop->receiver, on_wake);
}

static void tear_down(struct http_loop *loop)
{
    h2o_evloop_t *evloop = loop->context.loop;
    /* its disposal asserts that none is left */
    h2o_timeout_unlink(&loop->context.http2._graceful_shutdown_timeout);
    h2o_multithread_unregister_receiver(loop->context.queue, &loop->receiver);
    if (!h2o_linklist_is_empty(&loop->connections))
        return;                /* a socket that would not close: its memory stays with it */
    h2o_evloop_run(evloop, 0); /* frees the sockets that were closed in the last round */
    h2o_context_dispose(&loop->context);
    h2o_evloop_destroy(evloop);
}

static void *loop_main(void *argument)
{
    struct http_loop *loop = argument;
    const struct http_server_options *options = &loop->server->options;
    set_up(loop);
    if (options->loop_start != NULL)
        loop->handler_context = options->loop_start(loop, loop->index, options->argument);
    listeners_open(loop);
    sem_post(&loop->server->ready);
    while (!loop->stopping) {
        h2o_evloop_run(loop->context.loop, SWEEP_MS);
        sweep(loop);
    }
    close_all(loop);
    mailbox_drain(loop->mailbox);
    if (options->loop_stop != NULL)
        options->loop_stop(loop->handler_context, options->argument);
    report(loop);
    tear_down(loop);
    return NULL;
}

int http_loop_init(struct http_loop *loop, struct http_server *server, unsigned index)
{
    loop->server = server;
    loop->index = index;
    loop->listen_fds[LISTENER_CLEAR] = loop->listen_fds[LISTENER_TLS] = -1;
    h2o_linklist_init_anchor(&loop->connections);
    h2o_linklist_init_anchor(&loop->links);
    loop->drain_mail.deliver = begin_drain;
    loop->stop_mail.deliver = begin_stop;
    loop->mailbox = mailbox_new(wake, loop);
    return getrandom(&loop->next_id, sizeof loop->next_id, 0) == sizeof loop->next_id ? 0 : -1;
}

int http_loop_start(struct http_loop *loop)
{
    return pthread_create(&loop->thread, NULL, loop_main, loop);
}

void http_loop_deinit(struct http_loop *loop)
{
    for (int i = 0; i < LISTENERS; i++) {
        if (loop->listen_fds[i] >= 0)
            close(loop->listen_fds[i]);
    }
    mailbox_free(loop->mailbox);
}

struct mailbox *http_loop_mailbox(struct http_loop *loop)
{
    return loop->mailbox;
}
