#include "gateway/api/typed/proto_files.h"

#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/typed/descriptors.h"
#include "gateway/api/typed/tensor_proto_text.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/struct.pb.h"
#include "tiffin/v1/tensor.pb.h"

namespace tiffin::gateway::typed {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;

// `path`: the field numbers and indices that lead from the file to what the comment is about.
void AddComment(FileDescriptorProto& file, std::initializer_list<int> path, std::string comment) {
  auto& location = *file.mutable_source_code_info()->add_location();
  for (const int step : path) location.add_path(step);
  // Line, column and end column, which nobody reads here.
  for (int i = 0; i < 3; ++i) location.add_span(0);
  location.set_leading_comments(std::move(comment));
}

std::string FieldComment(const ValueType& type, bool has_rows) {
  switch (type.kind) {
    case ValueKind::kTensor: {
      const std::string text = ToString(type);
      if (!has_rows) return StrCat(" ", text, "\n");
      const size_t bracket = text.find('[');
      return StrCat(" ", text.substr(0, bracket), "[rows", type.shape.empty() ? "" : ",",
                    text.substr(bracket + 1), "\n");
    }
    case ValueKind::kImage:
      return " An image, encoded: PNG, JPEG, ...\n";
    case ValueKind::kText:
      return " Text.\n";
    case ValueKind::kJson:
      return " Any JSON value.\n";
    case ValueKind::kBytes:
      break;
  }
  return " Bytes.\n";
}

void SetType(const ValueType& type, FieldDescriptorProto& field) {
  switch (type.kind) {
    case ValueKind::kTensor:
      field.set_type(FieldDescriptorProto::TYPE_MESSAGE);
      field.set_type_name(StrCat(".", tiffin::v1::Tensor::descriptor()->full_name()));
      return;
    case ValueKind::kText:
      field.set_type(FieldDescriptorProto::TYPE_STRING);
      return;
    case ValueKind::kJson:
      field.set_type(FieldDescriptorProto::TYPE_MESSAGE);
      field.set_type_name(StrCat(".", google::protobuf::Value::descriptor()->full_name()));
      return;
    case ValueKind::kImage:
    case ValueKind::kBytes:
      field.set_type(FieldDescriptorProto::TYPE_BYTES);
      return;
  }
}

void AddMessage(FileDescriptorProto& file, std::string name, const std::vector<TensorSpec>& specs,
                bool has_rows) {
  const int message_index = file.message_type_size();
  DescriptorProto& message = *file.add_message_type();
  message.set_name(std::move(name));
  for (const TensorSpec& spec : specs) {
    const int field_index = message.field_size();
    FieldDescriptorProto& field = *message.add_field();
    field.set_name(spec.name);
    field.set_number(field_index + 1);
    SetType(spec.type, field);
    if (has_rows && spec.type.kind != ValueKind::kTensor) {
      field.set_label(FieldDescriptorProto::LABEL_REPEATED);
    } else {
      // `optional`, as protoc describes it: each such field is in a oneof of its own. No field
      // starts with an underscore, so their names are free.
      field.set_label(FieldDescriptorProto::LABEL_OPTIONAL);
      field.set_proto3_optional(true);
      field.set_oneof_index(message.oneof_decl_size());
      message.add_oneof_decl()->set_name(StrCat("_", spec.name));
    }
    AddComment(file,
               {FileDescriptorProto::kMessageTypeFieldNumber, message_index,
                DescriptorProto::kFieldFieldNumber, field_index},
               FieldComment(spec.type, has_rows));
  }
}

bool Uses(const PlannedService& service, ValueKind kind) {
  for (const PlannedApi& api : service.apis) {
    for (const TensorSpec& input : api.inputs) {
      if (input.type.kind == kind) return true;
    }
    for (const PlannedOutput& output : api.outputs) {
      if (output.spec.type.kind == kind) return true;
    }
  }
  return false;
}

}  // namespace

std::string CamelCase(std::string_view name) {
  std::string result;
  bool start = true;
  for (const char character : name) {
    if (character == '_') {
      start = true;
      continue;
    }
    result += start ? absl::ascii_toupper(static_cast<unsigned char>(character)) : character;
    start = false;
  }
  return result;
}

std::string ServiceFullName(std::string_view service) {
  return StrCat("tiffin.services.", service, ".", CamelCase(service));
}

FileDescriptorProto DescribeService(const PlannedService& service) {
  FileDescriptorProto file;
  file.set_name(StrCat("tiffin/services/", service.name, "/service.proto"));
  file.set_package(StrCat("tiffin.services.", service.name));
  file.set_syntax("proto3");
  if (Uses(service, ValueKind::kJson)) {
    file.add_dependency(google::protobuf::Value::descriptor()->file()->name());
  }
  if (Uses(service, ValueKind::kTensor)) {
    file.add_dependency(tiffin::v1::Tensor::descriptor()->file()->name());
  }
  auto& description = *file.add_service();
  description.set_name(CamelCase(service.name));
  for (const PlannedApi& api : service.apis) {
    const std::string name = CamelCase(api.name);
    std::vector<TensorSpec> outputs;
    for (const PlannedOutput& output : api.outputs) outputs.push_back(output.spec);
    AddMessage(file, StrCat(name, "Request"), api.inputs, api.has_rows);
    AddMessage(file, StrCat(name, "Reply"), outputs, api.has_rows);
    auto& method = *description.add_method();
    method.set_name(name);
    method.set_input_type(StrCat(".", file.package(), ".", name, "Request"));
    method.set_output_type(StrCat(".", file.package(), ".", name, "Reply"));
  }
  return file;
}

absl::StatusOr<std::map<std::string, std::string>> ProtoFiles(
    std::span<const PlannedService> services) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Descriptors> descriptors, Descriptors::Create(services));
  google::protobuf::DebugStringOptions options;
  options.include_comments = true;
  std::map<std::string, std::string> files;
  for (const PlannedService& service : services) {
    const auto* described = descriptors->pool().FindServiceByName(ServiceFullName(service.name));
    const auto* file = described->file();
    files[file->name()] =
        StrCat("// The typed API of service '", service.name, "', written by `tiffin check`.\n",
               file->DebugStringWithOptions(options));
    if (Uses(service, ValueKind::kTensor)) {
      files[tiffin::v1::Tensor::descriptor()->file()->name()] = std::string(kTensorProtoText);
    }
  }
  return files;
}

}  // namespace tiffin::gateway::typed
