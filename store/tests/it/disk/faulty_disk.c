// A disk that fails on demand. It is preloaded into a program (LD_PRELOAD), stands in front of the
// C library's calls for files, and fails those that it is told to fail.
//
// What it is told stands in the file that the variable FAULTY_DISK names:
//
//     GENERATION KIND NAME ERRNO SKIP
//
// Calls of this KIND (read, write, sync, truncate, or any of them) fail with ERRNO if the file's
// name ends with NAME, after SKIP of them have worked. With another GENERATION the count begins
// again. For each call that fails a byte is appended to the file that FAULTY_DISK_HITS names. Only
// files of a database are touched: those with ".db" in their name.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counted_generation;
static long calls;

static int ends_with(const char *name, const char *end) {
    size_t length = strlen(name), end_length = strlen(end);
    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

// By system calls of its own, so that it does not stand in front of itself.
static ssize_t read_file(const char *path, char *text, size_t size) {
    int file = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t length = syscall(SYS_read, file, text, size - 1);
    syscall(SYS_close, file);
    if (length >= 0) text[length] = 0;
    return length;
}

static void note_hit(void) {
    const char *path = getenv("FAULTY_DISK_HITS");
    int file = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (file < 0) return;
    syscall(SYS_write, file, "x", 1);
    syscall(SYS_close, file);
}

// The error that this call is to fail with, or 0.
static int fault(const char *kind, int file) {
    const char *control = getenv("FAULTY_DISK");
    if (!control) return 0;
    char link[64], name[4096], text[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length <= 0) return 0;
    name[length] = 0;
    if (!strstr(name, ".db") || read_file(control, text, sizeof text) <= 0) return 0;

    long generation, skip;
    int error;
    char wanted[16], end[64];
    if (sscanf(text, "%ld %15s %63s %d %ld", &generation, wanted, end, &error, &skip) != 5) return 0;
    if (strcmp(wanted, kind) != 0 && strcmp(wanted, "any") != 0) return 0;
    if (strcmp(end, "*") != 0 && !ends_with(name, end)) return 0;

    pthread_mutex_lock(&lock);
    if (generation != counted_generation) {
        counted_generation = generation;
        calls = 0;
    }
    int fails = calls++ >= skip;
    pthread_mutex_unlock(&lock);
    if (fails) note_hit();
    return fails ? error : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define STAND_BEFORE(result, name, kind, parameters, ...)  \
    result name parameters {                               \
        int error = fault(kind, file);                     \
        if (error) {                                       \
            errno = error;                                 \
            return -1;                                     \
        }                                                  \
        return REAL(name)(__VA_ARGS__);                    \
    }

STAND_BEFORE(ssize_t, read, "read", (int file, void *to, size_t size), file, to, size)
STAND_BEFORE(ssize_t, pread, "read", (int file, void *to, size_t size, off_t at), file, to, size, at)
STAND_BEFORE(ssize_t, pread64, "read", (int file, void *to, size_t size, off64_t at), file, to, size, at)
STAND_BEFORE(ssize_t, write, "write", (int file, const void *from, size_t size), file, from, size)
STAND_BEFORE(ssize_t, pwrite, "write", (int file, const void *from, size_t size, off_t at), file, from, size, at)
STAND_BEFORE(ssize_t, pwrite64, "write", (int file, const void *from, size_t size, off64_t at), file, from, size, at)
STAND_BEFORE(int, fsync, "sync", (int file), file)
STAND_BEFORE(int, fdatasync, "sync", (int file), file)
STAND_BEFORE(int, ftruncate, "truncate", (int file, off_t size), file, size)
STAND_BEFORE(int, ftruncate64, "truncate", (int file, off64_t size), file, size)
