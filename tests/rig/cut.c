/* cut.c: preloaded into the real binary, writes down what it does to the files under CUT_ROOT, and breaks it on purpose.
 *
 * The tests build it with `cc -shared -fPIC` and read the log back (tests/world/disk_log.rs): from it they know which
 * bytes and names an fsync made durable, and can put the folder back to what a power cut may leave. Environment:
 *   CUT_ROOT     folder whose files are followed (absolute)
 *   CUT_LOG      file to which every operation is appended before it is done; outside CUT_ROOT
 *   CUT_AFTER    SIGKILL to the own process at this operation (0 or absent: never)
 *   CUT_CONTROL  a file that the test may write: first byte `f` writes answer ENOSPC, `e` syncs answer EIO, `n` fdatasync
 *                does nothing and says it did, `s` syncs take CUT_SLOW_MS longer; anything else: as usual
 * A log record is the fixed part below, then two paths, then the bytes of a write. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct head { uint32_t magic; uint32_t kind; uint64_t inode, offset; uint32_t bytes; uint16_t path, other; };
enum { FDS_MAX = 65536, MAGIC = 0x47504c47 };
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_len;
static int log_fd = -1, control_fd = -1;
static long operations, cut_after, slow_ms;
static uint64_t inode_of[FDS_MAX]; /* 0: not followed */

__attribute__((constructor)) static void begin(void) {
  const char *text = getenv("CUT_ROOT");
  if (!text || !*text) return;
  snprintf(root, sizeof root, "%s", text);
  root_len = strlen(root);
  if ((text = getenv("CUT_AFTER"))) cut_after = atol(text);
  if ((text = getenv("CUT_SLOW_MS"))) slow_ms = atol(text);
  if ((text = getenv("CUT_CONTROL"))) control_fd = syscall(SYS_openat, AT_FDCWD, text, O_RDONLY | O_CLOEXEC);
  if ((text = getenv("CUT_LOG"))) log_fd = syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static char control(void) {
  char how = 0;
  if (control_fd >= 0 && syscall(SYS_pread64, control_fd, &how, 1, 0) != 1) how = 0;
  return how;
}

/* The path below the root, or NULL. Relative paths count from the working directory. */
static const char *below(int at, const char *path, char *room) {
  if (!root_len || !path) return NULL;
  if (path[0] == '/') {
    snprintf(room, PATH_MAX, "%s", path);
  } else {
    char base[PATH_MAX], link[64];
    snprintf(link, sizeof link, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
    ssize_t n = readlink(link, base, sizeof base - 1);
    if (n < 0) return NULL;
    base[n] = 0;
    if (snprintf(room, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return NULL;
  }
  /* Without doubled or single-dot parts, as the log must name each file in one way. */
  char *from = room, *to = room;
  while (*from) {
    if (from[0] == '/' && from[1] == '/') { from++; continue; }
    if (from[0] == '/' && from[1] == '.' && (from[2] == '/' || !from[2])) { from += 2; continue; }
    *to++ = *from++;
  }
  *to = 0;
  if (strncmp(room, root, root_len) || (room[root_len] && room[root_len] != '/')) return NULL;
  return room[root_len] ? room + root_len + 1 : room + root_len;
}

/* With the order held. */
static void note(char kind, uint64_t inode, uint64_t offset, const char *path, const char *other, const void *data, size_t bytes) {
  struct head head = { MAGIC, (uint32_t)kind, inode, offset, (uint32_t)bytes,
                       path ? (uint16_t)strlen(path) : 0, other ? (uint16_t)strlen(other) : 0 };
  struct iovec parts[4] = { { &head, sizeof head }, { (void *)path, head.path }, { (void *)other, head.other }, { (void *)data, bytes } };
  if (log_fd >= 0) syscall(SYS_writev, log_fd, parts, 4);
  if (cut_after && ++operations == cut_after) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
}

static uint64_t followed(int fd) { return fd >= 0 && fd < FDS_MAX ? inode_of[fd] : 0; }

static int open_any(int at, const char *path, int flags, mode_t mode) {
  char room[PATH_MAX];
  const char *name = below(at, path, room);
  if (!name) return syscall(SYS_openat, at, path, flags, mode);
  pthread_mutex_lock(&order);
  struct stat before;
  int there = fstatat(at, path, &before, 0) == 0;
  if (!there && (flags & O_CREAT) && control() == 'f') {
    pthread_mutex_unlock(&order);
    errno = ENOSPC;
    return -1;
  }
  int fd = syscall(SYS_openat, at, path, flags, mode);
  int error = errno;
  struct stat now;
  if (fd >= 0 && fd < FDS_MAX && fstat(fd, &now) == 0) {
    inode_of[fd] = now.st_ino;
    if (!there && S_ISREG(now.st_mode)) note('C', now.st_ino, 0, name, NULL, NULL, 0);
    else if (there && (flags & O_TRUNC) && before.st_size) note('T', now.st_ino, 0, NULL, NULL, NULL, 0);
  }
  pthread_mutex_unlock(&order);
  errno = error;
  return fd;
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
int open(const char *path, int flags, ...) { MODE return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_any(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return open_any(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return open_any(at, path, flags | O_LARGEFILE, mode); }
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
  if (fd >= 0 && fd < FDS_MAX) inode_of[fd] = 0;
  return syscall(SYS_close, fd);
}

static int fcntl_any(int fd, int what, void *value) {
  int out = syscall(SYS_fcntl, fd, what, value);
  if ((what == F_DUPFD || what == F_DUPFD_CLOEXEC) && out >= 0 && out < FDS_MAX) inode_of[out] = followed(fd);
  return out;
}
#define VALUE va_list more; va_start(more, what); void *value = va_arg(more, void *); va_end(more);
int fcntl(int fd, int what, ...) { VALUE return fcntl_any(fd, what, value); }
int fcntl64(int fd, int what, ...) { VALUE return fcntl_any(fd, what, value); }

/* offset -1: at the file's own position. */
static ssize_t write_any(int fd, const void *data, size_t bytes, off_t offset) {
  uint64_t inode = followed(fd);
  if (!inode) return offset < 0 ? syscall(SYS_write, fd, data, bytes) : syscall(SYS_pwrite64, fd, data, bytes, offset);
  if (control() == 'f') { errno = ENOSPC; return -1; }
  pthread_mutex_lock(&order);
  off_t at = offset;
  if (at < 0) {
    struct stat now;
    int appends = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND;
    at = appends && fstat(fd, &now) == 0 ? now.st_size : lseek(fd, 0, SEEK_CUR);
  }
  note('W', inode, at, NULL, NULL, data, bytes);
  ssize_t done = offset < 0 ? syscall(SYS_write, fd, data, bytes) : syscall(SYS_pwrite64, fd, data, bytes, offset);
  int error = errno;
  if (done >= 0 && (size_t)done < bytes) abort(); /* the log would lie; never seen on a disk with room */
  pthread_mutex_unlock(&order);
  errno = error;
  return done;
}
ssize_t write(int fd, const void *data, size_t bytes) { return write_any(fd, data, bytes, -1); }
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) { return write_any(fd, data, bytes, at); }
ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) { return write_any(fd, data, bytes, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!followed(fd)) return syscall(SYS_writev, fd, parts, count);
  return count ? write_any(fd, parts[0].iov_base, parts[0].iov_len, -1) : 0; /* a short write is allowed */
}

static int truncate_any(int fd, off_t bytes) {
  uint64_t inode = followed(fd);
  pthread_mutex_lock(&order);
  if (inode) note('T', inode, bytes, NULL, NULL, NULL, 0);
  int out = syscall(SYS_ftruncate, fd, bytes);
  pthread_mutex_unlock(&order);
  return out;
}
int ftruncate(int fd, off_t bytes) { return truncate_any(fd, bytes); }
int ftruncate64(int fd, off64_t bytes) { return truncate_any(fd, bytes); }

/* Ways to change a file that the log does not know: callers fall back to plain writes. */
#define UNKNOWN(error) if (followed(fd)) { errno = error; return -1; }
int fallocate(int fd, int mode, off_t at, off_t bytes) { UNKNOWN(EOPNOTSUPP) return syscall(SYS_fallocate, fd, mode, at, bytes); }
int posix_fallocate(int fd, off_t at, off_t bytes) { if (followed(fd)) return EOPNOTSUPP; return syscall(SYS_fallocate, fd, 0, at, bytes) ? errno : 0; }
ssize_t copy_file_range(int in, off64_t *from, int fd, off64_t *to, size_t n, unsigned how) { UNKNOWN(ENOSYS) return syscall(SYS_copy_file_range, in, from, fd, to, n, how); }
ssize_t sendfile64(int fd, int in, off64_t *from, size_t n) { UNKNOWN(EINVAL) return syscall(SYS_sendfile, fd, in, from, n); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return count ? write_any(fd, parts[0].iov_base, parts[0].iov_len, at) : 0; }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return pwritev(fd, parts, count, at); }

static int sync_any(int fd, int call) {
  uint64_t inode = followed(fd);
  char how = inode ? control() : 0;
  if (how == 'e') { errno = EIO; return -1; }
  if (how == 'n' && call == SYS_fdatasync) return 0;
  if (!inode) return syscall(call, fd);
  char link[64], path[PATH_MAX], room[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  path[n < 0 ? 0 : n] = 0;
  const char *name = below(AT_FDCWD, path, room);
  struct stat now;
  int folder = fstat(fd, &now) == 0 && S_ISDIR(now.st_mode);
  pthread_mutex_lock(&order);
  note(folder ? 'b' : 'B', inode, 0, name, NULL, NULL, 0);
  pthread_mutex_unlock(&order);
  if (how == 's') {
    struct timespec wait = { slow_ms / 1000, slow_ms % 1000 * 1000000 };
    nanosleep(&wait, NULL);
  }
  int out = syscall(call, fd);
  int error = errno;
  if (out == 0) {
    pthread_mutex_lock(&order);
    note(folder ? 'e' : 'E', inode, 0, name, NULL, NULL, 0);
    pthread_mutex_unlock(&order);
  }
  errno = error;
  return out;
}
int fsync(int fd) { return sync_any(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_any(fd, SYS_fdatasync); }

static int rename_any(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
  char one[PATH_MAX], two[PATH_MAX];
  const char *a = below(from_at, from, one), *b = below(to_at, to, two);
  pthread_mutex_lock(&order);
  if (a || b) {
    if (!a || !b || flags) abort(); /* in or out of the folder: not known to the log */
    struct stat now;
    if (fstatat(from_at, from, &now, 0) == 0) note('R', now.st_ino, 0, a, b, NULL, 0);
  }
  int out = syscall(SYS_renameat2, from_at, from, to_at, to, flags);
  pthread_mutex_unlock(&order);
  return out;
}
int rename(const char *from, const char *to) { return rename_any(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int at, const char *from, int to_at, const char *to) { return rename_any(at, from, to_at, to, 0); }
int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags) { return rename_any(at, from, to_at, to, flags); }

static int unlink_any(int at, const char *path, int flags) {
  char room[PATH_MAX];
  const char *name = below(at, path, room);
  struct stat now;
  pthread_mutex_lock(&order);
  if (name && fstatat(at, path, &now, AT_SYMLINK_NOFOLLOW) == 0)
    note(flags & AT_REMOVEDIR ? 'X' : 'U', now.st_ino, 0, name, NULL, NULL, 0);
  int out = syscall(SYS_unlinkat, at, path, flags);
  pthread_mutex_unlock(&order);
  return out;
}
int unlink(const char *path) { return unlink_any(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlink_any(at, path, flags); }
int rmdir(const char *path) { return unlink_any(AT_FDCWD, path, AT_REMOVEDIR); }

static int mkdir_any(int at, const char *path, mode_t mode) {
  char room[PATH_MAX];
  const char *name = below(at, path, room);
  pthread_mutex_lock(&order);
  int out = syscall(SYS_mkdirat, at, path, mode);
  int error = errno;
  if (out == 0 && name && *name) note('D', 0, 0, name, NULL, NULL, 0);
  pthread_mutex_unlock(&order);
  errno = error;
  return out;
}
int mkdir(const char *path, mode_t mode) { return mkdir_any(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return mkdir_any(at, path, mode); }
