#include "tests/bench/in_process/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "common/strings.h"

namespace tiffin::bench {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kMoment = absl::Milliseconds(2);
// For a loop that something ends earlier, on however busy a machine.
constexpr absl::Duration kEndsBefore = absl::Seconds(60);

// Answers each request with itself, but for what `change` makes of it.
class FakeGraph final : public Graph {
 public:
  using Change =
      std::function<absl::StatusOr<std::string>(int64_t count, std::string_view request)>;
  explicit FakeGraph(Change change) : change_(std::move(change)) {}

  absl::StatusOr<std::vector<std::string>> Answer(const TensorView& rows) override {
    std::vector<std::string> answers;
    const absl::StatusOr<std::vector<std::string_view>> requests = ParseBytesElements(rows.bytes);
    if (!requests.ok()) return requests.status();
    for (const std::string_view request : *requests) {
      absl::StatusOr<std::string> answer = change_(++count_, request);
      if (!answer.ok()) return answer.status();
      answers.push_back(*std::move(answer));
    }
    return answers;
  }

 private:
  Change change_;
  int64_t count_ = 0;
};

absl::StatusOr<std::string> Same(int64_t /*count*/, std::string_view request) {
  return std::string(request);
}

const std::vector<std::string> kTexts = {"one", "two", "three"};

std::vector<std::string> Requests() {
  std::vector<std::string> requests;
  for (const std::string& text : kTexts) AppendBytesElement(text, requests.emplace_back());
  return requests;
}

absl::StatusOr<LoopResult> RunOn(const std::vector<FakeGraph::Change>& changes, int batch,
                                 absl::Duration duration = kMoment) {
  std::vector<std::unique_ptr<Graph>> graphs;
  for (const FakeGraph::Change& change : changes) {
    graphs.push_back(std::make_unique<FakeGraph>(change));
  }
  return RunLoops(graphs, Requests(), kTexts,
                  {.batch = batch, .warm_up = kMoment, .duration = duration});
}

TEST(LoopTest, TakesTheRequestsInTurnsWhateverTheBatch) {
  for (const int batch : {1, 2, 3, 4, 7}) {
    const absl::StatusOr<LoopResult> result = RunOn({Same, Same}, batch);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->total_requests % batch, 0);
    EXPECT_GE(result->total_requests, batch * static_cast<int64_t>(result->latencies_ns.size()));
    EXPECT_GT(result->throughput, 0);
    EXPECT_GT(result->cpu_seconds, 0);
  }
}

TEST(LoopTest, EndsAtTheFirstWrongAnswerOfAnyThread) {
  const auto errs_once = [](int64_t count, std::string_view request) {
    return absl::StatusOr<std::string>(count == 5 ? "wrong" : std::string(request));
  };
  const absl::StatusOr<LoopResult> result = RunOn({Same, errs_once}, 1, kEndsBefore);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(Message(result.status())), HasSubstr("'wrong' and not 'two'"));
}

TEST(LoopTest, EndsAtAnError) {
  const auto fails = [](int64_t count, std::string_view request) {
    return count == 4 ? absl::StatusOr<std::string>(absl::UnavailableError("gone"))
                      : absl::StatusOr<std::string>(std::string(request));
  };
  EXPECT_EQ(RunOn({fails}, 2, kEndsBefore).status().code(), absl::StatusCode::kUnavailable);
}

TEST(LoopTest, MeasuresOneBatchEvenWhenTheTimeIsOverBefore) {
  std::vector<std::unique_ptr<Graph>> graphs;
  graphs.push_back(std::make_unique<FakeGraph>(Same));
  const absl::StatusOr<LoopResult> result =
      RunLoops(graphs, Requests(), kTexts,
               {.batch = 3, .warm_up = absl::ZeroDuration(), .duration = absl::ZeroDuration()});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->latencies_ns.size(), 1);
  EXPECT_EQ(result->total_requests, 3);
}

}  // namespace
}  // namespace tiffin::bench
