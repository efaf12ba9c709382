// Preloaded into a process of a test: keeps a journal of what each fsync has covered, and moves the process's clock.
//
// MAILOVER_SHIM_JOURNAL: a file that gets a line "inode size" for each fsync or fdatasync of a regular file that has succeeded. The
// size is the one before the call: what is written while it runs is not covered by it.
// MAILOVER_SHIM_CLOCK: a file of 8 bytes, how far the clock of the wall is ahead, in nanoseconds. The monotonic one is left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *ahead;
static int journal = -1;
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  const char *path = getenv("MAILOVER_SHIM_JOURNAL");
  if (path) journal = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  const char *clock = getenv("MAILOVER_SHIM_CLOCK");
  int file = clock ? open(clock, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *map = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (map != MAP_FAILED) ahead = map;
}

static int synced(int (*sync)(int), int fd) {
  struct stat before;
  int known = journal >= 0 && fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
  int result = sync(fd);
  if (known && result == 0) dprintf(journal, "%llu %lld\n", (unsigned long long)before.st_ino, (long long)before.st_size);
  return result;
}

int fsync(int fd) { return synced(real_fsync, fd); }
int fdatasync(int fd) { return synced(real_fdatasync, fd); }

int clock_gettime(clockid_t id, struct timespec *at) {
  // Some programs look at the clock before they are set up, and so before this is.
  int result = real_clock_gettime ? real_clock_gettime(id, at) : (int)syscall(SYS_clock_gettime, id, at);
  if (result != 0 || !ahead || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return result;
  int64_t now = (int64_t)at->tv_sec * 1000000000 + at->tv_nsec + *ahead;
  at->tv_sec = now / 1000000000;
  at->tv_nsec = now % 1000000000;
  return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
