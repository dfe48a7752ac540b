/* Signals as words: blocked in every thread, taken by the one that waits for them. */
#ifndef CMD_SIGNALS_H
#define CMD_SIGNALS_H

/* Blocks what signals_wait waits for; before any thread is started, since threads inherit it. */
void signals_block(void);

enum signal_word { SIGNAL_END, SIGNAL_RELOAD };

/* Sleeps until a signal comes: SIGTERM and SIGINT mean END, SIGHUP means RELOAD. */
enum signal_word signals_wait(void);

#endif
