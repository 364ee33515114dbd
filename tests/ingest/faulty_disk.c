/* A disk that refuses: the Nth call that changes a file below one folder fails, for whatever library makes it.

   Loaded with LD_PRELOAD. `fault_arm` begins the count, `fault_seen` tells how many calls there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static atomic_long seen, first, last;
static atomic_int number;

void fault_arm(const char *below, long from, long to, int error) {
    strncpy(folder, below, sizeof folder - 1);
    atomic_store(&seen, 0);
    atomic_store(&first, from);
    atomic_store(&last, to);
    atomic_store(&number, error);
}

long fault_seen(void) { return atomic_load(&seen); }

static int refuses(void) {
    long now = atomic_fetch_add(&seen, 1) + 1;
    if (now < atomic_load(&first) || now > atomic_load(&last)) return 0;
    errno = atomic_load(&number);
    return 1;
}

static int below_name(const char *path) {
    return atomic_load(&number) && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int below(int file) {
    char link[64], path[PATH_MAX];
    if (!atomic_load(&number)) return 0;
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (length <= 0) return 0;
    path[length] = 0;
    /* SQLite's shared memory is no disk: it is written through a mapping, and never synced. */
    return below_name(path) && !strstr(path, "-shm");
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *data, size_t size) {
    return below(file) && refuses() ? -1 : REAL(write)(file, data, size);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return below(file) && refuses() ? -1 : REAL(pwrite)(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return below(file) && refuses() ? -1 : REAL(pwrite64)(file, data, size, at);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
    return below(file) && refuses() ? -1 : REAL(writev)(file, parts, count);
}
size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
    return below(fileno(file)) && refuses() ? 0 : REAL(fwrite)(data, size, count, file);
}
int fsync(int file) { return below(file) && refuses() ? -1 : REAL(fsync)(file); }
int fdatasync(int file) { return below(file) && refuses() ? -1 : REAL(fdatasync)(file); }
int rename(const char *from, const char *to) { return below_name(from) && refuses() ? -1 : REAL(rename)(from, to); }
