/* Listening sockets: one a loop on the same port (SO_REUSEPORT), so that the kernel spreads connections. */
#ifndef NET_HTTP_LISTEN_H
#define NET_HTTP_LISTEN_H

#include <stdint.h>

#include "base/error.h"

/* Opens `count` sockets that listen at `address` ("127.0.0.1:8080", "[::1]:0", "host:port"). Port 0: the
 * first picks one that is free, the others follow. An address that somebody else listens at is an error,
 * although SO_REUSEPORT would let two servers share it unawares. Returns 0, or -1 with nothing left open. */
int http_listen(const char *address, int *sockets, unsigned count, uint16_t *port, struct error *error);

#endif
