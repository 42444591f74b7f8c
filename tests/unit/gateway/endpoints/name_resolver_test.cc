#include "gateway/endpoints/name_resolver.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;

absl::StatusOr<std::vector<std::string>> Resolve(NameResolver& resolver, const std::string& name) {
  absl::Notification done;
  absl::StatusOr<std::vector<std::string>> result;
  resolver.Resolve(name, "", [&](absl::StatusOr<std::vector<std::string>> found) {
    result = std::move(found);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

TEST(NameResolverTest, FindsWhatTheHostKnows) {
  const auto resolver = MakeNameResolver();

  EXPECT_THAT(Resolve(*resolver, "localhost").value(), ElementsAre("127.0.0.1"));
}

TEST(NameResolverTest, SaysWhatIsNotFound) {
  const auto resolver = MakeNameResolver();

  // RFC 6761: there is no such name, and no server is asked (c-ares).
  const auto found = Resolve(*resolver, "nobody.onion");

  EXPECT_TRUE(absl::IsUnavailable(found.status())) << found.status();
}

TEST(NameResolverTest, ItsEndWaitsForNoAnswer) {
  auto resolver = MakeNameResolver();
  // Nobody answers there: TEST-NET-1.
  resolver->Resolve("model-a", "192.0.2.1:53", [](const auto&) {});

  resolver.reset();
}

}  // namespace
}  // namespace tiffin::gateway
