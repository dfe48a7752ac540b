#include "base/timers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"

struct entry {
    int64_t due_ms;
    struct mailbox *mailbox;
    struct mail *mail;
};

/* A binary heap by due time. */
struct timers {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping;
    struct entry *heap;
    size_t count;
    size_t capacity;
};

static void swap(struct timers *t, size_t a, size_t b)
{
    struct entry entry = t->heap[a];
    t->heap[a] = t->heap[b];
    t->heap[b] = entry;
}

static void push(struct timers *t, struct entry entry)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity == 0 ? 64 : t->capacity * 2;
        t->heap = memory_resize(t->heap, t->capacity * sizeof *t->heap);
    }
    size_t at = t->count++;
    t->heap[at] = entry;
    while (at > 0 && t->heap[(at - 1) / 2].due_ms > t->heap[at].due_ms) {
        swap(t, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static struct entry pop(struct timers *t)
{
    struct entry top = t->heap[0];
    t->heap[0] = t->heap[--t->count];
    for (size_t at = 0;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;
        if (left < t->count && t->heap[left].due_ms < t->heap[least].due_ms)
            least = left;
        if (right < t->count && t->heap[right].due_ms < t->heap[least].due_ms)
            least = right;
        if (least == at)
            return top;
        swap(t, at, least);
        at = least;
    }
}

static void *run(void *argument)
{
    struct timers *t = argument;
    pthread_mutex_lock(&t->mutex);
    for (;;) {
        while (t->count > 0 && (t->stopping || t->heap[0].due_ms <= clock_monotonic_ms())) {
            struct entry entry = pop(t);
            mailbox_post(entry.mailbox, entry.mail);
        }
        if (t->stopping)
            break;
        if (t->count == 0) {
            pthread_cond_wait(&t->changed, &t->mutex);
        } else {
            int64_t due_ms = t->heap[0].due_ms;
            struct timespec until = {due_ms / 1000, (long)(due_ms % 1000) * 1000000};
            pthread_cond_timedwait(&t->changed, &t->mutex, &until);
        }
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

struct timers *timers_start(void)
{
    struct timers *t = memory_allocate(sizeof *t);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&t->mutex, NULL);
    pthread_create(&t->thread, NULL, run, t);
    return t;
}

void timers_stop(struct timers *t)
{
    pthread_mutex_lock(&t->mutex);
    t->stopping = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
    free(t->heap);
    free(t);
}

void timers_after(struct timers *t, int64_t delay_ms, struct mailbox *mailbox, struct mail *mail)
{
    pthread_mutex_lock(&t->mutex);
    if (t->stopping || delay_ms <= 0) {
        mailbox_post(mailbox, mail);
    } else {
        push(t, (struct entry){clock_monotonic_ms() + delay_ms, mailbox, mail});
        if (t->heap[0].mail == mail)
            pthread_cond_signal(&t->changed);
    }
    pthread_mutex_unlock(&t->mutex);
}
