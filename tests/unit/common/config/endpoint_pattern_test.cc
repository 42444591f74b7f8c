#include "common/config/endpoint_pattern.h"

#include <string>
#include <utility>
#include <vector>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::config {
namespace {

using ::testing::HasSubstr;

// Of what a worker is told, everything; and of what the gateway is.
constexpr char kDigits[] = R"(
service: small_digits
runners:
  pre_process: {backend: image, options: {size: [8, 8]}, replicas: 2, start_timeout: 1s}
  model: {model: "digits:latest", queue: {max: 7}, resources: {cpu: 2}, device: "cuda:0",
          batching: {max_batch_size: 3}}
  own: {endpoints: ["unix:/run/own.sock"]}
)";
constexpr char kLetters[] = R"(
service: letters
runners:
  model: {python: "letters.py:Letters", environment: .venv}
)";

ServiceConfig Parsed(const std::string& yaml) {
  Diagnostics diagnostics("service.yaml");
  ServiceConfig service = ParseService(yaml, "service.yaml", diagnostics);
  EXPECT_EQ(diagnostics.ToString(), "");
  return service;
}

absl::Status Set(const std::vector<std::string>& patterns, std::vector<ServiceConfig>& services) {
  std::vector<ServiceConfig*> all;
  all.reserve(services.size());
  for (ServiceConfig& service : services) all.push_back(&service);
  return SetEndpoints(patterns, all);
}

std::string Addresses(const ServiceConfig& service, std::string_view runner) {
  std::string text;
  for (const Endpoint& endpoint : service.FindRunner(runner)->endpoints) {
    text += StrCat(text.empty() ? "" : " ", ToString(endpoint));
  }
  return text;
}

TEST(EndpointPatternTest, EveryRunnerWithoutEndpointsGetsThem) {
  std::vector<ServiceConfig> services = {Parsed(kDigits), Parsed(kLetters)};
  const auto status =
      Set({"dns:///w-{service}-{runner}:9000", "unix:/{runner}/{service}/{runner}"}, services);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Addresses(services[0], "pre_process"),
            "dns:///w-small-digits-pre-process:9000 unix:/pre-process/small-digits/pre-process");
  EXPECT_EQ(Addresses(services[0], "model"),
            "dns:///w-small-digits-model:9000 unix:/model/small-digits/model");
  EXPECT_EQ(Addresses(services[0], "own"), "unix:/run/own.sock");
  EXPECT_EQ(Addresses(services[1], "model"),
            "dns:///w-letters-model:9000 unix:/model/letters/model");
}

TEST(EndpointPatternTest, OfARunnerElsewhereTheFileSaysItsQueueAndNoMore) {
  std::vector<ServiceConfig> services = {Parsed(kDigits), Parsed(kLetters)};
  ASSERT_TRUE(Set({"{service}-{runner}:9000"}, services).ok());
  const RunnerConfig& model = *services[0].FindRunner("model");
  EXPECT_EQ(model.queue_max, 7);
  EXPECT_EQ(model.location.line, 5);
  for (const ServiceConfig& service : services) {
    for (const RunnerConfig& runner : service.runners) {
      EXPECT_EQ(runner.model + runner.backend, "");
      EXPECT_FALSE(runner.python.has_value() || runner.replicas.has_value() ||
                   runner.device.has_value() || runner.batching.has_value() ||
                   runner.resources.cpu.has_value());
      EXPECT_TRUE(runner.options.empty());
      EXPECT_EQ(runner.start_timeout, kDefaultStartTimeout);
    }
  }
}

TEST(EndpointPatternTest, ErrorsNameThePatternAndTheFix) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"unix:/run/{model}.sock",
       "--endpoints 'unix:/run/{model}.sock': there is no placeholder {model}; write {service} or "
       "{runner}"},
      {"unix:/{}/{runner}", "there is no placeholder {};"},
      {"unix:/{runner", "a brace stands alone"},
      {"unix:/runner}", "a brace stands alone"},
      {"unix:/{ser{runner}", "a brace stands alone"},
      {"{service}-{runner}",
       "--endpoints '{service}-{runner}': for runner 'small_digits.pre_process': the endpoint "
       "'small-digits-pre-process': it has no port; write unix:PATH, HOST:PORT"},
      {"unix:{service}/{runner}.sock", "the path must begin with '/'"},
      {"{service}:9000",
       "--endpoints '{service}:9000': runners 'small_digits.pre_process' and 'small_digits.model' "
       "would have the same workers, at dns:///small-digits:9000; put {runner} into it"},
      {"unix:/run/{runner}.sock",
       "runners 'small_digits.model' and 'letters.model' would have the same workers, at "
       "unix:/run/model.sock; put {service} into it"},
  };
  for (const auto& [pattern, message] : cases) {
    std::vector<ServiceConfig> services = {Parsed(kDigits), Parsed(kLetters)};
    const absl::Status status = Set({pattern}, services);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << pattern;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(message)) << pattern;
  }
}

TEST(EndpointPatternTest, NamesThatRunTogetherAreNoTwoWorkers) {
  std::vector<ServiceConfig> services = {Parsed("service: a\nrunners: {b_c: {backend: image}}\n"),
                                         Parsed("service: a_b\nrunners: {c: {backend: image}}\n")};
  EXPECT_THAT(std::string(Message(Set({"{service}-{runner}:1"}, services))),
              HasSubstr("runners 'a.b_c' and 'a_b.c' would have the same workers, at "
                        "dns:///a-b-c:1; write 'endpoints' for one of them into its file"));
}

TEST(EndpointPatternTest, ThePatternsOfARunnerAreDifferentPlaces) {
  std::vector<ServiceConfig> services = {Parsed(kLetters)};
  EXPECT_THAT(
      std::string(Message(Set({"unix:/{runner}", "unix:/model"}, services))),
      HasSubstr("'unix:/model': runner 'letters.model' has the endpoint unix:/model already"));
}

TEST(EndpointPatternTest, ASingleRunnerNeedsNoPlaceholder) {
  std::vector<ServiceConfig> services = {Parsed(kLetters)};
  ASSERT_TRUE(Set({"10.0.0.1:9000"}, services).ok());
  EXPECT_EQ(Addresses(services[0], "model"), "ipv4:10.0.0.1:9000");
}

TEST(EndpointPatternTest, WhereNoRunnerTakesOneItIsAnError) {
  std::vector<ServiceConfig> services = {
      Parsed("service: a\nrunners: {b: {endpoints: [\"b:1\"]}}\n")};
  EXPECT_THAT(std::string(Message(Set({"{runner}:9000"}, services))),
              HasSubstr("and there are none; remove it"));
}

}  // namespace
}  // namespace tiffin::config
