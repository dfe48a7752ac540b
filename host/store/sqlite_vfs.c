/* SQLite writes each page of a commit to the log by two system calls: 24 bytes of frame header, then the
 * page. In groups of 64 messages that is hundreds of calls a commit, and more than half of its CPU time. Here
 * the log's writes gather in memory and go out in large pieces, at the latest when the log is synced.
 *
 * Why that is sound: with synchronous=FULL a commit syncs the log before it publishes its frames in the
 * shared index, so nobody looks for bytes that are still gathered; with cache_spill=OFF no frame is written
 * before the commit, so nothing is gathered when a transaction is rolled back. Every other operation on the
 * file flushes first. A flush that fails fails the commit, as the write itself would have, and forgets what
 * was gathered. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite.h"

#define GATHER_BYTES \
    0x1ffff /* what SQLite's layer for Unix takes in one write; larger ones fail as "disk full" */

struct log_file {
    sqlite3_file base;
    sqlite3_file *real;
    char *bytes;
    int length;
    sqlite3_int64 start; /* in the file, of `bytes` */
};

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct log_file *)file)->real;
}

static int log_flush(sqlite3_file *file)
{
    struct log_file *log = (struct log_file *)file;
    int length = log->length;
    log->length = 0;
    return length == 0 ? SQLITE_OK : log->real->pMethods->xWrite(log->real, log->bytes, length, log->start);
}

static int log_close(sqlite3_file *file)
{
    struct log_file *log = (struct log_file *)file;
    int flushed = log_flush(file);
    sqlite3_free(log->bytes);
    int closed = log->real->pMethods->xClose(log->real);
    return flushed != SQLITE_OK ? flushed : closed;
}

static int log_read(sqlite3_file *file, void *out, int length, sqlite3_int64 offset)
{
    int rc = log_flush(file);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xRead(real_of(file), out, length, offset);
}

static int log_write(sqlite3_file *file, const void *data, int length, sqlite3_int64 offset)
{
    struct log_file *log = (struct log_file *)file;
    if (log->length > 0 && (offset != log->start + log->length || log->length + length > GATHER_BYTES)) {
        int rc = log_flush(file);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (length > GATHER_BYTES)
        return log->real->pMethods->xWrite(log->real, data, length, offset);
    if (log->bytes == NULL && (log->bytes = sqlite3_malloc(GATHER_BYTES)) == NULL)
        return SQLITE_IOERR_NOMEM;
    if (log->length == 0)
        log->start = offset;
    memcpy(log->bytes + log->length, data, (size_t)length);
    log->length += length;
    return SQLITE_OK;
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = log_flush(file);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int log_sync(sqlite3_file *file, int flags)
{
    int rc = log_flush(file);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int log_size(sqlite3_file *file, sqlite3_int64 *size)
{
    int rc = log_flush(file);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int log_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int log_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int log_check_lock(sqlite3_file *file, int *locked)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), locked);
}

static int log_control(sqlite3_file *file, int operation, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int log_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int log_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static const sqlite3_io_methods LOG_METHODS = {
    .iVersion = 1, /* shared memory and mapping belong to the database file, which is not wrapped */
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_check_lock,
    .xFileControl = log_control,
    .xSectorSize = log_sector_size,
    .xDeviceCharacteristics = log_characteristics,
};

static sqlite3_vfs *unix_vfs;

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0)
        return unix_vfs->xOpen(unix_vfs, name, file, flags, out_flags);
    struct log_file *log = (struct log_file *)file;
    *log = (struct log_file){.real = (sqlite3_file *)(log + 1)};
    int rc = unix_vfs->xOpen(unix_vfs, name, log->real, flags, out_flags);
    if (rc == SQLITE_OK)
        log->base.pMethods = &LOG_METHODS;
    return rc;
}

static sqlite3_vfs gathering_vfs;

static void vfs_register(void)
{
    unix_vfs = sqlite3_vfs_find(NULL);
    gathering_vfs =
        *unix_vfs; /* but for xOpen, its methods take nothing from the vfs that they are called on */
    gathering_vfs.zName = "bascule";
    gathering_vfs.pNext = NULL;
    gathering_vfs.szOsFile = (int)sizeof(struct log_file) + unix_vfs->szOsFile;
    gathering_vfs.xOpen = vfs_open;
    sqlite3_vfs_register(&gathering_vfs, 0);
}

const char *sqlite_vfs_name(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, vfs_register);
    return gathering_vfs.zName;
}
