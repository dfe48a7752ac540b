#include "store/mongo.h"

void mongo_rules_calls(struct store_backend *backend)
{
    (void)backend;
}
