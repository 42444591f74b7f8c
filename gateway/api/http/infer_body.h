#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gateway/api/kserve/request.h"
#include "inference/grpc_service.pb.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::http {

// How long the JSON is, where binary data follows it in a body.
inline constexpr std::string_view kJsonLengthField = "inference-header-content-length";

// The body of a KServe v2 inference request, as the ModelInferRequest that it stands for: JSON, and
// behind it the contents of those inputs that have the parameter binary_data_size, in their order.
// What must be known of the model is not checked yet. Not movable, as it is full of views.
class InferBody {
 public:
  // `json_length` is the field above, if there is one. From any thread. Whether it is good is said
  // by status(), or by `http_status()`, if that is not 0.
  InferBody(std::string body, std::string_view model, std::string_view version,
            std::optional<std::string_view> json_length);
  InferBody(const InferBody&) = delete;
  InferBody& operator=(const InferBody&) = delete;

  const absl::Status& status() const { return status_; }
  int http_status() const { return http_status_; }
  // The request's, as far as it was read.
  const kserve::ParsedRequest& parsed() const { return parsed_; }
  // Whether the client wants an output behind the answer's JSON, not in it.
  bool WantsBinary(std::string_view output) const;

 private:
  // The body, or what of it the length says; an error for a length that is none.
  absl::Status Split(std::optional<std::string_view> json_length);
  absl::Status ReadJson(std::string_view model);
  absl::Status ReadInput(const nlohmann::json& json);
  absl::Status ReadContents(const nlohmann::json& json,
                            inference::ModelInferRequest::InferInputTensor& input);
  absl::Status ReadOutput(const nlohmann::json& json);

  const std::string body_;
  bool has_binary_ = false;
  std::string_view json_;    // Into body_.
  std::string_view binary_;  // Likewise: what no input has taken yet.
  kserve::ParsedRequest parsed_;
  inference::ModelInferRequest& message_;
  std::deque<std::string> made_;  // Contents that came as JSON.
  bool all_binary_ = false;
  std::set<std::string, std::less<>> binary_outputs_;
  std::set<std::string, std::less<>> json_outputs_;
  absl::Status status_;
  int http_status_ = 0;
};

}  // namespace tiffin::gateway::http
