#include "worker/syscall_filter.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

namespace hn::worker {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t kArchitecture = 0;
#endif

// Memory, threads, time, reading, and writing to what is open already (the channel, standard
// error).
constexpr int kAllowed[] = {
    SYS_read,
    SYS_pread64,
    SYS_readv,
    SYS_preadv,
    SYS_write,
    SYS_writev,
    SYS_close,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_lseek,
    SYS_getdents64,
    SYS_faccessat,
    SYS_readlinkat,
    SYS_getcwd,
    SYS_fstatfs,
    SYS_statfs,
    SYS_dup,
    SYS_fcntl,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendto,
    SYS_recvfrom,
    SYS_ppoll,
    SYS_pselect6,
    SYS_pipe2,
    SYS_eventfd2,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_fadvise64,
    SYS_readahead,
    SYS_mmap,
    SYS_mprotect,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mincore,
    SYS_msync,
    SYS_mlock,
    SYS_munlock,
    SYS_get_mempolicy,
    SYS_set_mempolicy,
    SYS_mbind,
    SYS_membarrier,
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_getcpu,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_rt_sigtimedwait,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_times,
    SYS_getrusage,
    SYS_sysinfo,
    SYS_uname,
    SYS_getrandom,
    SYS_getpriority,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getpgid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getgroups,
    SYS_umask,
    SYS_personality,
    SYS_capget,
#if defined(__x86_64__)
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_poll,
    SYS_select,
    SYS_pipe,
    SYS_dup2,
    SYS_epoll_wait,
    SYS_arch_prctl,
    SYS_time,
    SYS_getrlimit,
    SYS_getpgrp,
#endif
#if defined(SYS_faccessat2)
    SYS_faccessat2,
#endif
};

constexpr std::uint32_t argument(int i) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) +
                                    static_cast<std::size_t>(i) * sizeof(std::uint64_t));
}

// Builds the program from the top; every rule ends in a return of its own.
class Program {
 public:
  void load(std::uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset); }
  void give(std::uint32_t action) { add(BPF_RET | BPF_K, action); }
  // The next `skipped` instructions only where the loaded word equals value.
  void when(std::uint32_t value, std::uint8_t skipped) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped));
  }
  void unless(std::uint32_t value, std::uint32_t action) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    give(action);
  }
  void allow(long call) {
    when(static_cast<std::uint32_t>(call), 1);
    give(SECCOMP_RET_ALLOW);
  }
  void fail(long call, int error) {
    when(static_cast<std::uint32_t>(call), 1);
    give(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
  }
  // Allowed where (argument & mask) == value, else EPERM.
  void where(long call, int which, std::uint32_t mask, std::uint32_t value) {
    when(static_cast<std::uint32_t>(call), 5);
    load(argument(which));
    add(BPF_ALU | BPF_AND | BPF_K, mask);
    when(value, 1);
    give(SECCOMP_RET_ALLOW);
    give(SECCOMP_RET_ERRNO | EPERM);
  }
  std::vector<sock_filter>& code() { return code_; }

 private:
  void add(std::uint16_t operation, std::uint32_t value) {
    code_.push_back(BPF_STMT(operation, value));
  }
  std::vector<sock_filter> code_;
};

Program program() {
  Program p;
  p.load(offsetof(seccomp_data, arch));
  p.unless(kArchitecture, SECCOMP_RET_KILL_PROCESS);
  p.load(offsetof(seccomp_data, nr));
  for (const int call : kAllowed) p.allow(call);
  // Reading only: flags that write, make or empty a file are refused. openat2 hides its flags.
  constexpr std::uint32_t kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
  p.where(SYS_openat, 2, kWriting, 0);
#if defined(SYS_open)
  p.where(SYS_open, 1, kWriting, 0);
#endif
  // Threads, not processes. clone3 hides its flags too; the C library then takes clone.
  p.where(SYS_clone, 0, CLONE_THREAD, CLONE_THREAD);
#if defined(SYS_clone3)
  p.fail(SYS_clone3, ENOSYS);
#endif
  // Signals to itself alone: abort, raise, pthread_kill.
  const auto self = static_cast<std::uint32_t>(::getpid());
  p.where(SYS_tgkill, 0, 0xffffffffu, self);
  p.where(SYS_kill, 0, 0xffffffffu, self);
  // Its own limits can be read; a new value is a pointer that must be NULL.
  p.where(SYS_prlimit64, 2, 0xffffffffu, 0);
  // Terminal or not: what the C library asks of a file that it prints to.
  p.where(SYS_ioctl, 1, 0xffffffffu, 0x5401 /* TCGETS */);
  p.where(SYS_prctl, 0, 0xffffffffu, PR_SET_NAME);
  p.give(SECCOMP_RET_ERRNO | EPERM);
  return p;
}

}  // namespace

std::string filter_system_calls() {
  if (kArchitecture == 0) return "not written for this processor";
  Program p = program();
  sock_fprog filter{static_cast<unsigned short>(p.code().size()), p.code().data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0)
    return std::strerror(errno);
  return "";
}

}  // namespace hn::worker
