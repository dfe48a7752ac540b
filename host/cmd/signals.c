#include "cmd/signals.h"

#include <pthread.h>
#include <signal.h>

static sigset_t awaited(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

void signals_block(void)
{
    sigset_t set = awaited();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

enum signal_word signals_wait(void)
{
    sigset_t set = awaited();
    int number = 0;
    while (sigwait(&set, &number) != 0)
        ;
    return number == SIGHUP ? SIGNAL_RELOAD : SIGNAL_END;
}
