#include "gateway/functions/cast.h"

#include <fmt/format.h>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/arguments.h"
#include "gateway/functions/elements.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "cast(x, 'fp32') takes a tensor and an element type, from and to bool, an integer, fp32 or "
    "fp64";

// True if `number`, cut towards 0, is one of To's. False for NaN.
template <std::integral To, typename From>
bool IsInRange(From number) {
  if constexpr (std::floating_point<From>) {
    // Powers of two, and so exact: To's lowest, and one above its highest.
    constexpr auto kLowest = static_cast<double>(std::numeric_limits<To>::min());
    const double end = std::ldexp(1.0, std::numeric_limits<To>::digits);
    const double whole = std::trunc(static_cast<double>(number));
    return whole >= kLowest && whole < end;
  } else if constexpr (std::is_same_v<From, bool>) {
    return true;
  } else {
    return std::in_range<To>(number);
  }
}

// nullopt for a number that To can't stand for.
template <typename To, typename From>
std::optional<To> Converted(From number) {
  if constexpr (std::is_same_v<To, bool>) {
    if (number != number) return std::nullopt;  // Not a number.
    return number != From{0};
  } else if constexpr (std::integral<To>) {
    if (!IsInRange<To>(number)) return std::nullopt;
  }
  return static_cast<To>(number);
}

template <typename To, typename From>
absl::StatusOr<Value> CastElements(const TensorView& view, DataType dtype) {
  const Elements<From> numbers(view.bytes);
  // A std::vector<bool> has no bytes.
  std::vector<std::conditional_t<std::is_same_v<To, bool>, uint8_t, To>> converted;
  converted.reserve(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    const std::optional<To> number = Converted<To>(numbers[i]);
    if (!number.has_value()) {
      return absl::InvalidArgumentError(StrCat("the value ", fmt::format("{}", numbers[i]),
                                               " does not fit ", ToLower(DataTypeName(dtype))));
    }
    converted.push_back(*number);
  }
  return NumbersValue(dtype, view.shape, converted);
}

class Cast : public StepFunction {
 public:
  explicit Cast(ValueType output) : output_(std::move(output)) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    if (inputs[0].dtype == output_.dtype) return inputs[0];
    ASSIGN_OR_RETURN(const TensorView view, inputs[0].View());
    RETURN_IF_ERROR(ValidateTensor(view));
    // All rows in one go: each element is on its own.
    return VisitNumber(output_.dtype, [&]<typename To>(std::type_identity<To>) {
      return VisitNumber(view.dtype, [&]<typename From>(std::type_identity<From>) {
        return CastElements<To, From>(view, output_.dtype);
      });
    });
  }

 private:
  const ValueType output_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeCast(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 2 || !arguments[0].keyword.empty() || !arguments[0].type.has_value() ||
      !IsNumber(arguments[0].type->dtype) || !arguments[1].keyword.empty()) {
    return UsageError(kUsage, arguments);
  }
  const auto* name = LiteralOf<std::string>(arguments[1]);
  const std::optional<DataType> dtype = name != nullptr ? ParseDataType(*name) : std::nullopt;
  if (!dtype.has_value() || !IsNumber(*dtype)) return UsageError(kUsage, arguments);
  return std::make_unique<Cast>(TensorType(*dtype, arguments[0].type->shape));
}

}  // namespace tiffin::gateway
