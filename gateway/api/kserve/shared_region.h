#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace tiffin::gateway::kserve {

// What a client registers: bytes [offset, offset + byte_size) of a file, and a name for them.
struct RegionSpec {
  std::string name;
  std::string key;  // The file's name, with a '/' before it or without.
  uint64_t offset = 0;
  uint64_t byte_size = 0;
};

// Memory that a client owns, and may cut short, unlink or change at any time. So it is never
// mapped, where a file cut short is a signal, but read and written through a descriptor: then it is
// an error, of the request that meets it. What is read is the caller's own copy; only that may be
// checked and used. Immutable, for any thread; destruction closes the file.
class SharedRegion {
 public:
  // Opens a regular file, which must have all of the region, in the folder that `directory` is a
  // descriptor of; never follows a link, and never waits. The error says what is wrong with it.
  static absl::StatusOr<SharedRegion> Open(int directory, RegionSpec spec);

  const RegionSpec& spec() const { return spec_; }

  // INVALID_ARGUMENT if `size` bytes from `offset` on, which counts from the region's start, are
  // not all in the region.
  absl::Status CheckRange(uint64_t offset, uint64_t size) const;
  // Both check the range, and give INVALID_ARGUMENT if the file has become too short.
  absl::Status Read(uint64_t offset, std::span<std::byte> bytes) const;
  // A write past a file's end would make it grow again, so the size is looked at before each piece
  // of 1 MiB. Between the look and the piece its owner may cut it: then it is as long again as the
  // piece reaches, which is never past the region, and holds no more than that piece.
  absl::Status Write(uint64_t offset, std::span<const std::byte> bytes) const;

 private:
  SharedRegion(UniqueFd file, RegionSpec spec) : file_(std::move(file)), spec_(std::move(spec)) {}

  absl::Status TooShort() const;

  UniqueFd file_;
  RegionSpec spec_;
};

}  // namespace tiffin::gateway::kserve
