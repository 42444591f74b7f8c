#include "gateway/server/serving_loop.h"

#include <algorithm>
#include <utility>

#include "common/status_macros.h"

namespace tiffin::gateway {
namespace {

constexpr absl::Duration kHousekeepingInterval = absl::Seconds(1);
// So late the whole gateway was asleep, or held up.
constexpr absl::Duration kLate = absl::Milliseconds(500);

}  // namespace

ServingLoop::ServingLoop(Loop& loop, Watcher& watcher, size_t index, SharedServing& shared,
                         Events events)
    : loop_(loop),
      index_(index),
      shared_(shared),
      events_(std::move(events)),
      memory_({.total = shared.memory.left(), .shared = &shared.memory}, loop.clock(), names_,
              shared.metrics.gateway()),
      parts_{.loop = loop_,
             .watcher = watcher,
             .names = names_,
             .memory = memory_,
             .oom_kills = shared.oom_kills,
             .transport = shared.options.worker_transport} {
  for (size_t i = 0; i < shared.options.runners.size(); ++i) pools_.push_back(MakePool(i));
  names_.Listen([this](uint64_t id) {
    for (const auto& pool : pools_) pool->ForgetSegment(id);
  });
}

ServingLoop::~ServingLoop() = default;

std::unique_ptr<RunnerPool> ServingLoop::MakePool(size_t runner) {
  const RunnerSetup& setup = shared_.options.runners[runner];
  const auto path_of = [this, runner](int replica) {
    return pools_[runner]->replica(replica).path();
  };
  return std::make_unique<RunnerPool>(
      parts_,
      RunnerPoolOptions{
          .name = setup.runner, .replicas = setup.replicas, .queue_max = setup.queue_max},
      *shared_.shared_runners[runner],
      RunnerPool::Events{
          .changed = [this, runner] { OnPoolChange(runner); },
          .attached = [this, runner, path_of](
                          int index, bool fits) { events_.attached(runner, path_of(index), fits); },
          .hung = [this, runner, path_of](
                      int index,
                      const absl::Status& why) { events_.hung(runner, path_of(index), why); },
      });
}

void ServingLoop::Start() { Housekeep(loop_.now()); }

void ServingLoop::OnListening(size_t runner, int replica, const std::string& path) {
  pools_[runner]->replica(replica).OnListening(path);
}

void ServingLoop::OnExited(size_t runner, int replica, bool comes_back) {
  pools_[runner]->replica(replica).OnExited(comes_back);
}

void ServingLoop::OnPoolChange(size_t runner) {
  events_.changed(shared_.readiness.Set(index_, runner, pools_[runner]->ready()));
}

std::vector<bool> ServingLoop::complete() const {
  std::vector<bool> complete;
  for (const auto& pool : pools_) complete.push_back(pool->all_ready());
  return complete;
}

const WorkerDescription& ServingLoop::description(size_t runner) const {
  return *pools_[runner]->description();
}

absl::Status ServingLoop::Bind() {
  for (const PlannedService& service : services()) {
    for (const PlannedApi& api : service.apis) {
      ASSIGN_OR_RETURN(BoundApi bound, BoundApi::Create(api, [&](const std::string& runner) {
                         return Find(service.name, runner);
                       }));
      bound_apis_.emplace(&api, std::move(bound));
    }
  }
  for (const RunnerEntry& entry : runners()) {
    ASSIGN_OR_RETURN(RunnerTarget target,
                     RunnerTarget::Create(entry, *Find(entry.service, entry.runner)));
    targets_.emplace(&entry, std::move(target));
  }
  ASSIGN_OR_RETURN(
      api_, Api::Create(*this, *shared_.descriptors, shared_.options.client_memory, loop_.clock()));
  ASSIGN_OR_RETURN(http_, http::Service::Create(*this, loop_.clock()));
  return absl::OkStatus();
}

RunnerPool* ServingLoop::Find(std::string_view service, std::string_view runner) const {
  const std::vector<RunnerSetup>& setups = shared_.options.runners;
  for (size_t i = 0; i < setups.size(); ++i) {
    if (setups[i].service == service && setups[i].runner == runner) return pools_[i].get();
  }
  return nullptr;
}

bool ServingLoop::ServiceReady(std::string_view service) const {
  return shared_.readiness.ServiceReady(service);
}

bool ServingLoop::RunnerReady(std::string_view service, std::string_view runner) const {
  return shared_.readiness.RunnerReady(service, runner);
}

void ServingLoop::OnReadinessChange(absl::AnyInvocable<void()> changed) {
  readiness_listeners_.push_back(std::move(changed));
}

void ServingLoop::TellReadiness() {
  for (auto& changed : readiness_listeners_) changed();
}

std::unique_ptr<PendingInfer> ServingLoop::Start(InferTarget target, std::vector<Value> inputs,
                                                 int64_t rows, InferOptions options,
                                                 InferDone done) {
  RequestHost& host = *this;
  auto request = std::make_unique<ServingRequest>(host);
  if (shared_.readiness.state() != Readiness::State::kServing) {
    CountRefused(target, absl::StatusCode::kUnavailable);
    request->Refuse(absl::UnavailableError("the server is shutting down"), std::move(done));
    return request;
  }
  const auto* const* api = std::get_if<const PlannedApi*>(&target);
  const BoundApi& bound = api != nullptr ? bound_apis_.at(*api)
                                         : targets_.at(std::get<const RunnerEntry*>(target)).api();
  Statistics& statistics = *shared_.statistics;
  const ServingRequest::Counting counting{.statistics = statistics,
                                          .counter = statistics.at(target),
                                          .metrics = shared_.target_counts.at(target)};
  request->Run(bound, std::move(inputs), rows, counting, std::move(options), std::move(done));
  return request;
}

void ServingLoop::CountRefused(std::optional<InferTarget> target, absl::StatusCode code) {
  if (target.has_value()) {
    shared_.target_counts.at(*target).requests.Count(code);
  } else {
    shared_.metrics.gateway().unmatched.Count(code);
  }
}

void ServingLoop::OnRequestEnded(ServingRequest& request) {
  requests_.erase(&request);
  if (requests_.empty() && drained_ != nullptr) loop_.Defer(std::exchange(drained_, nullptr));
}

void ServingLoop::Drain(absl::AnyInvocable<void()> drained) {
  if (requests_.empty()) {
    drained();
  } else {
    drained_ = std::move(drained);
  }
}

void ServingLoop::Cut() {
  const std::vector<ServingRequest*> requests(requests_.begin(), requests_.end());
  for (ServingRequest* request : requests) {
    if (!requests_.contains(request)) continue;  // It ended with another one.
    request->Cut(absl::UnavailableError(
        "the server is shutting down, and did not wait for this request to complete"));
  }
}

void ServingLoop::Close() {
  housekeeping_.Cancel();
  readiness_listeners_.clear();
  names_.Listen(nullptr);
  bound_apis_.clear();
  targets_.clear();
  pools_.clear();
}

void ServingLoop::Housekeep(absl::Time scheduled) {
  memory_.DropIdle();
  const absl::Time now = loop_.now();
  if (now - scheduled > kLate) {
    for (const auto& runner : shared_.shared_runners) runner->queue_wait.BeginAnew(now);
  }
  const absl::Time next = now + kHousekeepingInterval;
  housekeeping_ = loop_.At(next, [this, next] { Housekeep(next); });
}

}  // namespace tiffin::gateway
