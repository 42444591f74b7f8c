#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/api/interface.h"
#include "gateway/api/message_io.h"
#include "gateway/api/rpc.h"
#include "gateway/api/serving.h"

// What stands around the protocols in tests: a loop, RPCs without a network, and a serving without
// workers.
namespace tiffin::gateway::testing {

class ManualClock : public Clock {
 public:
  absl::Time Now() const override { return now; }
  absl::Time now = absl::FromUnixSeconds(1000);
};

// Callbacks wait here until the test lets them run.
class TestLoop {
 public:
  void Post(absl::AnyInvocable<void()> task) { tasks_.push_back(std::move(task)); }
  void Run();

 private:
  std::deque<absl::AnyInvocable<void()>> tasks_;
};

// An RPC as its server would drive it; the test is the client.
class FakeRpc : public Rpc {
 public:
  FakeRpc(TestLoop& loop, std::string method) : loop_(loop), method_(std::move(method)) {}

  // The client's side.
  void Send(const google::protobuf::Message& request) { Send(SerializeMessage(request)); }
  void Send(grpc::ByteBuffer message);
  void HalfClose();
  void Cancel();
  // A write fails from now on.
  void BreakConnection() { broken_ = true; }
  template <typename Message>
  Message Reply() const {
    Message reply;
    if (!message.has_value() || !ParseMessage(*message, reply).ok()) std::abort();
    return reply;
  }
  template <typename Message>
  std::vector<Message> Written() const {
    std::vector<Message> result(written.size());
    for (size_t i = 0; i < written.size(); ++i) {
      if (!ParseMessage(written[i], result[i]).ok()) std::abort();
    }
    return result;
  }
  bool finished() const { return status.has_value(); }

  std::map<std::string, std::string, std::less<>> sent_metadata;
  std::multimap<std::string, std::string, std::less<>> more_metadata;  // Behind those.
  absl::Time client_deadline = absl::InfiniteFuture();
  // How it ended.
  std::optional<absl::Status> status;
  std::optional<grpc::ByteBuffer> message;
  std::map<std::string, std::string> trailing;
  std::vector<grpc::ByteBuffer> written;
  // Writes end only when the test says so.
  bool hold_writes = false;
  void ReleaseWrite();

  // The service's side.
  std::string_view method() const override { return method_; }
  std::optional<std::string_view> metadata(std::string_view key) const override;
  std::vector<std::string_view> metadata_values(std::string_view key) const override;
  absl::Time deadline() const override { return client_deadline; }
  void AddTrailingMetadata(std::string key, std::string value) override;
  void Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) override;
  void Write(grpc::ByteBuffer bytes, absl::AnyInvocable<void(bool ok)> done) override;
  void Finish(absl::Status end, std::optional<grpc::ByteBuffer> reply) override;
  void OnCancelled(absl::AnyInvocable<void()> callback) override;

 private:
  // Runs `task` from the loop, unless the RPC has finished by then.
  void Post(absl::AnyInvocable<void()> task);
  void Deliver();

  TestLoop& loop_;
  std::string method_;
  std::deque<grpc::ByteBuffer> incoming_;
  bool half_closed_ = false;
  bool broken_ = false;
  absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> read_;
  absl::AnyInvocable<void(bool)> write_;
  absl::AnyInvocable<void()> cancelled_;
};

class FakeServing : public Serving, public ValueAllocator {
 public:
  // What was started, and is under way until `done` is called or it is cancelled.
  struct Started {
    InferTarget target;
    std::vector<Value> inputs;
    int64_t rows;
    InferOptions options;
    InferDone done;
    bool cancelled = false;
    std::optional<absl::Status> encoded = {};  // What was said of the reply.
  };

  std::span<const PlannedService> services() const override { return services_; }
  std::span<const RunnerEntry> runners() const override { return runners_; }
  bool ServiceReady(std::string_view service) const override { return !down.contains(service); }
  bool RunnerReady(std::string_view service, std::string_view runner) const override;
  void OnReadinessChange(absl::AnyInvocable<void()> changed) override;
  TargetStatistics statistics(InferTarget target) const override;
  void CountRefused(std::optional<InferTarget> target, absl::StatusCode code) override {
    refused.emplace_back(target.has_value() ? NameOf(*target) : "", code);
  }
  std::string MetricsText() const override { return "# no metrics\n"; }
  ValueAllocator& allocator() override { return *this; }
  std::unique_ptr<PendingInfer> Start(InferTarget target, std::vector<Value> inputs, int64_t rows,
                                      InferOptions options, InferDone done) override;
  absl::StatusOr<Value> Make(DataType dtype, Shape shape, uint64_t size, FillBytes fill) override;

  // To be called before anything points into them.
  PlannedApi& AddApi(const std::string& service, const std::string& name,
                     std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs);
  RunnerEntry& AddRunner(const std::string& service, const std::string& runner,
                         std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs);
  void ChangeReadiness();

  // Names of services, and of runners as "service.runner", that are not ready.
  std::set<std::string, std::less<>> down;
  std::deque<Started> started;
  // Names of targets, empty for none, with the codes.
  std::vector<std::pair<std::string, absl::StatusCode>> refused;
  int copies = 0;
  // By name; zero for the others.
  std::map<std::string, TargetStatistics, std::less<>> counted;
  absl::Status copy_status;

 private:
  std::vector<PlannedService> services_;
  std::vector<RunnerEntry> runners_;
  std::vector<absl::AnyInvocable<void()>> watchers_;
};

TensorSpec Spec(std::string name, const std::string& type);
// Framed elements.
std::string Framed(const std::vector<std::string>& elements);
Value BytesValue(const std::vector<std::string>& elements);
template <typename T>
std::string Raw(const std::vector<T>& elements) {
  return {reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T)};
}
// The bytes of a value.
std::string Content(const Value& value);

}  // namespace tiffin::gateway::testing
