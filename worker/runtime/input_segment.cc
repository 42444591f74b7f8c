#include "worker/runtime/input_segment.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "common/status_macros.h"

namespace tiffin::worker {
namespace {

absl::Status Refused(int error) {
  return absl::ResourceExhaustedError(
      absl::ErrnoToStatus(error, "no memory to keep an input in").message());
}

// Replaces whole pages by a copy of them, which nobody else sees.
absl::Status ReplaceByCopy(std::span<const std::byte> pages) {
  void* const copy = ::mmap(nullptr, pages.size(), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, 0);
  if (copy == MAP_FAILED) return Refused(errno);
  std::memcpy(copy, pages.data(), pages.size());
  // At once for every reader: there is no moment without a page.
  const bool is_moved = ::mprotect(copy, pages.size(), PROT_READ) == 0 &&
                        ::mremap(copy, pages.size(), pages.size(), MREMAP_MAYMOVE | MREMAP_FIXED,
                                 const_cast<std::byte*>(pages.data())) != MAP_FAILED;
  if (is_moved) return absl::OkStatus();
  const int error = errno;
  ::munmap(copy, pages.size());
  return Refused(error);
}

}  // namespace

absl::StatusOr<InputSegment::Mapping> InputSegment::Map() {
  const absl::MutexLock lock(&mutex_);
  if (mapping_ == nullptr) {
    RETURN_IF_ERROR(segment_.Map().status());
    mapping_ =
        std::make_shared<const boost::interprocess::mapped_region>(segment_.ReleaseMapping());
  }
  return mapping_;
}

absl::Status InputSegment::Freeze(const Mapping& mapping, std::span<const std::byte> bytes) {
  if (bytes.empty()) return absl::OkStatus();
  {
    // Before the copy: who got the mapping until here had its inputs written before, those that
    // share a page with these too.
    const absl::MutexLock lock(&mutex_);
    if (mapping_ == mapping) mapping_ = nullptr;
  }
  const std::span<const std::byte> all = BytesOf(*mapping);
  const size_t page = boost::interprocess::mapped_region::get_page_size();
  const auto first = static_cast<size_t>(bytes.data() - all.data()) / page * page;
  const auto end = static_cast<size_t>(bytes.data() - all.data()) + bytes.size();
  return ReplaceByCopy({all.data() + first, (end - first + page - 1) / page * page});
}

}  // namespace tiffin::worker
