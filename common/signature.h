#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/tensor.h"
#include "nlohmann/json_fwd.hpp"

namespace tiffin {

// What one row of a value is. All but kTensor are single BYTES elements with a meaning.
enum class ValueKind { kTensor, kImage, kText, kJson, kBytes };

// The type of one row of a value: the row (batch) dimension is never part of it.
struct ValueType {
  ValueKind kind = ValueKind::kTensor;
  DataType dtype = DataType::kInvalid;  // kBytes unless kind is kTensor.
  Shape shape;                          // Empty unless kind is kTensor; -1: any size.

  friend bool operator==(const ValueType&, const ValueType&) = default;
};

// A single BYTES element with a meaning (`kind` is not kTensor), or a tensor.
ValueType SingleType(ValueKind kind);
ValueType TensorType(DataType dtype, Shape shape);

// "image", "text", "json", "bytes", "fp32[64]", "fp32[]" (a scalar): as service files write it.
std::string ToString(const ValueType& type);
absl::StatusOr<ValueType> ParseValueType(std::string_view text);

// True if a value of type `from` can be given where `to` is expected: same dtype and kind, except
// that `bytes` and BYTES scalars go anywhere among the single BYTES kinds (image, text, json); a -1
// on either side fits any size (checked again at run time).
bool IsAssignable(const ValueType& from, const ValueType& to);

struct TensorSpec {
  std::string name;
  ValueType type;

  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

struct MethodSignature {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  // Inputs and outputs have a leading row dimension, the same for all of them.
  bool batchable = false;
  // Running a call again does no harm.
  bool retry_safe = true;
  // The most rows of one call; 0: any number. Workers say it of methods that they batch, models
  // don't.
  int64_t max_batch_size = 0;

  friend bool operator==(const MethodSignature&, const MethodSignature&) = default;
};

// Method name -> signature. The method of a plain call is `run`.
using Signature = std::map<std::string, MethodSignature>;
inline constexpr std::string_view kDefaultMethod = "run";

// What a worker says of itself: printed by --describe, and sent in the first frame of a session.
struct WorkerDescription {
  std::string backend;  // "xgboost"
  std::string model;    // "digits_xgboost", empty without a store model.
  int64_t model_version = 1;
  std::string model_digest;    // Of model.yaml; empty without a store model.
  std::string device = "cpu";  // Where it runs.
  Signature methods;
  // Which runner of which service file it is; empty where a model's folder is described.
  std::string service = {};
  std::string runner = {};
};

void to_json(nlohmann::json& json, const MethodSignature& method);
void to_json(nlohmann::json& json, const WorkerDescription& description);
absl::StatusOr<MethodSignature> MethodSignatureFromJson(const nlohmann::json& json);
absl::StatusOr<WorkerDescription> WorkerDescriptionFromJson(std::string_view text);

}  // namespace tiffin
