/* Errors are values: a kind that says what a caller may do about it, and a sentence for a person. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

enum error_kind {
    ERROR_NONE = 0,
    ERROR_RETRYABLE, /* the same call may succeed later: a lock, a full disk, a peer that is away */
    ERROR_PERMANENT, /* the same call will fail again */
    ERROR_INVALID,   /* the caller's input is wrong */
    ERROR_DENIED,    /* understood, and refused */
};

struct error {
    enum error_kind kind;
    char message[512]; /* one line, no secrets; NUL terminated, cut where it is longer */
};

/* Fills `error` (which may be NULL) and returns -1, so that a function can end with `return error_set(...)`.
 */
int error_set(struct error *error, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
