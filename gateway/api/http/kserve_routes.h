#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/async/caller.h"
#include "common/clock.h"
#include "gateway/api/http/handler.h"
#include "gateway/api/http/infer_body.h"
#include "gateway/api/infer_call.h"
#include "gateway/api/kserve/model_table.h"
#include "gateway/api/kserve/server_info.h"
#include "gateway/api/serving.h"

namespace tiffin::gateway::http {

// KServe v2 over HTTP, with Triton's binary data, statistics, configuration and index: every API
// and every method of a runner as a model, checked and run by the code that serves them over gRPC.
// Owned by its Service, and outlives its exchanges. Take runs on HTTP's thread, the answers on the
// loop's.
class KserveRoutes {
 public:
  // What a request asks about.
  struct Question {
    std::string path;
    std::string model;    // Empty where the path has none.
    std::string version;  // Likewise.
    std::string body;
    const Caller* caller = nullptr;  // Null where nobody asks who it is.
  };
  struct Route {
    std::string_view method;
    std::string_view path;  // With {model} and {version}.
    std::string_view summary;
    // In one turn of the loop's. Null: an inference.
    absl::StatusOr<Response> (KserveRoutes::*answer)(const Question&) const;
    int status = 200;  // Of an answer that is all right.
  };
  static std::span<const Route> routes();

  // `models` are those of `serving`. All of it outlives this.
  KserveRoutes(Serving& serving, const kserve::ModelTable& models, InferCalls& calls,
               const Clock& clock)
      : serving_(serving), models_(models), calls_(calls), info_(serving, models, clock) {}

  // As Handler::Take, where the path begins with /v2; none elsewhere.
  // `caller` outlives the answer; null where nobody asks.
  std::optional<Handler::Answer> Take(const Caller* caller, Request& request);

 private:
  // What of an inference is known before its turn of the loop's.
  struct Timing {
    absl::Time received;
    absl::Duration timeout;
  };

  Handler::Answer TakeInfer(Request& request, const Question& question);
  void Infer(Exchange& exchange, const InferBody& body, const Timing& timing);

  absl::StatusOr<Response> ServerMetadata(const Question& question) const;
  absl::StatusOr<Response> ServerLive(const Question& question) const;
  absl::StatusOr<Response> ServerReady(const Question& question) const;
  absl::StatusOr<Response> ModelMetadata(const Question& question) const;
  absl::StatusOr<Response> ModelReady(const Question& question) const;
  absl::StatusOr<Response> ModelConfig(const Question& question) const;
  absl::StatusOr<Response> ModelStatistics(const Question& question) const;
  absl::StatusOr<Response> RepositoryIndex(const Question& question) const;
  absl::StatusOr<Response> Reload(const Question& question) const;

  Serving& serving_;
  const kserve::ModelTable& models_;
  InferCalls& calls_;
  kserve::ServerInfo info_;
};

}  // namespace tiffin::gateway::http
