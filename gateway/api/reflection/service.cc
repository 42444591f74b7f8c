#include "gateway/api/reflection/service.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include "common/strings.h"
#include "gateway/api/message_io.h"
#include "gateway/api/status.h"
#include "gateway/api/text.h"
#include "google/protobuf/descriptor.pb.h"

namespace tiffin::gateway::reflection {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

constexpr std::string_view kV1Package = "grpc.reflection.v1";
constexpr std::string_view kV1AlphaPackage = "grpc.reflection.v1alpha";

std::string ServiceName(std::string_view package) { return StrCat(package, ".ServerReflection"); }

// ".grpc.reflection.v1.X" -> ".grpc.reflection.v1alpha.X"
std::string Moved(const std::string& type_name) {
  return StrCat(".", kV1AlphaPackage, type_name.substr(1 + kV1Package.size()));
}

FileDescriptorProto V1AlphaFile() {
  FileDescriptorProto file;
  ServerReflectionRequest::descriptor()->file()->CopyTo(&file);
  file.set_name("grpc/reflection/v1alpha/reflection.proto");
  file.set_package(std::string(kV1AlphaPackage));
  for (DescriptorProto& message : *file.mutable_message_type()) {
    for (auto& field : *message.mutable_field()) {
      if (field.has_type_name()) field.set_type_name(Moved(field.type_name()));
    }
  }
  auto& method = *file.mutable_service(0)->mutable_method(0);
  method.set_input_type(Moved(method.input_type()));
  method.set_output_type(Moved(method.output_type()));
  return file;
}

void SetError(absl::StatusCode code, std::string message, ServerReflectionResponse& response) {
  auto& error = *response.mutable_error_response();
  error.set_error_code(static_cast<int>(code));
  error.set_error_message(std::move(message));
}

// `file`, and what it needs that is not in `sent`.
void AddFiles(const FileDescriptor& file, std::set<const FileDescriptor*>& sent,
              ServerReflectionResponse& response) {
  auto& files = *response.mutable_file_descriptor_response();
  std::deque<const FileDescriptor*> queue = {&file};
  sent.insert(&file);
  while (!queue.empty()) {
    const FileDescriptor& next = *queue.front();
    queue.pop_front();
    FileDescriptorProto proto;
    next.CopyTo(&proto);
    files.add_file_descriptor_proto(proto.SerializeAsString());
    for (int i = 0; i < next.dependency_count(); ++i) {
      if (sent.insert(next.dependency(i)).second) queue.push_back(next.dependency(i));
    }
  }
}

}  // namespace

ReflectionService::ReflectionService(const google::protobuf::DescriptorPool& pool,
                                     std::vector<std::string> services)
    : pool_(&pool), services_(std::move(services)) {
  pool_.BuildFile(V1AlphaFile());
  services_.push_back(ServiceName(kV1Package));
  services_.push_back(ServiceName(kV1AlphaPackage));
  std::sort(services_.begin(), services_.end());
}

const FileDescriptor* ReflectionService::FindFile(const ServerReflectionRequest& request) const {
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      return pool_.FindFileByName(request.file_by_filename());
    case ServerReflectionRequest::kFileContainingSymbol:
      return pool_.FindFileContainingSymbol(request.file_containing_symbol());
    case ServerReflectionRequest::kFileContainingExtension: {
      const auto& extension = request.file_containing_extension();
      const Descriptor* type = pool_.FindMessageTypeByName(extension.containing_type());
      if (type == nullptr) return nullptr;
      const FieldDescriptor* field =
          pool_.FindExtensionByNumber(type, extension.extension_number());
      return field == nullptr ? nullptr : field->file();
    }
    default:
      return nullptr;
  }
}

ServerReflectionResponse ReflectionService::Respond(const ServerReflectionRequest& request,
                                                    Stream& stream) const {
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (const std::string& service : services_) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType: {
      const std::string& name = request.all_extension_numbers_of_type();
      const Descriptor* type = pool_.FindMessageTypeByName(name);
      if (type == nullptr) {
        SetError(absl::StatusCode::kNotFound,
                 StrCat("this server has no message type '", BoundedUtf8(name, 200), "'"),
                 response);
        break;
      }
      auto& numbers = *response.mutable_all_extension_numbers_response();
      numbers.set_base_type_name(type->full_name());
      std::vector<const FieldDescriptor*> extensions;
      pool_.FindAllExtensions(type, &extensions);
      for (const FieldDescriptor* field : extensions) {
        numbers.add_extension_number(field->number());
      }
      break;
    }
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      SetError(absl::StatusCode::kInvalidArgument, "the request asks for nothing", response);
      break;
    default:
      if (const FileDescriptor* file = FindFile(request); file != nullptr) {
        AddFiles(*file, stream.sent, response);
      } else {
        SetError(absl::StatusCode::kNotFound,
                 "this server has no such file, symbol or extension; list its services to see "
                 "what there is",
                 response);
      }
  }
  return response;
}

bool ReflectionService::Start(Rpc& rpc) {
  const auto path = [](std::string_view package) {
    return StrCat("/", ServiceName(package), "/ServerReflectionInfo");
  };
  if (rpc.method() != path(kV1Package) && rpc.method() != path(kV1AlphaPackage)) return false;
  const StreamHandle stream = streams_.insert(streams_.end(), Stream{.rpc = rpc, .sent = {}});
  rpc.OnCancelled([this, stream] {
    End(stream, absl::CancelledError("the client cancelled the reflection stream"));
  });
  ReadNext(stream);
  return true;
}

void ReflectionService::ReadNext(StreamHandle stream) {
  stream->rpc.Read([this, stream](std::optional<grpc::ByteBuffer> message) {
    if (message.has_value()) {
      Answer(stream, *message);
    } else {
      End(stream, absl::OkStatus());
    }
  });
}

void ReflectionService::Answer(StreamHandle stream, const grpc::ByteBuffer& message) {
  ServerReflectionRequest request;
  if (absl::Status parsed = ParseMessage(message, request); !parsed.ok()) {
    End(stream, std::move(parsed));
    return;
  }
  stream->rpc.Write(SerializeMessage(Respond(request, *stream)), [this, stream](bool ok) {
    if (ok) {
      ReadNext(stream);
    } else {
      End(stream, absl::CancelledError("the client is gone"));
    }
  });
}

void ReflectionService::End(StreamHandle stream, absl::Status status) {
  Rpc& rpc = stream->rpc;
  streams_.erase(stream);
  // It drops the callbacks that still name the stream.
  FinishWith(rpc, status);
}

}  // namespace tiffin::gateway::reflection
