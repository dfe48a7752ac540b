#include "store/mongo.h"

void mongo_installation_calls(struct store_backend *backend)
{
    (void)backend;
}
