#include "gateway/api/http/proto_json.h"

#include <map>
#include <string>
#include <utility>

#include "google/protobuf/descriptor.h"

namespace tiffin::gateway::http {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using nlohmann::ordered_json;

// The field's value, or its element at `index`: a field that is not repeated has none.
constexpr int kSingle = -1;

// Calls the one of reflection's functions that is for single fields, or for repeated ones.
template <typename Single, typename Repeated>
auto Get(const Message& message, const FieldDescriptor* field, int index, Single single,
         Repeated repeated) {
  const Reflection& reflection = *message.GetReflection();
  return index == kSingle ? (reflection.*single)(message, field)
                          : (reflection.*repeated)(message, field, index);
}

ordered_json ValueOf(const Message& message, const FieldDescriptor* field, int index) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Get(message, field, index, &Reflection::GetInt32, &Reflection::GetRepeatedInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return Get(message, field, index, &Reflection::GetInt64, &Reflection::GetRepeatedInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return Get(message, field, index, &Reflection::GetUInt32, &Reflection::GetRepeatedUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return Get(message, field, index, &Reflection::GetUInt64, &Reflection::GetRepeatedUInt64);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Get(message, field, index, &Reflection::GetDouble, &Reflection::GetRepeatedDouble);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Get(message, field, index, &Reflection::GetFloat, &Reflection::GetRepeatedFloat);
    case FieldDescriptor::CPPTYPE_BOOL:
      return Get(message, field, index, &Reflection::GetBool, &Reflection::GetRepeatedBool);
    case FieldDescriptor::CPPTYPE_STRING:
      return Get(message, field, index, &Reflection::GetString, &Reflection::GetRepeatedString);
    case FieldDescriptor::CPPTYPE_ENUM:
      return Get(message, field, index, &Reflection::GetEnum, &Reflection::GetRepeatedEnum)->name();
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const Reflection& reflection = *message.GetReflection();
  return ToJson(index == kSingle ? reflection.GetMessage(message, field)
                                 : reflection.GetRepeatedMessage(message, field, index));
}

ordered_json MapOf(const Message& message, const FieldDescriptor* field) {
  // By key: the order of a map's entries is any.
  std::map<std::string, ordered_json> entries;
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, field, i);
    const ordered_json key = ValueOf(entry, field->message_type()->map_key(), kSingle);
    entries[key.is_string() ? key.get<std::string>() : key.dump()] =
        ValueOf(entry, field->message_type()->map_value(), kSingle);
  }
  ordered_json json = ordered_json::object();
  for (auto& [key, value] : entries) json[key] = std::move(value);
  return json;
}

}  // namespace

ordered_json ToJson(const Message& message) {
  ordered_json json = ordered_json::object();
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* const field = type.field(i);
    if (field->is_map()) {
      json[field->name()] = MapOf(message, field);
    } else if (field->is_repeated()) {
      ordered_json& list = json[field->name()] = ordered_json::array();
      for (int j = 0; j < reflection.FieldSize(message, field); ++j) {
        list.push_back(ValueOf(message, field, j));
      }
    } else if (!field->has_presence() || reflection.HasField(message, field)) {
      json[field->name()] = ValueOf(message, field, kSingle);
    }
  }
  return json;
}

}  // namespace tiffin::gateway::http
