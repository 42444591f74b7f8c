#include "common/config/endpoint_pattern.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/name_hint.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

constexpr std::string_view kService = "{service}";
constexpr std::string_view kRunner = "{runner}";

absl::Status Wrong(std::string_view pattern, std::string_view why) {
  return absl::InvalidArgumentError(StrCat("--endpoints ", Quoted(pattern), ": ", why));
}

absl::Status CheckPlaceholders(std::string_view pattern) {
  size_t at = 0;
  while ((at = pattern.find_first_of("{}", at)) != pattern.npos) {
    const size_t end = pattern.find_first_of("{}", at + 1);
    if (pattern[at] == '}' || end == pattern.npos || pattern[end] == '{') {
      return Wrong(pattern,
                   StrCat("a brace stands alone; write ", kService, " or ", kRunner, ", or none"));
    }
    const std::string_view placeholder = pattern.substr(at, end + 1 - at);
    if (placeholder != kService && placeholder != kRunner) {
      return Wrong(pattern, StrCat("there is no placeholder ", placeholder, "; write ", kService,
                                   " or ", kRunner));
    }
    at = end + 1;
  }
  return absl::OkStatus();
}

// A runner that a pattern is applied to.
struct Subject {
  std::string_view service;
  RunnerConfig* runner = nullptr;

  std::string name() const { return StrCat("'", service, ".", runner->name, "'"); }
};

void Replace(std::string& text, std::string_view placeholder, std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  for (size_t at = 0; (at = text.find(placeholder, at)) != text.npos; at += name.size()) {
    text.replace(at, placeholder.size(), name);
  }
}

absl::StatusOr<Endpoint> EndpointFor(const std::string& pattern, const Subject& subject) {
  std::string text = pattern;
  Replace(text, kService, std::string(subject.service));
  Replace(text, kRunner, subject.runner->name);
  absl::StatusOr<Endpoint> endpoint = ParseEndpoint(text);
  if (endpoint.ok()) return endpoint;
  return Wrong(pattern, StrCat("for runner ", subject.name(), ": ", Message(endpoint.status())));
}

std::vector<Subject> SubjectsOf(std::span<ServiceConfig* const> services) {
  std::vector<Subject> subjects;
  for (ServiceConfig* service : services) {
    for (RunnerConfig& runner : service->runners) {
      if (runner.endpoints.empty()) subjects.push_back({service->name, &runner});
    }
  }
  return subjects;
}

// Why `endpoint` can't be that of `subject`, where another one has it.
absl::Status Shared(std::string_view pattern, const Endpoint& endpoint, const Subject& owner,
                    const Subject& subject) {
  if (owner.runner == subject.runner) {
    return Wrong(pattern, StrCat("runner ", subject.name(), " has the endpoint ",
                                 ToString(endpoint), " already; remove one"));
  }
  const bool is_one_service = owner.service == subject.service;
  const std::string_view missing = is_one_service ? kRunner : kService;
  const std::string fix = pattern.find(missing) == pattern.npos
                              ? StrCat("put ", missing, " into it")
                              : "write 'endpoints' for one of them into its file";
  return Wrong(pattern, StrCat("runners ", owner.name(), " and ", subject.name(),
                               " would have the same workers, at ", ToString(endpoint), "; ", fix));
}

void PutElsewhere(RunnerConfig& runner) {
  RunnerConfig elsewhere;
  elsewhere.name = std::move(runner.name);
  elsewhere.endpoints = std::move(runner.endpoints);
  elsewhere.written = std::move(runner.model.empty() ? runner.backend : runner.model);
  elsewhere.queue_max = runner.queue_max;
  elsewhere.location = runner.location;
  elsewhere.model_location = runner.model_location;
  runner = std::move(elsewhere);
}

}  // namespace

absl::Status SetEndpoints(std::span<const std::string> patterns,
                          std::span<ServiceConfig* const> services) {
  const std::vector<Subject> subjects = SubjectsOf(services);
  if (subjects.empty()) {
    return absl::InvalidArgumentError(
        "--endpoints is for runners without endpoints of their own, and there are none; remove it");
  }
  std::vector<std::pair<Endpoint, const Subject*>> taken;
  for (const std::string& pattern : patterns) {
    RETURN_IF_ERROR(CheckPlaceholders(pattern));
    for (const Subject& subject : subjects) {
      ASSIGN_OR_RETURN(Endpoint endpoint, EndpointFor(pattern, subject));
      const auto owner = std::find_if(taken.begin(), taken.end(), [&endpoint](const auto& other) {
        return other.first == endpoint;
      });
      if (owner != taken.end()) return Shared(pattern, endpoint, *owner->second, subject);
      taken.emplace_back(endpoint, &subject);
      subject.runner->endpoints.push_back(std::move(endpoint));
    }
  }
  for (const Subject& subject : subjects) PutElsewhere(*subject.runner);
  return absl::OkStatus();
}

}  // namespace tiffin::config
