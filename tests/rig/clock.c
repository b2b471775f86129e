/* clock.c: preloaded into the real binary, moves its wall clock, and only that one, while it runs.
 *
 * The tests build it with `cc -shared -fPIC`. CLOCK_OFFSET names a file of eight bytes that the test may write at any time:
 * the seconds (signed, this machine's byte order) that are added to the wall clock. Without it nothing is changed. The
 * monotonic clock, timers and the times of files are the kernel's own, as on a box whose battery is empty. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int offset_fd = -1;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("CLOCK_OFFSET");
  if (path) offset_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

static int64_t offset(void) {
  int64_t seconds = 0;
  if (offset_fd < 0 || syscall(SYS_pread64, offset_fd, &seconds, sizeof seconds, 0) != sizeof seconds) return 0;
  return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
  int failed = (int)syscall(SYS_clock_gettime, clock, out);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += offset();
  return failed;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  *out = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
