/* What all loops share: how many connections there are, in all and for each peer, and how big the process has
 * become. */
#ifndef NET_HTTP_LIMITS_H
#define NET_HTTP_LIMITS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* A peer as the caps count it: an IPv4 address, or the /64 of an IPv6 address (one customer owns all of it).
 */
struct http_peer {
    unsigned char key[8];
    bool v6;
    char text[INET6_ADDRSTRLEN]; /* the whole address; IPv4 also where it came mapped into IPv6 */
};

void http_peer_read(struct http_peer *peer, const struct sockaddr *address);

struct http_census;

struct http_census *http_census_new(unsigned limit, unsigned limit_peer); /* 0: no cap */
void http_census_free(struct http_census *census);

/* Any thread. Counts one connection in; false (and nothing counted) when a cap is reached. */
bool http_census_enter(struct http_census *census, const struct http_peer *peer);
void http_census_leave(struct http_census *census, const struct http_peer *peer);
unsigned http_census_count(struct http_census *census);

/* Waits until the count is 0 or `timeout_ms` passed; returns the count. */
unsigned http_census_wait_empty(struct http_census *census, unsigned timeout_ms);

/* Any thread. Whether the process' resident size is over `limit_bytes` (0: never). Measured at most every 100
 * ms, by whoever asks first; memory that is free but not given back is trimmed before it is held against
 * anyone. */
struct http_resident {
    size_t limit_bytes;
    int64_t _Atomic measured_ms;
    _Atomic bool over;
};
bool http_resident_over(struct http_resident *resident, int64_t now_ms);

#endif
