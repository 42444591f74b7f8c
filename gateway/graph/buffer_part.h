#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "gateway/graph/value.h"

namespace tiffin::gateway {

// A stretch of the bytes of a buffer of some kind, as a buffer of that kind. Keeps the whole.
template <typename Kind>
class BufferPart : public Kind {
 public:
  BufferPart(std::shared_ptr<const Kind> whole, uint64_t start, uint64_t size)
      : whole_(std::move(whole)), start_(start), size_(size) {}

  absl::StatusOr<std::span<const std::byte>> Bytes() const override {
    ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, whole_->Bytes());
    return bytes.subspan(start_, size_);
  }
  uint64_t size() const override { return size_; }

 protected:
  const Kind& whole() const { return *whole_; }
  uint64_t start() const { return start_; }

 private:
  const std::shared_ptr<const Kind> whole_;  // Shared with other parts, and values.
  const uint64_t start_;
  const uint64_t size_;
};

}  // namespace tiffin::gateway
