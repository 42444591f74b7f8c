#include "gateway/api/api.h"

#include <optional>
#include <string>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/access.h"
#include "gateway/api/health/service.h"
#include "gateway/api/infer_call.h"
#include "gateway/api/kserve/service.h"
#include "gateway/api/reflection/service.h"
#include "gateway/api/typed/proto_files.h"
#include "gateway/api/typed/service.h"

namespace tiffin::gateway {
namespace {

std::vector<std::string> ServiceNames(const typed::Descriptors& descriptors) {
  std::vector<std::string> names = descriptors.service_names();
  names.emplace_back("grpc.health.v1.Health");
  names.emplace_back("inference.GRPCInferenceService");
  return names;
}

class AllProtocols : public Api {
 public:
  AllProtocols(Serving& serving, const Clock& clock, const typed::Descriptors& described,
               std::unique_ptr<kserve::KserveService> kserve)
      : tokens_(serving.tokens()),
        serving_(serving),
        refusals_(serving, clock),
        typed_(serving, described, clock),
        kserve_(std::move(kserve)),
        health_(serving),
        reflection_(described.pool(), ServiceNames(described)) {}

  std::vector<std::string> UnaryMethods() const override {
    // The message of such a method is read before anybody sees the RPC: not without a token.
    if (tokens_ != nullptr) return {};
    std::vector<std::string> names = typed_.UnaryMethods();
    for (std::string& name : kserve_->UnaryMethods()) names.push_back(std::move(name));
    return names;
  }
  bool Start(Rpc& rpc) override {
    if (absl::Status admitted = Admit(tokens_, rpc); !admitted.ok()) {
      refusals_.Refuse(rpc, "", std::move(admitted), std::nullopt);
      return true;
    }
    return typed_.Start(rpc) || kserve_->Start(rpc) || health_.Start(rpc) ||
           reflection_.Start(rpc) || RefuseAbsent(rpc);
  }

 private:
  // False: it is for no service that isn't there yet.
  bool RefuseAbsent(Rpc& rpc) {
    for (const AbsentService& service : serving_.absent()) {
      if (!rpc.method().starts_with(StrCat("/", typed::ServiceFullName(service.name), "/"))) {
        continue;
      }
      absl::Status why = CheckAccess(rpc.caller(), service.name);
      if (why.ok()) why = serving_.WhyAbsent(service.name);
      refusals_.Refuse(rpc, "", std::move(why), std::nullopt);
      return true;
    }
    return false;
  }

  const security::Tokens* const tokens_;
  Serving& serving_;
  InferCalls refusals_;  // It only refuses.
  typed::TypedService typed_;
  const std::unique_ptr<kserve::KserveService> kserve_;
  health::HealthService health_;
  reflection::ReflectionService reflection_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Api>> Api::Create(Serving& serving,
                                                 const typed::Descriptors& described,
                                                 kserve::SharedMemory* client_memory,
                                                 const Clock& clock) {
  ASSIGN_OR_RETURN(auto kserve, kserve::KserveService::Create(serving, client_memory, clock));
  return std::make_unique<AllProtocols>(serving, clock, described, std::move(kserve));
}

}  // namespace tiffin::gateway
