#define _GNU_SOURCE
#include "cposix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OR_ERRNO(call)                 \
    do {                               \
        int result = (call);           \
        return result < 0 ? -errno : result; \
    } while (0)

ssize_t cposix_read(int fd, void *buf, size_t len) {
    ssize_t n = read(fd, buf, len);
    return n < 0 ? -errno : n;
}

ssize_t cposix_pread(int fd, void *buf, size_t len, off_t offset) {
    ssize_t n = pread(fd, buf, len, offset);
    return n < 0 ? -errno : n;
}

ssize_t cposix_pwrite(int fd, const void *buf, size_t len, off_t offset) {
    ssize_t n = pwrite(fd, buf, len, offset);
    return n < 0 ? -errno : n;
}

ssize_t cposix_write(int fd, const void *buf, size_t len) {
    ssize_t n = write(fd, buf, len);
    return n < 0 ? -errno : n;
}

int cposix_open(const char *path, int flags, mode_t mode) {
    OR_ERRNO(open(path, flags | O_CLOEXEC, mode));
}
int cposix_openat(int folder, const char *name, int flags, mode_t mode) {
    OR_ERRNO(openat(folder, name, flags | O_CLOEXEC, mode));
}
int cposix_close(int fd) { OR_ERRNO(close(fd)); }
int cposix_fsync(int fd) { OR_ERRNO(fsync(fd)); }
int cposix_fdatasync(int fd) { OR_ERRNO(fdatasync(fd)); }
int cposix_lock(int fd) { OR_ERRNO(flock(fd, LOCK_EX | LOCK_NB)); }
int cposix_allocate(int fd, off_t length) { OR_ERRNO(fallocate(fd, 0, 0, length)); }
void cposix_umask(mode_t mask) { (void)umask(mask); }

int64_t cposix_free_bytes(int fd) {
    struct statvfs found;
    if (fstatvfs(fd, &found) < 0) return -errno;
    return (int64_t)found.f_bavail * (int64_t)found.f_frsize;
}
int cposix_ftruncate(int fd, off_t length) { OR_ERRNO(ftruncate(fd, length)); }
int cposix_rename(const char *from, const char *to) { OR_ERRNO(rename(from, to)); }
int cposix_renameat(int folder, const char *from, const char *to) {
    OR_ERRNO(renameat(folder, from, folder, to));
}
int cposix_unlink(const char *path) { OR_ERRNO(unlink(path)); }
int cposix_mkdir(const char *path, mode_t mode) { OR_ERRNO(mkdir(path, mode)); }
int cposix_dup2(int from, int to) { OR_ERRNO(dup2(from, to)); }
int cposix_pipe(int fds[2]) { OR_ERRNO(pipe2(fds, O_CLOEXEC)); }
int cposix_kill(pid_t pid, int sig) { OR_ERRNO(kill(pid, sig)); }

int cposix_mkdir_private(const char *path) {
    struct stat found;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) return -errno;
    if (lstat(path, &found) < 0) return -errno;
    return S_ISDIR(found.st_mode) && found.st_uid == geteuid() && !(found.st_mode & 077) ? 0 : -EPERM;
}

int cposix_lock_byte(int fd, int64_t offset) {
    /* Of the open file and not of the process, so that threads exclude each other too. */
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    OR_ERRNO(fcntl(fd, F_OFD_SETLK, &lock));
}

int cposix_rename_new(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -errno;
    /* NFS knows no such flag. The old name may stay behind as well. */
    if (link(from, to) == 0) return (void)unlink(from), 0;
    return -errno;
}

int cposix_poll(int fd, short events, int timeout_ms) {
    struct pollfd wanted = {.fd = fd, .events = events};
    OR_ERRNO(poll(&wanted, 1, timeout_ms));
}

void cposix_grow_pipe(int fd, int bytes) { (void)fcntl(fd, F_SETPIPE_SZ, bytes); }

void cposix_begin_writeback(int fd, long long offset, long long bytes) {
    (void)sync_file_range(fd, offset, bytes, SYNC_FILE_RANGE_WRITE);
}

static void fill_stat(const struct stat *from, struct cposix_stat *out) {
    out->size = from->st_size;
    out->mtime_ns = from->st_mtim.tv_sec * 1000000000LL + from->st_mtim.tv_nsec;
    out->inode = from->st_ino;
    out->is_directory = S_ISDIR(from->st_mode);
    out->is_regular = S_ISREG(from->st_mode);
}

int cposix_fstat(int fd, struct cposix_stat *out) {
    struct stat found;
    if (fstat(fd, &found) < 0) return -errno;
    fill_stat(&found, out);
    return 0;
}

int cposix_stat_path(const char *path, struct cposix_stat *out) {
    struct stat found;
    if (stat(path, &found) < 0) return -errno;
    fill_stat(&found, out);
    return 0;
}

static volatile sig_atomic_t stop_signal = 0;

/* A system call that blocks just after its caller looked at the flag would never return. So once
 * asked to stop, the process is interrupted again every second until it has unwound. */
static void on_alarm(int sig) {
    (void)sig;
    alarm(1);
}

static void on_stop(int sig) {
    if (stop_signal == 0) stop_signal = sig;
    alarm(1);
}

/* A closed standard descriptor would become the next file or socket that is opened. Something that
 * fails every read or write takes its place, so that its use is an error and nothing else. */
static void occupy_standard_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        int opened = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
        if (opened >= 0 && opened != fd) close(opened);
    }
}

static void set_of_ours(sigset_t *set) {
    const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
    sigemptyset(set);
    for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++) sigaddset(set, ours[i]);
}

int cposix_signals_install(void) {
    occupy_standard_descriptors();
    struct sigaction stop = {.sa_handler = on_stop};
    struct sigaction again = {.sa_handler = on_alarm};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, hangup;
    sigset_t wanted;
    set_of_ours(&wanted);
    /* Whoever started us (nohup) may want it ignored. */
    if (sigaction(SIGHUP, NULL, &hangup) < 0 ||
        (hangup.sa_handler != SIG_IGN && sigaction(SIGHUP, &stop, NULL) < 0) ||
        sigaction(SIGINT, &stop, NULL) < 0 || sigaction(SIGTERM, &stop, NULL) < 0 ||
        sigaction(SIGALRM, &again, NULL) < 0 || sigaction(SIGPIPE, &ignore, NULL) < 0 ||
        sigprocmask(SIG_UNBLOCK, &wanted, NULL) < 0)
        return -errno;
    return 0;
}

int cposix_stop_signal(void) { return stop_signal; }

void cposix_die_by_signal(int sig) {
    sigset_t only;
    signal(sig, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, sig);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(sig);
    _exit(128 + sig);
}

int cposix_thread_start(pthread_t *thread, void *(*entry)(void *), void *argument) {
    sigset_t blocked, before;
    set_of_ours(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int result = pthread_create(thread, NULL, entry, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -result;
}

int cposix_spawn(char *const argv[], const char *variable) {
    extern char **environ;
    pid_t pid;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    if (variable && putenv(strdup(variable)) != 0) return -errno;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* ours is ignored, and that would be inherited */
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int result = posix_spawnp(&pid, argv[0], NULL, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    return result != 0 ? -result : pid;
}

int cposix_spawn_reading(char *const argv[], int *out) {
    extern char **environ;
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    int result = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (result != 0) close(ends[0]);
    *out = ends[0];
    return result != 0 ? -result : pid;
}

int cposix_spawn_piped(char *const argv[], int *in, int *out) {
    extern char **environ;
    int input[2], output[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    if (pipe2(input, O_CLOEXEC) < 0) return -errno;
    if (pipe2(output, O_CLOEXEC) < 0) {
        int failure = errno;
        close(input[0]);
        close(input[1]);
        return -failure;
    }
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    int result = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(input[0]);
    close(output[1]);
    if (result != 0) {
        close(input[1]);
        close(output[0]);
    }
    *in = input[1];
    *out = output[0];
    return result != 0 ? -result : pid;
}

int cposix_spawn_detached(char *const argv[], const char *log) {
    extern char **environ;
    char program[PATH_MAX];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults, none;
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) return -errno;
    program[length] = 0;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT); /* system(3), which may have started us, ignores these two */
    sigaddset(&defaults, SIGQUIT);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    int result = posix_spawn(&pid, program, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return result != 0 ? -result : pid;
}

/* A file in memory that holds the data, to be read from its start: whoever reads it never has us wait. */
static int memory_file(const char *data, size_t size) {
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0) return -errno;
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0 && errno != EINTR) {
            int failure = errno;
            close(fd);
            return -failure;
        }
        if (n > 0) done += n;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

int cposix_spawn_fed(char *const argv[], const void *data, size_t size) {
    extern char **environ;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int input = memory_file(data, size);
    if (input < 0) return input;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, 2, 1);
    int result = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(input);
    return result != 0 ? -result : pid;
}

static int ending(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int cposix_wait_now(pid_t pid) {
    int status;
    pid_t found = waitpid(pid, &status, WNOHANG);
    if (found < 0) return -errno;
    return found == 0 ? -EAGAIN : ending(status);
}

int cposix_wait(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) < 0) return -errno;
    return ending(status);
}

int cposix_list(const char *path, void (*each)(const char *name, void *context), void *context) {
    DIR *directory = opendir(path);
    if (!directory) return -errno;
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(entry->d_name, context);
        errno = 0;
    }
    int failure = errno;
    closedir(directory);
    return -failure;
}

int64_t cposix_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

int64_t cposix_monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void cposix_sleep_ns(int64_t ns) {
    struct timespec wanted = {.tv_sec = ns / 1000000000LL, .tv_nsec = ns % 1000000000LL};
    nanosleep(&wanted, NULL);
}

int cposix_processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

uint64_t cposix_random(void) {
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) != sizeof value) value = (uint64_t)cposix_monotonic_ns();
    return value;
}
