#include "gateway/api/typed/contract.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "common/strings.h"
#include "gateway/api/typed/contract_file.h"
#include "gateway/api/typed/proto_files.h"
#include "google/protobuf/descriptor.h"

namespace tiffin::gateway::typed {
namespace {

using config::Diagnostics;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

constexpr char kFileName[] = "service.proto";
constexpr size_t kMaxFileSize = 1 << 20;

// As it is declared: "optional string", "repeated google.protobuf.Value".
std::string Declaration(const FieldDescriptor& field) {
  std::string label;
  if (field.is_repeated()) label = "repeated ";
  if (field.has_optional_keyword()) label = "optional ";
  if (field.real_containing_oneof() != nullptr) label = "oneof ";
  return label + (field.type() == FieldDescriptor::TYPE_MESSAGE ? field.message_type()->full_name()
                                                                : field.type_name());
}

std::string Declaration(const FieldDescriptorProto& field) {
  const bool repeated = field.label() == FieldDescriptorProto::LABEL_REPEATED;
  const std::string type =
      field.type() == FieldDescriptorProto::TYPE_MESSAGE
          ? field.type_name().substr(1)  // Without its leading dot.
          : FieldDescriptor::TypeName(static_cast<FieldDescriptor::Type>(field.type()));
  return StrCat(repeated ? "repeated " : "optional ", type);
}

// The first number above `last` that a new field of `message` may have; above kMaxNumber: none.
int NextFree(const Descriptor& message, int last) {
  int number = last + 1;
  for (int i = 0; i < message.reserved_range_count();) {
    const auto* range = message.reserved_range(i);
    const bool taken = range->start <= number && number < range->end;
    if (taken) number = range->end;
    i = taken ? 0 : i + 1;  // A range before may have what comes after this one.
  }
  const bool of_protobuf = FieldDescriptor::kFirstReservedNumber <= number &&
                           number <= FieldDescriptor::kLastReservedNumber;
  return of_protobuf ? NextFree(message, FieldDescriptor::kLastReservedNumber) : number;
}

// The index of the one of `elements` that has this name; -1: none.
template <typename Elements>
int IndexOf(const Elements& elements, const std::string& name) {
  const auto it = std::find_if(elements.begin(), elements.end(),
                               [&](const auto& element) { return element.name() == name; });
  return it == elements.end() ? -1 : static_cast<int>(it - elements.begin());
}

// Brings what a service file makes under its contract.
class Keeper {
 public:
  Keeper(const PlannedService& service, const ContractFile& contract, Diagnostics& diagnostics)
      : service_(service),
        contract_(contract),
        diagnostics_(diagnostics),
        file_(DescribeService(service)) {}

  FileDescriptorProto Keep() {
    const FileDescriptor& contract = contract_.descriptor();
    if (contract.package() != file_.package()) {
      diagnostics_.Add(
          contract_.LocationAt({FileDescriptorProto::kPackageFieldNumber}),
          StrCat("this is the contract of package '", contract.package(), "', but service '",
                 service_.name, "' is package '", file_.package(),
                 "'; give the service its name back, or keep each service in a folder of its own"));
      return file_;
    }
    for (int i = 0; i < contract.service_count(); ++i) KeepService(*contract.service(i));
    for (int i = 0; i < contract.message_type_count(); ++i) KeepMessage(*contract.message_type(i));
    for (int i = 0; i < contract.enum_type_count(); ++i) Refuse("enum", *contract.enum_type(i));
    for (int i = 0; i < contract.extension_count(); ++i) Refuse("field", *contract.extension(i));
    if (contract.options().ByteSizeLong() > 0) *file_.mutable_options() = contract.options();
    return file_;
  }

 private:
  template <typename Element>
  void Add(const Element& element, std::string message) {
    diagnostics_.Add(contract_.LocationOf(element), std::move(message));
  }

  template <typename Element>
  void Refuse(std::string_view kind, const Element& element) {
    Add(element, StrCat(kind, " '", element.name(),
                        "' is nothing that an api, an input or an output makes; remove it"));
  }

  void KeepService(const ServiceDescriptor& contract) {
    auto& service = *file_.mutable_service(0);
    if (contract.name() != service.name()) {
      Add(contract, StrCat("service '", contract.name(), "' is not '", service.name(), "', as '",
                           service_.name, "' is called here; write that name"));
      return;
    }
    for (int i = 0; i < contract.method_count(); ++i) KeepMethod(*contract.method(i));
    if (contract.options().ByteSizeLong() > 0) *service.mutable_options() = contract.options();
  }

  void KeepMethod(const MethodDescriptor& contract) {
    auto& methods = *file_.mutable_service(0)->mutable_method();
    const int index = IndexOf(methods, contract.name());
    if (index < 0) {
      gone_.insert(contract.input_type());
      gone_.insert(contract.output_type());
      Add(contract,
          StrCat(
              "method '", contract.name(), "' is of no api of the service file any more, and ",
              "clients call it: put the api back under its name; or, to break with them, remove ",
              "the method here, and its messages"));
      return;
    }
    auto& method = methods[index];
    if (StrCat(".", contract.input_type()->full_name()) != method.input_type() ||
        StrCat(".", contract.output_type()->full_name()) != method.output_type() ||
        contract.client_streaming() || contract.server_streaming()) {
      const std::string& name = method.name();
      Add(contract, StrCat("method '", name, "' must be 'rpc ", name, "(", name,
                           "Request) returns (", name, "Reply);', as its api makes it"));
    }
    if (contract.options().ByteSizeLong() > 0) *method.mutable_options() = contract.options();
  }

  void KeepMessage(const Descriptor& contract) {
    const int index = IndexOf(file_.message_type(), contract.name());
    if (index < 0) {
      if (!gone_.contains(&contract)) Refuse("message", contract);
      return;
    }
    for (int i = 0; i < contract.nested_type_count(); ++i) {
      const Descriptor& nested = *contract.nested_type(i);
      if (!nested.options().map_entry()) Refuse("message", nested);
    }
    for (int i = 0; i < contract.enum_type_count(); ++i) Refuse("enum", *contract.enum_type(i));
    for (int i = 0; i < contract.extension_count(); ++i) Refuse("field", *contract.extension(i));

    DescriptorProto& message = *file_.mutable_message_type(index);
    // Each api has two messages, its request and its reply, in this order.
    const std::string& api = service_.apis[static_cast<size_t>(index / 2)].name;
    const std::string_view kind = index % 2 == 0 ? "input" : "output";
    int last = 0;
    for (int i = 0; i < contract.field_count(); ++i) {
      KeepField(*contract.field(i), kind, api, message);
      last = std::max(last, contract.field(i)->number());
    }
    for (FieldDescriptorProto& field : *message.mutable_field()) {
      if (contract.FindFieldByName(field.name()) == nullptr) {
        last = NumberNew(contract, StrCat(kind, " '", field.name(), "' of api '", api, "'"), last,
                         field);
      }
    }
    DescriptorProto kept;
    contract.CopyTo(&kept);
    *message.mutable_reserved_range() = std::move(*kept.mutable_reserved_range());
    *message.mutable_reserved_name() = std::move(*kept.mutable_reserved_name());
    if (kept.has_options()) *message.mutable_options() = kept.options();
  }

  void KeepField(const FieldDescriptor& contract, std::string_view kind, const std::string& api,
                 DescriptorProto& message) {
    const std::string what = StrCat(kind, " '", contract.name(), "' of api '", api, "'");
    const int index = IndexOf(message.field(), contract.name());
    if (index < 0) {
      Add(contract,
          StrCat(what, " is not in the service file any more, and clients know it: put it back ",
                 "under its name; or, to break with them, write 'reserved ", contract.number(),
                 "; reserved \"", contract.name(), "\";' here in its place"));
      return;
    }
    FieldDescriptorProto& field = *message.mutable_field(index);
    if (Declaration(contract) != Declaration(field)) {
      Add(contract, StrCat(what, " is '", Declaration(contract), "' here, but its type in the ",
                           "service file makes it '", Declaration(field),
                           "'; give it its type back, or add an ", kind, " of another name"));
    }
    field.set_number(contract.number());
    if (contract.has_json_name()) field.set_json_name(contract.json_name());
    if (contract.options().ByteSizeLong() > 0) *field.mutable_options() = contract.options();
  }

  // The result is the field's number.
  int NumberNew(const Descriptor& contract, const std::string& what, int last,
                FieldDescriptorProto& field) {
    if (contract.IsReservedName(field.name())) {
      Add(contract, StrCat(what,
                           " has a name that is reserved here, for it meant something else "
                           "to clients once; use another name"));
    }
    const int number = NextFree(contract, last);
    if (number > FieldDescriptor::kMaxNumber) {
      Add(contract, StrCat(what, " can't have a number: none is free above ", last,
                           "; reserve less in message '", contract.name(), "'"));
      return last;
    }
    field.set_number(number);
    return number;
  }

  const PlannedService& service_;
  const ContractFile& contract_;
  Diagnostics& diagnostics_;
  FileDescriptorProto file_;
  std::set<const Descriptor*> gone_;  // Messages of methods that are reported already.
};

// The contract's text; nullopt: there is none, or it can't be read, which is then reported.
std::optional<std::string> ReadContract(const std::filesystem::path& path,
                                        Diagnostics& diagnostics) {
  std::error_code error;
  if (std::filesystem::symlink_status(path, error).type() ==
      std::filesystem::file_type::not_found) {
    return std::nullopt;
  }
  if (!std::filesystem::is_regular_file(path, error)) {  // Opening a pipe would wait.
    diagnostics.Add({}, StrCat("the contract of the typed API must be a regular file",
                               error ? StrCat(" (", error.message(), ")") : "",
                               "; put the file there that 'tiffin check --proto' writes, or "
                               "nothing"));
    return std::nullopt;
  }
  std::ifstream stream(path, std::ios::binary);
  // One byte beyond the limit tells that there is more.
  std::string text(kMaxFileSize + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) {
    diagnostics.Add({}, "the contract of the typed API can't be read; check its permissions");
    return std::nullopt;
  }
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

}  // namespace

FileDescriptorProto DescribeUnderContract(const PlannedService& service, std::string_view text,
                                          Diagnostics& diagnostics) {
  if (text.size() > kMaxFileSize) {
    diagnostics.Add({}, "the file is larger than 1 MiB; a contract has a few lines");
    return DescribeService(service);
  }
  const std::unique_ptr<ContractFile> contract =
      ContractFile::Parse(text, DescribeService(service).name(), diagnostics);
  if (contract == nullptr) return DescribeService(service);
  return Keeper(service, *contract, diagnostics).Keep();
}

FileDescriptorProto DescribeUnderContract(const PlannedService& service,
                                          std::vector<Diagnostics>& contracts) {
  if (service.file.empty()) return DescribeService(service);
  const std::filesystem::path path = service.file.parent_path() / kFileName;
  Diagnostics& diagnostics = contracts.emplace_back(path.native());
  const std::optional<std::string> text = ReadContract(path, diagnostics);
  return text.has_value() ? DescribeUnderContract(service, *text, diagnostics)
                          : DescribeService(service);
}

}  // namespace tiffin::gateway::typed
