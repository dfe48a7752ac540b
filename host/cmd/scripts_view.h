/* How the program shows scripts: the JSON of generations_describe (and of /admin/v1/scripts) as text. */
#ifndef CMD_SCRIPTS_VIEW_H
#define CMD_SCRIPTS_VIEW_H

#include <jansson.h>

#include "script/script.h"

/* What runs here now, decoded; the caller releases it. */
json_t *scripts_describe(struct generations *generations);

/* Files that have a fault. */
size_t scripts_faults(const json_t *scripts);

/* On standard output: agencies with their locations, faults with file and line; the kept generations. */
void scripts_show_files(const json_t *scripts);
void scripts_show_generations(const json_t *scripts);

#endif
