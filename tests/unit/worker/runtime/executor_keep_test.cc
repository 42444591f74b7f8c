#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/test_peer.h"
#include "worker/runtime/executor.h"

namespace tiffin::worker {
namespace {

constexpr size_t kLarge = 5000;  // Not in a frame.

// A backend that keeps what its first execution was given, and gives the others' inputs back.
class ExecutorKeepTest : public ::testing::Test {
 protected:
  ExecutorKeepTest() {
    backend_.Behave([this](const Invocation& invocation, Outputs& outputs) {
      const absl::Status status = Identity(invocation, outputs);
      if (owner_ != nullptr || !status.ok()) return status;
      // Unlike Identity, this knows where they lie.
      input_ = invocation.inputs.front().bytes;
      owner_ = *invocation.keep();
      return absl::InternalError("kept");
    });
  }
  ~ExecutorKeepTest() override { executor_.reset(); }

  v1::Result Run(uint64_t id, char content) {
    queue_.Push(peer_.MakeCall(id, backend_.signature().at("run"), std::string(kLarge, content)));
    return peer_.Next().result();
  }

  std::span<const std::byte> input_;
  std::shared_ptr<const void> owner_;  // Shared with the runtime.
  TestPeer peer_;
  ControlledBackend backend_{BytesSignature(), Identity};
  CallQueue queue_{peer_.clock()};
  std::optional<Executor> executor_{std::in_place, backend_, queue_, peer_.page(), peer_.clock()};
};

TEST_F(ExecutorKeepTest, InputsLiveAsLongAsTheyAreKept) {
  EXPECT_EQ(Run(1, 'a').message(), "kept");
  EXPECT_EQ(Run(2, 'b').code(), 0U);
  EXPECT_EQ(AsStringView(input_), std::string(kLarge, 'a'));
}

TEST_F(ExecutorKeepTest, OutputsAreNobodyElsesAsLongAsTheyAreKept) {
  Run(1, 'a');
  EXPECT_GT(Run(2, 'b').outputs(0).offset(), 0U) << "the place of the kept output";
  owner_ = nullptr;
  owner_ = std::make_shared<int>();  // No further one is kept.
  EXPECT_EQ(Run(3, 'c').outputs(0).offset(), 0U);
}

TEST_F(ExecutorKeepTest, TheSessionMayEndBefore) {
  Run(1, 'a');
  executor_.reset();
  peer_.peer()->Close();
  EXPECT_EQ(AsStringView(input_), std::string(kLarge, 'a'));
  owner_ = nullptr;
}

}  // namespace
}  // namespace tiffin::worker
