/* One thread that posts mail at a time to come. */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdint.h>

#include "base/mailbox.h"

struct timers;

struct timers *timers_start(void);

/* Ends the thread. Mail that is not due yet is posted at once, so that who waits can end too. */
void timers_stop(struct timers *timers);

/* Any thread. Posts `mail` to `mailbox` once `delay_ms` have passed on the monotonic clock (at once when <=
 * 0). */
void timers_after(struct timers *timers, int64_t delay_ms, struct mailbox *mailbox, struct mail *mail);

#endif
