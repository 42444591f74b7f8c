#pragma once

#include <optional>
#include <string_view>

#include "common/config/diagnostics.h"
#include "common/config/service.h"
#include "common/config/yaml_reader.h"

namespace tiffin::config {

// The text of a call or a reference, and where it stands.
struct ExpressionText {
  std::string_view text;
  Location start;
  // The text stands in the file letter by letter on one line, so that offsets are columns.
  // Otherwise everything in it is said to be at `start`.
  bool literal = true;

  Location At(size_t offset) const {
    return literal ? Location{start.line, start.column + static_cast<int>(offset)} : start;
  }
};

// That of a scalar.
ExpressionText ExpressionOf(const YamlNode& node);

// The grammar, with any white space between its parts:
//   call     = name ["." name] "(" [argument {"," argument}] ")"
//   argument = [name "="] value
//   value    = name ["." name] | literal
//   literal  = number | "true" | "false" | "'" text "'" | "[" [literal {"," literal}] "]"
// A number is whole (an int64) or has a fraction or an exponent, and may start with '-'. Within
// text '' stands for one quote; a backslash is a backslash.
std::optional<CallExpression> ParseCall(const ExpressionText& source, Diagnostics& diagnostics);
std::optional<Reference> ParseReference(const ExpressionText& source, Diagnostics& diagnostics);

}  // namespace tiffin::config
