#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "gateway/graph/function.h"

namespace tiffin::gateway {

// "model_a: fp32[10], index=0": the arguments as they were given, for errors.
std::string ArgumentsText(std::span<const FunctionArgument> arguments);

// True for a value that is a text (or bytes, which may be one).
bool IsText(const FunctionArgument& argument);

// The literal of type T that `argument` is, or null. Its keyword is not looked at.
template <typename T>
const T* LiteralOf(const FunctionArgument& argument) {
  return argument.literal.has_value() ? std::get_if<T>(&argument.literal->value) : nullptr;
}

// INVALID_ARGUMENT: `usage` says what the function takes, and what it was given follows.
absl::Status UsageError(std::string_view usage, std::span<const FunctionArgument> arguments);

}  // namespace tiffin::gateway
