#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "common/async/rpc.h"
#include "gateway/api/http/message.h"

namespace tiffin::gateway::http {

// A request of an HTTP client with its answer to come, as a unary RPC, so that all that is common
// to requests is done by the same code: its header fields are the metadata, and what an RPC trails
// are the answer's fields. Shared by its connection and by what the connection posts to the loop.
// On the loop's thread.
class Exchange : public Rpc {
 public:
  // `send` takes the response from the loop's thread, once.
  Exchange(std::string path, std::vector<Field> fields, absl::AnyInvocable<void(Response)> send)
      : path_(std::move(path)), fields_(std::move(fields)), send_(std::move(send)) {}

  // The status of a failure that HTTP knows better than the codes of RPCs, with fields that belong
  // to it.
  void FailAs(int status, std::vector<Field> fields = {});
  // What the body of Finish is, unless it is JSON.
  void AnswerAs(std::string_view content_type) { content_type_ = content_type; }
  // The whole answer.
  void Respond(Response response);
  // The client is gone.
  void Cancel();

  std::string_view method() const override { return path_; }
  std::optional<std::string_view> metadata(std::string_view key) const override;
  std::vector<std::string_view> metadata_values(std::string_view key) const override;
  // Its header field is read by the service, which can refuse it.
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  void AddTrailingMetadata(std::string key, std::string value) override;
  // The body went to the handler; there is nothing more to read, and nothing to write but the end.
  void Read(absl::AnyInvocable<void(std::optional<grpc::ByteBuffer>)> done) override;
  void Write(grpc::ByteBuffer message, absl::AnyInvocable<void(bool ok)> done) override;
  // `message` is the body, JSON.
  void Finish(absl::Status status, std::optional<grpc::ByteBuffer> message) override;
  void OnCancelled(absl::AnyInvocable<void()> callback) override;

 private:
  const std::string path_;
  const std::vector<Field> fields_;
  absl::AnyInvocable<void(Response)> send_;  // Null once the exchange is finished.
  absl::AnyInvocable<void()> on_cancelled_;
  std::string content_type_;  // Empty: JSON.
  int failure_status_ = 0;
  std::vector<Field> answer_fields_;
};

}  // namespace tiffin::gateway::http
