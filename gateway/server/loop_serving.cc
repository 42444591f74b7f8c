#include "gateway/server/loop_serving.h"

#include <utility>
#include <variant>

#include "common/status_macros.h"

namespace tiffin::gateway {

absl::StatusOr<std::unique_ptr<LoopServing>> LoopServing::Create(LoopServingHost& host,
                                                                 SharedServing& shared,
                                                                 ServingGeneration& generation) {
  std::unique_ptr<LoopServing> made(new LoopServing(host, shared, generation));
  RETURN_IF_ERROR(made->Bind());
  return made;
}

absl::Status LoopServing::Bind() {
  for (const PlannedService& service : services()) {
    for (const PlannedApi& api : service.apis) {
      ASSIGN_OR_RETURN(BoundApi bound, BoundApi::Create(api, [&](const std::string& runner) {
                         return host_.FindRunner(service.name, runner);
                       }));
      bound_apis_.emplace(&api, std::move(bound));
    }
  }
  for (const RunnerEntry& entry : runners()) {
    ASSIGN_OR_RETURN(RunnerTarget target,
                     RunnerTarget::Create(entry, *host_.FindRunner(entry.service, entry.runner)));
    targets_.emplace(&entry, std::move(target));
  }
  const Clock& clock = host_.loop().clock();
  ASSIGN_OR_RETURN(
      api_, Api::Create(*this, *generation_.descriptors, shared_.options.client_memory, clock));
  ASSIGN_OR_RETURN(http_, http::Service::Create(*this, clock));
  return absl::OkStatus();
}

void LoopServing::Close() {
  bound_apis_.clear();
  targets_.clear();
}

void LoopServing::CountRefused(std::optional<InferTarget> target, absl::StatusCode code) {
  if (target.has_value()) {
    generation_.target_counts.at(*target).requests.Count(code);
  } else {
    shared_.metrics.gateway().unmatched.Count(code);
  }
}

std::unique_ptr<PendingInfer> LoopServing::Start(InferTarget target, std::vector<Value> inputs,
                                                 int64_t rows, InferOptions options,
                                                 InferDone done) {
  auto request = std::make_unique<ServingRequest>(host_);
  if (shared_.readiness.state() != Readiness::State::kServing) {
    CountRefused(target, absl::StatusCode::kUnavailable);
    request->Refuse(absl::UnavailableError("the server is shutting down"), std::move(done));
    return request;
  }
  const auto* const* api = std::get_if<const PlannedApi*>(&target);
  const BoundApi& bound = api != nullptr ? bound_apis_.at(*api)
                                         : targets_.at(std::get<const RunnerEntry*>(target)).api();
  Statistics& statistics = *generation_.statistics;
  const ServingRequest::Counting counting{.statistics = statistics,
                                          .counter = statistics.at(target),
                                          .metrics = generation_.target_counts.at(target)};
  request->Run(bound, std::move(inputs), rows, counting, std::move(options), std::move(done));
  return request;
}

}  // namespace tiffin::gateway
