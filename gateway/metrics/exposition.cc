#include <unistd.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/metrics/metrics.h"
#include "gateway/metrics/process_usage.h"
#include "prometheus/client_metric.h"
#include "prometheus/metric_family.h"
#include "prometheus/metric_type.h"
#include "prometheus/text_serializer.h"

// The metrics' names and meanings, and how they are read at a scrape.
namespace tiffin::gateway::metrics {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

constexpr double kNanosecond = 1e-9;

class Family {
 public:
  Family(std::string_view name, prometheus::MetricType type, std::string_view help) {
    family_.name = name;
    family_.help = help;
    family_.type = type;
  }

  void Add(double value, Labels labels = {}) {
    prometheus::ClientMetric& metric = Sample(std::move(labels));
    if (family_.type == prometheus::MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
  }
  void Add(uint64_t value, Labels labels = {}) {
    Add(static_cast<double>(value), std::move(labels));
  }
  void Add(int64_t value, Labels labels = {}) {
    Add(static_cast<double>(value), std::move(labels));
  }
  void Add(const CodeCounters& counters, const Labels& labels) {
    for (size_t i = 0; i < CodeCounters::kCodes; ++i) {
      const auto code = static_cast<absl::StatusCode>(i);
      Labels with_code = labels;
      with_code.push_back({"code", absl::StatusCodeToString(code)});
      Add(counters.value(code), std::move(with_code));
    }
  }
  // `unit` is what one of the histogram's is in the metric's base unit.
  void Add(const Histogram& histogram, double unit, Labels labels) {
    prometheus::ClientMetric::Histogram& to = Sample(std::move(labels)).histogram;
    to.sample_sum = static_cast<double>(histogram.sum()) * unit;
    for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
      to.sample_count += histogram.count(i);
      const double bound = i < histogram.bounds().size()
                               ? static_cast<double>(histogram.bounds()[i]) * unit
                               : std::numeric_limits<double>::infinity();
      to.bucket.push_back({to.sample_count, bound});
    }
  }

  prometheus::MetricFamily Take() { return std::move(family_); }

 private:
  prometheus::ClientMetric& Sample(Labels labels) {
    prometheus::ClientMetric& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }

  prometheus::MetricFamily family_;
};

Family CounterOf(std::string_view name, std::string_view help) {
  return Family(name, prometheus::MetricType::Counter, help);
}
Family GaugeOf(std::string_view name, std::string_view help) {
  return Family(name, prometheus::MetricType::Gauge, help);
}
Family HistogramOf(std::string_view name, std::string_view help) {
  return Family(name, prometheus::MetricType::Histogram, help);
}

struct GatewayFamilies {
  Family build_info = GaugeOf("tiffin_build_info", "1, with the version of the gateway.");
  Family start_time =
      GaugeOf("process_start_time_seconds", "When the gateway started, in Unix time.");
  Family cpu = CounterOf("process_cpu_seconds_total", "CPU time of the gateway.");
  Family resident =
      GaugeOf("process_resident_memory_bytes",
              "Resident memory of the gateway, shared tensors that it has mapped included.");
  Family threads = GaugeOf("process_threads", "Threads of the gateway.");
  Family descriptors = GaugeOf("process_open_fds", "Open file descriptors of the gateway.");
  Family segment_bytes = GaugeOf("tiffin_gateway_segment_bytes",
                                 "Shared memory that the gateway has for its own tensors.");
  Family tensor_bytes =
      GaugeOf("tiffin_gateway_tensor_bytes", "Of it, what tensors of clients lie in.");
  Family unmatched = CounterOf("tiffin_unmatched_requests_total",
                               "Inference requests that named nothing that is served.");
};

struct TargetFamilies {
  Family requests = CounterOf("tiffin_requests_total",
                              "Requests that ended, refused ones too, by gRPC status code.");
  Family duration = HistogramOf("tiffin_request_duration_seconds",
                                "From a request's arrival to its end, whatever its code; those "
                                "refused before they began are not in it.");
  Family in_flight = GaugeOf("tiffin_requests_in_flight", "Requests that began and did not end.");
  Family step_duration = HistogramOf("tiffin_step_duration_seconds",
                                     "From a step's start to its end, of those that ended well.");
};

struct RunnerFamilies {
  Family service_ready = GaugeOf("tiffin_service_ready",
                                 "1 if every runner of the service is ready and the gateway takes "
                                 "requests.");
  Family ready = GaugeOf("tiffin_runner_ready", "1 if a replica of the runner takes calls.");
  Family calls = CounterOf("tiffin_runner_calls_total",
                           "Calls of a runner that ended, by status code; one that is run again "
                           "counts once.");
  Family retries = CounterOf("tiffin_runner_retries_total",
                             "Calls given to a worker again, after a worker's death or a refusal.");
  Family limit = GaugeOf("tiffin_runner_calls_limit",
                         "Calls that may be under way or waiting before one more is refused: "
                         "queue.max and one for each replica.");
  Family waiting = GaugeOf("tiffin_runner_calls_waiting",
                           "Calls that wait in the gateway for a replica to come back.");
  Family duration = HistogramOf("tiffin_runner_call_duration_seconds",
                                "A step's call as the gateway sees it, of those that ended well.");
  Family queue = HistogramOf("tiffin_runner_queue_seconds", "Of it, waiting for the model.");
  Family batch_wait = HistogramOf("tiffin_runner_batch_wait_seconds",
                                  "Of it, waiting for more calls while the model was idle.");
  Family compute = HistogramOf("tiffin_runner_compute_seconds", "Of it, executing the model.");
  Family transport = HistogramOf("tiffin_runner_transport_seconds",
                                 "Of it, the rest: the way to the worker and back.");
  Family batch_rows = HistogramOf("tiffin_runner_batch_rows", "Rows of an execution of the model.");
};

struct ReplicaFamilies {
  Family ready = GaugeOf("tiffin_replica_ready", "1 if the replica takes calls.");
  Family up = GaugeOf("tiffin_replica_up", "1 if the replica's worker process runs.");
  Family in_flight = GaugeOf("tiffin_replica_calls_in_flight",
                             "Calls that the worker was given and has not ended.");
  Family queued = GaugeOf("tiffin_replica_calls_queued",
                          "Of them, those that wait for the model, as the worker said within the "
                          "last half second.");
  Family restarts =
      CounterOf("tiffin_worker_restarts_total", "Starts of the worker's process after the first.");
  Family cpu = CounterOf("tiffin_worker_cpu_seconds_total",
                         "CPU time of the worker's process; a new process begins at 0.");
  Family resident = GaugeOf("tiffin_worker_resident_memory_bytes",
                            "Resident memory of the worker's process. Shared tensors count in each "
                            "process that has them mapped.");
  Family threads = GaugeOf("tiffin_worker_threads", "Threads of the worker's process.");
  Family segment_bytes = GaugeOf("tiffin_worker_segment_bytes",
                                 "Shared memory of the worker's that the gateway knows.");
  Family leases =
      GaugeOf("tiffin_worker_leases", "Results in the worker's memory that are still needed.");
  Family leased_bytes = GaugeOf("tiffin_worker_leased_bytes", "Bytes of these results.");
};

void Fill(GatewayFamilies& to, const GatewayMetrics& gateway, absl::Time start) {
  to.build_info.Add(1.0, {{"version", TIFFIN_VERSION}});
  to.start_time.Add(absl::ToDoubleSeconds(start - absl::UnixEpoch()));
  if (const std::optional<ProcessUsage> own = ReadProcessUsage(getpid()); own.has_value()) {
    to.cpu.Add(own->cpu_seconds);
    to.resident.Add(own->resident_bytes);
    to.threads.Add(own->threads);
  }
  to.descriptors.Add(CountOpenDescriptors());
  to.segment_bytes.Add(gateway.segment_bytes.value());
  to.tensor_bytes.Add(gateway.tensor_bytes.value());
  to.unmatched.Add(gateway.unmatched, {});
}

void Fill(TargetFamilies& to, const Metrics::Name& name, const TargetMetrics& target) {
  const Labels labels = {{"service", name.first}, {"api", name.second}};
  to.requests.Add(target.requests, labels);
  to.duration.Add(target.duration, kNanosecond, labels);
  to.in_flight.Add(target.in_flight.value(), labels);
  for (const auto& step : target.steps) {
    if (step->name.empty()) continue;
    Labels with_step = labels;
    with_step.push_back({"step", step->name});
    to.step_duration.Add(step->duration, kNanosecond, std::move(with_step));
  }
}

void Fill(ReplicaFamilies& to, Labels labels, size_t index, const ReplicaMetrics& replica) {
  if (replica.vacant) return;
  labels.push_back({"replica", std::to_string(index)});
  to.ready.Add(replica.ready_sessions.value() > 0 ? 1.0 : 0.0, labels);
  to.in_flight.Add(replica.calls_in_flight.value(), labels);
  to.queued.Add(replica.queued.value(), labels);
  const uint64_t starts = replica.starts.value();
  to.restarts.Add(starts == 0 ? 0 : starts - 1, labels);
  const pid_t pid = replica.pid.load(std::memory_order_relaxed);
  std::optional<ProcessUsage> usage = pid == 0 ? std::nullopt : ReadProcessUsage(pid);
  // The number may belong to another process by now.
  if (usage.has_value() && usage->parent != getpid()) usage.reset();
  const bool is_up = replica.elsewhere ? replica.ready_sessions.value() > 0 : usage.has_value();
  to.up.Add(is_up ? 1.0 : 0.0, labels);
  if (usage.has_value()) {
    to.cpu.Add(usage->cpu_seconds, labels);
    to.resident.Add(usage->resident_bytes, labels);
    to.threads.Add(usage->threads, labels);
  }
  to.segment_bytes.Add(replica.segment_bytes.value(), labels);
  to.leases.Add(replica.leases.value(), labels);
  to.leased_bytes.Add(replica.leased_bytes.value(), labels);
}

bool Ready(const RunnerMetrics& runner) {
  for (const auto& replica : runner.replicas) {
    if (replica->ready_sessions.value() > 0) return true;
  }
  return false;
}

void Fill(RunnerFamilies& to, const Metrics::Name& name, const RunnerMetrics& runner) {
  const Labels labels = {{"service", name.first}, {"runner", name.second}};
  to.ready.Add(Ready(runner) ? 1.0 : 0.0, labels);
  to.calls.Add(runner.calls, labels);
  to.retries.Add(runner.retries.value(), labels);
  to.limit.Add(runner.calls_limit, labels);
  to.waiting.Add(runner.waiting.value(), labels);
  to.duration.Add(runner.duration, kNanosecond, labels);
  to.queue.Add(runner.queue, kNanosecond, labels);
  to.batch_wait.Add(runner.batch_wait, kNanosecond, labels);
  to.compute.Add(runner.compute, kNanosecond, labels);
  to.transport.Add(runner.transport, kNanosecond, labels);
  to.batch_rows.Add(runner.batch_rows, 1, labels);
}

void Append(std::vector<prometheus::MetricFamily>& list, std::initializer_list<Family*> families) {
  for (Family* family : families) list.push_back(family->Take());
}

}  // namespace

std::string Metrics::Expose() const {
  GatewayFamilies gateway;
  TargetFamilies targets;
  RunnerFamilies runners;
  ReplicaFamilies replicas;
  Fill(gateway, gateway_, start_);
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& [name, target] : targets_) Fill(targets, name, *target);
    std::map<std::string, bool> services;
    for (const auto& [name, runner] : runners_) {
      Fill(runners, name, *runner);
      const Labels labels = {{"service", name.first}, {"runner", name.second}};
      for (size_t i = 0; i < runner->replicas.size(); ++i) {
        Fill(replicas, labels, i, *runner->replicas[i]);
      }
      bool& ready = services.try_emplace(name.first, true).first->second;
      ready = ready && Ready(*runner);
    }
    for (const auto& [service, ready] : services) {
      const bool serving = gateway_.serving_loops.value() > 0;
      runners.service_ready.Add(ready && serving ? 1.0 : 0.0, {{"service", service}});
    }
  }
  std::vector<prometheus::MetricFamily> families;
  Append(families, {&gateway.build_info,     &gateway.start_time,    &gateway.cpu,
                    &gateway.resident,       &gateway.threads,       &gateway.descriptors,
                    &gateway.segment_bytes,  &gateway.tensor_bytes,  &gateway.unmatched,
                    &targets.requests,       &targets.duration,      &targets.in_flight,
                    &targets.step_duration,  &runners.service_ready, &runners.ready,
                    &runners.calls,          &runners.retries,       &runners.limit,
                    &runners.waiting,        &runners.duration,      &runners.queue,
                    &runners.batch_wait,     &runners.compute,       &runners.transport,
                    &runners.batch_rows,     &replicas.ready,        &replicas.up,
                    &replicas.in_flight,     &replicas.queued,       &replicas.restarts,
                    &replicas.cpu,           &replicas.resident,     &replicas.threads,
                    &replicas.segment_bytes, &replicas.leases,       &replicas.leased_bytes});
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tiffin::gateway::metrics
