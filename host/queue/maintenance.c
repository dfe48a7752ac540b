#include "queue/maintenance.h"

#include "base/log.h"

static int push_nothing(lua_State *L, void *argument)
{
    (void)L;
    (void)argument;
    return 0;
}

static void done(lua_State *L, bool ok, const char *message, const char *generation, void *argument)
{
    (void)L;
    struct maintenance *maintenance = argument;
    if (!ok && !worker_is_ending(maintenance->worker))
        LOG_EVENT(LOG_ERROR, "maintenance_failed", LOG_FIELD_TEXT("error", message),
                  LOG_FIELD_TEXT("generation", generation));
    atomic_store(&maintenance->busy, false);
}

static void deliver(struct mail *mail)
{
    struct maintenance *maintenance = (struct maintenance *)mail;
    script_start(worker_scripts(maintenance->worker), "bascule.maintenance", "run", push_nothing, done,
                 maintenance);
}

void maintenance_run(struct maintenance *maintenance, struct worker *worker)
{
    if (atomic_exchange(&maintenance->busy, true))
        return;
    maintenance->worker = worker;
    maintenance->mail.deliver = deliver;
    worker_post(worker, &maintenance->mail);
}
