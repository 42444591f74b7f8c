#include "gateway/functions/reshape.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/arguments.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "reshape(x, [2, -1]) takes a tensor of any type but BYTES, and its new shape: whole numbers, "
    "of which one may be -1";

// `shape` for as many elements as `from` has, its -1 filled in.
absl::StatusOr<Shape> Filled(Shape shape, std::span<const int64_t> from) {
  const auto open = std::find(shape.begin(), shape.end(), -1);
  const bool is_open = open != shape.end();
  if (is_open) *open = 1;
  ASSIGN_OR_RETURN(const int64_t had, ElementCount(from));
  ASSIGN_OR_RETURN(const int64_t wanted, ElementCount(shape));
  if (is_open && wanted != 0 && had % wanted == 0) {
    *open = had / wanted;
    return shape;
  }
  if (!is_open && had == wanted) return shape;
  if (is_open) *open = -1;
  return absl::InvalidArgumentError(StrCat("the ", had, " elements of shape ", ShapeToString(from),
                                           " don't fill the shape ", ShapeToString(shape)));
}

class Reshape : public StepFunction {
 public:
  explicit Reshape(ValueType output) : output_(std::move(output)) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    const Value& input = inputs[0];
    ASSIGN_OR_RETURN(Shape shape,
                     Filled(output_.shape, std::span<const int64_t>(input.shape).subspan(1)));
    shape.insert(shape.begin(), input.rows());
    return Value{input.dtype, std::move(shape), input.buffer};
  }

 private:
  const ValueType output_;
};

// nullopt for what is not a list of dimensions with at most one -1.
std::optional<Shape> ShapeOf(const FunctionArgument& argument) {
  const auto* list = LiteralOf<std::vector<config::Literal>>(argument);
  if (list == nullptr || !argument.keyword.empty()) return std::nullopt;
  Shape shape;
  for (const config::Literal& literal : *list) {
    const auto* dimension = std::get_if<int64_t>(&literal.value);
    if (dimension == nullptr || *dimension < -1) return std::nullopt;
    shape.push_back(*dimension);
  }
  if (std::count(shape.begin(), shape.end(), -1) > 1) return std::nullopt;
  return shape;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeReshape(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 2 || !arguments[0].keyword.empty() || !arguments[0].type.has_value() ||
      ElementSize(arguments[0].type->dtype) == 0) {
    return UsageError(kUsage, arguments);
  }
  std::optional<Shape> shape = ShapeOf(arguments[1]);
  if (!shape.has_value()) return UsageError(kUsage, arguments);
  const Shape& from = arguments[0].type->shape;
  // A size that is open is known at run time only.
  if (std::find(from.begin(), from.end(), -1) == from.end()) {
    ASSIGN_OR_RETURN(shape, Filled(*std::move(shape), from));
  }
  return std::make_unique<Reshape>(TensorType(arguments[0].type->dtype, *std::move(shape)));
}

}  // namespace tiffin::gateway
