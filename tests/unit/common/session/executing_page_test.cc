#include "common/session/executing_page.h"

#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tiffin::session {
namespace {

// A page as its worker has it, and as the gateway has it: by its descriptor.
class ExecutingPageTest : public ::testing::Test {
 protected:
  explicit ExecutingPageTest(size_t calls = 3) : page_(ExecutingPage::Create(calls).value()) {
    auto received = shm::ForeignSegment::Receive(UniqueFd(dup(page_->fd())), page_->size());
    EXPECT_TRUE(received.ok()) << received.status();
    segment_.emplace(*std::move(received));
    view_.emplace(ExecutingPageView::Create(segment_->Map().value()).value());
  }

  std::unique_ptr<ExecutingPage> page_;
  std::optional<shm::ForeignSegment> segment_;
  std::optional<ExecutingPageView> view_;
};

TEST_F(ExecutingPageTest, ListsCallsAsLongAsTheyExecute) {
  EXPECT_FALSE(page_->executing());
  {
    const auto listing = page_->List({{{.session = 7, .call = 1}, {.session = 8, .call = 2}}});

    EXPECT_TRUE(page_->executing());
    EXPECT_TRUE(view_->Lists({.session = 7, .call = 1}));
    EXPECT_TRUE(view_->Lists({.session = 8, .call = 2}));
    EXPECT_FALSE(view_->Lists({.session = 7, .call = 2}));
  }
  EXPECT_FALSE(page_->executing());
  EXPECT_FALSE(view_->Lists({.session = 7, .call = 1}));
}

TEST_F(ExecutingPageTest, SlotsAreUsedAgainInAnyOrder) {
  for (uint64_t round = 0; round < 1000; ++round) {
    auto first = std::make_unique<ExecutingPage::Listing>(
        page_->List({{{.session = 1, .call = 3 * round}}}));
    const auto second = page_->List({{{.session = 1, .call = 3 * round + 1}}});
    first.reset();
    const auto third = page_->List({{{.session = 1, .call = 3 * round + 2}}});

    EXPECT_FALSE(view_->Lists({.session = 1, .call = 3 * round}));
    EXPECT_TRUE(view_->Lists({.session = 1, .call = 3 * round + 1}));
    EXPECT_TRUE(view_->Lists({.session = 1, .call = 3 * round + 2}));
  }
}

TEST_F(ExecutingPageTest, WithMoreCallsThanItHasRoomForEveryOneCounts) {
  std::vector<ExecutingCall> many(1000, ExecutingCall{.session = 1, .call = 1});
  {
    const auto listing = page_->List(many);
    EXPECT_TRUE(view_->Lists({.session = 9, .call = 9}));
  }
  EXPECT_FALSE(view_->Lists({.session = 9, .call = 9}));
  EXPECT_FALSE(view_->Lists({.session = 1, .call = 1}));
}

TEST_F(ExecutingPageTest, TellsOfATrialAsLongAsItLasts) {
  const auto beside = page_->List({{{.session = 7, .call = 1}}});
  EXPECT_FALSE(view_->ListsTrial());
  {
    const auto trial = page_->List({{{.session = 8, .call = 2}}}, ExecutingPage::Trial::kYes);
    EXPECT_TRUE(view_->ListsTrial());
    EXPECT_TRUE(view_->Lists({.session = 8, .call = 2}));
  }
  EXPECT_FALSE(view_->ListsTrial());
}

TEST_F(ExecutingPageTest, TellsWhatTheProcessDiedOf) {
  EXPECT_EQ(view_->fault(), 0U);

  page_->RecordFault(11);

  EXPECT_EQ(view_->fault(), 11U);
}

TEST(ExecutingPageViewTest, RefusesWhatCanBeNoPage) {
  const std::vector<std::byte> bytes(16);
  EXPECT_TRUE(absl::IsInvalidArgument(ExecutingPageView::Create(bytes).status()));
}

}  // namespace
}  // namespace tiffin::session
