#include "common/session/descriptor_channel.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/session/frame_assembler.h"
#include "common/tensor.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/shm/open_descriptors.h"

namespace tiffin::session {
namespace {

using shm::Announcement;
using shm::DescriptorSocket;

std::array<int, 2> SocketPair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  return ends;
}

// How many announcements fit into a socket that nobody reads.
uint64_t SocketCapacity() {
  const std::array<int, 2> ends = SocketPair();
  DescriptorSocket sender{UniqueFd(ends[0])};
  const UniqueFd silent(ends[1]);
  uint64_t sent = 0;
  while (sender.Send({.segment = sent + 1}, std::nullopt).ok()) ++sent;
  return sent;
}

// A channel at one end of a socket pair; the test holds the other.
class DescriptorChannelTest : public ::testing::Test {
 protected:
  DescriptorChannelTest() {
    const std::array<int, 2> ends = SocketPair();
    peer_ = std::make_unique<DescriptorSocket>(UniqueFd(ends[0]));
    channel_fd_ = ends[1];
    loop_.Do([&] {
      channel_ = std::make_unique<DescriptorChannel>(
          DescriptorSocket(UniqueFd(ends[1])), watcher_, loop_.loop(),
          DescriptorChannel::Events{
              .announced =
                  [this](DescriptorSocket::Received received) {
                    EXPECT_TRUE(closed_.empty()) << "received after the end";
                    received_.push_back(std::move(received));
                  },
              .frames = [this](const worker::v1::Frames& frames) { messages_.push_back(frames); },
              .closed = [this](absl::Status status) { closed_.push_back(std::move(status)); }});
    });
  }
  ~DescriptorChannelTest() override {
    loop_.Do([&] { channel_.reset(); });
  }

  // Until the watcher has told all that was to be told before.
  void AwaitWatcher() {
    const UniqueFd told(eventfd(1, EFD_CLOEXEC));
    absl::Notification done;
    const auto watch = watcher_.Add(told.get(), Watcher::Interest::kReadable, [&] {
      done.Notify();
      return false;
    });
    done.WaitForNotification();
  }

  // What the peer finds, waiting for it.
  std::optional<DescriptorSocket::Received> Take() {
    std::optional<DescriptorSocket::Received> taken;
    const bool came = loop_.Await([&] {
      auto received = peer_->Receive();
      EXPECT_TRUE(received.ok()) << received.status();
      if (!received.ok()) return true;
      taken = *std::move(received);
      return taken.has_value();
    });
    EXPECT_TRUE(came);
    return taken;
  }

  // Sends a message of one frame, which has `text`.
  void SendFrame(const std::string& text) {
    channel_->frames().Add(
        [&](worker::v1::Frame& frame) { frame.mutable_result()->set_message(text); });
    channel_->frames().Flush();
  }
  // The texts of the frames that the peer finds from now on, until there are so many. Announcements
  // are noted by their segments' numbers.
  std::vector<std::string> TakeTexts(size_t count) {
    std::vector<std::string> texts;
    FrameAssembler assembler;
    while (texts.size() < count) {
      const auto taken = Take();
      if (!taken.has_value()) return texts;
      if (taken->total == 0) {
        texts.push_back(std::to_string(taken->announcement.segment));
        continue;
      }
      const auto frames = assembler.Add(taken->total, taken->piece);
      EXPECT_TRUE(frames.ok()) << frames.status();
      if (!frames.ok()) return texts;
      if (*frames == nullptr) continue;
      for (const worker::v1::Frame& frame : (*frames)->frames()) {
        texts.push_back(frame.result().message());
      }
    }
    return texts;
  }

  // More than fit into the socket.
  const uint64_t too_many_ = SocketCapacity() + 50;
  LoopThread loop_;
  Watcher watcher_;  // After the loop, which its thread may still be in.
  std::unique_ptr<DescriptorSocket> peer_;
  std::unique_ptr<DescriptorChannel> channel_;
  int channel_fd_ = -1;                               // The channel's.
  std::vector<DescriptorSocket::Received> received_;  // On the loop's thread, like closed_.
  std::vector<worker::v1::Frames> messages_;
  std::vector<absl::Status> closed_;
};

using DescriptorChannelFramesTest = DescriptorChannelTest;

TEST_F(DescriptorChannelTest, HandsOverWhatArrivesInOrder) {
  for (uint64_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(peer_->Send({.session = 9, .segment = i, .size = i * 10}, STDIN_FILENO).ok());
  }

  ASSERT_TRUE(loop_.Await([&] { return received_.size() == 5; }));

  for (uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(received_[i].announcement.session, 9U);
    EXPECT_EQ(received_[i].announcement.segment, i + 1);
    EXPECT_EQ(received_[i].announcement.size, (i + 1) * 10);
    EXPECT_TRUE(received_[i].descriptor.valid());
  }
}

// Packets that the socket took in before it was a channel's are not all that there is.
TEST_F(DescriptorChannelTest, HandsOverWhatCameBeforeItWatched) {
  const std::array<int, 2> ends = SocketPair();
  DescriptorSocket socket{UniqueFd(ends[0])};
  DescriptorSocket peer{UniqueFd(ends[1])};
  ASSERT_TRUE(peer.Send({.session = 9}, std::nullopt).ok());
  ASSERT_TRUE(peer.Send({.session = 9, .segment = 1}, std::nullopt).ok());
  ASSERT_TRUE(socket.Receive().ok());  // The greeting, and takes in the next one.
  ASSERT_TRUE(peer.Send({.session = 9, .segment = 2}, std::nullopt).ok());

  std::vector<uint64_t> segments;
  std::unique_ptr<DescriptorChannel> channel;
  loop_.Do([&] {
    channel = std::make_unique<DescriptorChannel>(
        std::move(socket), watcher_, loop_.loop(),
        DescriptorChannel::Events{.announced =
                                      [&](const DescriptorSocket::Received& received) {
                                        segments.push_back(received.announcement.segment);
                                      },
                                  .frames = nullptr,
                                  .closed = nullptr});
    AwaitWatcher();  // It has told of what is there, before the channel looks.
  });

  EXPECT_TRUE(loop_.Await([&] { return segments == std::vector<uint64_t>{1, 2}; }));
  loop_.Do([&] { channel.reset(); });
}

TEST_F(DescriptorChannelTest, SendsADescriptorThatStaysTheCallers) {
  const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  channel_->Announce({.session = 1, .segment = 2, .size = 3}, file.get());

  const auto taken = Take();

  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->announcement.segment, 2U);
  struct stat sent = {};
  struct stat received = {};
  ASSERT_EQ(fstat(file.get(), &sent), 0) << "the caller's descriptor was closed";
  ASSERT_EQ(fstat(taken->descriptor.get(), &received), 0);
  EXPECT_EQ(sent.st_ino, received.st_ino);
}

TEST_F(DescriptorChannelTest, KeepsTheOrderThroughAFullSocket) {
  for (uint64_t i = 1; i <= too_many_; ++i) {
    const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));  // Closed before it is sent.
    channel_->Announce({.session = 1, .segment = i}, file.get());
  }

  for (uint64_t i = 1; i <= too_many_; ++i) {
    const auto taken = Take();
    ASSERT_TRUE(taken.has_value());
    ASSERT_EQ(taken->announcement.segment, i);
    EXPECT_TRUE(taken->descriptor.valid());
  }
}

TEST_F(DescriptorChannelTest, ASocketThatFillsAgainIsWatchedAgain) {
  uint64_t sent = 0;
  uint64_t seen = 0;
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < too_many_; ++i) channel_->Announce({.segment = ++sent}, std::nullopt);
    while (seen < sent) {
      const auto taken = Take();
      ASSERT_TRUE(taken.has_value());
      ASSERT_EQ(taken->announcement.segment, ++seen);
    }
  }
}

TEST_F(DescriptorChannelTest, ReceivesWhileItsOwnSendingWaits) {
  for (uint64_t i = 0; i < too_many_; ++i) channel_->Announce({.segment = i + 1}, std::nullopt);
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(peer_->Send({.segment = i}, std::nullopt).ok());

  EXPECT_TRUE(loop_.Await([&] { return received_.size() == 3; }));
}

TEST_F(DescriptorChannelTest, DestructionDropsTheBacklogAndItsDescriptors) {
  const size_t before = shm::OpenDescriptors();
  for (uint64_t i = 0; i < too_many_; ++i) channel_->Announce({.segment = i + 1}, STDIN_FILENO);
  ASSERT_GT(shm::OpenDescriptors(), before) << "nothing had to wait";

  loop_.Do([&] { channel_.reset(); });
  peer_.reset();

  // Its own two ends are gone too, once the watcher has let go.
  EXPECT_TRUE(loop_.Await([&] { return shm::OpenDescriptors() == before - 2; }));
}

TEST_F(DescriptorChannelTest, TellsOnceThatThePeerIsGoneAfterAllThatItSent) {
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(peer_->Send({.segment = i}, std::nullopt).ok());
  peer_.reset();

  ASSERT_TRUE(loop_.Await([&] { return !closed_.empty(); }));
  channel_->Announce({.segment = 1}, std::nullopt);  // Nobody takes it; nothing happens.
  loop_.Do([] {});

  EXPECT_EQ(received_.size(), 3U);
  ASSERT_EQ(closed_.size(), 1U);
  EXPECT_TRUE(absl::IsUnavailable(closed_.front())) << closed_.front();
}

TEST_F(DescriptorChannelTest, TellsThatThePeerIsGoneWhileSendingWaits) {
  for (uint64_t i = 0; i < too_many_; ++i) channel_->Announce({.segment = i + 1}, STDIN_FILENO);
  peer_.reset();

  EXPECT_TRUE(loop_.Await([&] { return closed_.size() == 1; }));
}

TEST_F(DescriptorChannelTest, NonsenseClosesWithInvalidArgument) {
  ASSERT_EQ(send(peer_->fd(), "nonsense", 8, MSG_NOSIGNAL), 8);

  ASSERT_TRUE(loop_.Await([&] { return !closed_.empty(); }));

  EXPECT_TRUE(absl::IsInvalidArgument(closed_.front())) << closed_.front();
  EXPECT_TRUE(received_.empty());
}

TEST_F(DescriptorChannelTest, NothingIsCalledAfterDestruction) {
  loop_.Do([&] {
    ASSERT_TRUE(peer_->Send({.segment = 1}, STDIN_FILENO).ok());
    // The watcher may wait for its turn already, which is not over here.
    channel_.reset();
  });
  loop_.Do([] {});
  EXPECT_TRUE(loop_.Await([&] { return !peer_->Send({.segment = 2}, std::nullopt).ok(); }))
      << "the socket was not closed";

  EXPECT_TRUE(received_.empty());
  EXPECT_TRUE(closed_.empty());
}

TEST_F(DescriptorChannelTest, ARetiredOneKeepsItsSocketOpen) {
  loop_.Do([&] { channel_->Retire(); });

  EXPECT_TRUE(peer_->Send({.segment = 1}, std::nullopt).ok());
  SendFrame("dropped");
  channel_->Announce({.segment = 1}, std::nullopt);
  loop_.Do([] {});
  const auto received = peer_->Receive();
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_FALSE(received->has_value());
  EXPECT_TRUE(received_.empty());
}

TEST_F(DescriptorChannelFramesTest, FramesAndAnnouncementsKeepTheirOrderThroughAFullSocket) {
  std::vector<std::string> sent;
  for (uint64_t i = 1; i <= too_many_; ++i) {
    channel_->Announce({.segment = i}, std::nullopt);
    sent.push_back(std::to_string(i));
    SendFrame("after " + std::to_string(i));
    sent.push_back("after " + std::to_string(i));
  }

  // Frames may be gathered behind later announcements, which harms nobody: what a frame names has
  // been announced before it.
  std::vector<std::string> frames;
  uint64_t announced = 0;
  for (const std::string& text : TakeTexts(sent.size())) {
    if (!text.starts_with("after ")) {
      EXPECT_EQ(text, std::to_string(++announced));
      continue;
    }
    frames.push_back(text);
    EXPECT_EQ(text, "after " + std::to_string(frames.size()));
    EXPECT_LE(frames.size(), announced);
  }
  EXPECT_EQ(frames.size(), too_many_);
}

TEST_F(DescriptorChannelFramesTest, LargeMessagesGoInPiecesAndComeWhole) {
  const std::string large(1'000'000, 'L');
  SendFrame(large);
  SendFrame("small");

  EXPECT_EQ(TakeTexts(2), (std::vector<std::string>{large, "small"}));
}

TEST_F(DescriptorChannelFramesTest, WhatIsAddedWhileTheSocketIsFullIsGathered) {
  SendFrame(std::string(1'000'000, 'L'));
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) {
    texts.push_back(std::to_string(i));
    SendFrame(texts.back());
  }

  std::vector<std::string> taken = TakeTexts(101);

  taken.erase(taken.begin());
  EXPECT_EQ(taken, texts);
}

TEST_F(DescriptorChannelFramesTest, HandsOverAMessageThatCameInPieces) {
  worker::v1::Frames message;
  message.add_frames()->mutable_result()->set_message(std::string(70'000, 'p'));
  const std::string bytes = message.SerializeAsString();
  for (size_t at = 0; at < bytes.size(); at += 30'000) {
    const std::string piece = bytes.substr(at, 30'000);
    ASSERT_TRUE(peer_->SendPiece(bytes.size(), AsBytes(piece)).ok());
  }

  ASSERT_TRUE(loop_.Await([&] { return messages_.size() == 1; }));
  EXPECT_EQ(messages_.front().SerializeAsString(), bytes);
}

TEST_F(DescriptorChannelFramesTest, APeerThatDiesInTheMiddleOfAMessageIsGone) {
  ASSERT_TRUE(peer_->SendPiece(1000, AsBytes("the beginning")).ok());
  peer_.reset();

  ASSERT_TRUE(loop_.Await([&] { return !closed_.empty(); }));
  EXPECT_TRUE(absl::IsUnavailable(closed_.front())) << closed_.front();
  EXPECT_TRUE(messages_.empty());
}

// Its death may come between any two of the packets that it sent before.
TEST_F(DescriptorChannelTest, AllIsTakenAtOnceAlsoOfAPeerThatDiesMeanwhile) {
  for (int round = 0; round < 500; ++round) {
    const std::array<int, 2> ends = SocketPair();
    std::atomic<bool> sent = false;
    std::thread dying([&] {
      const UniqueFd peer(ends[0]);
      while (!sent) {
      }
      for (int i = 0; i < round % 100; ++i) sent.load();  // At another moment in each round.
    });
    const size_t received = loop_.Do([&] {
      size_t announced = 0;
      DescriptorChannel channel(DescriptorSocket(UniqueFd(ends[1])), watcher_, loop_.loop(),
                                {.announced = [&](DescriptorSocket::Received) { ++announced; },
                                 .frames = nullptr,
                                 .closed = [](absl::Status) {}});
      channel.Announce({.segment = 1}, std::nullopt);  // Never read, which the kernel tells first.
      for (uint64_t i = 0; i < 7; ++i) {
        const Announcement announcement{.segment = i + 1};
        EXPECT_EQ(send(ends[0], &announcement, sizeof(announcement), MSG_NOSIGNAL),
                  static_cast<ssize_t>(sizeof(announcement)));
      }
      sent = true;
      channel.ReceiveAll();
      return announced;
    });
    dying.join();
    ASSERT_EQ(received, 7U) << "in round " << round;
  }
}

// A peer that sends on and on must not keep who takes what there is.
TEST_F(DescriptorChannelTest, WhatComesWhileAllIsTakenIsLeft) {
  constexpr uint64_t kBefore = 20;
  const std::array<int, 2> ends = SocketPair();
  DescriptorSocket peer{UniqueFd(ends[0])};
  uint64_t sent = 0;
  const auto send_another = [&] { EXPECT_TRUE(peer.Send({.segment = ++sent}, std::nullopt).ok()); };
  while (sent < kBefore) send_another();
  loop_.Do([&] {
    uint64_t announced = 0;
    DescriptorChannel channel(DescriptorSocket(UniqueFd(ends[1])), watcher_, loop_.loop(),
                              {.announced =
                                   [&](const DescriptorSocket::Received& received) {
                                     EXPECT_EQ(received.announcement.segment, ++announced);
                                     if (announced < 1000) send_another();
                                   },
                               .frames = nullptr,
                               .closed = nullptr});

    channel.ReceiveAll();

    EXPECT_EQ(announced, kBefore);
    EXPECT_EQ(sent, 2 * kBefore);

    channel.ReceiveAll();  // Some of them the socket has taken in already.

    EXPECT_EQ(announced, 2 * kBefore);
  });
}

// Its end is told, and proves that it reads nothing any more.
TEST_F(DescriptorChannelTest, TheEndOfAPeerThatIsGoneIsTakenToo) {
  loop_.Do([&] {
    ASSERT_TRUE(peer_->Send({.segment = 1}, std::nullopt).ok());
    peer_.reset();

    channel_->ReceiveAll();

    EXPECT_EQ(received_.size(), 1U);
    ASSERT_EQ(closed_.size(), 1U);
    EXPECT_TRUE(absl::IsUnavailable(closed_.front())) << closed_.front();
  });
}

TEST_F(DescriptorChannelFramesTest, WhatHasArrivedCanBeTakenAtOnce) {
  loop_.Do([&] {
    for (int i = 0; i < 200; ++i) {
      worker::v1::Frames message;
      message.add_frames()->mutable_cancel()->set_call(1);
      const std::string bytes = message.SerializeAsString();
      ASSERT_TRUE(peer_->SendPiece(bytes.size(), AsBytes(bytes)).ok());
    }
    channel_->ReceiveAll();
    EXPECT_EQ(messages_.size(), 200U);
  });
}

}  // namespace
}  // namespace tiffin::session
