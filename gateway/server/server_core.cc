#include "gateway/server/server_core.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/log/log.h"
#include "common/security/grpc_credentials.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

using State = Readiness::State;

// The loop that decides.
constexpr size_t kFirst = 0;

// When a start takes longer, it says whom it waits for, and again each time.
constexpr absl::Duration kFirstPatience = absl::Seconds(2);
constexpr absl::Duration kPatience = absl::Seconds(5);
// How long a start waits for workers elsewhere, which may come at any time.
constexpr absl::Duration kEndpointPatience = absl::Seconds(2);

std::string NameOf(const RunnerSetup& setup) {
  return StrCat(setup.service, ": runner '", setup.runner, "'");
}

}  // namespace

// Passes the lives of one worker on to its replica on every loop.
class ServerCore::WorkerNews : public WorkerObserver {
 public:
  WorkerNews(ServerCore& core, size_t runner, int replica)
      : core_(core), runner_(runner), replica_(replica) {}

  void OnStarted(pid_t pid) override {
    metrics::ReplicaMetrics& metrics =
        *core_.shared_.shared_runners[runner_]->metrics.replicas[static_cast<size_t>(replica_)];
    metrics.starts.Add();
    metrics.pid = pid;  // A dead one's stays until the next: /proc has nothing of it.
  }
  void OnListening(const std::string& path) override {
    core_.TellAll(
        [=, this](size_t loop) { core_.serving_[loop]->OnListening(runner_, replica_, path); });
  }
  void OnExited(const Process::Ending& ending, bool had_served) override {
    core_.TellAll(
        [=, this](size_t loop) { core_.serving_[loop]->OnExited(runner_, replica_, had_served); });
    core_.OnWorkerExited(runner_, ending);
  }

 private:
  ServerCore& core_;
  const size_t runner_;
  const int replica_;
};

ServerCore::ServerCore(const std::vector<LoopParts>& loops, RpcServer& rpc_server,
                       http::Server& http_server, metrics::Metrics& metrics, ServingOptions options,
                       absl::AnyInvocable<void(absl::StatusOr<std::string>)> started)
    : loops_(loops),
      rpc_server_(rpc_server),
      http_server_(http_server),
      started_(std::move(started)),
      shared_(std::move(options), loops.size(), metrics),
      complete_(loops.size(), std::vector<bool>(shared_.options.runners.size())) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    serving_.push_back(
        std::make_unique<ServingLoop>(loops_[i].loop, loops_[i].watcher, i, shared_, EventsOf(i)));
  }
}

ServerCore::~ServerCore() = default;

void ServerCore::Tell(size_t from, size_t to, Loop::Task task) {
  if (from == to) {
    task();
  } else {
    loops_[to].loop.Post(std::move(task));
  }
}

void ServerCore::TellAll(const std::function<void(size_t loop)>& task) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    Tell(kFirst, i, [task, i] { task(i); });
  }
}

ServingLoop::Events ServerCore::EventsOf(size_t loop) {
  return {
      .changed =
          [this, loop](bool readiness) {
            if (shared_.readiness.state() == State::kStarting || !shared_.absences.empty()) {
              Tell(loop, kFirst, [this, loop, complete = serving_[loop]->complete()] {
                OnLoopChanged(loop, complete);
              });
            }
            if (!readiness) return;
            for (size_t i = 0; i < loops_.size(); ++i) {
              Tell(loop, i, [this, i] { serving_[i]->TellReadiness(); });
            }
          },
      .attached =
          [this, loop](size_t runner, std::string path, bool fits) {
            Tell(loop, kFirst, [=, this] { OnAttached(runner, path, fits); });
          },
      .hung =
          [this, loop](size_t runner, std::string path, const absl::Status& why) {
            Tell(loop, kFirst, [=, this] { OnHung(runner, path, why); });
          },
      .unreachable =
          [this, loop](size_t runner) { Tell(loop, kFirst, [=, this] { OnUnreachable(runner); }); },
  };
}

void ServerCore::Start() {
  TellAll([this](size_t loop) { serving_[loop]->Start(); });
  if (absl::Status started = StartWorkers(); !started.ok()) Fail(std::move(started));
  StartFleets();
  AwaitWorkers(kFirstPatience);
}

void ServerCore::AwaitWorkers(absl::Duration patience) {
  Loop& loop = loops_[kFirst].loop;
  patience_ = loop.At(loop.now() + patience, [this] {
    if (planned_ || shared_.readiness.state() != State::kStarting) return;
    std::string awaited;
    for (size_t i = 0; i < shared_.options.runners.size(); ++i) {
      const RunnerSetup& setup = shared_.options.runners[i];
      if (Complete(i) || setup.elsewhere()) continue;
      awaited += StrCat(awaited.empty() ? "" : ", ", setup.service, ".", setup.runner);
    }
    log::Write(log::Level::kInfo, "waiting",
               StrCat("waiting for the workers of ", awaited, ", which load their models"),
               {{"runners", awaited}});
    AwaitWorkers(kPatience);
  });
}

absl::Status ServerCore::StartWorkers() {
  ASSIGN_OR_RETURN(supervisor_, Supervisor::Create(loops_[kFirst].loop, loops_[kFirst].watcher,
                                                   shared_.options.socket_directory));
  for (size_t runner = 0; runner < shared_.options.runners.size(); ++runner) {
    const RunnerSetup& setup = shared_.options.runners[runner];
    if (setup.elsewhere()) continue;
    for (int replica = 0; replica < setup.replicas; ++replica) {
      std::string name = StrCat(setup.service, ".", setup.runner);
      if (setup.replicas > 1) name += StrCat("#", replica);
      news_.push_back(std::make_unique<WorkerNews>(*this, runner, replica));
      supervisor_->Start({.name = std::move(name),
                          .program = setup.program,
                          .arguments = setup.arguments,
                          .start_timeout = setup.start_timeout},
                         *news_.back());
    }
  }
  return absl::OkStatus();
}

void ServerCore::StartFleets() {
  Loop& loop = loops_[kFirst].loop;
  fleets_.resize(shared_.options.runners.size());
  for (size_t runner = 0; runner < fleets_.size(); ++runner) {
    const RunnerSetup& setup = shared_.options.runners[runner];
    if (!setup.elsewhere()) continue;
    const bool has_names = std::any_of(setup.endpoints.begin(), setup.endpoints.end(),
                                       [](const config::Endpoint& endpoint) {
                                         return endpoint.kind == config::Endpoint::Kind::kName;
                                       });
    if (has_names && resolver_ == nullptr) resolver_ = MakeNameResolver();
    fleets_[runner] = std::make_unique<Fleet>(
        loop, StrCat(setup.service, ".", setup.runner), setup.endpoints, resolver_.get(),
        Fleet::Events{
            .appeared =
                [this, runner](size_t slot, const WorkerAddress& address) {
                  shared_.shared_runners[runner]->metrics.replicas[slot]->vacant = false;
                  TellAll([=, this](size_t to) { serving_[to]->OnAddress(runner, slot, address); });
                },
            .gone =
                [this, runner](size_t slot) {
                  shared_.shared_runners[runner]->metrics.replicas[slot]->vacant = true;
                  TellAll([=, this](size_t to) { serving_[to]->OnWithdrawn(runner, slot); });
                },
        });
    fleets_[runner]->Start();
    if (endpoints_waited_) continue;
    endpoint_patience_ = loop.At(loop.now() + kEndpointPatience, [this] {
      endpoints_waited_ = true;
      PlanMore();
    });
  }
}

void ServerCore::OnUnreachable(size_t runner) {
  if (fleets_[runner] != nullptr) fleets_[runner]->LookSoon();
  if (!shared_.absences.empty()) PlanMore();
}

void ServerCore::OnWorkerExited(size_t runner, const Process::Ending& ending) {
  if (shared_.readiness.state() != State::kStarting) return;
  const RunnerSetup& setup = shared_.options.runners[runner];
  const std::vector<config::ServiceConfig>& services = shared_.options.services;
  const auto service =
      std::find_if(services.begin(), services.end(),
                   [&](const config::ServiceConfig& other) { return other.name == setup.service; });
  const config::RunnerConfig& config = *service->FindRunner(setup.runner);
  const config::Location at = config.model.empty() ? config.location : config.model_location;
  // Its own message is on stderr already. Exit code 2: what it was asked to run is at fault.
  const std::string text =
      StrCat(service->file.native(), ":", at.line, ":", at.column, ": runner '", config.name,
             "': its worker ended before it was ready (", ending.text, "); its message is above");
  Fail(ending.exit_code == 2 ? absl::InvalidArgumentError(text) : absl::UnavailableError(text));
}

void ServerCore::OnAttached(size_t runner, const std::string& path, bool fits) {
  if (shared_.options.runners[runner].elsewhere()) return;
  if (fits) {
    supervisor_->MarkServed(path);
  } else {
    Fail(absl::UnavailableError(
        StrCat(NameOf(shared_.options.runners[runner]),
               ": its replicas differ; the service file changed meanwhile: start again")));
  }
}

void ServerCore::OnHung(size_t runner, const std::string& path, const absl::Status& why) {
  // The other loops may say the same of it, and late.
  if (!supervisor_->Replace(path)) return;
  const RunnerSetup& setup = shared_.options.runners[runner];
  log::Write(log::Level::kError, "worker_replaced",
             StrCat("runner '", setup.runner, "': replacing a worker: ", Message(why)),
             {{"service", setup.service}, {"runner", setup.runner}, {"error", Message(why)}});
  Fail(absl::UnavailableError(StrCat(NameOf(setup), ": ", Message(why))));
}

void ServerCore::OnLoopChanged(size_t loop, std::vector<bool> complete) {
  complete_[loop] = std::move(complete);
  PlanMore();
}

bool ServerCore::MayPlan() const {
  for (size_t i = 0; i < shared_.options.runners.size(); ++i) {
    if (Complete(i)) continue;
    if (!shared_.options.runners[i].elsewhere() || !endpoints_waited_) return false;
  }
  return true;
}

bool ServerCore::HasMore() const {
  for (const auto& [service, why] : shared_.absences.all()) {
    bool has_all = true;
    for (size_t i = 0; i < shared_.options.runners.size(); ++i) {
      if (shared_.options.runners[i].service != service) continue;
      has_all = has_all && Complete(i) && shared_.shared_runners[i]->accepted.current().has_value();
    }
    if (has_all || shared_.HasNewStrangers(service)) return true;
  }
  return false;
}

void ServerCore::PlanMore() {
  const State state = shared_.readiness.state();
  const bool starts = state == State::kStarting;
  if (binding_ || (!starts && state != State::kServing)) return;
  if (starts ? planned_ || !MayPlan() : !HasMore()) return;
  planned_ = true;
  const absl::StatusOr<ServingGeneration*> planned = shared_.Plan();
  if (!planned.ok()) {
    if (!starts) {
      log::Write(log::Level::kError, "not_served",
                 StrCat("what was to be served besides is not: ", Message(planned.status())));
    }
    Fail(planned.status());
    return;
  }
  // Before it has others attach, which may be handled here and now.
  binding_ = *planned != nullptr;
  bound_loops_ = 0;
  TellAbsences();
  if (*planned == nullptr) return;
  TellAll([this, &generation = **planned](size_t to) {
    Tell(to, kFirst, [this, bound = serving_[to]->Bind(generation)] { OnBound(bound); });
  });
}

void ServerCore::TellAbsences() {
  for (const auto& [service, why] : shared_.absences.all()) {
    const bool is_new = told_absences_[service] != why;
    told_absences_[service] = why;
    if (is_new) {
      log::Write(absl::IsUnavailable(why) ? log::Level::kWarning : log::Level::kError,
                 "service_absent", StrCat("not served yet: ", Message(why)),
                 {{"service", service}, {"error", Message(why)}});
    }
    if (!shared_.misfits.contains(service)) continue;
    for (size_t i = 0; i < shared_.options.runners.size(); ++i) {
      const RunnerSetup& setup = shared_.options.runners[i];
      if (setup.service != service || !setup.elsewhere()) continue;
      shared_.shared_runners[i]->accepted.Forget();
      TellAll([this, i, why = why](size_t to) { serving_[to]->RefuseAll(i, why); });
    }
  }
}

bool ServerCore::Complete(size_t runner) const {
  return std::all_of(complete_.begin(), complete_.end(),
                     [=](const std::vector<bool>& of_loop) { return of_loop[runner]; });
}

void ServerCore::OnBound(absl::Status bound) {
  const State state = shared_.readiness.state();
  if (state != State::kStarting && state != State::kServing) return;
  if (!bound.ok()) {
    // It was tried alone when it was planned, so this is no user's fault.
    log::Write(log::Level::kError, "not_served", StrCat("a loop: ", Message(bound)));
    Fail(std::move(bound));
    return;
  }
  if (++bound_loops_ < loops_.size()) return;
  binding_ = false;
  std::set<std::string, std::less<>> absent;
  for (const auto& [service, why] : shared_.absences.all()) absent.insert(service);
  shared_.readiness.SetAbsent(std::move(absent));
  if (state == State::kServing) {
    for (auto told = told_absences_.begin(); told != told_absences_.end();) {
      if (shared_.absences.all().contains(told->first)) {
        ++told;
        continue;
      }
      log::Write(log::Level::kInfo, "service_served",
                 StrCat("the workers of service '", told->first, "' have attached: it is served"),
                 {{"service", told->first}});
      told = told_absences_.erase(told);
    }
    TellAll([this](size_t to) { serving_[to]->TellReadiness(); });
  } else {
    OpenServer();
  }
  PlanMore();  // Others may have come meanwhile.
}

void ServerCore::OpenServer() {
  // Before the ports are open: the other loops may have requests at once.
  shared_.readiness.SetState(State::kServing);
  counted_serving_ =
      metrics::Held(shared_.metrics.gateway().serving_loops, static_cast<int64_t>(loops_.size()));
  absl::StatusOr<std::string> address = OpenPorts();
  if (!address.ok()) {
    shared_.readiness.SetState(State::kFailed);
    counted_serving_ = metrics::Held();
  }
  started_(std::move(address));
}

absl::StatusOr<std::string> ServerCore::OpenPorts() {
  if (!shared_.options.http_address.empty()) {
    std::vector<http::LoopHandler> handlers;
    for (size_t i = 0; i < loops_.size(); ++i) {
      handlers.push_back({.loop = loops_[i].loop, .handler = serving_[i]->http_handler()});
    }
    ASSIGN_OR_RETURN(
        const std::string address,
        http_server_.Open(shared_.options.http_address, std::move(handlers), shared_.options.tls));
    log::Write(log::Level::kInfo, "serving_http", StrCat("HTTP on ", address),
               {{"address", address}});
  }
  std::vector<RpcServer::QueueUser> users;
  for (size_t i = 0; i < loops_.size(); ++i) {
    users.push_back({.loop = loops_[i].loop, .services = {&serving_[i]->rpc_service()}});
  }
  return rpc_server_.Open(shared_.options.grpc_address, std::move(users),
                          shared_.options.tls != nullptr
                              ? security::GrpcServerCredentials(*shared_.options.tls)
                              : nullptr);
}

void ServerCore::Fail(absl::Status status) {
  if (shared_.readiness.state() != State::kStarting) return;
  shared_.readiness.SetState(State::kFailed);
  started_(std::move(status));
}

void ServerCore::AbandonStart() {
  if (shared_.readiness.state() == State::kStarting) shared_.readiness.SetState(State::kFailed);
}

void ServerCore::Drain(absl::AnyInvocable<void()> drained) {
  shared_.readiness.SetState(State::kDraining);
  counted_serving_ = metrics::Held();
  http_server_.Drain();
  drained_ = std::move(drained);
  draining_loops_ = loops_.size();
  TellAll([this](size_t loop) {
    serving_[loop]->TellReadiness();
    Tell(loop, kFirst, [this, requests = serving_[loop]->active_requests()] {
      requests_under_way_ += requests;
      if (++counted_loops_ < loops_.size()) return;
      log::Write(log::Level::kInfo, "draining",
                 StrCat("draining: completing ", requests_under_way_, " requests under way"),
                 {{"requests", requests_under_way_}});
    });
    serving_[loop]->Drain([this, loop] {
      Tell(loop, kFirst, [this] {
        if (--draining_loops_ == 0) std::exchange(drained_, nullptr)();
      });
    });
  });
}

void ServerCore::CutShort(absl::AnyInvocable<void()> cut) {
  cut_ = std::move(cut);
  uncut_loops_ = loops_.size();
  TellAll([this](size_t loop) {
    serving_[loop]->Cut();
    Tell(loop, kFirst, [this] {
      if (--uncut_loops_ == 0) std::exchange(cut_, nullptr)();
    });
  });
}

void ServerCore::StopWorkers(absl::Duration grace, absl::AnyInvocable<void()> stopped) {
  if (supervisor_ == nullptr) {
    stopped();
  } else {
    supervisor_->Stop(grace, std::move(stopped));
  }
}

void ServerCore::SetWorkerDetail(Detail detail) {
  if (supervisor_ != nullptr) supervisor_->SetDetail(detail);
}

void ServerCore::Close(size_t loop) {
  if (loop == kFirst) {
    patience_.Cancel();
    endpoint_patience_.Cancel();
    resolver_.reset();  // First: it tells the others.
    fleets_.clear();
    supervisor_.reset();
  }
  serving_[loop]->Close();
}

}  // namespace tiffin::gateway
