/* Signed GHL messages at full speed, and the raw verify rate to hold them against.
 *
 *   bench_load --url http://127.0.0.1:PORT/webhooks/ghl --seed HEX64 --count N --connections C
 *              [--location ID] [--scheme ed25519|ecdsa] [--key PEMFILE]
 *   bench_load --verify --seed HEX64 --count N [--scheme ed25519|ecdsa] [--key PEMFILE]
 *
 * It shares its machine with the server, so it spends little: every request is made and signed before the
 * clock starts (a message id never comes twice, over runs too), one thread drives all connections, and a
 * request costs one send and one receive. ecdsa signs with the P-256 key of PEMFILE. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>

#include "base/bytes.h"

#define SIGNATURE_LARGEST 72 /* ECDSA P-256 in DER */
#define ANSWER_LARGEST 4096

struct signer {
    bool ecdsa;
    unsigned char secret[crypto_sign_SECRETKEYBYTES], public[crypto_sign_PUBLICKEYBYTES];
    EVP_PKEY *key;
    EVP_MD *sha256;
    EVP_MD_CTX *context;
};

struct request {
    size_t at, length; /* in `bytes` of the load */
    size_t body_length;
    unsigned char signature[SIGNATURE_LARGEST];
    size_t signature_length;
};

struct load {
    char host[128], port[8], path[256];
    const char *location, *seed, *key_file;
    unsigned count, connections;
    bool verify;
    struct signer signer;
    struct buffer bytes;
    struct request *requests;
};

struct connection {
    int fd;
    size_t answer_length;
    double sent_s;
    char answer[ANSWER_LARGEST + 1];
};

struct run {
    struct load *load;
    struct connection *connections;
    int epoll;
    unsigned sent, done, ok;
    float *latencies_ms;
};

static _Noreturn void stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, why);
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double processor_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return 1e6 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* ---- signatures ---- */

static void signer_open(struct signer *signer, const struct load *load)
{
    unsigned char seed[crypto_sign_SEEDBYTES];
    size_t length;
    if (signer->ecdsa) {
        FILE *file = load->key_file == NULL ? NULL : fopen(load->key_file, "r");
        if (file == NULL)
            stop("--key", "a PEM file with a P-256 key is needed");
        signer->key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        fclose(file);
        if (signer->key == NULL || EVP_PKEY_get_base_id(signer->key) != EVP_PKEY_EC)
            stop(load->key_file, "no EC key");
        signer->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        signer->context = EVP_MD_CTX_new();
        return;
    }
    if (load->seed == NULL ||
        sodium_hex2bin(seed, sizeof seed, load->seed, strlen(load->seed), NULL, &length, NULL) != 0 ||
        length != sizeof seed)
        stop("--seed", "64 hex digits are needed");
    crypto_sign_seed_keypair(signer->public, signer->secret, seed);
}

static void sign(struct signer *signer, struct request *request, const char *body)
{
    const unsigned char *data = (const unsigned char *)body;
    request->signature_length = sizeof request->signature;
    if (!signer->ecdsa) {
        crypto_sign_detached(request->signature, NULL, data, request->body_length, signer->secret);
        request->signature_length = crypto_sign_BYTES;
    } else if (EVP_DigestSignInit_ex(signer->context, NULL, "SHA256", NULL, NULL, signer->key, NULL) != 1 ||
               EVP_DigestSign(signer->context, request->signature, &request->signature_length, data,
                              request->body_length) != 1) {
        stop("ecdsa", "cannot sign");
    }
}

static bool verify(struct signer *signer, const struct request *request, const char *body)
{
    const unsigned char *data = (const unsigned char *)body;
    if (!signer->ecdsa)
        return crypto_sign_verify_detached(request->signature, data, request->body_length, signer->public) ==
               0;
    return EVP_DigestVerifyInit(signer->context, NULL, signer->sha256, NULL, signer->key) == 1 &&
           EVP_DigestVerify(signer->context, request->signature, request->signature_length, data,
                            request->body_length) == 1;
}

/* ---- requests ---- */

/* A ProviderOutboundMessage of about 600 bytes, as GHL's documentation shows it. */
static void write_body(struct buffer *out, const struct load *load, uint64_t run, unsigned number)
{
    buffer_clear(out);
    buffer_append_format(
        out,
        "{\"contactId\":\"ct%016llx%06u\",\"locationId\":\"%s\",\"messageId\":\"ms%016llx%08u\","
        "\"type\":\"SMS\",\"phone\":\"+63917%07u\",\"message\":\"",
        (unsigned long long)run, number % 1000000, load->location, (unsigned long long)run, number,
        number % 10000000);
    buffer_append_format(
        out, "Good day! Order no. %u is on its way and arrives today between 2 and 5 in the afternoon. ",
        number);
    buffer_append_text(
        out, "Please have the exact amount ready and keep this number at hand; the driver calls before he "
             "comes. Reply STOP to hear no more of us, or HELP to speak with a person of our team.\",");
    buffer_append_format(
        out,
        "\"attachments\":[],\"userId\":\"us%022u\",\"conversationId\":\"cv%022u\","
        "\"conversationProviderId\":\"cp0123456789abcdefghij\",\"timestamp\":\"2026-01-02T03:04:05.678Z\"}",
        number, number);
}

static void write_request(struct load *load, struct request *request, const struct buffer *body)
{
    char signature[sodium_base64_ENCODED_LEN(SIGNATURE_LARGEST, sodium_base64_VARIANT_ORIGINAL)];
    sodium_bin2base64(signature, sizeof signature, request->signature, request->signature_length,
                      sodium_base64_VARIANT_ORIGINAL);
    request->at = load->bytes.length;
    buffer_append_format(
        &load->bytes,
        "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nX-GHL-Signature: %s\r\n"
        "Content-Length: %zu\r\n\r\n",
        load->path, load->host, load->port, signature, body->length);
    buffer_append(&load->bytes, body->data, body->length);
    request->length = load->bytes.length - request->at;
}

static void prepare(struct load *load)
{
    struct buffer body = {0};
    uint64_t run;
    double began_s = now_s();
    randombytes_buf(&run, sizeof run);
    load->requests = memory_allocate(load->count * sizeof *load->requests);
    for (unsigned i = 0; i < load->count; i++) {
        write_body(&body, load, run, i);
        load->requests[i].body_length = body.length;
        sign(&load->signer, &load->requests[i], body.data);
        write_request(load, &load->requests[i], &body);
    }
    fprintf(stderr, "bench_load: %u messages of %zu bytes signed in %.2f s\n", load->count, body.length,
            now_s() - began_s);
    buffer_deinit(&body);
}

static const char *body_of(const struct load *load, const struct request *request)
{
    return load->bytes.data + request->at + request->length - request->body_length;
}

/* ---- verifying ---- */

static void run_verify(struct load *load)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    double began_s = now_s();
    for (unsigned i = 0; i < load->count; i++) {
        if (!verify(&load->signer, &load->requests[i], body_of(load, &load->requests[i])))
            stop("verify", "a signature does not hold");
    }
    printf("verify_rate=%.0f\n", load->count / (now_s() - began_s));
}

/* ---- sending ---- */

static int connect_to(const struct load *load)
{
    static struct addrinfo *found;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (found == NULL && getaddrinfo(load->host, load->port, &hints, &found) != 0)
        stop(load->host, "no such host");
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
        stop("connect", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void connection_open(struct run *run, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    connection->fd = connect_to(run->load);
    connection->answer_length = 0;
    epoll_ctl(run->epoll, EPOLL_CTL_ADD, connection->fd, &event);
}

/* A socket that was answered has room for a request; the wait is for the case that it has not. */
static bool send_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        data += sent;
        length -= (size_t)sent;
    }
    return true;
}

static void send_next(struct run *run, struct connection *connection)
{
    if (run->sent == run->load->count)
        return;
    const struct request *request = &run->load->requests[run->sent++];
    connection->answer_length = 0;
    connection->sent_s = now_s();
    /* A failure is not looked at here: the read that follows sees the end of the connection, and counts it.
     */
    (void)send_all(connection->fd, run->load->bytes.data + request->at, request->length);
}

static void finish(struct run *run, const struct connection *connection, bool ok)
{
    run->latencies_ms[run->done++] = (float)((now_s() - connection->sent_s) * 1e3);
    run->ok += ok;
}

/* Bytes of the whole answer, or 0 while its head is not whole. */
static size_t answer_size(const struct connection *connection)
{
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *length = strcasestr(connection->answer, "\r\ncontent-length:");
    if (end == NULL)
        return 0;
    size_t body =
        length != NULL && length < end ? strtoul(length + strlen("\r\ncontent-length:"), NULL, 10) : 0;
    return (size_t)(end - connection->answer) + 4 + body;
}

static void connection_lost(struct run *run, struct connection *connection)
{
    close(connection->fd);
    if (connection->sent_s > 0) {
        finish(run, connection, false);
        connection->sent_s = 0;
    }
    connection_open(run, connection);
    send_next(run, connection);
}

static void connection_read(struct run *run, struct connection *connection)
{
    char *free_at = connection->answer + connection->answer_length;
    ssize_t got = recv(connection->fd, free_at, ANSWER_LARGEST - connection->answer_length, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        connection_lost(run, connection);
        return;
    }
    connection->answer_length += (size_t)got;
    free_at[got] = '\0';
    size_t size = answer_size(connection);
    if (size == 0 || connection->answer_length < size)
        return;
    bool ok = strncmp(connection->answer, "HTTP/1.1 2", 10) == 0;
    if (!ok && run->done - run->ok == 0)
        fprintf(stderr, "bench_load: first refusal: %.300s\n", connection->answer);
    finish(run, connection, ok);
    connection->sent_s = 0;
    send_next(run, connection);
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double percentile(const struct run *run, double share)
{
    return (double)run->latencies_ms[(size_t)((run->done - 1) * share)];
}

static void run_load(struct load *load)
{
    struct epoll_event events[256];
    struct run run = {.load = load, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    run.connections = memory_allocate(load->connections * sizeof *run.connections);
    run.latencies_ms = memory_allocate(load->count * sizeof *run.latencies_ms);
    for (unsigned i = 0; i < load->connections; i++)
        connection_open(&run, &run.connections[i]);
    double began_s = now_s(), processor = processor_us();
    for (unsigned i = 0; i < load->connections; i++)
        send_next(&run, &run.connections[i]);
    while (run.done < load->count) {
        int ready = epoll_wait(run.epoll, events, 256, -1);
        for (int i = 0; i < ready && run.done < load->count; i++)
            connection_read(&run, events[i].data.ptr);
    }
    double seconds = now_s() - began_s;
    processor = processor_us() - processor;
    qsort(run.latencies_ms, run.done, sizeof *run.latencies_ms, compare);
    printf("requests=%u ok=%u other=%u seconds=%.3f rate=%.0f p50_ms=%.2f p99_ms=%.2f load_us=%.1f\n",
           run.done, run.ok, run.done - run.ok, seconds, run.ok / seconds, percentile(&run, 0.5),
           percentile(&run, 0.99), processor / run.done);
    for (unsigned i = 0; i < load->connections; i++)
        close(run.connections[i].fd);
    close(run.epoll);
    free(run.connections);
    free(run.latencies_ms);
}

/* ---- options ---- */

static void read_url(struct load *load, const char *url)
{
    if (sscanf(url, "http://%127[^:/]:%7[0-9]%255s", load->host, load->port, load->path) != 3)
        stop("--url", "must be http://HOST:PORT/PATH");
}

static void read_options(struct load *load, int count, char **arguments)
{
    static const struct option options[] = {{"url", required_argument, NULL, 'u'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"count", required_argument, NULL, 'n'},
                                            {"connections", required_argument, NULL, 'c'},
                                            {"scheme", required_argument, NULL, 'a'},
                                            {"location", required_argument, NULL, 'l'},
                                            {"key", required_argument, NULL, 'k'},
                                            {"verify", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        switch (option) {
        case 'u':
            read_url(load, optarg);
            break;
        case 's':
            load->seed = optarg;
            break;
        case 'n':
            load->count = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            load->connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'a':
            if (strcmp(optarg, "ecdsa") != 0 && strcmp(optarg, "ed25519") != 0)
                stop("--scheme", "must be ed25519 or ecdsa");
            load->signer.ecdsa = strcmp(optarg, "ecdsa") == 0;
            break;
        case 'l':
            load->location = optarg;
            break;
        case 'k':
            load->key_file = optarg;
            break;
        case 'v':
            load->verify = true;
            break;
        default:
            exit(2);
        }
    }
}

int main(int count, char **arguments)
{
    struct load load = {.location = "GKAWb4yu7A4LSc0skQ6g", .count = 10000, .connections = 64};
    read_options(&load, count, arguments);
    if (load.count == 0 || load.connections == 0 || sodium_init() < 0)
        stop("--count, --connections", "must be over 0");
    if (!load.verify && load.host[0] == '\0')
        stop("--url", "is needed");
    signer_open(&load.signer, &load);
    prepare(&load);
    if (load.verify)
        run_verify(&load);
    else
        run_load(&load);
    EVP_MD_CTX_free(load.signer.context);
    EVP_MD_free(load.signer.sha256);
    EVP_PKEY_free(load.signer.key);
    buffer_deinit(&load.bytes);
    free(load.requests);
    return 0;
}
