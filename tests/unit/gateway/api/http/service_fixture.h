#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/api/http/service.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::http {

// A client of the HTTP service, without a network, and without workers behind it.
class ServiceFixture : public ::testing::Test {
 protected:
  // When `serving_` has its APIs and runners.
  void Start() { service_ = *Service::Create(serving_, clock_); }

  // Asks, and lets the service answer on "the loop".
  void Ask(Request request) {
    response_.reset();
    exchange_ =
        std::make_shared<Exchange>(std::string(request.path()), request.fields,
                                   [this](Response response) { response_ = std::move(response); });
    Handler::Answer answer = service_->Take(std::move(request));
    answer(*exchange_);
  }
  std::string Error() const {
    return nlohmann::json::parse(response_->body)["error"].get<std::string>();
  }
  std::string FieldOf(const std::string& name) const {
    for (const Field& field : response_->fields) {
      if (field.name == name) return field.value;
    }
    return "";
  }
  // The last one.
  testing::FakeServing::Started& Started() { return serving_.started.back(); }
  void Done(std::vector<Value> outputs) {
    Started().done(InferReply{.outputs = std::move(outputs), .steps = {}});
  }

  testing::ManualClock clock_;
  testing::FakeServing serving_;
  std::unique_ptr<Service> service_;
  std::shared_ptr<Exchange> exchange_;
  std::optional<Response> response_;
};

}  // namespace tiffin::gateway::http
