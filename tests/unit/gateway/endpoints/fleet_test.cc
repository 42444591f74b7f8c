#include "gateway/endpoints/fleet.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/async/loop_thread.h"
#include "tests/unit/common/async/manual_clock.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Answers when the test says so.
class HeldResolver : public NameResolver {
 public:
  void Resolve(const std::string& name, const std::string& server, Done done) override {
    asked.push_back(server.empty() ? name : name + "@" + server);
    done_ = std::move(done);
  }
  void Answer(absl::StatusOr<std::vector<std::string>> found) {
    std::exchange(done_, nullptr)(std::move(found));
  }

  std::vector<std::string> asked;

 private:
  Done done_;
};

class FleetTest : public ::testing::Test {
 protected:
  ~FleetTest() override {
    loop_.Do([this] { fleet_.reset(); });
  }
  void Make(const std::vector<std::string>& endpoints) {
    std::vector<config::Endpoint> parsed;
    for (const std::string& text : endpoints) parsed.push_back(*config::ParseEndpoint(text));
    loop_.Do([&] {
      fleet_ = std::make_unique<Fleet>(
          loop_.loop(), "s.r", parsed, &resolver_,
          Fleet::Events{
              .appeared =
                  [this](size_t slot, const WorkerAddress& address) {
                    news_.push_back(std::to_string(slot) + " " + address.target + " " +
                                    address.server_name);
                  },
              .gone = [this](size_t slot) { news_.push_back(std::to_string(slot) + " gone"); }});
      fleet_->Start();
    });
  }
  std::vector<std::string> News() {
    return loop_.Do([this] { return std::exchange(news_, {}); });
  }
  void Answer(absl::StatusOr<std::vector<std::string>> found) {
    loop_.Do([&] { resolver_.Answer(std::move(found)); });
    loop_.Do([] {});  // What it posted.
  }
  size_t Asked() {
    return loop_.Do([this] { return resolver_.asked.size(); });
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    loop_.RunTimers();
  }

  ManualClock clock_;
  LoopThread loop_{clock_};
  // Of the loop's thread.
  HeldResolver resolver_;
  std::vector<std::string> news_;
  std::unique_ptr<Fleet> fleet_;
};

TEST_F(FleetTest, PathsAndAddressesAreThereAtOnce) {
  Make({"unix:/run/a", "10.0.0.1:9000"});

  EXPECT_THAT(News(), ElementsAre("0 unix:/run/a ", "1 ipv4:10.0.0.1:9000 "));
  EXPECT_EQ(Asked(), 0U);
  EXPECT_EQ(Fleet::SlotsFor({*config::ParseEndpoint("unix:/run/a")}), 1U);
}

TEST_F(FleetTest, AddressesOfANameComeAndGo) {
  Make({"dns://10.0.0.2/model-a:9000"});
  EXPECT_THAT(resolver_.asked, ElementsAre("model-a@10.0.0.2"));
  EXPECT_THAT(News(), IsEmpty());

  Answer(std::vector<std::string>{"10.0.0.1", "::1"});
  EXPECT_THAT(News(), ElementsAre("0 ipv4:10.0.0.1:9000 model-a", "1 ipv6:[::1]:9000 model-a"));

  Advance(Fleet::kInterval);
  ASSERT_EQ(Asked(), 2U);
  Answer(std::vector<std::string>{"::1"});
  EXPECT_THAT(News(), ElementsAre("0 gone"));
}

TEST_F(FleetTest, ANameThatIsLostKeepsWhatItHadAndIsAskedForSoon) {
  Make({"model-a:9000"});
  Answer(std::vector<std::string>{"10.0.0.1"});
  News();
  Advance(Fleet::kInterval);
  Answer(absl::UnavailableError("no"));

  EXPECT_THAT(News(), IsEmpty());
  Advance(Fleet::kSoon);
  EXPECT_EQ(Asked(), 3U);
}

TEST_F(FleetTest, ALostSessionHasItLookSoonButNotAgainAndAgain) {
  Make({"model-a:9000"});
  Answer(std::vector<std::string>{"10.0.0.1"});
  const auto look = [this] {
    loop_.Do([this] { fleet_->LookSoon(); });
    loop_.RunTimers();
  };

  look();
  EXPECT_EQ(Asked(), 1U) << "it was asked just now";
  Advance(Fleet::kSoon);
  EXPECT_EQ(Asked(), 2U);
  look();
  EXPECT_EQ(Asked(), 2U) << "an answer is on its way";
}

TEST_F(FleetTest, AnAnswerAfterTheEndIsDropped) {
  Make({"model-a:9000"});
  loop_.Do([this] { fleet_.reset(); });

  Answer(std::vector<std::string>{"10.0.0.1"});

  EXPECT_THAT(News(), IsEmpty());
}

}  // namespace
}  // namespace tiffin::gateway
