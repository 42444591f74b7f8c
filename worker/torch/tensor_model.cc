#include "worker/torch/tensor_model.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "worker/torch/script_module.h"
#include "worker/torch/signature.h"

namespace tiffin::worker {
namespace {

// A tensor that is the memory of `view`, which must outlive it. Torch has no read-only tensors: the
// caller sees to it that input memory is not written.
at::Tensor Borrow(const TensorView& view) {
  return at::from_blob(const_cast<std::byte*>(view.bytes.data()),
                       at::IntArrayRef(view.shape.data(), view.shape.size()),
                       at::TensorOptions(ToTorch(view.dtype).value()));
}

// True if the signature leaves it open which sizes or which indices come in: then a failure of the
// model may be the caller's.
bool IsOpen(const MethodSignature& method) {
  return std::any_of(method.inputs.begin(), method.inputs.end(), [](const TensorSpec& input) {
    const Shape& shape = input.type.shape;
    return std::find(shape.begin(), shape.end(), -1) != shape.end() ||
           !c10::isFloatingType(ToTorch(input.type.dtype).value());
  });
}

class TensorModel final : public Backend {
 public:
  TensorModel(ScriptModule module, BoundMethod bound)
      : module_(std::move(module)),
        bound_(std::move(bound)),
        signature_({{std::string(kDefaultMethod), bound_.method}}),
        is_open_(IsOpen(bound_.method)) {}

  const Signature& signature() const override { return signature_; }
  std::string device() const override { return module_.device().str(); }

  absl::Status Run(const Invocation& invocation, Outputs& outputs) override {
    try {
      return RunUnguarded(invocation, outputs);
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError("torch backend: no memory left");
    } catch (const std::exception& error) {
      return absl::InternalError(StrCat("torch backend: ", error.what()));
    }
  }

 private:
  absl::Status RunUnguarded(const Invocation& invocation, Outputs& outputs) {
    const c10::InferenceMode guard;
    std::vector<at::Tensor> inputs;
    inputs.reserve(invocation.inputs.size());
    for (size_t i = 0; i < invocation.inputs.size(); ++i) {
      at::Tensor tensor = Borrow(invocation.inputs[i]);
      if (module_.MayWriteInto(bound_.arguments[i])) tensor = tensor.clone();
      inputs.push_back(std::move(tensor));
    }
    absl::StatusOr<ScriptModule::Answer> answer = module_.Run(bound_.arguments, std::move(inputs));
    if (!answer.ok()) return Explain(answer.status());
    ASSIGN_OR_RETURN(const std::vector<at::Tensor> tensors,
                     InOrder(*std::move(answer), bound_.method.outputs));
    for (size_t i = 0; i < tensors.size(); ++i) {
      RETURN_IF_ERROR(CopyOut(tensors[i], i, invocation.rows, outputs));
    }
    return absl::OkStatus();
  }

  absl::Status Explain(const absl::Status& failure) const {
    const bool caller_may_mend = failure.code() == absl::StatusCode::kInternal && is_open_;
    return absl::Status(caller_may_mend ? absl::StatusCode::kInvalidArgument : failure.code(),
                        StrCat("the model failed on this input: ", Message(failure)));
  }

  absl::Status CopyOut(const at::Tensor& tensor, size_t index, int64_t rows, Outputs& outputs) {
    const TensorSpec& output = bound_.method.outputs[index];
    RETURN_IF_ERROR(CheckOutput(tensor, output, bound_.method.batchable, rows));
    const Shape shape(tensor.sizes().begin(), tensor.sizes().end());
    ASSIGN_OR_RETURN(const uint64_t size, ByteSize(output.type.dtype, shape));
    ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                     outputs.Allocate(index, output.type.dtype, shape, size));
    if (size == 0) return absl::OkStatus();
    // Straight from wherever the model left it, strides and all.
    Borrow({output.type.dtype, shape, memory}).copy_(tensor);
    return absl::OkStatus();
  }

  ScriptModule module_;
  BoundMethod bound_;
  Signature signature_;
  bool is_open_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreateTensorModel(const BackendConfig& config,
                                                           const std::filesystem::path& file) {
  if (!config.options.empty()) {
    return absl::InvalidArgumentError(
        StrCat("torch backend: unknown option '", config.options.begin().key(),
               "'; a model of tensors has no options (a text model, which has max_length, brings ",
               "its tokenizer.json or vocab.txt)"));
  }
  ASSIGN_OR_RETURN(ScriptModule module, ScriptModule::Load(file, config));
  absl::StatusOr<BoundMethod> bound = BindMethod(config.declared, module);
  if (!bound.ok()) {
    return absl::Status(bound.status().code(),
                        StrCat("'", file.string(), "': ", Message(bound.status())));
  }
  return std::make_unique<TensorModel>(std::move(module), *std::move(bound));
}

}  // namespace tiffin::worker
