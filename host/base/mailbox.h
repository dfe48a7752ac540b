/* A mailbox carries finished work to the thread that owns it: many threads post, one drains.
 *
 * A service (store, HTTP client, timers) embeds a `struct mail` in its own request, works on the request in
 * its own thread, and posts the mail to the reply mailbox that the request names. The owner's loop drains the
 * mailbox, and each mail's `deliver` runs there. So a request is touched by one thread at a time, and the
 * post is the hand-over. */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

struct mail {
    struct mail *next;
    void (*deliver)(
        struct mail *mail); /* runs on the owner's thread; takes ownership of what embeds the mail */
};

struct mailbox;

/* `wake` is called by the posting thread, once for each time the mailbox turns from empty to filled; it must
 * make the owner call mailbox_drain soon. It may be NULL for owners that use mailbox_wait. */
struct mailbox *mailbox_new(void (*wake)(void *argument), void *argument);

/* Frees the mailbox. Nothing may post any more; mail that was never drained is not delivered. */
void mailbox_free(struct mailbox *mailbox);

/* Any thread. Order is kept among the mail of one poster. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

/* Owner only. Delivers everything that was there at the call; returns how many. */
size_t mailbox_drain(struct mailbox *mailbox);

/* Owner only. Sleeps until there is mail, or `timeout_ms` (-1: no limit) passed. True when there is mail. */
bool mailbox_wait(struct mailbox *mailbox, int timeout_ms);

/* Owner only. Takes the oldest mail without delivering it, or NULL: for services whose mailbox is their work
 * queue. */
struct mail *mailbox_take(struct mailbox *mailbox);

#endif
