#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tiffin::gateway::http {

// A header field's value with parameters: `form-data; name="x"`.
struct MediaValue {
  std::string value;  // Lower case: "multipart/form-data".
  // The value of a parameter (lower case); empty if there is none.
  std::string Parameter(std::string_view name) const;

  std::vector<std::pair<std::string, std::string>> parameters;
};

MediaValue ParseMediaValue(std::string_view text);

struct FormPart {
  std::string name;
  std::string_view content;  // Into the body.
};

// The parts of a multipart/form-data body, in order.
absl::StatusOr<std::vector<FormPart>> ParseMultipart(std::string_view body,
                                                     std::string_view boundary);

}  // namespace tiffin::gateway::http
