#include "gateway/dispatch/call_inputs.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/manual_clock.h"
#include "tests/unit/worker/runtime/controlled_backend.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CallInputsTest : public ::testing::Test {
 protected:
  // Of one input, in the gateway's memory as a client's bytes are.
  Call CallWith(const std::string& input) {
    Call call;
    call.method = &method_;
    call.signature = &signature_.at(method_);
    call.inputs.push_back(
        memory_.Copy(DataType::kUint8, {1, static_cast<int64_t>(input.size())}, AsBytes(input))
            .value());
    return call;
  }
  worker::v1::Execute Fill(const Call& call) {
    worker::v1::Execute execute;
    const CallInputs::Held held = inputs_.Hold(call).value();
    EXPECT_TRUE(inputs_.Fill(call, held, execute).ok());
    return execute;
  }

  const std::string method_{kDefaultMethod};
  const Signature signature_ = worker::BytesSignature();
  ManualClock clock_;
  metrics::GatewayMetrics metrics_;
  SegmentNames names_;
  GatewayMemory memory_{{.first_segment = 1 << 16, .largest_segment = 1 << 20, .total = 1 << 20},
                        clock_,
                        names_,
                        metrics_};
  std::vector<uint64_t> announced_;
  CallInputs inputs_{memory_,
                     [this](const SegmentName& segment) { announced_.push_back(segment.id); }};
};

TEST_F(CallInputsTest, ASmallInputTravelsInTheFrame) {
  const worker::v1::Execute execute = Fill(CallWith("small"));

  EXPECT_EQ(execute.inputs(0).inline_bytes(), "small");
  EXPECT_THAT(execute.inputs(0).shape(), ElementsAre(5)) << "the row dimension is not sent";
  EXPECT_EQ(execute.method(), "run");
  EXPECT_THAT(announced_, IsEmpty());
}

TEST_F(CallInputsTest, ASegmentIsAnnouncedBeforeItIsFirstNamed) {
  const Call call = CallWith(std::string(4096, 'L'));

  const worker::v1::Execute execute = Fill(call);
  Fill(call);

  EXPECT_EQ(execute.inputs(0).size(), 4096U);
  EXPECT_THAT(announced_, ElementsAre(execute.inputs(0).segment()));
}

TEST_F(CallInputsTest, ASegmentThatIsForgottenWasKnownOnce) {
  const Call call = CallWith(std::string(4096, 'L'));
  const uint64_t segment = Fill(call).inputs(0).segment();

  EXPECT_TRUE(inputs_.Forget(segment));
  EXPECT_FALSE(inputs_.Forget(segment));
}

TEST_F(CallInputsTest, WhatIsHeldStaysWithoutTheCall) {
  std::optional<Call> call = CallWith(std::string(4096, 'L'));
  std::optional<CallInputs::Held> held = inputs_.Hold(*call).value();

  call.reset();

  EXPECT_GT(memory_.allocated_bytes(), 0U);
  held.reset();
  EXPECT_EQ(memory_.allocated_bytes(), 0U);
}

}  // namespace
}  // namespace tiffin::gateway
