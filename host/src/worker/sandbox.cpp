#include "worker/sandbox.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>

#include "worker/channel.hpp"
#include "worker/syscall_filter.hpp"

namespace hn::worker {
namespace {

// hard: above which nothing raises it again.
void limit(__rlimit_resource resource, rlim_t value, rlim_t hard, const char* what) {
  const rlimit both{value, hard};
  if (::setrlimit(resource, &both) != 0)
    throw Error(HN_UNSUPPORTED, std::string("[worker] the limit of ") + what + " (" +
                                    std::to_string(value) +
                                    ") is refused: " + std::strerror(errno));
}

// What every program reads: libraries, time zones, the machine's description.
constexpr const char* kSystem[] = {"/usr",
                                   "/lib",
                                   "/lib64",
                                   "/etc/ld.so.cache",
                                   "/etc/ld.so.conf",
                                   "/etc/ld.so.conf.d",
                                   "/etc/localtime",
                                   "/etc/alternatives",
                                   "/dev/null",
                                   "/dev/zero",
                                   "/dev/urandom",
                                   "/proc/cpuinfo",
                                   "/proc/meminfo",
                                   "/proc/self",
                                   "/sys/devices/system",
                                   "/sys/fs/cgroup"};

constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t kReadFolder = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
// The rights of landlock's first version; what later ones add (refer, truncate, ioctl on devices)
// the filter of system calls keeps out.
constexpr std::uint64_t kAll = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

bool allow(int rules, const char* path) {
  const Descriptor place(::open(path, O_PATH | O_CLOEXEC));
  struct stat about {};
  if (!place.valid() || ::fstat(place.get(), &about) != 0) return false;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(about.st_mode) ? kReadFolder : kReadFile;
  rule.parent_fd = place.get();
  return ::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

void restrict_files(const std::vector<std::string>& readable, SandboxReport& report) {
  const auto missing = [&](const char* what) {
    report.missing.push_back(std::string("reading is not limited to the plugin's own files: ") +
                             what + ": " + std::strerror(errno));
  };
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return missing("this kernel has no landlock");
  landlock_ruleset_attr handled{};
  handled.handled_access_fs = kAll;
  const Descriptor rules(static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled.handled_access_fs, 0)));
  if (!rules.valid()) return missing("landlock_create_ruleset");
  for (const char* path : kSystem) allow(rules.get(), path);
  for (const std::string& path : readable) allow(rules.get(), path.c_str());
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0)
    return missing("landlock_restrict_self");
  report.in_force.push_back(
      "only the plugin's bundle, its weights and the system's libraries can "
      "be read (landlock " +
      std::to_string(version) + ")");
}

}  // namespace

void set_limits(const Limits& limits) {
  limit(RLIMIT_CORE, 0, 0, "core files");
  if (limits.memory_bytes > 0)
    limit(RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes, "memory");
  // At the first number comes a signal that names the cause, at the second one that nobody can
  // handle.
  if (limits.cpu_seconds > 0)
    limit(RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1, "processor time");
}

SandboxReport enter_sandbox(const std::vector<std::string>& readable) {
  SandboxReport report;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    throw Error(HN_UNSUPPORTED,
                std::string("[worker] no sandbox: no_new_privs: ") + std::strerror(errno));
  restrict_files(readable, report);
  if (const std::string reason = filter_system_calls(); !reason.empty())
    throw Error(HN_UNSUPPORTED, "[worker] no sandbox: the filter of system calls: " + reason);
  report.in_force.push_back(
      "no network, no other processes, no file can be written or changed (seccomp)");
  return report;
}

}  // namespace hn::worker
