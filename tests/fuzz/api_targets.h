#pragma once

#include <string>
#include <vector>

#include "gateway/api/interface.h"
#include "gateway/api/status.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet_protobuf.h"
#include "tests/unit/gateway/api/fakes.h"

// A server without workers, for targets that decode what clients send.
namespace tiffin::gateway {

// Its APIs and runners have inputs of every kind, and the same outputs, so that what was decoded
// can be answered with.
inline testing::FakeServing& FuzzedServing() {
  static testing::FakeServing& serving = *[] {
    auto* made = new testing::FakeServing;
    const auto spec = [](const char* name, const char* type) { return testing::Spec(name, type); };
    const std::vector<TensorSpec> mixed = {spec("picture", "image"), spec("words", "text"),
                                           spec("settings", "json"), spec("blob", "bytes"),
                                           spec("features", "fp32[2]")};
    const std::vector<TensorSpec> numbers = {
        spec("b", "bool[-1]"),    spec("i8", "int8[2]"),      spec("u64", "uint64[]"),
        spec("i64", "int64[-1]"), spec("d", "fp64[-1,2]"),    spec("h", "fp16[2]"),
        spec("s", "bytes[-1]"),   spec("half", "bf16[-1,1]"), spec("u16", "uint16[-1]")};
    const std::vector<TensorSpec> rows = {spec("t", "text"), spec("j", "json"),
                                          spec("x", "fp32[2]")};
    made->AddApi("demo", "mixed", mixed, mixed);
    made->AddApi("demo", "numbers", numbers, numbers);
    made->AddApi("demo", "rows", rows, rows).has_rows = true;
    made->AddApi("demo", "one", {spec("text", "text")}, {spec("text", "text")});
    made->AddApi("demo", "scan", {spec("image", "image")}, {spec("image", "image")});
    RunnerEntry& runner =
        made->AddRunner("demo", "model", {spec("x", "fp32[4]")}, {spec("x", "fp32[4]")});
    runner.signature.batchable = true;
    runner.signature.max_batch_size = 8;
    return made;
  }();
  return serving;
}

// What was decoded for `target` is what its signature says.
inline void CheckDecoded(const InputSet& inputs, const Interface& target) {
  using fuzz::Require;
  Require(inputs.values.size() == target.inputs.size(), "every input is there");
  Require(target.has_rows || inputs.rows == 1, "a request has one row, unless it may choose");
  Require(target.max_batch_size == 0 || inputs.rows <= target.max_batch_size,
          "a request has not too many rows");
  for (size_t i = 0; i < inputs.values.size(); ++i) {
    const Value& value = inputs.values[i];
    const ValueType& type = target.inputs[i].type;
    const absl::StatusOr<TensorView> view = value.View();
    Require(view.ok() && ValidateTensor(*view).ok(), "an input has the bytes of its shape");
    Require(value.dtype == type.dtype, "an input has the signature's dtype");
    Require(value.rows() == inputs.rows, "all inputs have the same rows");
    Shape expected = type.shape;
    expected.insert(expected.begin(), inputs.rows);
    Require(ShapeMatches(value.shape, expected), "an input has the signature's shape");
  }
}

// A refusal is the client's fault, says why, and fits into an answer.
inline void CheckRefused(const absl::Status& status) {
  using fuzz::Require;
  Require(!absl::IsInternal(status) && !absl::IsUnknown(status), "bad input is no bug of ours");
  Require(!status.message().empty(), "a refusal says why");
  Require(Bounded(status).message().size() <= kMaxStatusMessage, "a refusal has at most 1 KiB");
}

}  // namespace tiffin::gateway
