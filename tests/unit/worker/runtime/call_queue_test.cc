#include "worker/runtime/call_queue.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/test_peer.h"

namespace tiffin::worker {
namespace {

std::shared_ptr<QueuedCall> CallNumber(uint64_t id) {
  auto call = std::make_shared<QueuedCall>();
  call->id = id;
  return call;
}

TEST(CallQueueTest, GivesCallsInTheOrderTheyCame) {
  CallQueue queue;
  for (uint64_t id = 1; id <= 3; ++id) queue.Push(CallNumber(id));
  EXPECT_EQ(queue.size(), 3U);

  for (uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(queue.Pop()->id, id);

  EXPECT_EQ(queue.size(), 0U);
}

TEST(CallQueueTest, PopWaitsForACall) {
  CallQueue queue;
  std::atomic<uint64_t> popped = 0;
  std::thread model([&] { popped = queue.Pop()->id; });
  EXPECT_EQ(popped, 0U);

  queue.Push(CallNumber(5));
  model.join();

  EXPECT_EQ(popped, 5U);
}

TEST(CallQueueTest, CloseEndsAWaitingPop) {
  CallQueue queue;
  std::shared_ptr<QueuedCall> popped = CallNumber(1);
  std::thread model([&] { popped = queue.Pop(); });

  queue.Close();
  model.join();

  EXPECT_EQ(popped, nullptr);
}

TEST(CallQueueTest, WhatWasQueuedBeforeCloseIsStillTaken) {
  CallQueue queue;
  queue.Push(CallNumber(1));
  queue.Close();

  ASSERT_NE(queue.Pop(), nullptr);
  EXPECT_EQ(queue.Pop(), nullptr);
}

TEST(QueuedCallTest, OnlyOneMayTakeACall) {
  for (int round = 0; round < 200; ++round) {
    QueuedCall call;
    std::atomic<int> takers = 0;
    std::vector<std::thread> threads;
    for (const auto to : {QueuedCall::State::kExecuting, QueuedCall::State::kDropped}) {
      threads.emplace_back([&, to] {
        if (call.Take(to)) ++takers;
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(takers, 1);
  }
}

TEST(EndCallTest, SendsTheStatusAndForgetsTheCall) {
  TestPeer peer;
  const Signature signature = BytesSignature();
  const auto call = peer.MakeCall(11, signature.at("run"), "x");

  EndCall(*call, absl::CancelledError("no more"));

  const v1::Frame frame = peer.Next();
  EXPECT_EQ(frame.result().call(), 11U);
  EXPECT_EQ(frame.result().code(), static_cast<uint32_t>(absl::StatusCode::kCancelled));
  EXPECT_EQ(frame.result().message(), "no more");
  EXPECT_EQ(frame.result().outputs_size(), 0);
  EXPECT_EQ(peer.peer()->FindCall(11), nullptr);
}

}  // namespace
}  // namespace tiffin::worker
