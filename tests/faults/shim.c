// Counts the file operations of a process below one folder, and disturbs one of them. Preloaded
// (LD_PRELOAD).
//
//   HN_FAULT_ROOT=DIR    only operations on paths below DIR count; absolute, without symbolic links
//   HN_FAULT_LIST=FILE   each operation as a line "NUMBER KIND PATH", appended before it is done
//   HN_FAULT_AT=N        the operation to disturb; the first is 1
//   HN_FAULT_DO=WHAT     kill   SIGKILL before it
//                        term   SIGTERM before it, which asks for a stop; the operation is done
//                        half   a write: the first half of its bytes, then SIGKILL; others: as kill
//                        short  a write: the first half of its bytes, as a return value; others:
//                        nothing ENOSPC, EIO, EFBIG   it fails so and does nothing (close: it
//                        closes and fails)
//   HN_FAULT_FOREVER=1   every operation from N on fails, not the N-th alone
//
// Counted: opening for writing and of folders, write, ftruncate, truncate, fsync, fdatasync, close
// (of what was counted when it was opened), rename, unlink, rmdir, remove, mkdir, link, symlink,
// and their *at forms. What the C library does inside of stdio does not pass here.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { kDescriptors = 4096 };
enum Fault { kNothing, kKill, kTerm, kHalf, kShort, kError };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char* paths[kDescriptors];  // of the descriptors that are counted
static char root[PATH_MAX];
static long number, at;
static enum Fault what;
static int error_number, forever, list = -1;

__attribute__((constructor)) static void begin(void) {
  const char* text = getenv("HN_FAULT_ROOT");
  if (text == NULL || strlen(text) >= sizeof root) return;
  strcpy(root, text);
  if ((text = getenv("HN_FAULT_LIST")) != NULL)
    list =
        (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if ((text = getenv("HN_FAULT_AT")) != NULL) at = atol(text);
  if ((text = getenv("HN_FAULT_FOREVER")) != NULL) forever = atoi(text);
  if ((text = getenv("HN_FAULT_DO")) == NULL) return;
  what = !strcmp(text, "kill")    ? kKill
         : !strcmp(text, "term")  ? kTerm
         : !strcmp(text, "half")  ? kHalf
         : !strcmp(text, "short") ? kShort
                                  : kError;
  error_number = !strcmp(text, "ENOSPC") ? ENOSPC : !strcmp(text, "EFBIG") ? EFBIG : EIO;
}

static int below_root(const char* path) {
  const size_t n = strlen(root);
  return n > 0 && strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

// The absolute path of `path` beside `folder`; "." and ".." are not looked into.
static const char* absolute(int folder, const char* path, char* into) {
  char link[64];
  if (path[0] == '/') {
    snprintf(into, PATH_MAX, "%s", path);
    return into;
  }
  if (folder == AT_FDCWD) {
    if (getcwd(into, PATH_MAX) == NULL) return "";
  } else {
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    const ssize_t n = readlink(link, into, PATH_MAX - 1);
    if (n < 0) return "";
    into[n] = '\0';
  }
  const size_t n = strlen(into);
  snprintf(into + n, PATH_MAX - n, "/%s", path);
  return into;
}

static void die(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

// Counts one operation and says what is to happen to it.
static enum Fault next_operation(const char* kind, const char* path) {
  if (!below_root(path)) return kNothing;
  pthread_mutex_lock(&lock);
  const long mine = ++number;
  if (list >= 0) {
    char line[PATH_MAX + 64];
    const int n = snprintf(line, sizeof line, "%ld %s %s\n", mine, kind, path);
    if (n > 0) syscall(SYS_write, list, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
  }
  pthread_mutex_unlock(&lock);
  const int now = at > 0 && (mine == at || (forever && mine > at));
  if (!now) return kNothing;
  if (what == kKill) die();
  if (what == kTerm) syscall(SYS_kill, getpid(), SIGTERM);
  if (what == kHalf && strcmp(kind, "write") != 0) die();
  return what;
}

// Whether the call is to fail now; errno is set then.
static int fails(const char* kind, const char* path) {
  if (next_operation(kind, path) != kError) return 0;
  errno = error_number;
  return 1;
}
static int fails_at(const char* kind, int folder, const char* path) {
  const int kept = errno;
  char text[PATH_MAX];
  const char* full = absolute(folder, path, text);
  errno = kept;
  return fails(kind, full);
}

static const char* path_of(int descriptor) {
  return descriptor >= 0 && descriptor < kDescriptors && paths[descriptor] != NULL
             ? paths[descriptor]
             : "";
}

static int counts(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_DIRECTORY) != 0;
}

static int open_counted(int folder, const char* path, int flags, mode_t mode) {
  char text[PATH_MAX];
  const char* full = absolute(folder, path, text);
  if (counts(flags) && fails((flags & O_ACCMODE) == O_RDONLY ? "opendir" : "open", full)) return -1;
  const int descriptor = (int)syscall(SYS_openat, folder, path, flags, mode);
  if (descriptor >= 0 && descriptor < kDescriptors) {
    free(paths[descriptor]);
    paths[descriptor] = counts(flags) && below_root(full) ? strdup(full) : NULL;
  }
  return descriptor;
}

#define MODE(flags)                             \
  mode_t mode = 0;                              \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) { \
    va_list more;                               \
    va_start(more, flags);                      \
    mode = va_arg(more, mode_t);                \
    va_end(more);                               \
  }

int open(const char* path, int flags, ...) {
  MODE(flags)
  return open_counted(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE(flags)
  return open_counted(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  MODE(flags)
  return open_counted(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  MODE(flags)
  return open_counted(folder, path, flags | O_LARGEFILE, mode);
}
int creat(const char* path, mode_t mode) {
  return open_counted(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char* path, mode_t mode) { return creat(path, mode); }

int close(int descriptor) {
  const int bad = *path_of(descriptor) != '\0' && fails("close", path_of(descriptor));
  if (descriptor >= 0 && descriptor < kDescriptors) {
    free(paths[descriptor]);
    paths[descriptor] = NULL;
  }
  const int result = (int)syscall(SYS_close, descriptor);
  if (!bad) return result;
  errno = error_number;
  return -1;
}

// How much of a write is done: all, the half, or (-1) nothing with errno set. *kill: die behind it.
static ssize_t allowed(int descriptor, size_t size, int* kill) {
  *kill = 0;
  if (*path_of(descriptor) == '\0') return (ssize_t)size;
  switch (next_operation("write", path_of(descriptor))) {
    case kError: errno = error_number; return -1;
    case kHalf: *kill = 1; return (ssize_t)(size / 2);
    case kShort: return (ssize_t)(size > 1 ? size / 2 : size);
    default: return (ssize_t)size;
  }
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  int kill = 0;
  const ssize_t n = allowed(descriptor, size, &kill);
  if (n < 0) return -1;
  const ssize_t done = syscall(SYS_write, descriptor, bytes, (size_t)n);
  if (kill) die();
  return done;
}
ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  int kill = 0;
  const ssize_t n = allowed(descriptor, size, &kill);
  if (n < 0) return -1;
  const ssize_t done = syscall(SYS_pwrite64, descriptor, bytes, (size_t)n, offset);
  if (kill) die();
  return done;
}
ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t offset) {
  return pwrite(descriptor, bytes, size, offset);
}
ssize_t writev(int descriptor, const struct iovec* parts, int count) {
  // Disturbed, it writes its first part alone, which a caller has to expect.
  if (*path_of(descriptor) == '\0') return syscall(SYS_writev, descriptor, parts, count);
  return count > 0 ? write(descriptor, parts[0].iov_base, parts[0].iov_len) : 0;
}

int ftruncate(int descriptor, off_t size) {
  if (*path_of(descriptor) != '\0' && fails("ftruncate", path_of(descriptor))) return -1;
  return (int)syscall(SYS_ftruncate, descriptor, size);
}
int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }
int truncate(const char* path, off_t size) {
  if (fails_at("truncate", AT_FDCWD, path)) return -1;
  return (int)syscall(SYS_truncate, path, size);
}
int truncate64(const char* path, off64_t size) { return truncate(path, size); }
int fsync(int descriptor) {
  if (*path_of(descriptor) != '\0' && fails("fsync", path_of(descriptor))) return -1;
  return (int)syscall(SYS_fsync, descriptor);
}
int fdatasync(int descriptor) {
  if (*path_of(descriptor) != '\0' && fails("fdatasync", path_of(descriptor))) return -1;
  return (int)syscall(SYS_fdatasync, descriptor);
}

// A rename counts where its new name is below the root.
int renameat(int from, const char* old, int to, const char* path) {
  if (fails_at("rename", to, path)) return -1;
  return (int)syscall(SYS_renameat2, from, old, to, path, 0);
}
int rename(const char* old, const char* path) { return renameat(AT_FDCWD, old, AT_FDCWD, path); }
int renameat2(int from, const char* old, int to, const char* path, unsigned flags) {
  if (fails_at("rename", to, path)) return -1;
  return (int)syscall(SYS_renameat2, from, old, to, path, flags);
}

int unlinkat(int folder, const char* path, int flags) {
  if (fails_at((flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink", folder, path)) return -1;
  return (int)syscall(SYS_unlinkat, folder, path, flags);
}
int unlink(const char* path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char* path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char* path) {
  struct stat status;
  const int folder = lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
  return unlinkat(AT_FDCWD, path, folder ? AT_REMOVEDIR : 0);
}

int mkdirat(int folder, const char* path, mode_t mode) {
  if (fails_at("mkdir", folder, path)) return -1;
  return (int)syscall(SYS_mkdirat, folder, path, mode);
}
int mkdir(const char* path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
int linkat(int from, const char* old, int to, const char* path, int flags) {
  if (fails_at("link", to, path)) return -1;
  return (int)syscall(SYS_linkat, from, old, to, path, flags);
}
int link(const char* old, const char* path) { return linkat(AT_FDCWD, old, AT_FDCWD, path, 0); }
int symlinkat(const char* target, int folder, const char* path) {
  if (fails_at("symlink", folder, path)) return -1;
  return (int)syscall(SYS_symlinkat, target, folder, path);
}
int symlink(const char* target, const char* path) { return symlinkat(target, AT_FDCWD, path); }
