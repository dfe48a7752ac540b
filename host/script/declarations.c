#include "script/declarations.h"

#include <stdlib.h>
#include <string.h>

const struct memory_declaration *declarations_find(const struct declarations *declarations, const char *name)
{
    for (size_t i = 0; i < declarations->memory_count; i++) {
        if (strcmp(declarations->memory[i].name, name) == 0)
            return &declarations->memory[i];
    }
    return NULL;
}

void declarations_deinit(struct declarations *declarations)
{
    for (size_t i = 0; i < declarations->memory_count; i++) {
        free(declarations->memory[i].name);
        free(declarations->memory[i].zone);
    }
    free(declarations->memory);
    *declarations = (struct declarations){0};
}
