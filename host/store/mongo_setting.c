#include "store/mongo.h"

void mongo_setting_calls(struct store_backend *backend)
{
    (void)backend;
}
