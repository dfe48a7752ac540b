#include "net/http_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

#define BACKLOG 4096 /* the kernel cuts it to net.core.somaxconn */

static int resolve(const char *address, struct addrinfo **found, struct error *error)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || strlen(address) > 255)
        return error_set(error, ERROR_INVALID, "listen address %s: must be HOST:PORT", address);
    char host[256];
    size_t length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']')
        snprintf(host, sizeof host, "%.*s", (int)length - 2, address + 1);
    else
        snprintf(host, sizeof host, "%.*s", (int)length, address);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int result = getaddrinfo(host[0] == '\0' ? NULL : host, colon + 1, &hints, found);
    if (result != 0)
        return error_set(error, ERROR_INVALID, "listen address %s: %s", address, gai_strerror(result));
    return 0;
}

static int bind_socket(const struct addrinfo *to, int reuse_port)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if ((reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, to->ai_addr, to->ai_addrlen) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Makes `to` name the port that `fd` got. */
static uint16_t learn_port(int fd, struct addrinfo *to)
{
    socklen_t length = to->ai_addrlen;
    getsockname(fd, to->ai_addr, &length);
    if (to->ai_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)to->ai_addr)->sin6_port);
    return ntohs(((struct sockaddr_in *)(void *)to->ai_addr)->sin_port);
}

/* Without SO_REUSEPORT the kernel says whether the address is free. */
static int probe(const struct addrinfo *to)
{
    int fd = bind_socket(to, 0);
    return fd < 0 ? -1 : close(fd);
}

static int open_all(struct addrinfo *to, int *sockets, unsigned count, uint16_t *port)
{
    if (probe(to) != 0)
        return -1;
    for (unsigned i = 0; i < count; i++) {
        sockets[i] = bind_socket(to, 1);
        if (sockets[i] < 0)
            return -1;
        *port = learn_port(sockets[i], to);
    }
    for (unsigned i = 0; i < count; i++) {
        if (listen(sockets[i], BACKLOG) != 0)
            return -1;
    }
    return 0;
}

int http_listen(const char *address, int *sockets, unsigned count, uint16_t *port, struct error *error)
{
    struct addrinfo *found;
    if (resolve(address, &found, error) != 0)
        return -1;
    for (unsigned i = 0; i < count; i++)
        sockets[i] = -1;
    int result = open_all(found, sockets, count, port);
    int saved = errno;
    freeaddrinfo(found);
    if (result == 0)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        if (sockets[i] >= 0)
            close(sockets[i]);
    }
    return error_set(error, ERROR_PERMANENT, "cannot listen at %s: %s", address, strerror(saved));
}
