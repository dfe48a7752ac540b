#include "store/mongo.h"

void mongo_memory_calls(struct store_backend *backend)
{
    (void)backend;
}

enum store_status mongo_memory_apply(struct store_session *session, const char *message_id,
                                     const struct store_effect *effects, size_t count, int64_t now_ms)
{
    (void)message_id;
    (void)effects;
    (void)now_ms;
    return count == 0 ? STORE_OK : store_session_refuse(session, "effects on memory are not there yet");
}
