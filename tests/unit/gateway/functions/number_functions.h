#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/functions/elements.h"
#include "gateway/graph/function.h"
#include "gateway/graph/value.h"

// What tests of functions on numbers share.
namespace tiffin::gateway {

inline FunctionArgument TensorArgument(DataType dtype, Shape shape) {
  return {
      .keyword = "", .origin = "model", .type = TensorType(dtype, std::move(shape)), .literal = {}};
}
template <typename T>
FunctionArgument LiteralOfType(T value, std::string keyword = "") {
  return {.keyword = std::move(keyword),
          .origin = "",
          .type = {},
          .literal = config::Literal{std::move(value)}};
}
template <typename T>
FunctionArgument ListArgument(const std::vector<T>& elements) {
  std::vector<config::Literal> list;
  for (const T& element : elements) list.push_back(config::Literal{element});
  return LiteralOfType(std::move(list));
}

// A value with these elements.
template <typename T>
Value Tensor(DataType dtype, Shape shape, const std::vector<T>& elements) {
  return NumbersValue(dtype, std::move(shape), elements);
}

// What the function says to these inputs, once it is made.
inline absl::StatusOr<Value> RunFunction(FunctionFactory make,
                                         const std::vector<FunctionArgument>& arguments,
                                         const std::vector<Value>& inputs) {
  const auto function = make(arguments);
  if (!function.ok()) return function.status();
  return (*function)->Run(inputs, FunctionContext{});
}

// The type of the output; the error where there is none.
inline std::string OutputOf(FunctionFactory make, const std::vector<FunctionArgument>& arguments) {
  const auto function = make(arguments);
  return function.ok() ? ToString((*function)->output()) : function.status().ToString();
}

template <typename T>
std::vector<T> NumbersOf(const Value& value) {
  const TensorView view = *value.View();
  const Elements<T> elements(view.bytes);
  std::vector<T> numbers;
  for (size_t i = 0; i < elements.size(); ++i) numbers.push_back(elements[i]);
  return numbers;
}

}  // namespace tiffin::gateway
