#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/graph/plan.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"

namespace tiffin::gateway::typed {

// A method of a typed API.
struct Method {
  const PlannedApi* api;
  const google::protobuf::Message* request;  // Prototypes, owned by Descriptors.
  const google::protobuf::Message* reply;
};

// The typed APIs of all services, described at run time on top of what is compiled in. Immutable;
// not movable, since messages made from it point to it and must not outlive it.
class Descriptors {
 public:
  // INVALID_ARGUMENT says which names clash, and what breaks with the contract that is kept beside
  // a service file. `services` outlive the result.
  static absl::StatusOr<std::unique_ptr<Descriptors>> Create(
      std::span<const PlannedService> services);
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  // Everything compiled in is found in it too.
  const google::protobuf::DescriptorPool& pool() const { return pool_; }
  // Full names of the typed services.
  const std::vector<std::string>& service_names() const { return service_names_; }
  // By path: "/tiffin.services.x.X/Method". Null: none.
  const Method* FindMethod(std::string_view path) const;
  std::vector<std::string> MethodPaths() const;

 private:
  Descriptors();
  absl::Status Add(const PlannedService& service,
                   const google::protobuf::FileDescriptorProto& described);

  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  std::vector<std::string> service_names_;
  std::map<std::string, Method, std::less<>> methods_;
};

}  // namespace tiffin::gateway::typed
