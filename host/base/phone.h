/* Telephone numbers, by libphonenumber: prefix tables age, so none are kept here. Any thread. */
#ifndef BASE_PHONE_H
#define BASE_PHONE_H

#ifdef __cplusplus
extern "C" {
#endif

struct phone {
    char e164[24];     /* "+639171234567" */
    char national[40]; /* digits as dialled inside the country, with its trunk prefix: "09171234567" */
    char region[4];    /* ISO 3166 code of the number ("PH"), or "" where the plan spans several */
    int mobile;        /* 1: may receive SMS (mobile, or "fixed line or mobile" where a plan cannot tell) */
    int valid; /* 1: within the numbering plan that libphonenumber knows; plans age, so 0 is a hint only */
};

/* Reads the numbering plans: some milliseconds, once a process; the first call does it otherwise. */
void phone_prepare(void);

#define PHONE_TEXT_BYTES \
    100 /* no longer text is read: libphonenumber's patterns take minutes for long ones */

/* Reads a number as people write it; `region` (may be NULL or "") is the country of a number without a
 * country code. Returns 0, or -1 with a sentence in `reason` (static text). */
int phone_parse(const char *text, const char *region, struct phone *phone, const char **reason);

#ifdef __cplusplus
}
#endif
#endif
