#include "common/session/frame_writer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/session/frames.h"
#include "common/tensor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::session {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A stream that writes when the test says so. Frames are known by their call.
class FrameWriterTest : public ::testing::Test {
 protected:
  FrameWriter MakeWriter(FrameWriter::Initially initially) {
    return {initially, [this](const worker::v1::Frames& frames) {
              std::vector<uint64_t>& calls = writes_.emplace_back();
              for (const worker::v1::Frame& frame : frames.frames()) {
                calls.push_back(frame.cancel().call());
              }
              return progress_;
            }};
  }
  static void Add(FrameWriter& writer, uint64_t call) {
    writer.Add([&](worker::v1::Frame& frame) { frame.mutable_cancel()->set_call(call); });
  }

  FrameWriter::Progress progress_ = FrameWriter::Progress::kStarted;
  std::vector<std::vector<uint64_t>> writes_;
};

TEST_F(FrameWriterTest, SendsNothingBeforeTheFlush) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);
  Add(writer, 1);

  EXPECT_THAT(writes_, IsEmpty());
}

TEST_F(FrameWriterTest, SendsWhatWasAddedInOneMessageAndInOrder) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);
  Add(writer, 3);
  Add(writer, 1);
  Add(writer, 2);
  writer.Flush();

  EXPECT_THAT(writes_, ElementsAre(ElementsAre(3, 1, 2)));
}

TEST_F(FrameWriterTest, AFlushOfNothingSendsNothing) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);
  writer.Flush();
  EXPECT_THAT(writes_, IsEmpty());

  Add(writer, 1);
  writer.Flush();
  writer.OnWritten(true);
  writer.Flush();
  EXPECT_THAT(writes_, ElementsAre(ElementsAre(1)));
}

TEST_F(FrameWriterTest, GathersWhatIsAddedWhileAWriteIsInFlight) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);
  Add(writer, 1);
  writer.Flush();
  for (uint64_t call = 2; call <= 4; ++call) {
    Add(writer, call);
    writer.Flush();
  }
  ASSERT_THAT(writes_, ElementsAre(ElementsAre(1))) << "two writes in flight";

  writer.OnWritten(true);

  EXPECT_THAT(writes_, ElementsAre(ElementsAre(1), ElementsAre(2, 3, 4)));
}

TEST_F(FrameWriterTest, TheEndOfAWriteSendsWhatWaits) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);
  Add(writer, 1);
  writer.Flush();
  writer.OnWritten(true);
  EXPECT_THAT(writes_, ElementsAre(ElementsAre(1)));

  Add(writer, 2);
  writer.Flush();

  EXPECT_THAT(writes_, ElementsAre(ElementsAre(1), ElementsAre(2)));
}

TEST_F(FrameWriterTest, AWriteThatIsDoneAtOnceNeedsNoEnd) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);
  progress_ = FrameWriter::Progress::kWritten;
  for (uint64_t call = 1; call <= 3; ++call) {
    Add(writer, call);
    writer.Flush();
  }

  EXPECT_THAT(writes_, ElementsAre(ElementsAre(1), ElementsAre(2), ElementsAre(3)));
}

TEST_F(FrameWriterTest, AStreamThatStartsIsWrittenToOnceItIsThere) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kStarting);
  Add(writer, 1);
  writer.Flush();
  EXPECT_THAT(writes_, IsEmpty());

  writer.OnWritten(true);

  EXPECT_THAT(writes_, ElementsAre(ElementsAre(1)));
}

TEST_F(FrameWriterTest, AFailedWriteIsTheLast) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);
  Add(writer, 1);
  writer.Flush();
  Add(writer, 2);
  writer.OnWritten(false);
  Add(writer, 3);
  writer.Flush();

  EXPECT_THAT(writes_, ElementsAre(ElementsAre(1)));
}

TEST_F(FrameWriterTest, CloseDropsWhatWaitsAndWhatComes) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);
  Add(writer, 1);
  writer.Flush();
  Add(writer, 2);
  writer.Close();
  Add(writer, 3);
  writer.OnWritten(true);
  writer.Flush();

  EXPECT_THAT(writes_, ElementsAre(ElementsAre(1)));
}

TEST_F(FrameWriterTest, DoesNotFillAFrameThatIsDropped) {
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);
  writer.Close();

  writer.Add([](worker::v1::Frame& /*frame*/) { FAIL() << "asked for a frame"; });
}

TEST_F(FrameWriterTest, KeepsEachThreadsOrderAndNeverWritesTwiceAtOnce) {
  constexpr uint64_t kPerThread = 2000;
  constexpr uint64_t kThreads = 3;
  FrameWriter writer = MakeWriter(FrameWriter::Initially::kWritable);  // Calls it with a lock held.
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < kPerThread; ++i) {
        Add(writer, t * kPerThread + i);
        writer.Flush();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(writes_.size(), 1U) << "nobody said that the first write has ended";
  writer.OnWritten(true);
  writer.OnWritten(true);

  std::vector<uint64_t> next(kThreads);
  uint64_t count = 0;
  for (const auto& calls : writes_) {
    for (const uint64_t call : calls) {
      EXPECT_EQ(call % kPerThread, next[call / kPerThread]++);
      ++count;
    }
  }
  EXPECT_EQ(count, kThreads * kPerThread);
}

// Sends its tensors when they are due, and keeps them until then.
class PiecesTest : public ::testing::Test {
 protected:
  FrameWriter writer_{FrameWriter::Initially::kWritable, [this](const worker::v1::Frames& frames) {
                        writes_.push_back(frames);
                        return FrameWriter::Progress::kStarted;
                      }};
  std::vector<worker::v1::Frames> writes_;
  std::shared_ptr<std::string> bytes_ =
      std::make_shared<std::string>(2 * kMaxPiece + 1, 'a');  // Shared with the writer.

  void AddTensor(uint64_t call) {
    writer_.Add([&](worker::v1::Frame& frame) { frame.mutable_execute()->set_call(call); },
                {{.call = call, .tensor = 0, .bytes = AsBytes(*bytes_), .keeper = bytes_}});
  }
};

TEST_F(PiecesTest, OtherFramesGoBetweenThem) {
  AddTensor(1);
  writer_.Flush();
  writer_.Add([](worker::v1::Frame& frame) { frame.mutable_cancel()->set_call(9); });
  writer_.Flush();
  writer_.OnWritten(true);
  writer_.OnWritten(true);
  writer_.OnWritten(true);

  ASSERT_EQ(writes_.size(), 3U);
  ASSERT_EQ(writes_[0].frames_size(), 2);
  EXPECT_TRUE(writes_[0].frames(0).has_execute());
  EXPECT_EQ(writes_[0].frames(1).piece().data().size(), kMaxPiece);
  ASSERT_EQ(writes_[1].frames_size(), 2);
  EXPECT_TRUE(writes_[1].frames(0).has_cancel()) << "it waited for the tensor";
  EXPECT_EQ(writes_[2].frames(0).piece().data().size(), 1U);
  EXPECT_EQ(bytes_.use_count(), 1) << "kept, though sent";
}

TEST_F(PiecesTest, WhatIsDroppedIsNotSent) {
  AddTensor(1);
  writer_.Flush();

  EXPECT_TRUE(writer_.DropPieces(1));
  EXPECT_FALSE(writer_.DropPieces(1));
  writer_.OnWritten(true);

  EXPECT_EQ(writes_.size(), 1U);
  EXPECT_EQ(bytes_.use_count(), 1);
}

TEST_F(PiecesTest, TheEndLetsGoOfThem) {
  AddTensor(1);
  writer_.Flush();
  writer_.Close();
  AddTensor(2);
  writer_.OnWritten(true);

  EXPECT_EQ(writes_.size(), 1U);
  EXPECT_EQ(bytes_.use_count(), 1);
}

}  // namespace
}  // namespace tiffin::session
