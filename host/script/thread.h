/* The scripts' side of one thread: its states, coroutines, those that wait, and its carriers. */
#ifndef SCRIPT_THREAD_H
#define SCRIPT_THREAD_H

#include "script/carrier.h"
#include "script/generation.h"
#include "script/script.h"
#include "script/state.h"

struct script_thread {
    struct script_host *host;
    struct mailbox *mailbox;
    struct generation *generation; /* newest one seen; new coroutines start on it */
    struct script_state *current;  /* runs that generation's trusted set */
    struct script_state *states;   /* all, also those whose last coroutines still run */
    struct script_coroutine *running;
    struct script_wait *waits;
    struct carriers carriers;
    unsigned active;
};

#define COROUTINE_SUBJECT_SIZE 48

struct script_coroutine {
    lua_State *L;
    int reference; /* keeps L alive */
    struct script_state *state;
    struct generation *generation; /* NULL in a program without generations */
    script_done done;
    void *argument;
    bool waiting;
    char subject_field[COROUTINE_SUBJECT_SIZE / 2], subject[COROUTINE_SUBJECT_SIZE];
    struct script_coroutine *next; /* among the idle ones */
};

/* The message of `done` for a coroutine whose thread ended under it; compared by address. */
extern const char script_abandoned[];

/* Runs a function in a coroutine: coroutine_new, push function and arguments on its L, coroutine_start. Takes
 * the reference of `generation`. */
struct script_coroutine *coroutine_new(struct script_state *state, struct generation *generation);
int coroutine_push(struct script_coroutine *coroutine, script_push push, void *argument);
void coroutine_start(struct script_coroutine *coroutine, int arguments, script_done done, void *argument);
/* Ends one that could not be started: calls done with the error. */
void coroutine_refuse(struct script_coroutine *coroutine, const char *message, script_done done,
                      void *argument);

/* The coroutine of the host in which L runs, or NULL. */
struct script_coroutine *coroutine_running(lua_State *L);

/* Ends all that wait. */
void coroutines_abandon(struct script_thread *thread);

/* Closes states that nothing runs in any more. */
void thread_sweep_states(struct script_thread *thread);

#endif
