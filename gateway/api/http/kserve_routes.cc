#include "gateway/api/http/kserve_routes.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/http/answers.h"
#include "gateway/api/http/infer_answer.h"
#include "gateway/api/http/json_text.h"
#include "gateway/api/http/proto_json.h"
#include "gateway/api/kserve/decode.h"
#include "gateway/api/kserve/repository.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::http {
namespace {

constexpr std::string_view kModel = "{model}";
constexpr std::string_view kVersion = "{version}";
constexpr std::string_view kBinaryType = "application/octet-stream";
// Triton's, of which this server has none over HTTP.
constexpr std::string_view kNotHere[] = {"/v2/systemsharedmemory", "/v2/cudasharedmemory",
                                         "/v2/trace", "/v2/logging"};

int HexValue(char digit) {
  if (!absl::ascii_isxdigit(static_cast<unsigned char>(digit))) return -1;
  return absl::ascii_isdigit(static_cast<unsigned char>(digit))
             ? digit - '0'
             : absl::ascii_tolower(static_cast<unsigned char>(digit)) - 'a' + 10;
}

// A part of a path without its %-escapes; what only looks like one stays.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
        HexValue(text[i + 2]) >= 0) {
      out += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Up to the next slash, which is taken off too.
std::string_view NextPart(std::string_view& path) {
  const size_t end = std::min(path.find('/'), path.size());
  const std::string_view part = path.substr(0, end);
  path.remove_prefix(std::min(end + 1, path.size()));
  return part;
}

// What `path` has in the places of `pattern`; none if it is not one of its kind.
std::optional<KserveRoutes::Question> Match(std::string_view pattern, std::string_view path) {
  KserveRoutes::Question question{
      .path = std::string(path), .model = "", .version = "", .body = ""};
  while (!pattern.empty() || !path.empty()) {
    if (pattern.empty() != path.empty()) return std::nullopt;
    const std::string_view wanted = NextPart(pattern);
    const std::string_view part = NextPart(path);
    if (wanted == kModel || wanted == kVersion) {
      if (part.empty()) return std::nullopt;
      (wanted == kModel ? question.model : question.version) = Unescape(part);
    } else if (wanted != part) {
      return std::nullopt;
    }
  }
  return question;
}

Response JsonResponse(int status, const nlohmann::ordered_json& json) {
  return {.status = status, .fields = {}, .body = json.dump() + "\n"};
}

// The outputs to send, in JSON or behind it. FP16 and BF16 have no JSON: to find that out after the
// inference would be late.
absl::StatusOr<std::vector<WantedOutput>> WantedOutputs(const kserve::CheckedRequest& checked,
                                                        const InferBody& body) {
  std::vector<WantedOutput> wanted;
  for (const auto& [index, place] : checked.outputs) {
    const TensorSpec& spec = checked.model->interface.outputs[index];
    const bool is_binary = body.WantsBinary(spec.name);
    if (!is_binary && (spec.type.dtype == DataType::kFp16 || spec.type.dtype == DataType::kBf16)) {
      return absl::InvalidArgumentError(StrCat(
          "output '", spec.name, "' is ", DataTypeName(spec.type.dtype),
          ", which JSON has not; ask for it with its parameter 'binary_data', or for all of them "
          "with the request's parameter 'binary_data_output'"));
    }
    wanted.push_back({.index = index, .binary = is_binary});
  }
  return wanted;
}

}  // namespace

std::span<const KserveRoutes::Route> KserveRoutes::routes() {
  // The first that fits: `stats` is no model.
  static constexpr Route kRoutes[] = {
      {"GET", "/v2", "The server and its extensions", &KserveRoutes::ServerMetadata},
      {"GET", "/v2/health/live", "Whether the server lives", &KserveRoutes::ServerLive},
      {"GET", "/v2/health/ready", "Whether every service is ready", &KserveRoutes::ServerReady},
      {"GET", "/v2/models/stats", "Statistics of all models", &KserveRoutes::ModelStatistics},
      {"GET", "/v2/models/{model}", "A model's inputs and outputs", &KserveRoutes::ModelMetadata},
      {"GET", "/v2/models/{model}/versions/{version}", "A model's inputs and outputs",
       &KserveRoutes::ModelMetadata},
      {"GET", "/v2/models/{model}/ready", "Whether a model is ready", &KserveRoutes::ModelReady},
      {"GET", "/v2/models/{model}/versions/{version}/ready", "Whether a model is ready",
       &KserveRoutes::ModelReady},
      {"GET", "/v2/models/{model}/config", "A model's configuration, as Triton has it",
       &KserveRoutes::ModelConfig},
      {"GET", "/v2/models/{model}/versions/{version}/config",
       "A model's configuration, as Triton has it", &KserveRoutes::ModelConfig},
      {"GET", "/v2/models/{model}/stats", "A model's statistics", &KserveRoutes::ModelStatistics},
      {"GET", "/v2/models/{model}/versions/{version}/stats", "A model's statistics",
       &KserveRoutes::ModelStatistics},
      {"POST", "/v2/models/{model}/infer", "Runs an API or a runner", nullptr},
      {"POST", "/v2/models/{model}/versions/{version}/infer", "Runs an API or a runner", nullptr},
      {"POST", "/v2/repository/index", "All models", &KserveRoutes::RepositoryIndex},
      {"POST", "/v2/repository/models/{model}/load", "Not supported: models stay loaded",
       &KserveRoutes::Reload, 501},
      {"POST", "/v2/repository/models/{model}/unload", "Not supported: models stay loaded",
       &KserveRoutes::Reload, 501},
  };
  return kRoutes;
}

std::optional<Handler::Answer> KserveRoutes::Take(const Caller* caller, Request& request) {
  std::string_view path = request.path();
  if (!path.starts_with("/v2") || (path.size() > 3 && path[3] != '/')) return std::nullopt;
  if (path.ends_with('/')) path.remove_suffix(1);
  for (const Route& route : routes()) {
    std::optional<Question> question = Match(route.path, path);
    if (!question.has_value()) continue;
    question->caller = caller;
    const bool is_get = route.method == "GET";
    if (is_get ? !IsGet(request) : request.method != route.method) {
      return ToOtherMethod(calls_, request, is_get ? "GET, HEAD" : route.method);
    }
    if (route.answer == nullptr) return TakeInfer(request, *question);
    question->body = std::move(request.body);
    return [this, &route, question = *std::move(question)](Exchange& exchange) {
      absl::StatusOr<Response> response = (this->*route.answer)(question);
      if (response.ok()) {
        exchange.Respond(*std::move(response));
      } else {
        calls_.Refuse(exchange, "", response.status(), std::nullopt);
      }
    };
  }
  const std::string quoted = BoundedUtf8(path, kMaxQuoted);
  for (const std::string_view prefix : kNotHere) {
    if (!path.starts_with(prefix)) continue;
    return Refusal(calls_, absl::UnimplementedError(
                               StrCat(quoted, " is not supported by this server over HTTP")));
  }
  return Refusal(calls_, absl::NotFoundError(StrCat(
                             "there is no ", quoted,
                             "; a model's paths are /v2/models/NAME[/versions/VERSION], and below "
                             "it /ready, /config, /stats and /infer")));
}

Handler::Answer KserveRoutes::TakeInfer(Request& request, const Question& question) {
  Timing timing{.received = calls_.Now(), .timeout = absl::InfiniteDuration()};
  const absl::StatusOr<absl::Duration> timeout = TimeoutOf(request);
  if (!timeout.ok()) return Refusal(calls_, timeout.status());
  timing.timeout = *timeout;
  if (const auto model = models_.FindFor(question.caller, question.model, question.version);
      !model.ok()) {
    return Refusal(calls_, model.status());
  }
  auto body = std::make_unique<InferBody>(std::move(request.body), question.model, question.version,
                                          request.field(kJsonLengthField));
  return [this, body = std::move(body), timing](Exchange& exchange) {
    Infer(exchange, *body, timing);
  };
}

void KserveRoutes::Infer(Exchange& exchange, const InferBody& body, const Timing& timing) {
  const std::string& id = body.parsed().message().id();
  if (!body.status().ok()) {
    if (body.http_status() != 0) exchange.FailAs(body.http_status());
    calls_.Refuse(exchange, id, body.status(), kserve::TargetOf(body.parsed(), models_));
    return;
  }
  absl::StatusOr<kserve::CheckedRequest> checked = kserve::CheckRequest(
      body.parsed(), models_, {exchange.caller(), /*memory=*/nullptr}, serving_.allocator());
  if (!checked.ok()) {
    calls_.Refuse(exchange, id, checked.status(), kserve::TargetOf(body.parsed(), models_));
    return;
  }
  absl::StatusOr<std::vector<WantedOutput>> wanted = WantedOutputs(*checked, body);
  if (!wanted.ok()) {
    calls_.Refuse(exchange, id, wanted.status(), checked->model->target);
    return;
  }
  const kserve::Model& model = *checked->model;
  calls_.Start(
      exchange,
      {.target = model.target,
       .inputs = std::move(checked->inputs),
       .request_id = id,
       .timeout = std::min(timing.timeout, checked->timeout.value_or(absl::InfiniteDuration())),
       .received = timing.received,
       .encode = [&exchange, &model, id, wanted = *std::move(wanted),
                  parameters = std::move(checked->parameters)](
                     const std::vector<Value>& outputs) -> absl::StatusOr<grpc::ByteBuffer> {
         ASSIGN_OR_RETURN(InferAnswer answer,
                          EncodeInferAnswer(model, id, outputs, wanted, parameters.get()));
         const bool has_binary = std::any_of(wanted.begin(), wanted.end(),
                                             [](const WantedOutput& one) { return one.binary; });
         if (has_binary) {
           exchange.AnswerAs(kBinaryType);
           exchange.AddTrailingMetadata(std::string(kJsonLengthField), StrCat(answer.json_size));
         }
         return std::move(answer.body);
       }});
}

absl::StatusOr<Response> KserveRoutes::ServerMetadata(const Question& /*question*/) const {
  inference::ServerMetadataResponse metadata = info_.ServerMetadata();
  metadata.add_extensions("binary_tensor_data");
  return JsonResponse(200, ToJson(metadata));
}

absl::StatusOr<Response> KserveRoutes::ServerLive(const Question& /*question*/) const {
  return JsonResponse(200, {{"live", true}});
}

absl::StatusOr<Response> KserveRoutes::ServerReady(const Question& /*question*/) const {
  const bool ready = info_.ServerReady();
  return JsonResponse(ready ? 200 : 503, {{"ready", ready}});
}

absl::StatusOr<Response> KserveRoutes::ModelMetadata(const Question& question) const {
  ASSIGN_OR_RETURN(const auto metadata,
                   info_.ModelMetadata(question.caller, question.model, question.version));
  return JsonResponse(200, ToJson(metadata));
}

absl::StatusOr<Response> KserveRoutes::ModelReady(const Question& question) const {
  ASSIGN_OR_RETURN(const auto answer,
                   info_.ModelReady(question.caller, question.model, question.version));
  return JsonResponse(answer.ready() ? 200 : 503,
                      {{"name", question.model}, {"ready", answer.ready()}});
}

absl::StatusOr<Response> KserveRoutes::ModelConfig(const Question& question) const {
  ASSIGN_OR_RETURN(const auto answer,
                   info_.ModelConfig(question.caller, question.model, question.version));
  return JsonResponse(200, ToJson(answer.config()));
}

absl::StatusOr<Response> KserveRoutes::ModelStatistics(const Question& question) const {
  ASSIGN_OR_RETURN(const auto answer,
                   info_.ModelStatistics(question.caller, question.model, question.version));
  return JsonResponse(200, ToJson(answer));
}

absl::StatusOr<Response> KserveRoutes::RepositoryIndex(const Question& question) const {
  inference::RepositoryIndexRequest request;
  if (!Trim(question.body).empty()) {
    constexpr std::string_view kBody = "the body";
    ASSIGN_OR_RETURN(const auto json, ParseJson(question.body, kBody, UniqueKeys::kEverywhere));
    const auto ready = json.find("ready");
    if (!json.is_object() || json.size() != (ready == json.end() ? 0U : 1U) ||
        (ready != json.end() && !ready->is_boolean())) {
      return absl::InvalidArgumentError("the body is neither empty nor {\"ready\": true or false}");
    }
    request.set_ready(ready != json.end() && ready->get<bool>());
  }
  ASSIGN_OR_RETURN(const auto index, info_.RepositoryIndex(question.caller, request));
  return JsonResponse(200, ToJson(index)["models"]);
}

absl::StatusOr<Response> KserveRoutes::Reload(const Question& question) const {
  return kserve::CannotReload(question.path);
}

}  // namespace tiffin::gateway::http
