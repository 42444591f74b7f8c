#pragma once

#include <string>
#include <vector>

#include "common/strings.h"
#include "gateway/graph/function.h"
#include "gateway/graph/text_rows.h"
#include "gtest/gtest.h"

// What tests of functions on text share.
namespace tiffin::gateway {

inline FunctionArgument ValueArgument(ValueType type, std::string keyword = "") {
  return {.keyword = std::move(keyword), .origin = "step", .type = std::move(type), .literal = {}};
}
inline FunctionArgument TextArgument(std::string keyword = "") {
  return ValueArgument(SingleType(ValueKind::kText), std::move(keyword));
}
inline FunctionArgument LiteralArgument(std::string text) {
  return {.keyword = "", .origin = "", .type = {}, .literal = config::Literal{std::move(text)}};
}

inline Value Texts(const std::vector<std::string>& rows) { return TextRows(rows); }

// What `make` says to these arguments.
inline std::string ErrorOf(FunctionFactory make, const std::vector<FunctionArgument>& arguments) {
  const auto function = make(arguments);
  EXPECT_FALSE(function.ok());
  return std::string(Message(function.status()));
}

// The texts that the function gives for these inputs.
inline std::vector<std::string> RunText(FunctionFactory make,
                                        const std::vector<FunctionArgument>& arguments,
                                        const std::vector<Value>& inputs) {
  const auto function = make(arguments);
  EXPECT_TRUE(function.ok()) << function.status();
  if (!function.ok()) return {};
  EXPECT_EQ(ToString((*function)->output()), "text");
  const auto value = (*function)->Run(inputs, FunctionContext{});
  EXPECT_TRUE(value.ok()) << value.status();
  if (!value.ok()) return {};
  return *ReadTextRows(*value);
}

}  // namespace tiffin::gateway
