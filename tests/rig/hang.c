/* hang.c: preloaded into the real binary, a file that does not answer, as one on a network folder whose server is gone.
 *
 * The tests build it with `cc -shared -fPIC`. Whoever opens the file that HANG_FILE names waits for as long as the file
 * that HANG_WHILE names is there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_any(int at, const char *path, int flags, mode_t mode) {
  const char *file = getenv("HANG_FILE"), *gate = getenv("HANG_WHILE");
  if (file && gate && !strcmp(path, file))
    while (!syscall(SYS_faccessat, AT_FDCWD, gate, F_OK)) usleep(20000);
  return (int)syscall(SYS_openat, at, path, flags, mode);
}

#define MODE                                                                                                           \
  va_list more;                                                                                                        \
  va_start(more, flags);                                                                                               \
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                                              \
  va_end(more);

int open(const char *path, int flags, ...) { MODE return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_any(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return open_any(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return open_any(at, path, flags | O_LARGEFILE, mode); }
