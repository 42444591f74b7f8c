#include "gateway/api/http/message.h"

#include "common/strings.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::http {

std::optional<std::string_view> Request::field(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name == name) return field.value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Request::field_values(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Field& field : fields) {
    if (field.name == name) values.push_back(field.value);
  }
  return values;
}

std::string_view Request::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

int StatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;  // Nobody reads it: the client is gone.
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

std::string ErrorBody(std::string_view message) {
  return StrCat("{\"error\": ", Quote(BoundedUtf8(message, kMaxStatusMessage)), "}\n");
}

std::string Quote(std::string_view text) { return nlohmann::json(text).dump(); }

}  // namespace tiffin::gateway::http
