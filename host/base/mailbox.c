#include "base/mailbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"

struct mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct mail *head;
    struct mail **tail;
    bool waiting;
    void (*wake)(void *);
    void *argument;
};

struct mailbox *mailbox_new(void (*wake)(void *argument), void *argument)
{
    struct mailbox *mailbox = memory_allocate(sizeof *mailbox);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&mailbox->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&mailbox->mutex, NULL);
    mailbox->tail = &mailbox->head;
    mailbox->wake = wake;
    mailbox->argument = argument;
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    pthread_cond_destroy(&mailbox->filled);
    pthread_mutex_destroy(&mailbox->mutex);
    free(mailbox);
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&mailbox->mutex);
    bool was_empty = mailbox->head == NULL;
    *mailbox->tail = mail;
    mailbox->tail = &mail->next;
    if (was_empty && mailbox->waiting)
        pthread_cond_signal(&mailbox->filled);
    /* Inside the lock: once it is released the owner may drain, finish and free the mailbox. */
    if (was_empty && mailbox->wake != NULL)
        mailbox->wake(mailbox->argument);
    pthread_mutex_unlock(&mailbox->mutex);
}

size_t mailbox_drain(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    struct mail *mail = mailbox->head;
    mailbox->head = NULL;
    mailbox->tail = &mailbox->head;
    pthread_mutex_unlock(&mailbox->mutex);
    size_t count = 0;
    while (mail != NULL) {
        struct mail *next = mail->next;
        mail->deliver(mail);
        mail = next;
        count++;
    }
    return count;
}

bool mailbox_wait(struct mailbox *mailbox, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (timeout_ms > 0) {
        until.tv_sec += timeout_ms / 1000;
        until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
    }
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->waiting = true;
    int result = 0;
    while (mailbox->head == NULL && result == 0 && timeout_ms != 0)
        result = timeout_ms < 0 ? pthread_cond_wait(&mailbox->filled, &mailbox->mutex)
                                : pthread_cond_timedwait(&mailbox->filled, &mailbox->mutex, &until);
    mailbox->waiting = false;
    bool filled = mailbox->head != NULL;
    pthread_mutex_unlock(&mailbox->mutex);
    return filled;
}

struct mail *mailbox_take(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    struct mail *mail = mailbox->head;
    if (mail != NULL) {
        mailbox->head = mail->next;
        if (mailbox->head == NULL)
            mailbox->tail = &mailbox->head;
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return mail;
}
