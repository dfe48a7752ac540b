/* Fills a store with outbound messages as GHL sends them: bench_fill STORE COUNT LOCATION. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/store.h"

#define BATCH 2000
#define SPREAD_MS (20 * INT64_C(3600000)) /* they were accepted within this time */

static const char *const bodies[] = {
    "Kumusta! Your appointment is tomorrow at 9.",
    "Salamat po sa inyong bayad – here is your receipt",
    "Your order is on its way and arrives today between two and five in the afternoon. Please have someone "
    "there "
    "to receive it; the courier calls when he is near. Thank you for ordering with us, and have a nice day!",
    "This is your code, share it with nobody",
};

static enum store_status accept(struct store_session *session, long number, long count, const char *location)
{
    char id[STORE_ID_SIZE], body[400], payload[1000], external_id[40], contact[40];
    snprintf(body, sizeof body, "%s (%ld)", bodies[number % 4], number);
    snprintf(external_id, sizeof external_id, "message-%ld", number);
    snprintf(contact, sizeof contact, "contact-%ld", number % 5000);
    int length =
        snprintf(payload, sizeof payload,
                 "{\"contactId\":\"%s\",\"locationId\":\"%s\",\"messageId\":\"%s\",\"type\":\"SMS\","
                 "\"phone\":\"+63917%07ld\",\"message\":\"%s\",\"attachments\":[],\"userId\":\"u1\"}",
                 contact, location, external_id, number % 10000000, body);
    struct store_message_new message = {
        .direction = MESSAGE_OUTBOUND,
        .location = location,
        .external_id = external_id,
        .conversation = contact,
        .payload = {payload, (size_t)length},
        .received = "{}",
        .now_ms = clock_wall_ms() - SPREAD_MS + SPREAD_MS / count * number,
    };
    return store_message_accept(session, &message, id);
}

static enum store_status fill(struct store_session *session, long count, const char *location)
{
    enum store_status status = STORE_OK;
    for (long number = 0; number < count && status == STORE_OK; number++) {
        if (number % BATCH == 0)
            status = store_batch_begin(session);
        if (status == STORE_OK)
            status = accept(session, number, count, location);
        if (status == STORE_OK && (number % BATCH == BATCH - 1 || number == count - 1))
            status = store_batch_commit(session);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct store_options options = {.busy_timeout_ms = 5000};
    struct store *store;
    struct store_session *session;
    struct error error;
    if (argc != 4) {
        fputs("usage: bench_fill STORE COUNT LOCATION\n", stderr);
        return 2;
    }
    options.url = argv[1];
    if (store_open(&options, &store, &error) != 0 || store_session_open(store, &session, &error) != 0) {
        fprintf(stderr, "bench_fill: %s\n", error.message);
        return 1;
    }
    enum store_status status = fill(session, strtol(argv[2], NULL, 10), argv[3]);
    if (status != STORE_OK)
        fprintf(stderr, "bench_fill: %s\n", store_session_error(session));
    store_session_close(session);
    store_close(store);
    return status == STORE_OK ? 0 : 1;
}
