#include "common/shm/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "absl/status/status.h"
#include "boost/interprocess/detail/os_file_functions.hpp"
#include "boost/interprocess/exceptions.hpp"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::shm {
namespace {

namespace ipc = boost::interprocess;

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
constexpr uint64_t kBlock = 512;  // The unit of st_blocks, whatever the file system.

// What mapped_region asks of its first argument.
class MappableFd {
 public:
  explicit MappableFd(int fd) : fd_(fd) {}
  ipc::mapping_handle_t get_mapping_handle() const {
    return ipc::ipcdetail::mapping_handle_from_file_handle(fd_);
  }

 private:
  int fd_;
};

// The edge at which boost's exceptions become a status. The mapping outlives `fd`.
absl::StatusOr<ipc::mapped_region> MapFd(int fd, ipc::mode_t mode, uint64_t size) {
  try {
    return ipc::mapped_region(MappableFd(fd), mode, 0, size);
  } catch (const ipc::interprocess_exception& error) {
    return absl::InternalError(
        StrCat("cannot map ", size, " bytes of shared memory: ", error.what()));
  }
}

uint64_t PhysicalMemory() {
  struct sysinfo info {};
  if (::sysinfo(&info) != 0) return 0;
  return uint64_t{info.totalram} * info.mem_unit;
}

absl::Status Exhausted(std::string_view call, uint64_t size, int error) {
  return absl::ResourceExhaustedError(StrCat("no ", size, " bytes of shared memory: ",
                                             absl::ErrnoToStatus(error, ToAbsl(call)).message()));
}

}  // namespace

absl::StatusOr<OwnedSegment> OwnedSegment::Create(uint64_t size, const char* name) {
  if (size == 0)
    return absl::InvalidArgumentError("a segment of shared memory has at least 1 byte");
  // The kernel does not refuse to allocate more than there is: it begins, and kills.
  if (const uint64_t memory = PhysicalMemory(); size > memory) {
    return absl::ResourceExhaustedError(StrCat(
        "no ", size, " bytes of shared memory: this machine has ", memory, " bytes of memory"));
  }
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return Exhausted("memfd_create", size, errno);
  // Allocated now, for later a missing page would be a signal and not an error.
  int error = 0;
  do {
    error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size));
  } while (error == EINTR);
  if (error != 0) return Exhausted("posix_fallocate", size, error);
  // Mapped before it is sealed: FUTURE_WRITE leaves only this mapping writable.
  absl::StatusOr<ipc::mapped_region> region = MapFd(fd.get(), ipc::read_write, size);
  if (!region.ok()) return absl::ResourceExhaustedError(region.status().message());
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    return absl::ErrnoToStatus(errno, "cannot seal shared memory (Linux 5.1 or newer is needed)");
  }
  return OwnedSegment(std::move(fd), *std::move(region));
}

std::span<std::byte> OwnedSegment::bytes() const {
  return {static_cast<std::byte*>(region_.get_address()), region_.get_size()};
}

absl::StatusOr<ForeignSegment> ForeignSegment::Receive(UniqueFd fd, uint64_t size) {
  // Only memfds have seals: every other descriptor fails here.
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0) {
    return absl::FailedPreconditionError(StrCat("a received descriptor is not a segment: ",
                                                absl::ErrnoToStatus(errno, "no seals").message()));
  }
  if ((seals & kSeals) != kSeals) {
    return absl::FailedPreconditionError(StrCat(
        "a received segment lacks seals: it has ", seals, ", and needs ", kSeals,
        " (SHRINK, GROW, FUTURE_WRITE, SEAL), or its owner could resize it under its readers"));
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return absl::FailedPreconditionError(
        absl::ErrnoToStatus(errno, "cannot stat a received segment").message());
  }
  if (!S_ISREG(status.st_mode)) {
    return absl::FailedPreconditionError("a received descriptor is not a segment: no regular file");
  }
  if (size == 0 || static_cast<uint64_t>(status.st_size) != size) {
    return absl::FailedPreconditionError(
        StrCat("a received segment has ", status.st_size, " bytes, announced were ", size));
  }
  const uint64_t blocks = static_cast<uint64_t>(status.st_blocks);
  if (blocks < size / kBlock + (size % kBlock != 0 ? 1 : 0)) {
    return absl::FailedPreconditionError(
        StrCat("a received segment of ", size, " bytes is sparse: only ", blocks * kBlock,
               " are allocated; its owner must allocate it whole (posix_fallocate)"));
  }
  return ForeignSegment(std::move(fd), size);
}

absl::StatusOr<std::span<const std::byte>> ForeignSegment::Map() {
  if (region_.get_address() == nullptr) {
    ASSIGN_OR_RETURN(region_, MapFd(fd_.get(), ipc::read_only, size_));
  }
  return std::span<const std::byte>(static_cast<const std::byte*>(region_.get_address()), size_);
}

}  // namespace tiffin::shm
