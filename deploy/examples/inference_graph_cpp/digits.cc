// A digit is read twice, by two models at the same time. While they disagree, they look again, at a
// brighter and at a darker picture of it; if they never agree, the sum of all scores decides.
#include <tiffin/service.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

using namespace tiffin::gateway;

namespace {

class Predict : public Program {
 public:
  explicit Predict(ProgramSetup& setup)
      : looks_{setup.Runner("plain"), setup.Runner("brighter"), setup.Runner("darker")},
        model_a_(setup.Runner("model_a")),
        model_b_(setup.Runner("model_b")) {}

  Task<std::vector<Value>> Run(const ProgramRequest& request) const override {
    Scores sum = {};
    for (size_t look = 0; look < looks_.size(); ++look) {
      const Value features = co_await looks_[look].Run(request.inputs[0]);
      const auto [a, b] = co_await WhenAll(model_a_.Run(features), model_b_.Run(features));
      const size_t digit = Best(co_await a.View(), sum);
      if (digit == Best(co_await b.View(), sum)) {
        co_return Text(std::to_string(digit) + " at look " + std::to_string(look + 1));
      }
    }
    const auto best = std::max_element(sum.begin(), sum.end()) - sum.begin();
    co_return Text(std::to_string(best) + ", but they disagree");
  }

 private:
  using Scores = std::array<float, 10>;

  // The digit with the highest score; all are added to `sum`.
  static size_t Best(const tiffin::TensorView& row, Scores& sum) {
    const auto scores = row.As<float>();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += scores[i];
    return static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  }
  static std::vector<Value> Text(const std::string& text) { return {TextRows({&text, 1})}; }

  std::array<RunnerHandle, 3> looks_;
  RunnerHandle model_a_;
  RunnerHandle model_b_;
};

void Add(Registry& registry) {
  registry.AddApi({.service = "inference_graph_cpp",
                   .name = "predict",
                   .inputs = {{"input_image", "image"}},
                   .outputs = {{"verdict", "text"}},
                   .timeout = absl::Seconds(10),
                   .make = MakeProgram<Predict>()});
}

}  // namespace

// All of tiffin's commands, with this API: `digits serve runners.yaml`.
int main(int argc, char** argv) { return GatewayMain(argc, argv, Add); }
