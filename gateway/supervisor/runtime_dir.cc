#include "gateway/supervisor/runtime_dir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "common/environment.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/unique_fd.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

constexpr char kLockFile[] = "lock";
constexpr char kFix[] = "; choose another with --runtime-dir";
// Of a Unix socket's 107 bytes, "/XXXXXX/w1000000.fd" and some room are ours.
constexpr size_t kMaxBaseLength = 80;

absl::Status CheckBase(const fs::path& base) {
  std::error_code error;
  fs::create_directories(base.parent_path(), error);
  if (mkdir(base.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return absl::FailedPreconditionError(
        StrCat(base.native(), ": ", strerror(errno), "; choose another with --runtime-dir"));
  }
  struct stat info = {};
  if (lstat(base.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid() ||
      (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::FailedPreconditionError(
        StrCat(base.native(), " must be a folder of yours that nobody else can write to; choose ",
               "another with --runtime-dir"));
  }
  return absl::OkStatus();
}

// Invalid if the lock is somebody's.
UniqueFd TryLock(const fs::path& file, int flags) {
  UniqueFd lock(open(file.c_str(), flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (lock.valid() && flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return lock;
}

void Sweep(const fs::path& base) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(base, error)) {
    if (!entry.is_directory(error) || entry.is_symlink(error)) continue;
    const UniqueFd lock = TryLock(entry.path() / kLockFile, 0);
    if (lock.valid()) fs::remove_all(entry.path(), error);
  }
}

}  // namespace

fs::path RuntimeDir::DefaultBase() {
  if (const std::string runtime = environment::Get(environment::kRuntime); !runtime.empty()) {
    return fs::path(runtime) / "tiffin";
  }
  return fs::temp_directory_path() / StrCat("tiffin-", geteuid());
}

absl::StatusOr<RuntimeDir> RuntimeDir::Create(const fs::path& base) {
  if (fs::absolute(base).native().size() > kMaxBaseLength) {
    return absl::FailedPreconditionError(
        StrCat(base.native(), " is too long for the sockets in it (at most ", kMaxBaseLength,
               " characters); choose another with --runtime-dir"));
  }
  RETURN_IF_ERROR(CheckBase(base));
  // One start at a time: a folder between its making and its locking must not look abandoned.
  const UniqueFd base_lock(open((base / kLockFile).c_str(),
                                O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!base_lock.valid() || flock(base_lock.get(), LOCK_EX) != 0) {
    return absl::FailedPreconditionError(
        StrCat((base / kLockFile).native(), ": ", strerror(errno), kFix));
  }
  Sweep(base);
  std::string name = (base / "XXXXXX").native();
  if (mkdtemp(name.data()) == nullptr) {
    return absl::FailedPreconditionError(StrCat(name, ": ", strerror(errno), kFix));
  }
  UniqueFd lock = TryLock(fs::path(name) / kLockFile, O_CREAT | O_EXCL);
  if (!lock.valid()) {
    return absl::FailedPreconditionError(StrCat(name, ": can't lock: ", strerror(errno), kFix));
  }
  return RuntimeDir(std::move(name), std::move(lock));
}

RuntimeDir::RuntimeDir(RuntimeDir&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}

RuntimeDir::~RuntimeDir() {
  if (path_.empty()) return;
  std::error_code error;
  fs::remove_all(path_, error);
}

}  // namespace tiffin::gateway
