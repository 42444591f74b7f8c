#include <tiffin/service.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace tiffin::gateway;

namespace {

// `total(x)`: the sum of each row's numbers.
class Total : public StepFunction {
 public:
  const tiffin::ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs, const FunctionContext&) const override {
    const auto x = RowReader::Create(inputs[0]);
    if (!x.ok()) return x.status();
    std::vector<float> sums;
    for (int64_t row = 0; row < x->rows(); ++row) {
      const tiffin::TensorView numbers = x->View(row);
      float sum = 0;
      for (const float number : numbers.As<float>()) sum += number;
      sums.push_back(sum);
    }
    return HeapValue(output_.dtype, {x->rows()},
                     tiffin::AsStringView(std::as_bytes(std::span(sums))));
  }

 private:
  const tiffin::ValueType output_ = tiffin::TensorType(tiffin::DataType::kFp32, {});
};

absl::StatusOr<std::unique_ptr<StepFunction>> MakeTotal(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 1 || !arguments[0].type.has_value() ||
      arguments[0].type->dtype != tiffin::DataType::kFp32) {
    return absl::InvalidArgumentError("total(x) takes one tensor, of fp32");
  }
  return std::make_unique<Total>();
}

// Multiplies a number until it is above 100.
class Grow : public Program {
 public:
  explicit Grow(ProgramSetup& setup) : times_(setup.Runner("times")) {}

  Task<std::vector<Value>> Run(const ProgramRequest& request) const override {
    Value x = request.inputs[0];
    while ((co_await x.View()).As<float>()[0] <= 100) x = co_await times_.Run(x);
    std::vector<Value> outputs = {x};
    co_return outputs;
  }

 private:
  RunnerHandle times_;
};

void Add(Registry& registry) {
  registry.AddFunction("total", MakeTotal);
  registry.AddApi({.service = "mine",
                   .name = "grow",
                   .inputs = {{"x", "fp32[1]"}},
                   .outputs = {{"grown", "fp32[1]"}},
                   .make = MakeProgram<Grow>()});
}

}  // namespace

const Plugin* tiffin_plugin() {
  static constexpr Plugin plugin = {.add = Add};
  return &plugin;
}
