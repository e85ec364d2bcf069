/*
 * LD_PRELOAD this, and one chosen call on one chosen path fails.
 *
 *     SLUICE_FAULT=CALL:SUBSTRING:N:FAULT
 *
 * CALL is open, allocate, write, fsync, rename, close or send (each with its relatives); open counts only where the file
 * may be made. Only calls on paths that contain SUBSTRING count, for a rename the new one; that of a socket is "socket:".
 * The N-th of them gets the FAULT, an errno's name, KILL, SENT or WAIT; with "N+" those after it too, as on a full disk.
 * KILL kills the process before the call does anything, SENT after a send did; WAIT holds the call up for as long as the
 * file SLUICE_WAIT is there, as a disk does that hangs.
 *
 *     SLUICE_FREE=FILE
 *
 * As long as FILE is there, every file system has as many bytes left as it says.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    char call[16], substring[128], fault[16];
    int nth, from_there_on;
} plan;
static atomic_int calls;

__attribute__((constructor)) static void read_plan(void) {
    const char *text = getenv("SLUICE_FAULT");
    char plus = 0;
    if (text == NULL) return;
    if (sscanf(text, "%15[^:]:%127[^:]:%d%1[+]", plan.call, plan.substring, &plan.nth, &plus) < 3) abort();
    plan.from_there_on = plus == '+';
    snprintf(plan.fault, sizeof plan.fault, "%s", strrchr(text, ':') + 1);
}

static int fault_errno(void) {
    if (strcmp(plan.fault, "ENOSPC") == 0) return ENOSPC;
    if (strcmp(plan.fault, "EIO") == 0) return EIO;
    if (strcmp(plan.fault, "EDQUOT") == 0) return EDQUOT;
    if (strcmp(plan.fault, "EINTR") == 0) return EINTR;
    if (strcmp(plan.fault, "EINVAL") == 0) return EINVAL;
    abort();
}

/* Whether this call is the one to fail; sets errno if so. 2 if it is the process's last. */
static int fails(const char *call, const char *path) {
    if (strcmp(call, plan.call) != 0 || strstr(path, plan.substring) == NULL) return 0;
    int count = atomic_fetch_add(&calls, 1) + 1;
    if (count != plan.nth && !(plan.from_there_on && count > plan.nth)) return 0;
    if (strcmp(plan.fault, "KILL") == 0) kill(getpid(), SIGKILL);
    if (strcmp(plan.fault, "SENT") == 0) return 2;
    if (strcmp(plan.fault, "WAIT") == 0) {
        while (access(getenv("SLUICE_WAIT"), F_OK) == 0) usleep(50000);
        return 0;
    }
    errno = fault_errno();
    return 1;
}

static int fails_on(const char *call, int fd) {
    char link[64], path[PATH_MAX];
    if (strcmp(call, plan.call) != 0) return 0;
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0) return 0;
    path[length] = 0;
    return fails(call, path);
}

/* The real function behind the one of the same name here. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
    return fails_on("write", fd) ? -1 : REAL(write)(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return fails_on("write", fd) ? -1 : REAL(writev)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    return fails_on("write", fd) ? -1 : REAL(pwrite)(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    return fails_on("write", fd) ? -1 : REAL(pwrite64)(fd, data, size, offset);
}

static int make(__typeof__(&open) real, const char *path, int flags, va_list rest) {
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    return flags & O_CREAT && fails("open", path) ? -1 : real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int result = make(REAL(open), path, flags, rest);
    va_end(rest);
    return result;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int result = make(REAL(open64), path, flags, rest);
    va_end(rest);
    return result;
}

int openat(int folder, const char *name, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return flags & O_CREAT && fails("open", name) ? -1 : REAL(openat)(folder, name, flags, mode);
}

int fallocate(int fd, int mode, off_t offset, off_t size) {
    return fails_on("allocate", fd) ? -1 : REAL(fallocate)(fd, mode, offset, size);
}

int fstatvfs(int fd, struct statvfs *found) {
    int result = REAL(fstatvfs)(fd, found);
    const char *name = getenv("SLUICE_FREE");
    FILE *file = name ? fopen(name, "r") : NULL;
    unsigned long long bytes;
    if (file == NULL) return result;
    if (fscanf(file, "%llu", &bytes) == 1) found->f_bavail = bytes / found->f_frsize;
    fclose(file);
    return result;
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    int failed = fails_on("send", fd);
    if (failed == 1) return -1;
    ssize_t result = REAL(send)(fd, data, size, flags);
    if (failed == 2) kill(getpid(), SIGKILL);
    return result;
}

int fsync(int fd) {
    return fails_on("fsync", fd) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd) {
    return fails_on("fsync", fd) ? -1 : REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to) {
    return fails("rename", to) ? -1 : REAL(rename)(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    return fails("rename", to) ? -1 : REAL(renameat)(from_dir, from, to_dir, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    return fails("rename", to) ? -1 : REAL(renameat2)(from_dir, from, to_dir, to, flags);
}

/* As on Linux, the descriptor is gone even when closing it fails. */
int close(int fd) {
    int failed = fails_on("close", fd);
    int result = REAL(close)(fd);
    if (!failed) return result;
    errno = fault_errno();
    return -1;
}
