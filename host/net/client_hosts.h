/* Which call of the HTTP client may start, and which waits for its host.
 *
 * libcurl has caps on connections of its own, but what is over them waits in one line for all hosts, where
 * the calls to a slow host stand before those to a quick one, and where no timeout runs (7.88). So the client
 * lets no more calls into libcurl than can have a connection, and keeps a line for each host here.
 *
 * Client's thread only. A waiting call is linked by its `mail.next`, which is unused until it is delivered.
 */
#ifndef NET_CLIENT_HOSTS_H
#define NET_CLIENT_HOSTS_H

#include "net/http_client.h"

struct client_hosts;
struct client_host; /* scheme, name and port; valid while calls are under way to it */

struct client_hosts *client_hosts_new(unsigned connections_host, unsigned connections_total);
void client_hosts_free(struct client_hosts *hosts);

/* Puts the call into its host's line. False where the URL is not http(s) or names no host. */
bool client_hosts_wait(struct client_hosts *hosts, struct http_call *call);

/* The next call that may start, or NULL; hosts take turns. It counts as under way to `*host`. */
struct http_call *client_hosts_next(struct client_hosts *hosts, struct client_host **host);

enum client_host_protocol { CLIENT_HOST_UNKNOWN, CLIENT_HOST_HTTP1, CLIENT_HOST_HTTP2 };

/* A call ended; `protocol` is what it was answered in, or CLIENT_HOST_UNKNOWN. */
void client_hosts_leave(struct client_hosts *hosts, struct client_host *host,
                        enum client_host_protocol protocol);

/* Takes the waiting calls whose deadline has passed (or all) out of their lines; a list, linked by mail.next.
 */
struct mail *client_hosts_overdue(struct client_hosts *hosts, int64_t now_ms, bool all);

/* When the call must have ended, on the monotonic clock. */
int64_t client_call_deadline_ms(const struct http_call *call);

/* "host:port" as in the URL, for sentences; empty where the URL has none. Never more of the URL than that. */
struct slice client_call_authority(const struct http_call *call);

#endif
