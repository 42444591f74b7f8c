#include "tests/unit/gateway/api/fakes.h"

#include <cstdlib>
#include <utility>

#include "common/strings.h"
#include "gateway/api/interface.h"

namespace tiffin::gateway::testing {

void TestLoop::Run() {
  while (!tasks_.empty()) {
    absl::AnyInvocable<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
  }
}

void FakeRpc::Post(absl::AnyInvocable<void()> task) {
  loop_.Post([this, task = std::move(task)]() mutable {
    if (!finished()) task();
  });
}

void FakeRpc::Deliver() {
  if (read_ == nullptr || (incoming_.empty() && !half_closed_)) return;
  std::optional<grpc::ByteBuffer> next;
  if (!incoming_.empty()) {
    next = std::move(incoming_.front());
    incoming_.pop_front();
  }
  Post([done = std::exchange(read_, nullptr), next = std::move(next)]() mutable {
    done(std::move(next));
  });
}

void FakeRpc::Send(grpc::ByteBuffer bytes) {
  incoming_.push_back(std::move(bytes));
  Deliver();
}

void FakeRpc::HalfClose() {
  half_closed_ = true;
  Deliver();
}

void FakeRpc::Cancel() {
  HalfClose();
  if (cancelled_ != nullptr) Post(std::exchange(cancelled_, nullptr));
}

std::optional<std::string_view> FakeRpc::metadata(std::string_view key) const {
  const auto it = sent_metadata.find(key);
  if (it == sent_metadata.end()) return std::nullopt;
  return it->second;
}

std::vector<std::string_view> FakeRpc::metadata_values(std::string_view key) const {
  std::vector<std::string_view> values;
  if (const auto first = metadata(key)) values.push_back(*first);
  const auto [begin, end] = more_metadata.equal_range(key);
  for (auto more = begin; more != end; ++more) values.emplace_back(more->second);
  return values;
}

void FakeRpc::AddTrailingMetadata(std::string key, std::string value) {
  if (finished()) std::abort();
  trailing[std::move(key)] = std::move(value);
}

void FakeRpc::Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) {
  if (finished() || read_ != nullptr) std::abort();
  read_ = std::move(done);
  Deliver();
}

void FakeRpc::Write(grpc::ByteBuffer bytes, absl::AnyInvocable<void(bool)> done) {
  if (finished() || write_ != nullptr) std::abort();
  if (!broken_) written.push_back(std::move(bytes));
  write_ = std::move(done);
  if (!hold_writes) ReleaseWrite();
}

void FakeRpc::ReleaseWrite() {
  if (write_ == nullptr) return;
  Post([done = std::exchange(write_, nullptr), ok = !broken_]() mutable { done(ok); });
}

void FakeRpc::Finish(absl::Status end, std::optional<grpc::ByteBuffer> reply) {
  if (finished() || (reply.has_value() && !end.ok())) std::abort();
  status = std::move(end);
  message = std::move(reply);
}

void FakeRpc::OnCancelled(absl::AnyInvocable<void()> callback) {
  if (finished()) std::abort();
  cancelled_ = std::move(callback);
}

bool FakeServing::RunnerReady(std::string_view service, std::string_view runner) const {
  return !down.contains(StrCat(service, ".", runner));
}

void FakeServing::OnReadinessChange(absl::AnyInvocable<void()> changed) {
  watchers_.push_back(std::move(changed));
}

TargetStatistics FakeServing::statistics(InferTarget target) const {
  const auto it = counted.find(NameOf(target));
  return it == counted.end() ? TargetStatistics() : it->second;
}

void FakeServing::ChangeReadiness() {
  for (auto& changed : watchers_) changed();
}

std::unique_ptr<PendingInfer> FakeServing::Start(InferTarget target, std::vector<Value> inputs,
                                                 int64_t rows, InferOptions options,
                                                 InferDone done) {
  class Pending : public PendingInfer {
   public:
    explicit Pending(Started& request) : request_(request) {}
    ~Pending() override { request_.cancelled = true; }
    void OnEncoded(const absl::Status& status) override { request_.encoded = status; }

   private:
    Started& request_;
  };
  started.push_back({.target = target,
                     .inputs = std::move(inputs),
                     .rows = rows,
                     .options = std::move(options),
                     .done = std::move(done)});
  return std::make_unique<Pending>(started.back());
}

absl::StatusOr<Value> FakeServing::Make(DataType dtype, Shape shape, uint64_t size,
                                        FillBytes fill) {
  if (!copy_status.ok()) return copy_status;
  ++copies;
  return HeapValue(dtype, std::move(shape), size, fill);
}

PlannedApi& FakeServing::AddApi(const std::string& service, const std::string& name,
                                std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs) {
  if (services_.empty() || services_.back().name != service) {
    services_.push_back({.name = service, .apis = {}});
  }
  PlannedApi api;
  api.service = service;
  api.name = name;
  api.inputs = std::move(inputs);
  for (TensorSpec& output : outputs) {
    api.outputs.push_back({.spec = std::move(output), .source = {}});
  }
  api.timeout = absl::Seconds(10);
  services_.back().apis.push_back(std::move(api));
  return services_.back().apis.back();
}

RunnerEntry& FakeServing::AddRunner(const std::string& service, const std::string& runner,
                                    std::vector<TensorSpec> inputs,
                                    std::vector<TensorSpec> outputs) {
  RunnerEntry entry;
  entry.service = service;
  entry.runner = runner;
  entry.method = std::string(kDefaultMethod);
  entry.signature.inputs = std::move(inputs);
  entry.signature.outputs = std::move(outputs);
  entry.backend = "testing";
  runners_.push_back(std::move(entry));
  return runners_.back();
}

TensorSpec Spec(std::string name, const std::string& type) {
  absl::StatusOr<ValueType> parsed = ParseValueType(type);
  if (!parsed.ok()) std::abort();
  return {.name = std::move(name), .type = *std::move(parsed)};
}

std::string Framed(const std::vector<std::string>& elements) {
  std::string framed;
  for (const std::string& element : elements) AppendBytesElement(element, framed);
  return framed;
}

Value BytesValue(const std::vector<std::string>& elements) {
  return HeapValue(DataType::kBytes, Shape{static_cast<int64_t>(elements.size())},
                   Framed(elements));
}

std::string Content(const Value& value) {
  const absl::StatusOr<TensorView> view = value.View();
  if (!view.ok()) std::abort();
  return std::string(AsStringView(view->bytes));
}

}  // namespace tiffin::gateway::testing
