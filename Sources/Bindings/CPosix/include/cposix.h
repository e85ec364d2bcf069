/* Thin wrappers for what Swift cannot import (variadic calls, macros) or must not touch
 * (errno, volatile sig_atomic_t). Each call returns its result, or -errno as the kernel does,
 * so that no Swift code ever reads errno. */
#ifndef CPOSIX_H
#define CPOSIX_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

ssize_t cposix_read(int fd, void *buf, size_t len);
ssize_t cposix_pread(int fd, void *buf, size_t len, off_t offset);
ssize_t cposix_pwrite(int fd, const void *buf, size_t len, off_t offset);
ssize_t cposix_write(int fd, const void *buf, size_t len);
int cposix_open(const char *path, int flags, mode_t mode);
/* The same for a name in the directory that `folder` has open, wherever that is by now. */
int cposix_openat(int folder, const char *name, int flags, mode_t mode);
int cposix_close(int fd);
int cposix_fsync(int fd);
int cposix_fdatasync(int fd);
/* Takes an exclusive lock that goes with the descriptor: -EWOULDBLOCK when another has it. */
int cposix_lock(int fd);
/* Reserves blocks for `length` bytes; -EOPNOTSUPP where the file system cannot. */
int cposix_allocate(int fd, off_t length);
void cposix_umask(mode_t mask);
/* Bytes that may still be written to the file system `fd` lies on, or -errno. */
int64_t cposix_free_bytes(int fd);
int cposix_ftruncate(int fd, off_t length);
int cposix_rename(const char *from, const char *to);
/* The same for two names in the directory that `folder` has open, wherever that is by now. */
int cposix_renameat(int folder, const char *from, const char *to);
/* Renames only when `to` does not exist yet: -EEXIST otherwise. */
int cposix_rename_new(const char *from, const char *to);
int cposix_unlink(const char *path);
int cposix_mkdir(const char *path, mode_t mode);
/* Makes a directory that only we may look into; -EPERM where there is something else. */
int cposix_mkdir_private(const char *path);
/* Locks the byte at `offset`, for as long as `fd` is open; -EAGAIN where another has it. */
int cposix_lock_byte(int fd, int64_t offset);
int cposix_dup2(int from, int to);
int cposix_pipe(int fds[2]);
/* Waits until `fd` has one of `events`; 1 ready, 0 after `timeout_ms` (-1: never). */
int cposix_poll(int fd, short events, int timeout_ms);
/* Asks for a pipe of `bytes`; not being one, or not being allowed, is no failure. */
void cposix_grow_pipe(int fd, int bytes);
void cposix_begin_writeback(int fd, long long offset, long long bytes);
/* What Swift wants to know of a file. */
struct cposix_stat {
    int64_t size;
    int64_t mtime_ns;
    uint64_t inode;
    int is_directory;
    int is_regular;
};
int cposix_fstat(int fd, struct cposix_stat *out);
int cposix_stat_path(const char *path, struct cposix_stat *out);

/* Catch SIGINT, SIGTERM and a SIGHUP that is not ignored (no SA_RESTART) and ignore SIGPIPE. */
int cposix_signals_install(void);
/* The signal that asked us to stop, or 0. */
int cposix_stop_signal(void);
/* Die by `sig` with its default action, so that the parent shell sees 128+sig. */
_Noreturn void cposix_die_by_signal(int sig);

/* Starts a thread with SIGINT, SIGTERM and SIGHUP blocked, so that only the main thread is interrupted. */
int cposix_thread_start(pthread_t *thread, void *(*entry)(void *), void *argument);

/* Starts argv[0] as found on PATH with environ plus `variable` (may be NULL); the pid or -errno. */
int cposix_spawn(char *const argv[], const char *variable);
/* Starts argv[0] with nothing to read, and with `out` set to where its output can be read. */
int cposix_spawn_reading(char *const argv[], int *out);
/* Starts argv[0] with `in` set to where its input is written, and `out` to where its output is read. */
int cposix_spawn_piped(char *const argv[], int *in, int *out);
/* Starts the running program anew, with argv, in a session of its own that holds none of our
 * descriptors; its messages go to the file `log`. */
int cposix_spawn_detached(char *const argv[], const char *log);
/* Starts argv[0] in a process group of its own, with `size` bytes to read, and what it prints on standard error. */
int cposix_spawn_fed(char *const argv[], const void *data, size_t size);
/* The end of `pid` as cposix_wait tells it, or -EAGAIN as long as it runs. */
int cposix_wait_now(pid_t pid);
/* Waits for `pid`: its exit status, or 128 + the signal that ended it. -EINTR when we were asked
 * to stop meanwhile. */
int cposix_wait(pid_t pid);
int cposix_kill(pid_t pid, int sig);

/* Calls `each` with the name of every entry of a directory but . and .. */
int cposix_list(const char *path, void (*each)(const char *name, void *context), void *context);

/* Microseconds since 1970. */
int64_t cposix_now_us(void);
/* Nanoseconds of a clock that never jumps. */
int64_t cposix_monotonic_ns(void);
void cposix_sleep_ns(int64_t ns);
/* Processors this process may use. */
int cposix_processors(void);
/* A random number, from the kernel. */
uint64_t cposix_random(void);
#endif
