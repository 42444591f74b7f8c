#include <tiffin/backend.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>

using namespace tiffin;

namespace {

constexpr std::array<keys::Key, 1> kOptions = {{
    {.name = "factor",
     .form = keys::Number{.min = -1000, .max = 1000, .fallback = 2},
     .meaning = "What every number is multiplied by"},
}};

// run(x) -> y: each number times a factor.
class Mine : public worker::Backend {
 public:
  explicit Mine(double factor) : factor_(static_cast<float>(factor)) {}

  const Signature& signature() const override { return signature_; }

  absl::Status Run(const worker::Invocation& invocation, worker::Outputs& outputs) override {
    const TensorView& x = invocation.inputs[0];
    auto y = outputs.Allocate(0, x.dtype, x.shape, x.bytes.size());
    if (!y.ok()) return y.status();
    std::transform(x.As<float>().begin(), x.As<float>().end(), reinterpret_cast<float*>(y->data()),
                   [this](float number) { return number * factor_; });
    return absl::OkStatus();
  }

 private:
  const float factor_;
  const Signature signature_ = {{"run",
                                 {.inputs = {{"x", TensorType(DataType::kFp32, {-1})}},
                                  .outputs = {{"y", TensorType(DataType::kFp32, {-1})}},
                                  .batchable = true}}};
};

absl::StatusOr<std::unique_ptr<worker::Backend>> Create(const worker::BackendConfig& config) {
  const auto options = keys::Options::Read("mine", kOptions, config.options);
  if (!options.ok()) return options.status();
  return std::make_unique<Mine>(options->Number("factor"));
}

}  // namespace

int main(int argc, char** argv) { return worker::WorkerMain(argc, argv, "mine", kOptions, Create); }
