#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

// HTTP as the gateway's own code sees it, whatever parses and writes it.
namespace tiffin::gateway::http {

struct Field {
  std::string name;  // Lower case where it came from a client.
  std::string value;
};

struct Request {
  std::string method;  // "POST"
  std::string target;  // "/service/api?query"
  std::vector<Field> fields;
  std::string body;

  // The first value of a header field (lower case).
  std::optional<std::string_view> field(std::string_view name) const;
  // All of them.
  std::vector<std::string_view> field_values(std::string_view name) const;
  // The target without its query.
  std::string_view path() const;
};

struct Response {
  int status = 200;
  std::vector<Field> fields;  // Besides those of the connection and of the body.
  std::string body;
  std::string content_type = "application/json";  // Empty: there is no body.
};

// What HTTP calls an error of ours: 400 for INVALID_ARGUMENT, 429 for RESOURCE_EXHAUSTED, ...
int StatusOf(const absl::Status& status);
// {"error": message}
std::string ErrorBody(std::string_view message);
// `text`, which is valid UTF-8, as a JSON string.
std::string Quote(std::string_view text);

}  // namespace tiffin::gateway::http
