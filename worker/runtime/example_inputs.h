#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/aligned_buffer.h"
#include "common/signature.h"
#include "common/tensor.h"
#include "nlohmann/json.hpp"

namespace tiffin::worker {

// The inputs of one execution, made from an example.
class ExampleInputs {
 public:
  // `example`: input name -> one row as nested lists, or text, which for BYTES may be any bytes.
  // What it lacks is zeros, or empty. A batchable method gets the row `rows` times, another once.
  static absl::StatusOr<ExampleInputs> Create(const MethodSignature& method,
                                              const nlohmann::json& example, int64_t rows);

  // In the order of the signature; they live as long as this.
  const std::vector<TensorView>& views() const { return views_; }
  int64_t rows() const { return rows_; }

 private:
  ExampleInputs() = default;

  std::vector<AlignedBuffer> memory_;
  std::vector<TensorView> views_;
  int64_t rows_ = 1;
};

}  // namespace tiffin::worker
