// The gateway's sessions against worker/runtime's server, over real sockets.
#include <memory>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/dispatch/dispatch_fixture.h"
#include "tests/unit/worker/runtime/in_process_worker.h"

namespace tiffin::gateway {
namespace {

using ::testing::HasSubstr;
using worker::BytesSignature;
using worker::ControlledBackend;
using worker::Gate;
using worker::IdentityBehind;
using worker::InProcessWorker;

// Small ones travel in frames, large ones by reference.
const std::string kSmall = "small";
const std::string kLarge(4096, 'L');

class PairingTest : public DispatchTest {
 protected:
  explicit PairingTest(Signature signature = BytesSignature())
      : DispatchTest(std::move(signature)) {}
  ~PairingTest() override {
    gate_->Open();
    ClosePool();
  }

  // One replica, ready.
  void ServeOne(int queue_max = 100, shm::PoolLimits limits = {}) {
    MakePool(/*replicas=*/1, queue_max);
    worker_.emplace(Path("w"), backend_, limits);
    Connect(0, Path("w"));
  }
  // Executions from now on wait for the gate.
  void CloseGate() { backend_.Behave(IdentityBehind(gate_)); }

  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // Shared with the backend.
  ControlledBackend backend_{signature_, worker::Identity};
  std::optional<InProcessWorker> worker_;
};

TEST_P(PairingTest, SmallTensorsTravelInFrames) {
  ServeOne();

  Outcome& outcome = Start(kSmall);

  EXPECT_EQ(Await(outcome).value_or(""), kSmall);
  EXPECT_EQ(MemoryInUse(), 0U);
}

TEST_P(PairingTest, LargeTensorsTravelByReference) {
  ServeOne();

  Outcome& outcome = Start(kLarge);

  EXPECT_EQ(Await(outcome).value_or(""), kLarge);
  EXPECT_TRUE(loop_.Do([&] {
    const auto& buffer = (*outcome.result)->outputs.front().buffer;
    return dynamic_cast<const SegmentBuffer*>(buffer.get()) != nullptr;
  })) << "the result was copied";
}

TEST_P(PairingTest, OneWorkersTensorIsReadByAnotherWhereItLies) {
  MakePool(2, 100);
  worker_.emplace(Path("first"), backend_);
  ControlledBackend second_backend(signature_, worker::Identity);
  InProcessWorker second(Path("second"), second_backend);
  Connect(0, Path("first"));
  Outcome& made = Start(kLarge);
  ASSERT_TRUE(AwaitStatus(made).ok());
  ASSERT_TRUE(AwaitMemoryInUse(0));
  Exit(0, /*comes_back=*/false);  // Not chosen any more.
  Connect(1, Path("second"));

  Outcome& read = StartWith(made);

  EXPECT_EQ(Await(read).value_or(""), kLarge);
  EXPECT_EQ(MemoryInUse(), 0U) << "the gateway copied it";
  ASSERT_EQ(second_backend.executions().size(), 1U);
  EXPECT_EQ(second_backend.executions().front().first_input, kLarge);
  ClosePool();
}

// Rows of a request that is too large for one call are parts of its tensor.
TEST_P(PairingTest, APartOfATensorIsReadWhereItLiesIfReferencesMayBeginThere) {
  ServeOne();
  std::string bytes;
  for (int i = 0; i < 4096; ++i) bytes.push_back(static_cast<char>(i % 251));
  Outcome& made = Start(bytes);
  ASSERT_TRUE(AwaitStatus(made).ok());
  ASSERT_TRUE(AwaitMemoryInUse(0));
  const auto part = [&](uint64_t offset, uint64_t size) {
    return loop_.Do([&] {
      const auto whole = (*made.result)->outputs.front().buffer;
      return Value{.dtype = DataType::kUint8,
                   .shape = {1, static_cast<int64_t>(size)},
                   .buffer = whole->Part(64, 4032)->Part(offset - 64, size)};
    });
  };
  CloseGate();
  Outcome& aligned = StartWith(Have(part(1024, 1000)));
  ASSERT_TRUE(backend_.AwaitBegun(2));
  EXPECT_EQ(MemoryInUse(), 0U) << "the gateway copied it";
  Outcome& unaligned = StartWith(Have(part(1025, 1000)));
  EXPECT_GT(MemoryInUse(), 0U);

  gate_->Open();

  EXPECT_EQ(Await(aligned).value_or(""), bytes.substr(1024, 1000));
  EXPECT_EQ(Await(unaligned).value_or(""), bytes.substr(1025, 1000));
}

TEST_P(PairingTest, ATensorOutlivesTheWorkerThatMadeIt) {
  ServeOne();
  Outcome& made = Start(kLarge);
  ASSERT_TRUE(AwaitStatus(made).ok());

  worker_.reset();
  Exit(0, /*comes_back=*/true);
  EXPECT_EQ(Await(made).value_or(""), kLarge);

  worker_.emplace(Path("next"), backend_);
  Connect(0, Path("next"));
  EXPECT_EQ(Await(StartWith(made)).value_or(""), kLarge);
}

TEST_P(PairingTest, AnInputIsKeptUntilTheWorkersResult) {
  ServeOne();
  CloseGate();
  Outcome& outcome = Start(kLarge);
  ASSERT_TRUE(backend_.AwaitBegun(1));
  EXPECT_GE(MemoryInUse(), kLarge.size());

  gate_->Open();

  EXPECT_TRUE(AwaitStatus(outcome).ok());
  EXPECT_TRUE(AwaitMemoryInUse(0));
}

TEST_P(PairingTest, AnAbandonedCallKeepsItsInputsUntilTheWorkersResult) {
  ServeOne();
  CloseGate();
  Outcome& outcome = Start(kLarge);
  ASSERT_TRUE(backend_.AwaitBegun(1));

  Abandon(outcome);
  EXPECT_GE(MemoryInUse(), kLarge.size()) << "the worker still reads it";
  gate_->Open();

  EXPECT_TRUE(AwaitMemoryInUse(0));
  EXPECT_EQ(loop_.Do([&] { return outcome.times_done; }), 0);
}

TEST_P(PairingTest, ACallThatIsAbandonedInTheQueueNeverExecutes) {
  ServeOne();
  CloseGate();
  Outcome& running = Start(kSmall);
  ASSERT_TRUE(backend_.AwaitBegun(1));
  Outcome& waiting = Start(kLarge);

  Abandon(waiting);

  EXPECT_TRUE(AwaitMemoryInUse(0)) << "the worker did not drop it";
  gate_->Open();
  EXPECT_TRUE(AwaitStatus(running).ok());
  EXPECT_TRUE(AwaitStatus(Start("after")).ok());
  EXPECT_EQ(backend_.executions().size(), 2U);
}

TEST_P(PairingTest, ACallWhoseDeadlinePassesEndsAtOnceAndNeverExecutesIfItWaits) {
  ServeOne();
  CloseGate();
  Outcome& running = Start(kSmall, {.timeout = absl::Seconds(1)});
  ASSERT_TRUE(backend_.AwaitBegun(1));
  Outcome& waiting = Start(kLarge, {.timeout = absl::Seconds(1)});

  Tick(absl::Seconds(1));

  EXPECT_TRUE(absl::IsDeadlineExceeded(AwaitStatus(running)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(AwaitStatus(waiting)));
  ASSERT_TRUE(AwaitMemoryInUse(0)) << "the worker did not drop it";
  gate_->Open();
  EXPECT_TRUE(AwaitStatus(Start("after")).ok());
  EXPECT_EQ(backend_.executions().size(), 2U);
}

TEST_P(PairingTest, ACallWithoutTimeLeftIsNotExecuted) {
  ServeOne();

  Outcome& outcome = Start(kSmall, {.timeout = absl::ZeroDuration()});

  EXPECT_TRUE(absl::IsDeadlineExceeded(AwaitStatus(outcome)));
  EXPECT_TRUE(AwaitStatus(Start("after")).ok());
  EXPECT_EQ(backend_.executions().size(), 1U);
}

// The worker has room for one tensor, so that a lease which is not given back shows.
TEST_P(PairingTest, ATensorIsReleasedWhenEveryCallThatWasGivenItHasEnded) {
  const std::string half(40'000, 'h');
  ServeOne(100, {.first_segment = 1 << 16, .largest_segment = 1 << 16, .total = 1 << 16});
  Outcome& made = Start(half);
  ASSERT_TRUE(AwaitStatus(made).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(AwaitStatus(Start(half)))) << "the client still has it";

  // Two readers that answer with a byte.
  auto first_gate = std::make_shared<Gate>();
  const auto read_behind = [](std::shared_ptr<Gate> gate) {
    return
        [gate = std::move(gate)](const worker::Invocation& invocation, worker::Outputs& outputs) {
          if (!gate->Wait()) return absl::DeadlineExceededError("nobody opened the gate");
          const std::byte last = invocation.inputs.front().bytes.back();
          auto output = outputs.Allocate(0, DataType::kUint8, Shape{1}, 1);
          if (output.ok()) output->front() = last;
          return output.status();
        };
  };
  const size_t begun = backend_.executions().size();
  backend_.Behave(read_behind(first_gate));
  Outcome& first = StartWith(made);
  ASSERT_TRUE(backend_.AwaitBegun(begun + 1));
  backend_.Behave(read_behind(gate_));
  Outcome& second = StartWith(made);
  Forget(made);
  first_gate->Open();
  EXPECT_EQ(Await(first).value_or(""), "h");
  ASSERT_TRUE(backend_.AwaitBegun(begun + 2));
  backend_.Behave(worker::Identity);
  Tick(absl::Milliseconds(20));  // Time for a release, if there were one.
  Outcome& too_early = Start(half);
  gate_->Open();
  EXPECT_EQ(Await(second).value_or(""), "h");

  // It was queued behind the second reader, whose result had not come: the lease was still there.
  EXPECT_TRUE(absl::IsResourceExhausted(AwaitStatus(too_early)));
  EXPECT_TRUE(EventuallySucceeds(half)) << "never released";
}

TEST_P(PairingTest, ThousandsOfCallsGiveEverythingBack) {
  ServeOne(1000, {.first_segment = 1 << 16, .largest_segment = 1 << 16, .total = 1 << 16});
  int failed = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<Outcome*> calls;
    for (int i = 0; i < 8; ++i) calls.push_back(&Start(std::string(2000, static_cast<char>(i))));
    for (size_t i = 0; i < calls.size(); ++i) {
      const auto result = Await(*calls[i]);
      if (!result.ok()) {
        ++failed;
        EXPECT_TRUE(absl::IsResourceExhausted(result.status())) << result.status();
      } else {
        EXPECT_EQ(*result, std::string(2000, static_cast<char>(i)));
      }
    }
    loop_.Do([&] { outcomes_.clear(); });
    Tick(absl::Milliseconds(5));
  }

  EXPECT_LT(failed, 400) << "the worker runs out of memory";
  EXPECT_TRUE(EventuallySucceeds(std::string(60'000, 'x')));
  EXPECT_TRUE(AwaitMemoryInUse(0));
}

TEST_P(PairingTest, ErrorsKeepTheWorkersCodeAndTheSession) {
  ServeOne();
  backend_.Behave([](const worker::Invocation&, worker::Outputs&) {
    return absl::InvalidArgumentError("not an image");
  });
  Outcome& outcome = Start(kLarge, {.retries = 3});

  const absl::Status status = AwaitStatus(outcome);

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(status.message(), "not an image");
  EXPECT_EQ(backend_.executions().size(), 1U) << "run again after an error of its own";
  EXPECT_TRUE(AwaitMemoryInUse(0));
}

TEST_P(PairingTest, AnInputThatDoesNotFitTheSignatureFailsItsCallOnly) {
  ServeOne();
  Outcome& made = Have(HeapValue(DataType::kFp32, {1, 1}, "1234"));

  const absl::Status status = AwaitStatus(StartWith(made));

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'in'"));
  EXPECT_TRUE(AwaitStatus(Start(kSmall)).ok());
}

TEST_P(PairingTest, WithoutMemoryForItsInputsACallFailsAtOnce) {
  ServeOne();
  const std::string bytes(std::size_t{2} << 20, 'x');
  Outcome& large = Have(HeapValue(DataType::kUint8, {1, 2 << 20}, bytes));

  EXPECT_TRUE(absl::IsResourceExhausted(AwaitStatus(StartWith(large, {.retries = 1}))));
  EXPECT_TRUE(backend_.executions().empty());
}

// Sessions end while worker and gateway live: what a call that executes may read is kept.
TEST_P(PairingTest, InputsOfALostSessionAreKeptAsLongAsTheWorkerExecutes) {
  ServeOne();
  CloseGate();
  Outcome& outcome = Start(kLarge);
  ASSERT_TRUE(backend_.AwaitBegun(1));

  worker_->CloseSessions();

  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(outcome)));
  Tick(absl::Seconds(1));
  EXPECT_GE(MemoryInUse(), kLarge.size()) << "let go while the worker still reads it";
  gate_->Open();
  EXPECT_TRUE(AwaitMemoryInUse(0)) << "kept for ever";
}

TEST_P(PairingTest, CallsThatWaitInALostSessionNeverExecute) {
  ServeOne();
  CloseGate();
  Outcome& running = Start(kSmall);
  ASSERT_TRUE(backend_.AwaitBegun(1));
  Outcome& waiting = Start(kLarge);
  Start("not lost yet");  // Sent after the others.

  worker_->CloseSessions();
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(running)));
  EXPECT_TRUE(absl::IsUnavailable(AwaitStatus(waiting)));
  gate_->Open();
  worker_.reset();  // Finishes what executes.

  EXPECT_EQ(backend_.executions().size(), 1U);
}

class ScalarPairingTest : public PairingTest {
 protected:
  ScalarPairingTest() : PairingTest(Scalars()) {}
  static Signature Scalars() {
    Signature signature = BytesSignature();
    auto& run = signature.at("run");
    run.inputs.front().type = TensorType(DataType::kUint8, {});
    run.outputs.front().type = TensorType(DataType::kUint8, {});
    return signature;
  }
};

TEST_P(ScalarPairingTest, AScalarOfAMethodForOneRowHasNoDimensionAtTheWorker) {
  ServeOne();
  Shape at_worker{99};
  backend_.Behave([&](const worker::Invocation& invocation, worker::Outputs& outputs) {
    at_worker = invocation.inputs.front().shape;
    return worker::Identity(invocation, outputs);
  });
  Outcome& scalar = Have(HeapValue(DataType::kUint8, {1}, "7"));

  Outcome& outcome = StartWith(scalar);

  EXPECT_EQ(Await(outcome).value_or(""), "7");
  EXPECT_TRUE(at_worker.empty());
  EXPECT_EQ(loop_.Do([&] { return (*outcome.result)->outputs.front().shape; }), Shape{1});
}

INSTANTIATE_TEST_SUITE_P(Carriers, PairingTest, kTransports, TransportName);
INSTANTIATE_TEST_SUITE_P(Carriers, ScalarPairingTest, kTransports, TransportName);

}  // namespace
}  // namespace tiffin::gateway
