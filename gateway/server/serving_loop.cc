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
             .gateway = shared.id,
             .transport = shared.options.worker_transport,
             .credentials = shared.options.worker_credentials,
             .tells_of_endpoints = index == 0} {
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
      RunnerPoolOptions{.name = setup.runner,
                        .service = setup.service,
                        .replicas = setup.replicas,
                        .elsewhere = setup.elsewhere(),
                        .written = setup.written,
                        .queue_max = setup.queue_max},
      *shared_.shared_runners[runner],
      RunnerPool::Events{
          .changed = [this, runner] { OnPoolChange(runner); },
          .attached = [this, runner, path_of](
                          int index, bool fits) { events_.attached(runner, path_of(index), fits); },
          .hung = [this, runner, path_of](
                      int index,
                      const absl::Status& why) { events_.hung(runner, path_of(index), why); },
          .unreachable = [this, runner] { events_.unreachable(runner); },
      });
}

void ServingLoop::Start() { Housekeep(loop_.now()); }

void ServingLoop::OnListening(size_t runner, int replica, const std::string& path) {
  pools_[runner]->replica(replica).OnListening(path);
}

void ServingLoop::OnExited(size_t runner, int replica, bool comes_back) {
  pools_[runner]->replica(replica).OnExited(comes_back);
}

void ServingLoop::OnAddress(size_t runner, size_t slot, const WorkerAddress& address) {
  pools_[runner]->replica(static_cast<int>(slot)).OnAddress(address);
}

void ServingLoop::OnWithdrawn(size_t runner, size_t slot) { pools_[runner]->Withdraw(slot); }

void ServingLoop::RefuseAll(size_t runner, const absl::Status& why) {
  pools_[runner]->RefuseAll(why);
}

void ServingLoop::OnPoolChange(size_t runner) {
  events_.changed(shared_.readiness.Set(index_, runner, pools_[runner]->ready()));
}

std::vector<bool> ServingLoop::complete() const {
  std::vector<bool> complete;
  for (size_t i = 0; i < pools_.size(); ++i) {
    complete.push_back(shared_.options.runners[i].elsewhere() ? pools_[i]->ready()
                                                              : pools_[i]->all_ready());
  }
  return complete;
}

absl::Status ServingLoop::Bind(ServingGeneration& generation) {
  ASSIGN_OR_RETURN(auto made, LoopServing::Create(*this, shared_, generation));
  current_ = made.get();
  generations_.push_back(std::move(made));
  return absl::OkStatus();
}

Runner* ServingLoop::FindRunner(std::string_view service, std::string_view runner) {
  const std::vector<RunnerSetup>& setups = shared_.options.runners;
  for (size_t i = 0; i < setups.size(); ++i) {
    if (setups[i].service == service && setups[i].runner == runner) return pools_[i].get();
  }
  return nullptr;
}

void ServingLoop::TellReadiness() {
  for (auto& changed : readiness_listeners_) changed();
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
  for (const auto& generation : generations_) generation->Close();
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
