#include "net/client_sockets.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

enum { EVENTS = 256 };

struct watched {
    bool kept;           /* opened by client_sockets_open: its closing is seen here */
    uint32_t wanted;     /* what libcurl waits for; 0 between two transfers */
    uint32_t registered; /* what the epoll knows; 0: the socket is not on it */
};

struct client_sockets {
    CURLM *multi;
    int epoll;
    int wake;
    atomic_bool sleeping;    /* a wake has to interrupt the wait */
    int64_t timer_ms;        /* when libcurl wants to be called, monotonic; -1: no timer */
    struct watched *watched; /* by descriptor */
    size_t capacity;
};

static struct watched *watched_of(struct client_sockets *sockets, int descriptor)
{
    size_t index = (size_t)descriptor;
    if (index >= sockets->capacity) {
        size_t capacity = sockets->capacity == 0 ? 64 : sockets->capacity;
        while (capacity <= index)
            capacity *= 2;
        sockets->watched = memory_resize(sockets->watched, capacity * sizeof *sockets->watched);
        memset(sockets->watched + sockets->capacity, 0,
               (capacity - sockets->capacity) * sizeof *sockets->watched);
        sockets->capacity = capacity;
    }
    return &sockets->watched[index];
}

static void watched_register(struct client_sockets *sockets, int descriptor, uint32_t events)
{
    struct watched *watched = watched_of(sockets, descriptor);
    if (watched->registered == events)
        return;
    int operation = events == 0 ? EPOLL_CTL_DEL : watched->registered == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    int result = epoll_ctl(sockets->epoll, operation, descriptor, &event);
    watched->registered = result == 0 ? events : 0;
}

/* CURLMOPT_SOCKETFUNCTION. Only takes notes: libcurl must not be called from here. */
static int socket_changed(CURL *easy, curl_socket_t descriptor, int what, void *argument, void *socket_data)
{
    (void)easy;
    (void)socket_data;
    struct client_sockets *sockets = argument;
    struct watched *watched = watched_of(sockets, descriptor);
    watched->wanted = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        watched->wanted |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        watched->wanted |= EPOLLOUT;
    if (watched->wanted != 0 || !watched->kept)
        watched_register(sockets, descriptor, watched->wanted);
    return 0;
}

/* CURLMOPT_TIMERFUNCTION. */
static int timer_changed(CURLM *multi, long delay_ms, void *argument)
{
    (void)multi;
    struct client_sockets *sockets = argument;
    sockets->timer_ms = delay_ms < 0 ? -1 : delay_ms == 0 ? 0 : clock_monotonic_ms() + delay_ms;
    return 0;
}

curl_socket_t client_sockets_open(struct client_sockets *sockets, const struct curl_sockaddr *address)
{
    int descriptor = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (descriptor < 0)
        return CURL_SOCKET_BAD;
    *watched_of(sockets, descriptor) = (struct watched){.kept = true};
    return descriptor;
}

int client_sockets_close(void *sockets, curl_socket_t descriptor)
{
    *watched_of(sockets, descriptor) = (struct watched){0};
    return close(descriptor); /* which takes it off the epoll, too */
}

struct client_sockets *client_sockets_new(CURLM *multi)
{
    struct client_sockets *sockets = memory_allocate(sizeof *sockets);
    sockets->multi = multi;
    sockets->timer_ms = -1;
    sockets->epoll = epoll_create1(EPOLL_CLOEXEC);
    sockets->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets->wake};
    if (sockets->epoll < 0 || sockets->wake < 0 ||
        epoll_ctl(sockets->epoll, EPOLL_CTL_ADD, sockets->wake, &event) != 0) {
        client_sockets_free(sockets);
        return NULL;
    }
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, sockets);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_changed);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, sockets);
    return sockets;
}

void client_sockets_free(struct client_sockets *sockets)
{
    if (sockets == NULL)
        return;
    if (sockets->wake >= 0)
        close(sockets->wake);
    if (sockets->epoll >= 0)
        close(sockets->epoll);
    free(sockets->watched);
    free(sockets);
}

void client_sockets_wake(struct client_sockets *sockets)
{
    if (atomic_exchange(&sockets->sleeping, false))
        eventfd_write(sockets->wake, 1);
}

void client_sockets_prepare(struct client_sockets *sockets)
{
    atomic_store(&sockets->sleeping, true);
}

static int wait_ms(const struct client_sockets *sockets, int most_ms)
{
    if (sockets->timer_ms < 0)
        return most_ms;
    int64_t left = sockets->timer_ms - clock_monotonic_ms();
    if (left <= 0)
        return 0;
    return most_ms < 0 || left < most_ms ? (int)left : most_ms;
}

static void socket_ready(struct client_sockets *sockets, const struct epoll_event *event)
{
    int descriptor = event->data.fd, running, mask = 0;
    struct watched *watched = watched_of(sockets, descriptor);
    if (watched->wanted == 0) { /* a kept connection: closed by the peer, or bytes that nobody asked for */
        watched_register(sockets, descriptor, 0);
        return;
    }
    /* An error is found by the read or the write that was waited for, with its reason. */
    uint32_t ready = event->events & (EPOLLERR | EPOLLHUP) ? watched->wanted : event->events;
    if (ready & EPOLLIN)
        mask |= CURL_CSELECT_IN;
    if (ready & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    curl_multi_socket_action(sockets->multi, descriptor, mask, &running);
}

void client_sockets_run(struct client_sockets *sockets, int most_ms)
{
    struct epoll_event events[EVENTS];
    int running, count = epoll_wait(sockets->epoll, events, EVENTS, wait_ms(sockets, most_ms));
    atomic_store(&sockets->sleeping, false);
    for (int i = 0; i < count; i++) {
        eventfd_t value;
        if (events[i].data.fd == sockets->wake)
            eventfd_read(sockets->wake, &value);
        else
            socket_ready(sockets, &events[i]);
    }
    if (sockets->timer_ms >= 0 && sockets->timer_ms <= clock_monotonic_ms()) {
        sockets->timer_ms = -1;
        curl_multi_socket_action(sockets->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}
