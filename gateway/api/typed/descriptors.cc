#include "gateway/api/typed/descriptors.h"

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/typed/contract.h"
#include "google/protobuf/struct.pb.h"
#include "tiffin/v1/tensor.pb.h"

namespace tiffin::gateway::typed {
namespace {

// Gathers what protobuf has against a file.
class Errors : public google::protobuf::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& /*filename*/, const std::string& element,
                const google::protobuf::Message* /*descriptor*/, ErrorLocation /*location*/,
                const std::string& message) override {
    if (!text_.empty()) text_ += "; ";
    text_ += StrCat(element, ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

// The compiled-in types that the services use are loaded before the pool looks for them by name.
Descriptors::Descriptors() : pool_(tiffin::v1::Tensor::descriptor()->file()->pool()) {
  google::protobuf::Value::descriptor();
  // tiffin.v1.Tensor and google.protobuf.Value are the compiled classes in dynamic messages too.
  factory_.SetDelegateToGeneratedFactory(true);
}

absl::Status Descriptors::Add(const PlannedService& service,
                              const google::protobuf::FileDescriptorProto& described) {
  Errors errors;
  const auto* file = pool_.BuildFileCollectingErrors(described, &errors);
  if (file == nullptr) {
    return absl::InvalidArgumentError(StrCat("service '", service.name,
                                             "': its names clash in the typed API (", errors.text(),
                                             "); rename an api, an input or an output"));
  }
  const auto* description = file->service(0);
  service_names_.push_back(description->full_name());
  for (int i = 0; i < description->method_count(); ++i) {
    const auto* method = description->method(i);
    methods_[StrCat("/", description->full_name(), "/", method->name())] = {
        .api = &service.apis[static_cast<size_t>(i)],
        .request = factory_.GetPrototype(method->input_type()),
        .reply = factory_.GetPrototype(method->output_type())};
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Descriptors>> Descriptors::Create(
    std::span<const PlannedService> services) {
  std::vector<google::protobuf::FileDescriptorProto> files;
  std::vector<config::Diagnostics> contracts;
  for (const PlannedService& service : services) {
    files.push_back(DescribeUnderContract(service, contracts));
  }
  RETURN_IF_ERROR(config::ToStatus(contracts));
  std::unique_ptr<Descriptors> result(new Descriptors);
  for (size_t i = 0; i < services.size(); ++i) {
    RETURN_IF_ERROR(result->Add(services[i], files[i]));
  }
  return result;
}

const Method* Descriptors::FindMethod(std::string_view path) const {
  const auto it = methods_.find(path);
  return it == methods_.end() ? nullptr : &it->second;
}

std::vector<std::string> Descriptors::MethodPaths() const {
  std::vector<std::string> paths;
  for (const auto& [path, method] : methods_) paths.push_back(path);
  return paths;
}

}  // namespace tiffin::gateway::typed
