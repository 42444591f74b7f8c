#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "worker/python/python.h"

namespace tiffin::worker {

// A Python object that lends memory of somebody else's: what numpy makes arrays over. Every array
// over it, and every view of one, refers to the object; so that nobody does tells that nobody has
// the memory any more. With the interpreter's lock.
class LentMemory {
 public:
  static LentMemory ReadOnly(std::span<const std::byte> bytes);
  static LentMemory Writable(std::span<std::byte> bytes);

  const py::object& object() const { return object_; }
  // Somebody else refers to it.
  bool IsKept() const { return object_.ref_count() > 1; }
  // `owner` of the memory lives until nobody refers to it.
  void Hold(std::shared_ptr<const void> owner) const;

 private:
  explicit LentMemory(py::object object) : object_(std::move(object)) {}

  py::object object_;
};

}  // namespace tiffin::worker
