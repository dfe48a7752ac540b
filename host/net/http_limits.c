#include "net/http_limits.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

void http_peer_read(struct http_peer *peer, const struct sockaddr *address)
{
    memset(peer, 0, sizeof *peer);
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        memcpy(peer->key, &in->sin_addr, 4);
        inet_ntop(AF_INET, &in->sin_addr, peer->text, sizeof peer->text);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6)) {
            memcpy(peer->key, in6->s6_addr + 12, 4);
            inet_ntop(AF_INET, in6->s6_addr + 12, peer->text, sizeof peer->text);
        } else {
            peer->v6 = true;
            memcpy(peer->key, in6->s6_addr, 8);
            inet_ntop(AF_INET6, in6, peer->text, sizeof peer->text);
        }
    }
}

/* Peers by address: a chained table, touched when a connection comes and goes. */
#define CENSUS_BUCKETS 1024

struct peer_count {
    struct peer_count *next;
    unsigned char key[8];
    bool v6;
    unsigned connections;
};

struct http_census {
    pthread_mutex_t mutex;
    pthread_cond_t emptied;
    unsigned limit, limit_peer;
    unsigned connections;
    struct peer_count *buckets[CENSUS_BUCKETS];
};

struct http_census *http_census_new(unsigned limit, unsigned limit_peer)
{
    struct http_census *census = memory_allocate(sizeof *census);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&census->emptied, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&census->mutex, NULL);
    census->limit = limit == 0 ? UINT_MAX : limit;
    census->limit_peer = limit_peer == 0 ? UINT_MAX : limit_peer;
    return census;
}

void http_census_free(struct http_census *census)
{
    if (census == NULL)
        return;
    pthread_cond_destroy(&census->emptied);
    pthread_mutex_destroy(&census->mutex);
    free(census);
}

/* The slot that points to the peer's count, or to NULL at the end of its chain. */
static struct peer_count **find_peer(struct http_census *census, const struct http_peer *peer)
{
    uint32_t hash =
        2166136261u; /* FNV-1a; the table is small and its chains are capped by the connection limit */
    for (size_t i = 0; i < sizeof peer->key; i++)
        hash = (hash ^ peer->key[i]) * 16777619u;
    struct peer_count **slot = &census->buckets[hash % CENSUS_BUCKETS];
    while (*slot != NULL &&
           ((*slot)->v6 != peer->v6 || memcmp((*slot)->key, peer->key, sizeof peer->key) != 0))
        slot = &(*slot)->next;
    return slot;
}

bool http_census_enter(struct http_census *census, const struct http_peer *peer)
{
    bool entered = false;
    pthread_mutex_lock(&census->mutex);
    if (census->connections < census->limit) {
        struct peer_count **slot = find_peer(census, peer);
        if (*slot == NULL) {
            *slot = memory_allocate(sizeof **slot);
            memcpy((*slot)->key, peer->key, sizeof peer->key);
            (*slot)->v6 = peer->v6;
        }
        entered = (*slot)->connections < census->limit_peer;
        (*slot)->connections += entered;
        census->connections += entered;
    }
    pthread_mutex_unlock(&census->mutex);
    return entered;
}

void http_census_leave(struct http_census *census, const struct http_peer *peer)
{
    pthread_mutex_lock(&census->mutex);
    struct peer_count **slot = find_peer(census, peer), *count = *slot;
    if (--count->connections == 0) {
        *slot = count->next;
        free(count);
    }
    if (--census->connections == 0)
        pthread_cond_broadcast(&census->emptied);
    pthread_mutex_unlock(&census->mutex);
}

unsigned http_census_count(struct http_census *census)
{
    pthread_mutex_lock(&census->mutex);
    unsigned connections = census->connections;
    pthread_mutex_unlock(&census->mutex);
    return connections;
}

unsigned http_census_wait_empty(struct http_census *census, unsigned timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&census->mutex);
    int result = 0;
    while (census->connections > 0 && result == 0)
        result = pthread_cond_timedwait(&census->emptied, &census->mutex, &until);
    unsigned connections = census->connections;
    pthread_mutex_unlock(&census->mutex);
    return connections;
}

/* procfs: no disk is touched, so a loop may read it. */
static size_t resident_bytes(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    char *end = text;
    strtoul(text, &end, 10); /* the first number is the whole address space */
    return length > 0 ? strtoul(end, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

#define RESIDENT_INTERVAL_MS 100

bool http_resident_over(struct http_resident *resident, int64_t now_ms)
{
    if (resident->limit_bytes == 0)
        return false;
    int64_t measured_ms = atomic_load_explicit(&resident->measured_ms, memory_order_relaxed);
    if (now_ms - measured_ms >= RESIDENT_INTERVAL_MS &&
        atomic_compare_exchange_strong(&resident->measured_ms, &measured_ms, now_ms)) {
        bool over = resident_bytes() > resident->limit_bytes;
        if (over) {
            malloc_trim(0); /* glibc keeps what a burst needed; without this one burst would shed for ever */
            over = resident_bytes() > resident->limit_bytes;
        }
        atomic_store_explicit(&resident->over, over, memory_order_relaxed);
    }
    return atomic_load_explicit(&resident->over, memory_order_relaxed);
}
