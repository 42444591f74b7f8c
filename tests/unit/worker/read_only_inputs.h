#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/tensor.h"
#include "worker/runtime/backend.h"

namespace tiffin::worker {

// Inputs as a backend gets them: in pages that nobody can write to, so that a write faults.
class ReadOnlyInputs {
 public:
  ReadOnlyInputs() = default;
  ReadOnlyInputs(const ReadOnlyInputs&) = delete;
  ReadOnlyInputs& operator=(const ReadOnlyInputs&) = delete;
  ~ReadOnlyInputs() {
    for (const auto& [memory, size] : mappings_) munmap(memory, size);
  }

  template <typename T>
  ReadOnlyInputs& Add(DataType dtype, Shape shape, const std::vector<T>& values) {
    return AddBytes(dtype, std::move(shape), std::as_bytes(std::span<const T>(values)));
  }
  // A BYTES tensor of these elements.
  ReadOnlyInputs& AddElements(Shape shape, const std::vector<std::string>& elements) {
    std::string framed;
    for (const std::string& element : elements) AppendBytesElement(element, framed);
    return AddBytes(DataType::kBytes, std::move(shape), AsBytes(framed));
  }

  // Runs `method` of `backend`; the status of Run.
  absl::Status Run(Backend& backend, Outputs& outputs, int64_t rows = 1,
                   std::string_view method = kDefaultMethod) const {
    return backend.Run({.method = method, .inputs = views_, .rows = rows}, outputs);
  }

 private:
  ReadOnlyInputs& AddBytes(DataType dtype, Shape shape, std::span<const std::byte> bytes) {
    const size_t size = std::max<size_t>(bytes.size(), 1);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    if (!bytes.empty()) std::memcpy(memory, bytes.data(), bytes.size());
    if (mprotect(memory, size, PROT_READ) != 0) std::abort();
    mappings_.emplace_back(memory, size);
    views_.push_back(
        {dtype, std::move(shape), {static_cast<const std::byte*>(memory), bytes.size()}});
    return *this;
  }

  std::vector<TensorView> views_;
  std::vector<std::pair<void*, size_t>> mappings_;
};

}  // namespace tiffin::worker
