#include "gateway/api/http/openapi.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "common/signature.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway::http {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kJsonType[] = "application/json";
constexpr char kBinaryType[] = "application/octet-stream";

Json Ref(std::string_view kind, std::string_view name) {
  return {{"$ref", StrCat("#/components/", kind, "/", name)}};
}

Json Content(std::string_view type, Json schema) {
  return {{std::string(type), {{"schema", std::move(schema)}}}};
}

template <typename T>
Json IntegerSchema() {
  return {{"type", "integer"},
          {"minimum", std::numeric_limits<T>::min()},
          {"maximum", std::numeric_limits<T>::max()}};
}

Json Base64Schema() { return {{"type", "string"}, {"contentEncoding", "base64"}}; }

Json ElementSchema(DataType dtype) {
  switch (dtype) {
    case DataType::kBool:
      return {{"type", "boolean"}};
    case DataType::kUint8:
      return IntegerSchema<uint8_t>();
    case DataType::kUint16:
      return IntegerSchema<uint16_t>();
    case DataType::kUint32:
      return IntegerSchema<uint32_t>();
    case DataType::kUint64:
      return IntegerSchema<uint64_t>();
    case DataType::kInt8:
      return IntegerSchema<int8_t>();
    case DataType::kInt16:
      return IntegerSchema<int16_t>();
    case DataType::kInt32:
      return IntegerSchema<int32_t>();
    case DataType::kInt64:
      return IntegerSchema<int64_t>();
    case DataType::kFp32:
    case DataType::kFp64:
      return {{"oneOf", Json::array({{{"type", "number"}},
                                     {{"enum", Json::array({"NaN", "Infinity", "-Infinity"})}}})}};
    case DataType::kBytes:
      return Base64Schema();
    default:
      return {{"not", Json::object()},
              {"description", StrCat(DataTypeName(dtype),
                                     " has no JSON form; send and ask for it as binary data of "
                                     "KServe v2")}};
  }
}

// A value in JSON, without the rows of singles.
Json ValueSchema(const ValueType& type, bool has_rows) {
  switch (type.kind) {
    case ValueKind::kText:
      return {{"type", "string"}};
    case ValueKind::kJson:
      return {{"description", "any JSON"}};
    case ValueKind::kTensor:
      break;
    default:
      return Base64Schema();
  }
  Json schema = ElementSchema(type.dtype);
  const Shape shape = ClientShape(type, has_rows);
  for (auto size = shape.rbegin(); size != shape.rend(); ++size) {
    schema = {{"type", "array"}, {"items", std::move(schema)}};
    if (*size >= 0) {
      schema["minItems"] = *size;
      schema["maxItems"] = *size;
    }
  }
  return schema;
}

Json RowsSchema(Json row) {
  return {{"type", "array"}, {"items", std::move(row)}, {"minItems", 1}};
}

Json ObjectSchema(Json properties) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

Json ValuesSchema(const std::vector<TensorSpec>& specs, bool has_rows) {
  Json properties = Json::object();
  for (const TensorSpec& spec : specs) {
    Json schema = ValueSchema(spec.type, has_rows);
    const bool is_list = has_rows && spec.type.kind != ValueKind::kTensor;
    properties[spec.name] = is_list ? RowsSchema(std::move(schema)) : std::move(schema);
  }
  return ObjectSchema(std::move(properties));
}

// An input as a field of a form.
Json FieldSchema(const TensorSpec& spec, bool has_rows) {
  if (spec.type.kind == ValueKind::kTensor) return ValueSchema(spec.type, has_rows);
  const bool is_binary = spec.type.kind == ValueKind::kImage || spec.type.kind == ValueKind::kBytes;
  Json schema =
      is_binary ? Json{{"contentMediaType", kBinaryType}} : ValueSchema(spec.type, has_rows);
  return has_rows ? RowsSchema(std::move(schema)) : schema;
}

Json FormContent(const Interface& interface) {
  Json properties = Json::object();
  Json encoding = Json::object();
  for (const TensorSpec& spec : interface.inputs) {
    properties[spec.name] = FieldSchema(spec, interface.has_rows);
    const bool is_json = spec.type.kind == ValueKind::kTensor || spec.type.kind == ValueKind::kJson;
    if (is_json) encoding[spec.name] = {{"contentType", kJsonType}};
  }
  Json media = {{"schema", ObjectSchema(std::move(properties))}};
  if (!encoding.empty()) media["encoding"] = std::move(encoding);
  return media;
}

// The bodies that are the one input of an API.
void AddSingleContent(const Interface& interface, Json& content) {
  if (interface.inputs.size() != 1) return;
  const ValueKind kind = interface.inputs[0].type.kind;
  if (kind == ValueKind::kText) content["text/plain"] = {{"schema", {{"type", "string"}}}};
  if (kind == ValueKind::kImage || kind == ValueKind::kBytes) {
    content["image/*"] = Json::object();
    content[kBinaryType] = Json::object();
  }
}

Json ErrorResponses() {
  Json responses = Json::object();
  const std::pair<const char*, const char*> kErrors[] = {
      {"400", "The request is wrong"},
      {"404", "There is no such model"},
      {"413", "The body is too large"},
      {"415", "The body's type is not one of those above"},
      {"429", "A queue, or memory, is full"},
      {"501", "The answer has no JSON form"},
      {"503", "A runner is not there, or the server is shutting down"},
      {"504", "The deadline passed"},
      {"default", "Another error"}};
  for (const auto& [status, description] : kErrors) {
    responses[status] = {{"description", description},
                         {"content", Content(kJsonType, Ref("schemas", "Error"))}};
  }
  return responses;
}

Json OkResponse(std::string_view description, Json content) {
  return {{"description", std::string(description)},
          {"headers", {{"x-request-id", Ref("headers", "RequestId")}}},
          {"content", std::move(content)}};
}

Json InferParameters() {
  return Json::array({Ref("parameters", "RequestId"), Ref("parameters", "RequestTimeout"),
                      Ref("parameters", "TraceParent")});
}

Json ApiOperation(const Interface& interface) {
  Json content = Content(kJsonType, ValuesSchema(interface.inputs, interface.has_rows));
  content["multipart/form-data"] = FormContent(interface);
  AddSingleContent(interface, content);
  Json responses = {
      {"200", OkResponse("The outputs",
                         Content(kJsonType, ValuesSchema(interface.outputs, interface.has_rows)))}};
  responses.update(ErrorResponses());
  return {{"operationId", interface.name},
          {"summary", StrCat("Runs ", interface.name)},
          {"parameters", InferParameters()},
          {"requestBody", {{"required", true}, {"content", std::move(content)}}},
          {"responses", std::move(responses)}};
}

Json GetOperation(const DescribedGet& get) {
  return {
      {"summary", std::string(get.summary)},
      {"responses",
       {{"200",
         {{"description", "The answer"}, {"content", Content(get.content_type, Json::object())}}},
        {"default",
         {{"description", "The answer is no, or there is none"},
          {"content", Content(kJsonType, {{"type", "object"}})}}}}}};
}

Json KserveInferOperation() {
  Json responses = {
      {"200", OkResponse("The outputs; those asked for as binary data behind the JSON",
                         Content(kJsonType, Ref("schemas", "InferResponse")))}};
  responses["200"]["content"][kBinaryType] = Json::object();
  responses["200"]["headers"]["Inference-Header-Content-Length"] = Ref("headers", "JsonLength");
  responses.update(ErrorResponses());
  Json content = Content(kJsonType, Ref("schemas", "InferRequest"));
  content[kBinaryType] = Json::object();
  return {{"parameters", InferParameters()},
          {"requestBody", {{"required", true}, {"content", std::move(content)}}},
          {"responses", std::move(responses)}};
}

Json KserveOperation(const KserveRoutes::Route& route) {
  Json operation = {{"summary", std::string(route.summary)}};
  const bool is_infer = route.answer == nullptr;
  if (is_infer) {
    operation.update(KserveInferOperation());
  } else {
    operation["parameters"] = Json::array();
    const Json object = Content(kJsonType, Json::object());
    operation["responses"] = {
        {StrCat(route.status), {{"description", "The answer"}, {"content", object}}},
        {"default", {{"description", "The answer is no, or there is none"}, {"content", object}}}};
  }
  Json& parameters = operation["parameters"];
  for (const auto& [place, name] :
       {std::pair{"{model}", "Model"}, std::pair{"{version}", "Version"}}) {
    if (route.path.find(place) != route.path.npos) parameters.push_back(Ref("parameters", name));
  }
  if (is_infer) parameters.push_back(Ref("parameters", "JsonLength"));
  return operation;
}

Json Parameter(std::string_view name, std::string_view in, std::string_view description) {
  return {{"name", std::string(name)},
          {"in", std::string(in)},
          {"required", in == "path"},
          {"description", std::string(description)},
          {"schema", {{"type", "string"}}}};
}

Json Parameters() {
  Json length = Parameter("Inference-Header-Content-Length", "header",
                          "How many of the body's bytes are JSON, where binary data follows it");
  length["schema"] = {{"type", "integer"}, {"minimum", 0}};
  return {
      {"RequestId", Parameter("x-request-id", "header", "Comes back; made if there is none")},
      {"RequestTimeout",
       Parameter("x-request-timeout", "header", "The request's deadline, as 500ms, 2s or 1.5s")},
      {"TraceParent", Parameter("traceparent", "header", "The caller's span, W3C Trace Context")},
      {"Model", Parameter("model", "path",
                          "An API, <service>.<api>, or a runner, <service>.<runner>; the last part "
                          "alone where only one has it")},
      {"Version", Parameter("version", "path", "1, or that of the runner's model in the store")},
      {"JsonLength", std::move(length)}};
}

Json KserveTensorSchema() {
  Json data = {{"type", "array"}, {"description", "The elements, flat or nested as the shape is"}};
  return {{"type", "object"},
          {"properties",
           {{"name", {{"type", "string"}}},
            {"shape", {{"type", "array"}, {"items", {{"type", "integer"}, {"minimum", 0}}}}},
            {"datatype", {{"type", "string"}}},
            {"parameters", {{"type", "object"}}},
            {"data", std::move(data)}}},
          {"required", Json::array({"name", "shape", "datatype"})},
          {"additionalProperties", false}};
}

Json Schemas() {
  const Json text = {{"type", "string"}};
  const Json parameters = {
      {"type", "object"},
      {"additionalProperties", {{"type", Json::array({"string", "number", "boolean"})}}}};
  const Json tensors = {{"type", "array"}, {"items", Ref("schemas", "InferTensor")}};
  const Json wanted = {{"type", "object"},
                       {"properties", {{"name", text}, {"parameters", parameters}}},
                       {"required", Json::array({"name"})},
                       {"additionalProperties", false}};
  Json request = {{"id", text},
                  {"model_name", text},
                  {"model_version", text},
                  {"parameters", parameters},
                  {"inputs", tensors},
                  {"outputs", {{"type", "array"}, {"items", wanted}}}};
  Json response = request;
  response["outputs"] = tensors;
  response.erase("inputs");
  return {{"Error", ObjectSchema({{"error", text}})},
          {"InferTensor", KserveTensorSchema()},
          {"InferRequest",
           {{"type", "object"},
            {"properties", std::move(request)},
            {"required", Json::array({"inputs"})},
            {"additionalProperties", false}}},
          {"InferResponse",
           {{"type", "object"},
            {"properties", std::move(response)},
            {"required", Json::array({"model_name", "model_version", "outputs"})},
            {"additionalProperties", false}}}};
}

}  // namespace

std::string OpenApiDocument(std::span<const DescribedGet> gets, std::span<const DescribedApi> apis,
                            std::span<const KserveRoutes::Route> kserve) {
  Json paths = Json::object();
  for (const DescribedGet& get : gets) paths[std::string(get.path)]["get"] = GetOperation(get);
  for (const DescribedApi& api : apis) {
    paths[std::string(api.path)]["post"] = ApiOperation(*api.interface);
  }
  for (const KserveRoutes::Route& route : kserve) {
    paths[std::string(route.path)][ToLower(route.method)] = KserveOperation(route);
  }
  const Json headers = {
      {"RequestId", {{"description", "The request's id"}, {"schema", {{"type", "string"}}}}},
      {"JsonLength",
       {{"description", "How many of the body's bytes are JSON, where binary data follows it"},
        {"schema", {{"type", "integer"}, {"minimum", 0}}}}}};
  const Json document = {
      {"openapi", "3.1.0"},
      {"info", {{"title", "Tiffin"}, {"version", TIFFIN_VERSION}}},
      {"paths", std::move(paths)},
      {"components", {{"schemas", Schemas()}, {"parameters", Parameters()}, {"headers", headers}}}};
  return document.dump(2) + "\n";
}

}  // namespace tiffin::gateway::http
