#include "gateway/api/http/exchange.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "common/strings.h"
#include "grpcpp/support/slice.h"

namespace tiffin::gateway::http {
namespace {

[[noreturn]] void NotOfHttp() {
  std::fputs("tiffin: an HTTP exchange is answered by Finish alone\n", stderr);
  std::abort();
}

std::string TextOf(const grpc::ByteBuffer& message) {
  std::string text;
  text.reserve(message.Length());
  std::vector<grpc::Slice> slices;
  if (message.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  return text;
}

}  // namespace

void Exchange::FailAs(int status, std::vector<Field> fields) {
  failure_status_ = status;
  for (Field& field : fields) answer_fields_.push_back(std::move(field));
}

void Exchange::Respond(Response response) {
  for (Field& field : answer_fields_) response.fields.push_back(std::move(field));
  on_cancelled_ = nullptr;
  std::exchange(send_, nullptr)(std::move(response));
}

void Exchange::Cancel() {
  if (send_ == nullptr || on_cancelled_ == nullptr) return;
  auto callback = std::exchange(on_cancelled_, nullptr);
  callback();
}

std::optional<std::string_view> Exchange::metadata(std::string_view key) const {
  for (const Field& field : fields_) {
    if (field.name == key) return field.value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Exchange::metadata_values(std::string_view key) const {
  std::vector<std::string_view> values;
  for (const Field& field : fields_) {
    if (field.name == key) values.push_back(field.value);
  }
  return values;
}

void Exchange::AddTrailingMetadata(std::string key, std::string value) {
  answer_fields_.push_back({std::move(key), std::move(value)});
}

void Exchange::Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> /*done*/) {
  NotOfHttp();
}

void Exchange::Write(grpc::ByteBuffer /*message*/, absl::AnyInvocable<void(bool)> /*done*/) {
  NotOfHttp();
}

void Exchange::Finish(absl::Status status, std::optional<grpc::ByteBuffer> message) {
  Response response;
  if (status.ok()) {
    if (message.has_value()) response.body = TextOf(*message);
    if (!content_type_.empty()) response.content_type = content_type_;
  } else {
    response.status = failure_status_ != 0 ? failure_status_ : StatusOf(status);
    response.body = ErrorBody(Message(status));
  }
  Respond(std::move(response));
}

void Exchange::OnCancelled(absl::AnyInvocable<void()> callback) {
  on_cancelled_ = std::move(callback);
}

}  // namespace tiffin::gateway::http
