/* Measures the HTTP client against a peer, usually bench_provider.
 *
 *   bench_client --port N [--in-flight 256] [--calls 100000]
 *
 * Keeps so many POSTs to Cast's send path under way, and prints calls a second and the process' processor
 * time a call (the client's thread and the thread that submits). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "net/http_client.h"

static struct {
    struct http_client *client;
    struct mailbox *mailbox;
    char url[64];
    unsigned long calls, submitted, answered, failed, slowest_ms;
} bench;

static void deliver(struct mail *mail);

static void submit(void)
{
    char key[32];
    struct http_call *call = http_call_new();
    snprintf(key, sizeof key, "location:%lu", ++bench.submitted);
    http_call_set(call, "POST", bench.url);
    http_call_add_header(call, "Content-Type", "application/json");
    http_call_add_header(call, "X-API-Key", "cast_test_key");
    http_call_add_header(call, "X-Idempotency-Key", key);
    http_call_set_body(
        call, SLICE_LITERAL("{\"to\":\"09171234567\",\"message\":\"Kumusta\",\"sender_id\":\"MYAPP\"}"));
    call->mail.deliver = deliver;
    call->reply = bench.mailbox;
    http_client_submit(bench.client, call);
}

static void deliver(struct mail *mail)
{
    struct http_call *call = (struct http_call *)((char *)mail - offsetof(struct http_call, mail));
    bench.answered++;
    if (call->result != HTTP_CALL_ANSWERED || call->status != 200) {
        if (bench.failed++ == 0)
            fprintf(stderr, "bench_client: %s (status %d)\n", call->reason, call->status);
    }
    if (call->elapsed_ms > bench.slowest_ms)
        bench.slowest_ms = call->elapsed_ms;
    http_call_free(call);
    if (bench.submitted < bench.calls)
        submit();
}

static double processor_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return 1e6 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void run(unsigned long calls, unsigned in_flight)
{
    bench.submitted = bench.answered = bench.failed = bench.slowest_ms = 0;
    bench.calls = calls;
    for (unsigned i = 0; i < in_flight && bench.submitted < calls; i++)
        submit();
    while (bench.answered < calls) {
        mailbox_wait(bench.mailbox, -1);
        mailbox_drain(bench.mailbox);
    }
}

static unsigned option(int count, char **arguments, const char *name, unsigned fallback)
{
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(arguments[i], name) == 0)
            return (unsigned)strtoul(arguments[i + 1], NULL, 10);
    return fallback;
}

int main(int count, char **arguments)
{
    struct error error;
    unsigned in_flight = option(count, arguments, "--in-flight", 256);
    unsigned calls = option(count, arguments, "--calls", 100000);
    struct http_client_options options = {
        .egress_allow = "127.0.0.0/8", .connections_host = in_flight, .connections_total = in_flight};
    snprintf(bench.url, sizeof bench.url, "http://127.0.0.1:%u/api/v1/sms/send",
             option(count, arguments, "--port", 0));
    bench.mailbox = mailbox_new(NULL, NULL);
    bench.client = http_client_start(&options, &error);
    if (bench.client == NULL) {
        fprintf(stderr, "bench_client: %s\n", error.message);
        return 1;
    }
    run(2 * in_flight, in_flight); /* connections are made, memory is there */
    double processor = processor_us();
    int64_t start_ms = clock_monotonic_ms();
    run(calls, in_flight);
    double seconds = (double)(clock_monotonic_ms() - start_ms) / 1000;
    processor = processor_us() - processor;
    printf("client calls=%u failed=%lu in_flight=%u calls_s=%.0f processor_us_call=%.1f slowest_ms=%lu\n",
           calls, bench.failed, in_flight, calls / seconds, processor / calls, bench.slowest_ms);
    http_client_stop(bench.client);
    mailbox_free(bench.mailbox);
    return bench.failed == 0 ? 0 : 1;
}
