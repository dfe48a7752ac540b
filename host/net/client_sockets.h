/* libcurl's sockets on an epoll, and a way to wake who waits there.
 *
 * curl_multi_poll would be simpler, but it and curl_multi_perform go through every transfer each time, with a
 * system call for each: with 256 calls under way that was measured at 1.6 times the processor time a call. */
#ifndef NET_CLIENT_SOCKETS_H
#define NET_CLIENT_SOCKETS_H

#include <curl/curl.h>
#include <stdint.h>

struct client_sockets;

/* Takes over the multi handle's socket and timer callbacks. NULL when the system gives no descriptors. */
struct client_sockets *client_sockets_new(CURLM *multi);
void client_sockets_free(struct client_sockets *sockets);

/* Any thread, after a change that the waiting thread is to see. */
void client_sockets_wake(struct client_sockets *sockets);

/* To be called before the last look at what other threads changed and ahead of client_sockets_run: from here
 * on a wake interrupts the wait. */
void client_sockets_prepare(struct client_sockets *sockets);

/* Waits for sockets, timers or a wake, at most `most_ms`, and lets libcurl work on what happened. */
void client_sockets_run(struct client_sockets *sockets, int most_ms);

/* For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION (whose data is the client_sockets). Sockets
 * that were opened here stay on the epoll between two transfers, which saves two system calls a transfer. */
curl_socket_t client_sockets_open(struct client_sockets *sockets, const struct curl_sockaddr *address);
int client_sockets_close(void *sockets, curl_socket_t socket);

#endif
