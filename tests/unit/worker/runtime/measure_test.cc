#include "worker/runtime/measure.h"

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "worker/runtime/example_image.h"

namespace tiffin::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

// Shows the same time until it is told to move.
class StillClock : public Clock {
 public:
  absl::Time Now() const override {
    const absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Advance(absl::Duration by) {
    const absl::MutexLock lock(&mutex_);
    now_ += by;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::UnixEpoch();
};

class MeasureTest : public ::testing::Test {
 protected:
  // An execution takes 10 ms, and 1 ms for each row.
  ControlledBackend Backend(Signature signature, int concurrency = 1) {
    return {std::move(signature),
            [this](const Invocation& invocation, Outputs& outputs) {
              clock_.Advance(absl::Milliseconds(10 + invocation.rows));
              return Identity(invocation, outputs);
            },
            concurrency};
  }

  absl::StatusOr<WorkerMeasurements> Measured(ControlledBackend& backend, int64_t max_rows = 1) {
    return Measure({.backend = backend, .kept = kept_, .given = given_, .methods = methods_},
                   {.max_rows = max_rows}, clock_);
  }

  std::vector<int64_t> RowsOf(const WorkerMeasurements& measured) {
    std::vector<int64_t> rows;
    for (const Measurement& one : measured.measurements) rows.push_back(one.rows);
    return rows;
  }

  StillClock clock_;
  Json kept_ = Json::object();
  GivenExamples given_;
  std::vector<std::string> methods_;
};

Signature TextSignature() {
  MethodSignature run;
  run.inputs = {{"text", SingleType(ValueKind::kText)}};
  run.outputs = {{"out", SingleType(ValueKind::kText)}};
  run.batchable = true;
  return {{"run", run}};
}

TEST_F(MeasureTest, BatchableMethodsAreMeasuredWithMoreAndMoreRows) {
  ControlledBackend backend = Backend(BytesSignature(/*batchable=*/true));
  const auto measured = Measured(backend, 6);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_THAT(RowsOf(*measured), ElementsAre(1, 2, 4, 6));
  EXPECT_NEAR(measured->measurements[0].seconds, 0.011, 1e-9);
  EXPECT_NEAR(measured->measurements[3].seconds, 0.016, 1e-9);
  EXPECT_GT(measured->measurements[0].cpu_seconds, 0);
  EXPECT_EQ(measured->measurements[0].input, "zeros");
}

TEST_F(MeasureTest, OthersAreMeasuredWithOneRow) {
  ControlledBackend backend = Backend(BytesSignature());
  EXPECT_THAT(RowsOf(Measured(backend, 8).value()), ElementsAre(1));
  Signature unsafe = BytesSignature(/*batchable=*/true);
  unsafe.at("run").retry_safe = false;
  ControlledBackend never_batched = Backend(unsafe);
  EXPECT_THAT(RowsOf(Measured(never_batched, 8).value()), ElementsAre(1));
}

TEST_F(MeasureTest, NoMoreRowsAreTriedWhenTheTimeIsOver) {
  ControlledBackend backend(BytesSignature(/*batchable=*/true),
                            [this](const Invocation& invocation, Outputs& outputs) {
                              clock_.Advance(absl::Seconds(1));
                              return Identity(invocation, outputs);
                            });
  const auto measured = Measured(backend, 1024);
  ASSERT_TRUE(measured.ok());
  EXPECT_THAT(RowsOf(*measured), ElementsAre(1, 2));  // 4 executions of a second each.
  EXPECT_EQ(backend.executions().size(), 8U);
}

TEST_F(MeasureTest, AsManyRunAtATimeAsTheBackendAllows) {
  auto gate = std::make_shared<Gate>();
  ControlledBackend backend(
      BytesSignature(),
      [&, gate](const Invocation& invocation, Outputs& outputs) {
        // The first is the warm-up; of those after it two must be under way before one returns.
        const size_t begun = backend.executions().size();
        if (begun == 3) gate->Open();
        if (begun > 1 && !gate->Wait()) return absl::InternalError("never two at a time");
        clock_.Advance(absl::Milliseconds(50));
        return Identity(invocation, outputs);
      },
      /*concurrency=*/2);
  const auto measured = Measured(backend);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(measured->concurrency, 2);
}

TEST_F(MeasureTest, TheModelsExampleIsUsed) {
  kept_ = {{"run", {{"text", "kept"}}}};
  ControlledBackend backend = Backend(TextSignature());
  EXPECT_EQ(Measured(backend, 2)->measurements[0].input, "the model's example");
  EXPECT_THAT(backend.executions().front().first_input, HasSubstr("kept"));
  EXPECT_THAT(backend.executions().back().first_input, HasSubstr("kept"));
}

TEST_F(MeasureTest, WhatIsGivenCountsBeforeIt) {
  TemporaryFolder folder;
  std::ofstream(folder.path() + "/text") << "from a file";
  kept_ = {{"run", {{"text", "kept"}}}};
  given_ = {{"text", "@" + folder.path() + "/text"}};
  ControlledBackend backend = Backend(TextSignature());
  EXPECT_EQ(Measured(backend)->measurements[0].input, "--example");
  EXPECT_THAT(backend.executions().front().first_input, HasSubstr("from a file"));
}

TEST_F(MeasureTest, TensorsAreGivenAsJson) {
  given_ = {{"in", "[7, 8]"}};
  ControlledBackend backend = Backend(BytesSignature());
  ASSERT_TRUE(Measured(backend).ok());
  EXPECT_EQ(backend.executions().front().first_input, "\x07\x08");
}

TEST_F(MeasureTest, AnImageIsMadeWhereNoneIsGiven) {
  MethodSignature run;
  run.inputs = {{"image", SingleType(ValueKind::kImage)}};
  run.outputs = {{"out", SingleType(ValueKind::kImage)}};
  ControlledBackend backend = Backend({{"run", run}});
  EXPECT_EQ(Measured(backend)->measurements[0].input, "a picture of one line of text");
  EXPECT_THAT(backend.executions().front().first_input, HasSubstr(std::string(ExampleImage())));
}

TEST_F(MeasureTest, MethodsAreChosen) {
  Signature two = BytesSignature();
  two["other"] = two.at("run");
  ControlledBackend backend = Backend(two);
  methods_ = {"other"};
  EXPECT_EQ(Measured(backend)->measurements[0].method, "other");
  methods_ = {"third"};
  EXPECT_EQ(Measured(backend).status().message(), "there is no method 'third'");
}

TEST_F(MeasureTest, WithoutAChoiceItIsRunOrTheOnlyOne) {
  Signature signature = BytesSignature();
  signature["a"] = signature.at("run");
  ControlledBackend with_run = Backend(signature);
  EXPECT_EQ(Measured(with_run)->measurements[0].method, "run");
  auto run = signature.extract("run");
  ControlledBackend alone = Backend(signature);
  EXPECT_EQ(Measured(alone)->measurements[0].method, "a");
  run.key() = "b";
  signature.insert(std::move(run));
  ControlledBackend several = Backend(signature);
  EXPECT_THAT(std::string(Measured(several).status().message()),
              HasSubstr("no method 'run', but a, b: choose with --method"));
}

TEST_F(MeasureTest, AnExampleOfAnotherMethodsInputIsRefused) {
  Signature two = BytesSignature();
  two["other"] = two.at("run");
  two.at("other").inputs.front().name = "rare";
  given_ = {{"rare", "[1]"}};
  ControlledBackend backend = Backend(two);
  EXPECT_THAT(std::string(Measured(backend).status().message()),
              HasSubstr("there is no input 'rare' of run (have in)"));
  methods_ = {"run", "other"};
  const auto measured = Measured(backend);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(measured->measurements[0].input, "zeros");
  EXPECT_EQ(measured->measurements[1].input, "--example");
}

TEST_F(MeasureTest, RowsAndWindowAreThoseOfTheBatching) {
  config::BatchingConfig batching{.policy = config::BatchingPolicy::kFixed,
                                  .max_batch_size = 8,
                                  .max_delay = absl::Milliseconds(5)};
  EXPECT_EQ(MeasureLimitsOf(batching).max_rows, 8);
  EXPECT_EQ(MeasureLimitsOf(batching).window, absl::Milliseconds(5));
  batching.policy = config::BatchingPolicy::kAdaptive;
  EXPECT_EQ(MeasureLimitsOf(batching).max_rows, 8);
  EXPECT_EQ(MeasureLimitsOf(batching).window, absl::ZeroDuration());
  batching.policy = config::BatchingPolicy::kOff;
  EXPECT_EQ(MeasureLimitsOf(batching).max_rows, 1);
  EXPECT_EQ(MeasureLimitsOf(batching).window, absl::ZeroDuration());
}

TEST_F(MeasureTest, OnlyCallsThatRunTogetherWaitForOthers) {
  const auto wait = [this](bool batchable, int64_t max_rows) {
    ControlledBackend backend = Backend(BytesSignature(batchable));
    const auto measured =
        Measure({.backend = backend, .kept = kept_, .given = given_, .methods = methods_},
                {.max_rows = max_rows, .window = absl::Milliseconds(5)}, clock_);
    return measured->measurements[0].wait_seconds;
  };
  EXPECT_EQ(wait(/*batchable=*/true, 2), 0.005);
  EXPECT_EQ(wait(/*batchable=*/true, 1), 0);
  EXPECT_EQ(wait(/*batchable=*/false, 2), 0);
}

TEST_F(MeasureTest, WhatIsMissingOrWrongIsSaid) {
  const auto error = [this](Signature signature) {
    ControlledBackend backend = Backend(std::move(signature));
    return std::string(Measured(backend).status().message());
  };
  EXPECT_THAT(error(TextSignature()),
              HasSubstr("there is no example of its input 'text' (text); give one with --example "
                        "text=VALUE"));
  given_ = {{"text", "@/no/such/file"}};
  EXPECT_THAT(error(TextSignature()), HasSubstr("'/no/such/file' can't be read"));
  EXPECT_THAT(error(BytesSignature()), HasSubstr("there is no input 'text' of run (have in)"));
  given_ = {{"in", "x"}};
  EXPECT_THAT(error(BytesSignature()), HasSubstr("'in' is uint8[-1]; give its numbers as JSON"));
}

TEST_F(MeasureTest, AFailureIsTheModels) {
  ControlledBackend backend(
      BytesSignature(), [](const Invocation&, Outputs&) { return absl::InternalError("broken"); });
  EXPECT_EQ(Measured(backend).status().message(), "running 'run' on the example: broken");
}

TEST(GivenExamplesTest, HaveANameAndAValue) {
  EXPECT_EQ(ParseGivenExamples({"a=b=c", "d="}).value(), (GivenExamples{{"a", "b=c"}, {"d", ""}}));
  EXPECT_FALSE(ParseGivenExamples({"a"}).ok());
  EXPECT_FALSE(ParseGivenExamples({"=a"}).ok());
}

TEST(GivenExamplesTest, AreGivenOnce) {
  EXPECT_THAT(std::string(ParseGivenExamples({"a=1", "b=1", "a=2"}).status().message()),
              HasSubstr("'a' is given twice"));
}

}  // namespace
}  // namespace tiffin::worker
