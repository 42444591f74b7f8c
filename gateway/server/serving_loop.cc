#include "gateway/server/serving_loop.h"

#include <algorithm>
#include <utility>

#include "common/config/diagnostics.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/registry.h"
#include "gateway/graph/execution.h"
#include "gateway/graph/plan.h"
#include "spdlog/spdlog.h"

namespace tiffin::gateway {
namespace {

constexpr absl::Duration kHousekeepingInterval = absl::Seconds(1);

}  // namespace

// Passes one worker's lives on to its replica.
class ServingLoop::Worker : public WorkerObserver {
 public:
  Worker(ServingLoop& serving, const RunnerSlot& slot, Replica& replica)
      : serving_(serving), slot_(slot), replica_(replica) {}

  void OnListening(const std::string& path) override { replica_.OnListening(path); }
  void OnExited(const Process::Ending& ending, bool had_served) override {
    replica_.OnExited(had_served);
    serving_.OnWorkerExited(slot_, ending);
  }

  int key = 0;  // At the supervisor.

 private:
  ServingLoop& serving_;
  const RunnerSlot& slot_;
  Replica& replica_;
};

// One request under way.
class ServingLoop::Request : public PendingInfer {
 public:
  explicit Request(ServingLoop& serving) : serving_(serving) { ++serving_.active_requests_; }
  ~Request() override {
    if (execution_ != nullptr && !ended_) CountEnd(/*ok=*/false);  // Cancelled.
    execution_.reset();
    if (alive_ != nullptr) *alive_ = false;
    serving_.RequestEnded();
  }

  void Run(const BoundApi& api, std::vector<Value> inputs, int64_t rows,
           Statistics::Counter& counter, InferOptions options, InferDone done) {
    rows_ = rows;
    received_ = options.received;
    counter_ = &counter;
    ExecutionOptions execution{
        .deadline = options.deadline,
        .request_id = std::move(options.request_id),
        .clock = &serving_.loop_.clock(),
        .post = [this](absl::AnyInvocable<void()> task) { serving_.loop_.Defer(std::move(task)); }};
    execution_ = Execution::Start(api, std::move(inputs), std::move(execution),
                                  [this, want_timing = options.want_timing, done = std::move(done)](
                                      absl::StatusOr<std::vector<Value>> outputs) mutable {
                                    // `done` may destroy this, and with it the closure that runs.
                                    InferDone tell = std::move(done);
                                    End(want_timing, std::move(outputs), std::move(tell));
                                  });
  }

  void Refuse(absl::Status status, InferDone done) {
    alive_ = std::make_shared<bool>(true);
    serving_.loop_.Defer(
        [alive = alive_, status = std::move(status), done = std::move(done)]() mutable {
          if (*alive) std::move(done)(std::move(status));
        });
  }

 private:
  // The last thing: `tell` may destroy this.
  void End(bool want_timing, absl::StatusOr<std::vector<Value>> outputs, InferDone tell) {
    CountEnd(outputs.ok());
    if (!outputs.ok()) {
      std::move(tell)(outputs.status());
      return;
    }
    InferReply reply{.outputs = *std::move(outputs), .steps = {}};
    if (want_timing) reply.steps = execution_->timeline();
    const Clock& clock = serving_.loop_.clock();
    Statistics::Counter& counter = *counter_;
    const absl::Time told = clock.Now();
    std::move(tell)(std::move(reply));  // It makes the message, and destroys this.
    CountReply(counter, clock.Now() - told);
  }

  void CountEnd(bool ok) {
    ended_ = true;
    const absl::Time now = serving_.loop_.clock().Now();
    const absl::Duration ran = execution_->elapsed();
    const absl::Duration total =
        received_ == absl::InfinitePast() ? ran : std::max(ran, now - received_);
    Count(*counter_, {.rows = rows_,
                      .ok = ok,
                      .end = now,
                      .total = total,
                      .decode = total - ran,
                      .steps = execution_->timeline()});
  }

  ServingLoop& serving_;
  int64_t rows_ = 1;
  absl::Time received_;
  Statistics::Counter* counter_ = nullptr;  // From Run on.
  bool ended_ = false;
  std::unique_ptr<Execution> execution_;
  std::shared_ptr<bool> alive_;  // Shared with a deferred refusal.
};

ServingLoop::ServingLoop(Loop& loop, Watcher& watcher, RpcServer& rpc_server,
                         http::Server& http_server, ServingOptions options,
                         absl::AnyInvocable<void(absl::StatusOr<std::string>)> started)
    : loop_(loop),
      watcher_(watcher),
      rpc_server_(rpc_server),
      http_server_(http_server),
      options_(std::move(options)),
      started_(std::move(started)),
      memory_({.total = shm::LimitByCgroup(options_.segment_limit)}, loop.clock(), names_),
      parts_{.loop = loop_,
             .watcher = watcher_,
             .names = names_,
             .memory = memory_,
             .transport = options_.worker_transport} {}

ServingLoop::~ServingLoop() = default;

void ServingLoop::Start() {
  if (absl::Status started = StartWorkers(); !started.ok()) {
    Fail(std::move(started));
    return;
  }
  names_.Listen([this](uint64_t id) {
    for (const auto& slot : slots_) slot->pool->ForgetSegment(id);
  });
  Housekeep();
}

absl::Status ServingLoop::StartWorkers() {
  ASSIGN_OR_RETURN(supervisor_, Supervisor::Create(loop_, watcher_, options_.socket_directory));
  for (const RunnerSetup& setup : options_.runners) {
    slots_.push_back(std::make_unique<RunnerSlot>());
    slots_.back()->setup = setup;
    StartRunner(*slots_.back());
  }
  return absl::OkStatus();
}

void ServingLoop::StartRunner(RunnerSlot& slot) {
  const RunnerSetup& setup = slot.setup;
  slot.pool = std::make_unique<RunnerPool>(
      parts_,
      RunnerPoolOptions{
          .name = setup.runner, .replicas = setup.replicas, .queue_max = setup.queue_max},
      RunnerPool::Events{
          .changed = [this] { OnPoolChange(); },
          .attached =
              [this, &slot](int index, bool fits) {
                if (fits) {
                  supervisor_->MarkServed(slot.workers[static_cast<size_t>(index)]->key);
                } else {
                  Fail(absl::UnavailableError(StrCat(
                      slot.setup.service, ": runner '", slot.setup.runner,
                      "': its replicas differ; the service file changed meanwhile: start again")));
                }
              },
          .hung =
              [this, &slot](int index, const absl::Status& why) {
                spdlog::error("runner '{}': replacing a worker: {}", slot.setup.runner,
                              Message(why));
                Fail(absl::UnavailableError(StrCat(slot.setup.service, ": runner '",
                                                   slot.setup.runner, "': ", Message(why))));
                supervisor_->Replace(slot.workers[static_cast<size_t>(index)]->key);
              },
      });
  for (int i = 0; i < setup.replicas; ++i) {
    slot.workers.push_back(std::make_unique<Worker>(*this, slot, slot.pool->replica(i)));
    std::string name = StrCat(setup.service, ".", setup.runner);
    if (setup.replicas > 1) name += StrCat("#", i);
    slot.workers.back()->key = supervisor_->Start(
        {.name = std::move(name), .program = setup.program, .arguments = setup.arguments},
        *slot.workers.back());
  }
}

void ServingLoop::OnWorkerExited(const RunnerSlot& slot, const Process::Ending& ending) {
  if (state_ != State::kStarting) return;
  const auto service = std::find_if(
      options_.services.begin(), options_.services.end(),
      [&](const config::ServiceConfig& other) { return other.name == slot.setup.service; });
  const config::RunnerConfig& runner = *service->FindRunner(slot.setup.runner);
  const config::Location at = runner.model.empty() ? runner.location : runner.model_location;
  // Its own message is on stderr already. Exit code 2: what it was asked to run is at fault.
  const std::string text =
      StrCat(service->file.native(), ":", at.line, ":", at.column, ": runner '", runner.name,
             "': its worker ended before it was ready (", ending.text, "); its message is above");
  Fail(ending.exit_code == 2 ? absl::InvalidArgumentError(text) : absl::UnavailableError(text));
}

void ServingLoop::Fail(absl::Status status) {
  if (state_ != State::kStarting) return;
  state_ = State::kFailed;
  started_(std::move(status));
}

void ServingLoop::OnPoolChange() {
  const bool all_ready = std::all_of(slots_.begin(), slots_.end(), [](const auto& slot) {
    return slot->pool != nullptr && slot->pool->all_ready();
  });
  if (state_ == State::kStarting && all_ready && slots_.size() == options_.runners.size()) {
    absl::Status ready = PlanAll();
    if (ready.ok()) ready = Bind();
    if (!ready.ok()) {
      Fail(std::move(ready));
      return;
    }
    absl::StatusOr<std::string> address = OpenPorts();
    if (!address.ok()) {
      Fail(address.status());
      return;
    }
    state_ = State::kServing;
    started_(*std::move(address));
  }
  for (auto& changed : readiness_listeners_) changed();
}

absl::Status ServingLoop::PlanAll() {
  const FunctionTable functions = BuiltinFunctions();
  std::vector<config::Diagnostics> errors;
  for (const config::ServiceConfig& service : options_.services) {
    RunnerSignatures signatures;
    for (const config::RunnerConfig& runner : service.runners) {
      signatures[runner.name] = Find(service.name, runner.name)->pool->description()->methods;
    }
    services_.push_back(
        PlanService(service, signatures, functions, errors.emplace_back(service.file.native())));
  }
  return config::ToStatus(errors);
}

absl::Status ServingLoop::Bind() {
  for (const PlannedService& service : services_) {
    for (const PlannedApi& api : service.apis) {
      ASSIGN_OR_RETURN(BoundApi bound, BoundApi::Create(api, [&](const std::string& runner) {
                         return Find(service.name, runner)->pool.get();
                       }));
      bound_apis_.emplace(&api, std::move(bound));
    }
  }
  for (const auto& slot : slots_) AddEntries(*slot);
  for (const RunnerEntry& entry : entries_) {
    ASSIGN_OR_RETURN(RunnerTarget target,
                     RunnerTarget::Create(entry, *Find(entry.service, entry.runner)->pool));
    targets_.emplace(&entry, std::move(target));
  }
  statistics_.emplace(services_, entries_);
  ASSIGN_OR_RETURN(api_, Api::Create(*this, loop_.clock()));
  ASSIGN_OR_RETURN(http_, http::Service::Create(*this, loop_.clock()));
  return absl::OkStatus();
}

absl::StatusOr<std::string> ServingLoop::OpenPorts() {
  // Requests that come before the state is kServing wait for their turn of the loop.
  if (!options_.http_address.empty()) {
    ASSIGN_OR_RETURN(const std::string address,
                     http_server_.Open(options_.http_address, loop_, *http_));
    spdlog::info("HTTP on {}", address);
  }
  return rpc_server_.Open(options_.grpc_address, loop_, {api_.get()});
}

void ServingLoop::AddEntries(const RunnerSlot& slot) {
  const WorkerDescription& description = *slot.pool->description();
  for (const auto& [method, signature] : description.methods) {
    entries_.push_back({.service = slot.setup.service,
                        .runner = slot.setup.runner,
                        .method = method,
                        .signature = signature,
                        .version = description.model_version,
                        .backend = description.backend});
  }
}

ServingLoop::RunnerSlot* ServingLoop::Find(std::string_view service,
                                           std::string_view runner) const {
  const auto slot = std::find_if(slots_.begin(), slots_.end(), [&](const auto& candidate) {
    return candidate->setup.service == service && candidate->setup.runner == runner;
  });
  return slot == slots_.end() ? nullptr : slot->get();
}

bool ServingLoop::ServiceReady(std::string_view service) const {
  return state_ == State::kServing &&
         std::all_of(slots_.begin(), slots_.end(), [&](const auto& slot) {
           return slot->setup.service != service || slot->pool->ready();
         });
}

bool ServingLoop::RunnerReady(std::string_view service, std::string_view runner) const {
  const RunnerSlot* slot = Find(service, runner);
  return state_ == State::kServing && slot != nullptr && slot->pool->ready();
}

void ServingLoop::OnReadinessChange(absl::AnyInvocable<void()> changed) {
  readiness_listeners_.push_back(std::move(changed));
}

std::unique_ptr<PendingInfer> ServingLoop::Start(InferTarget target, std::vector<Value> inputs,
                                                 int64_t rows, InferOptions options,
                                                 InferDone done) {
  auto request = std::make_unique<Request>(*this);
  if (state_ != State::kServing) {
    request->Refuse(absl::UnavailableError("the server is shutting down"), std::move(done));
    return request;
  }
  const auto* const* api = std::get_if<const PlannedApi*>(&target);
  const BoundApi& bound = api != nullptr ? bound_apis_.at(*api)
                                         : targets_.at(std::get<const RunnerEntry*>(target)).api();
  request->Run(bound, std::move(inputs), rows, statistics_->at(target), std::move(options),
               std::move(done));
  return request;
}

void ServingLoop::RequestEnded() {
  --active_requests_;
  if (state_ == State::kDraining && active_requests_ == 0 && drained_ != nullptr) {
    loop_.Defer(std::exchange(drained_, nullptr));
  }
}

void ServingLoop::Drain(absl::AnyInvocable<void()> drained) {
  spdlog::info("draining: completing {} requests under way", active_requests_);
  state_ = State::kDraining;
  http_server_.Drain();
  for (auto& changed : readiness_listeners_) changed();
  if (active_requests_ == 0) {
    drained();
  } else {
    drained_ = std::move(drained);
  }
}

void ServingLoop::AbandonStart() {
  if (state_ == State::kStarting) state_ = State::kFailed;
}

void ServingLoop::StopWorkers(absl::Duration grace, absl::AnyInvocable<void()> stopped) {
  if (supervisor_ == nullptr) {
    stopped();
  } else {
    supervisor_->Stop(grace, std::move(stopped));
  }
}

void ServingLoop::Close() {
  housekeeping_.Cancel();
  readiness_listeners_.clear();
  names_.Listen(nullptr);
  supervisor_.reset();
  bound_apis_.clear();
  targets_.clear();
  slots_.clear();
}

void ServingLoop::Housekeep() {
  memory_.DropIdle();
  housekeeping_ = loop_.At(loop_.now() + kHousekeepingInterval, [this] { Housekeep(); });
}

}  // namespace tiffin::gateway
