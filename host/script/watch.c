/* When to look: inotify over the trusted tree and the agencies, also over folders that appear later; and now
 * and then at the store, where another process may have published rules. Both only say that something
 * happened; what did is found by reading (reload.c). */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "script/generations.h"

#define QUIET_MS 10       /* editors write a file in several steps: wait until nothing happens for so long */
#define PATIENCE_MS 100   /* but no longer than this from the first event */
#define FOLDERS_DEEPEST 8 /* as sources.c */
#define EVENTS                                                                                              \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | \
     IN_ATTRIB | IN_ONLYDIR)
/* Of the folder above the agencies', which may hold much else. */
#define FOLDER_EVENTS (IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR | IN_MASK_ADD)

struct watch {
    struct generations *generations;
    pthread_t thread;
    int inotify, stop;
    char **folders; /* by watch descriptor; NULL where there is none */
    int folder_count;
};

static void remember(struct watch *watch, int descriptor, const char *folder)
{
    if (descriptor >= watch->folder_count) {
        watch->folders = memory_resize(watch->folders, ((size_t)descriptor + 1) * sizeof *watch->folders);
        for (int i = watch->folder_count; i <= descriptor; i++)
            watch->folders[i] = NULL;
        watch->folder_count = descriptor + 1;
    }
    free(watch->folders[descriptor]);
    watch->folders[descriptor] = text_duplicate(folder);
}

/* Watching a folder again changes nothing. */
static void watch_folder(struct watch *watch, const char *folder, uint32_t events)
{
    int descriptor = inotify_add_watch(watch->inotify, folder, events);
    if (descriptor >= 0)
        remember(watch, descriptor, folder);
    else if (errno != ENOENT && errno != ENOTDIR)
        LOG_EVENT(LOG_ERROR, "script_watch_failed", LOG_FIELD_TEXT("folder", folder),
                  LOG_FIELD_TEXT("message", strerror(errno)));
}

static void watch_tree(struct watch *watch, const char *folder, unsigned depth)
{
    watch_folder(watch, folder, EVENTS);
    DIR *entries = depth == 0 ? NULL : opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        struct stat status;
        struct buffer path = {0};
        buffer_append_format(&path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && stat(path.data, &status) == 0 && S_ISDIR(status.st_mode))
            watch_tree(watch, path.data, depth - 1);
        buffer_deinit(&path);
    }
    if (entries != NULL)
        closedir(entries);
}

/* The nearest folder above that exists: there the missing one will appear. */
static void watch_parent(struct watch *watch, const char *folder)
{
    char *path = text_duplicate(folder);
    for (;;) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path) {
            watch_folder(watch, slash == NULL ? "." : "/", FOLDER_EVENTS);
            break;
        }
        *slash = '\0';
        if (access(path, F_OK) == 0) {
            watch_folder(watch, path, FOLDER_EVENTS);
            break;
        }
    }
    free(path);
}

static void watch_all(struct watch *watch)
{
    watch_tree(watch, watch->generations->lua_path, FOLDERS_DEEPEST);
    watch_parent(watch, watch->generations->agencies_path);
    watch_tree(watch, watch->generations->agencies_path, 1);
}

/* A file that was only just made has nothing in it yet, and its IN_CLOSE_WRITE follows; after a link that was
 * made nothing follows. */
static bool is_made_link(const struct watch *watch, const struct inotify_event *event)
{
    struct stat status;
    struct buffer path = {0};
    if (event->wd < 0 || event->wd >= watch->folder_count || watch->folders[event->wd] == NULL)
        return true;
    buffer_append_format(&path, "%s/%s", watch->folders[event->wd], event->name);
    bool is_link = lstat(path.data, &status) == 0 && (S_ISLNK(status.st_mode) || status.st_nlink > 1);
    buffer_deinit(&path);
    return is_link;
}

static bool matters(const struct watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_IGNORED)
        return false;
    if (event->len > 0 && event->name[0] == '.' && strcmp(event->name, "..data") != 0)
        return false; /* editors' swap files; "..data" is what Kubernetes swaps when a config map changes */
    if ((event->mask & IN_CREATE) && !(event->mask & IN_ISDIR))
        return is_made_link(watch, event);
    return true;
}

/* Takes what is there; true where a look is due. */
static bool take_events(const struct watch *watch)
{
    _Alignas(struct inotify_event) char buffer[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
    bool due = false;
    ssize_t length;
    while ((length = read(watch->inotify, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < length;) {
            const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
            due = matters(watch, event) || due;
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
    return due;
}

/* 1: events; 0: nothing for `timeout_ms`; -1: stop. */
static int wait_events(const struct watch *watch, int timeout_ms)
{
    struct pollfd ready[2] = {{watch->inotify, POLLIN, 0}, {watch->stop, POLLIN, 0}};
    int count = poll(ready, 2, timeout_ms);
    if (ready[1].revents != 0)
        return -1;
    return count > 0;
}

static int wait_until(const struct watch *watch, int64_t at_ms)
{
    int64_t left_ms = at_ms - clock_monotonic_ms();
    return wait_events(watch, left_ms > 0 ? (int)left_ms : 0);
}

static int wait_quiet(const struct watch *watch)
{
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    int result = 1;
    while (result == 1 && clock_monotonic_ms() < until_ms) {
        result = wait_events(watch, QUIET_MS);
        if (result == 1)
            take_events(watch);
    }
    return result;
}

static void *run(void *argument)
{
    struct watch *watch = argument;
    struct generations *generations = watch->generations;
    int poll_ms = (int)config_integer(generations->host->config, "BASCULE_RULES_POLL_MS");
    int64_t look_ms = clock_monotonic_ms() + poll_ms;
    int result;
    while ((result = wait_until(watch, look_ms)) >= 0) {
        bool due = result == 1 && take_events(watch);
        if (due && wait_quiet(watch) < 0)
            break;
        if (clock_monotonic_ms() >= look_ms) {
            generations_withdraw_spoiled(generations); /* those that the store could not be told of */
            due = published_is_due(generations) || due;
            look_ms = clock_monotonic_ms() + poll_ms;
        }
        if (!due)
            continue;
        watch_all(watch); /* first, so that nothing happens unseen between reading and watching */
        generations_reload(generations, NULL); /* logs what it finds */
    }
    return NULL;
}

int generations_watch(struct generations *generations, struct error *error)
{
    struct watch *watch = memory_allocate(sizeof *watch);
    watch->generations = generations;
    watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watch->stop = eventfd(0, EFD_CLOEXEC);
    if (watch->inotify < 0 || watch->stop < 0) {
        error_set(error, ERROR_RETRYABLE, "the folders of scripts cannot be watched: %s", strerror(errno));
        close(watch->inotify);
        close(watch->stop);
        free(watch);
        return -1;
    }
    watch_all(watch);
    generations->watch = watch;
    pthread_create(&watch->thread, NULL, run, watch);
    /* What changed between the first reading and the first watch. */
    generations_reload(generations, NULL);
    return 0;
}

void generations_unwatch(struct generations *generations)
{
    struct watch *watch = generations->watch;
    if (watch == NULL)
        return;
    eventfd_write(watch->stop, 1);
    pthread_join(watch->thread, NULL);
    close(watch->inotify);
    close(watch->stop);
    for (int i = 0; i < watch->folder_count; i++)
        free(watch->folders[i]);
    free(watch->folders);
    free(watch);
    generations->watch = NULL;
}
