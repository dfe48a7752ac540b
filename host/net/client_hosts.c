#include "net/client_hosts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

enum {
    BUCKETS = 256,
    MOST_HOSTS = 1024,       /* past it, hosts that nothing is under way to are forgotten */
    LONGEST_AUTHORITY = 262, /* a name of 255 bytes (RFC 1035), a colon and a port */
    /* How many streams a connection of HTTP/2 bears: what RFC 9113 6.5.2 asks for at least, and libcurl's own
       limit. */
    STREAMS_CONNECTION = 100,
    /* To a host over TLS whose protocol is not known yet. Were all let in at once, each would make a
     * connection of its own, and the peer that speaks HTTP/2 needs one. */
    FIRST_CALLS = 8,
    DEFAULT_TIMEOUT_MS = 30000,
};

struct client_host {
    struct client_host *bucket_next;
    TAILQ_ENTRY(client_host) line; /* in `lined` while `waiting` is not empty */
    char *key;                     /* "https://host:port", lower case */
    struct client_host **bucket;
    enum client_host_protocol protocol;
    bool secure;
    unsigned under_way;
    struct mail *waiting;
    struct mail **waiting_tail;
};

struct client_hosts {
    struct client_host *buckets[BUCKETS];
    TAILQ_HEAD(, client_host) lined;
    size_t count;
    unsigned connections_host, connections_total;
    unsigned connections; /* under way to hosts that do not speak HTTP/2: one each */
};

static struct http_call *call_of(struct mail *mail)
{
    return (struct http_call *)((char *)mail - offsetof(struct http_call, mail));
}

int64_t client_call_deadline_ms(const struct http_call *call)
{
    return call->submitted_ms + (call->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : call->timeout_ms);
}

/* From behind the scheme to the path; with user names, if the URL has any. */
static struct slice authority_of(const struct http_call *call)
{
    const char *start = call->url == NULL ? NULL : strstr(call->url, "://");
    if (start == NULL)
        return (struct slice){"", 0};
    return (struct slice){start + 3, strcspn(start + 3, "/?#")};
}

struct slice client_call_authority(const struct http_call *call)
{
    struct slice authority = authority_of(call);
    const char *at = memrchr(authority.data, '@', authority.length);
    if (at == NULL)
        return authority;
    return (struct slice){at + 1, authority.length - (size_t)(at + 1 - authority.data)};
}

struct client_hosts *client_hosts_new(unsigned connections_host, unsigned connections_total)
{
    struct client_hosts *hosts = memory_allocate(sizeof *hosts);
    TAILQ_INIT(&hosts->lined);
    hosts->connections_host = connections_host;
    hosts->connections_total = connections_total;
    return hosts;
}

static void host_forget(struct client_hosts *hosts, struct client_host *host)
{
    struct client_host **link = host->bucket;
    while (*link != host)
        link = &(*link)->bucket_next;
    *link = host->bucket_next;
    hosts->count--;
    free(host->key);
    free(host);
}

static void host_forget_surplus(struct client_hosts *hosts, struct client_host *host)
{
    if (hosts->count > MOST_HOSTS && host->under_way == 0 && host->waiting == NULL)
        host_forget(hosts, host);
}

void client_hosts_free(struct client_hosts *hosts)
{
    if (hosts == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (hosts->buckets[i] != NULL)
            host_forget(hosts, hosts->buckets[i]);
    free(hosts);
}

static struct client_host **bucket_of(struct client_hosts *hosts, const char *key)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619U;
    return &hosts->buckets[hash % BUCKETS];
}

static struct client_host *host_find(struct client_hosts *hosts, const char *key)
{
    struct client_host **bucket = bucket_of(hosts, key);
    for (struct client_host *host = *bucket; host != NULL; host = host->bucket_next)
        if (strcmp(host->key, key) == 0)
            return host;
    struct client_host *host = memory_allocate(sizeof *host);
    host->key = text_duplicate(key);
    host->secure = strncmp(key, "https:", 6) == 0;
    host->waiting_tail = &host->waiting;
    host->bucket = bucket;
    host->bucket_next = *bucket;
    *bucket = host;
    hosts->count++;
    return host;
}

static bool key_of(const struct http_call *call, char key[LONGEST_AUTHORITY + sizeof "https://"])
{
    struct slice authority = authority_of(call);
    if (authority.length == 0 || authority.length > LONGEST_AUTHORITY ||
        memchr(authority.data, '@', authority.length) != NULL)
        return false;
    if (strncasecmp(call->url, "http://", 7) != 0 && strncasecmp(call->url, "https://", 8) != 0)
        return false;
    size_t length = (size_t)(authority.data - call->url) + authority.length;
    for (size_t i = 0; i < length; i++)
        key[i] = (char)tolower((unsigned char)call->url[i]);
    key[length] = '\0';
    return true;
}

bool client_hosts_wait(struct client_hosts *hosts, struct http_call *call)
{
    char key[LONGEST_AUTHORITY + sizeof "https://"];
    if (!key_of(call, key))
        return false;
    struct client_host *host = host_find(hosts, key);
    if (host->waiting == NULL)
        TAILQ_INSERT_TAIL(&hosts->lined, host, line);
    call->mail.next = NULL;
    *host->waiting_tail = &call->mail;
    host->waiting_tail = &call->mail.next;
    return true;
}

static bool host_has_room(const struct client_hosts *hosts, const struct client_host *host)
{
    if (host->protocol == CLIENT_HOST_HTTP2)
        return host->under_way < hosts->connections_host * STREAMS_CONNECTION;
    if (host->protocol == CLIENT_HOST_UNKNOWN && host->secure && host->under_way >= FIRST_CALLS)
        return false;
    return host->under_way < hosts->connections_host && hosts->connections < hosts->connections_total;
}

/* Unlinks the mail behind `link`, which is the host's first or some mail's `next`. */
static struct mail *host_unline(struct client_hosts *hosts, struct client_host *host, struct mail **link)
{
    struct mail *mail = *link;
    *link = mail->next;
    if (*link == NULL)
        host->waiting_tail = link;
    if (host->waiting == NULL)
        TAILQ_REMOVE(&hosts->lined, host, line);
    mail->next = NULL;
    return mail;
}

struct http_call *client_hosts_next(struct client_hosts *hosts, struct client_host **host)
{
    struct client_host *one;
    TAILQ_FOREACH(one, &hosts->lined, line)
    {
        if (!host_has_room(hosts, one))
            continue;
        struct mail *mail = host_unline(hosts, one, &one->waiting);
        if (one->waiting != NULL) {
            TAILQ_REMOVE(&hosts->lined, one, line);
            TAILQ_INSERT_TAIL(&hosts->lined, one, line);
        }
        one->under_way++;
        hosts->connections += one->protocol != CLIENT_HOST_HTTP2;
        *host = one;
        return call_of(mail);
    }
    return NULL;
}

static void host_learn(struct client_hosts *hosts, struct client_host *host,
                       enum client_host_protocol protocol)
{
    if (protocol == CLIENT_HOST_UNKNOWN || protocol == host->protocol)
        return;
    if (protocol == CLIENT_HOST_HTTP2)
        hosts->connections -= host->under_way;
    else if (host->protocol == CLIENT_HOST_HTTP2)
        hosts->connections += host->under_way;
    host->protocol = protocol;
}

void client_hosts_leave(struct client_hosts *hosts, struct client_host *host,
                        enum client_host_protocol protocol)
{
    host_learn(hosts, host, protocol);
    host->under_way--;
    hosts->connections -= host->protocol != CLIENT_HOST_HTTP2;
    host_forget_surplus(hosts, host);
}

static void host_overdue(struct client_hosts *hosts, struct client_host *host, int64_t now_ms, bool all,
                         struct mail **overdue)
{
    struct mail **link = &host->waiting;
    while (*link != NULL) {
        if (!all && client_call_deadline_ms(call_of(*link)) > now_ms) {
            link = &(*link)->next;
            continue;
        }
        struct mail *mail = host_unline(hosts, host, link);
        mail->next = *overdue;
        *overdue = mail;
    }
}

struct mail *client_hosts_overdue(struct client_hosts *hosts, int64_t now_ms, bool all)
{
    struct mail *overdue = NULL;
    struct client_host *next;
    for (struct client_host *host = TAILQ_FIRST(&hosts->lined); host != NULL; host = next) {
        next = TAILQ_NEXT(host, line);
        host_overdue(hosts, host, now_ms, all, &overdue);
        host_forget_surplus(hosts, host);
    }
    return overdue;
}
