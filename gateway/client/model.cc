#include "gateway/client/model.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "common/config/name_hint.h"
#include "common/strings.h"

namespace tiffin::gateway::client {
namespace {

using Metadata = inference::ModelMetadataResponse;

Port PortOf(const Metadata& metadata, const Metadata::TensorMetadata& tensor,
            std::string_view kind) {
  const Shape shape(tensor.shape().begin(), tensor.shape().end());
  Port port;
  port.spec.name = tensor.name();
  const auto property = metadata.properties().find(StrCat(kind, ".", tensor.name()));
  const auto told = property == metadata.properties().end()
                        ? absl::StatusOr<ValueType>(absl::NotFoundError(""))
                        : ParseValueType(property->second);
  const DataType dtype = ParseDataType(tensor.datatype()).value_or(DataType::kInvalid);
  const bool is_single = shape.size() == 1 && (shape[0] == 1 || shape[0] == -1);
  if (told.ok()) {
    port.spec.type = *told;
  } else if (dtype == DataType::kBytes && is_single) {
    port.spec.type = SingleType(ValueKind::kBytes);
  } else {
    port.spec.type = TensorType(dtype, shape);
  }
  const ValueType& type = port.spec.type;
  port.has_rows = type.kind == ValueKind::kTensor ? shape.size() == type.shape.size() + 1
                                                  : shape.size() == 1 && shape[0] == -1;
  return port;
}

std::string PortsText(const std::vector<Port>& ports) {
  return absl::StrJoin(ports, ", ", [](std::string* out, const Port& port) {
    out->append(StrCat(port.spec.name, ": ", port.TypeText()));
  });
}

}  // namespace

std::string Port::TypeText() const {
  std::string text = ToString(spec.type);
  if (!has_rows) return text;
  const size_t bracket = text.find('[');
  if (bracket == std::string::npos) return StrCat(text, "[rows]");
  return StrCat(text.substr(0, bracket), "[rows", spec.type.shape.empty() ? "" : ",",
                text.substr(bracket + 1));
}

Shape Port::Pattern() const {
  if (spec.type.kind != ValueKind::kTensor) return {has_rows ? -1 : 1};
  Shape pattern = spec.type.shape;
  if (has_rows) pattern.insert(pattern.begin(), -1);
  return pattern;
}

std::string Model::SignatureText() const {
  return StrCat(name, "(", PortsText(inputs), ") -> (", PortsText(outputs), ")");
}

std::string Model::Hint(std::string_view wrong, const std::vector<Port>& ports) const {
  std::vector<std::string_view> names;
  names.reserve(ports.size());
  for (const Port& port : ports) names.push_back(port.spec.name);
  const std::string_view nearest = config::Nearest(wrong, names);
  return nearest.empty() ? StrCat("; it is ", SignatureText())
                         : StrCat("; did you mean '", nearest, "'? It is ", SignatureText());
}

const Port* FindPort(const std::vector<Port>& ports, std::string_view name) {
  const auto found = std::find_if(ports.begin(), ports.end(),
                                  [&](const Port& port) { return port.spec.name == name; });
  return found == ports.end() ? nullptr : &*found;
}

Model ModelOf(const Metadata& metadata) {
  Model model;
  model.name = metadata.name();
  for (const auto& tensor : metadata.inputs()) {
    model.inputs.push_back(PortOf(metadata, tensor, "input"));
  }
  for (const auto& tensor : metadata.outputs()) {
    model.outputs.push_back(PortOf(metadata, tensor, "output"));
  }
  return model;
}

}  // namespace tiffin::gateway::client
