#include "worker/torch/length_groups.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Groups = std::vector<std::vector<size_t>>;

Groups Group(std::vector<size_t> lengths) { return GroupByLength(lengths); }

size_t Padded(const std::vector<size_t>& lengths, const std::vector<size_t>& group) {
  size_t longest = 0;
  for (const size_t text : group) longest = std::max(longest, lengths[text]);
  return group.size() * longest;
}

size_t Cost(const std::vector<size_t>& lengths, const Groups& groups) {
  size_t cost = groups.size() * kTokensPerRun;
  for (const auto& group : groups) cost += Padded(lengths, group);
  return cost;
}

TEST(GroupByLengthTest, NoTextsAreNoGroups) { EXPECT_THAT(Group({}), IsEmpty()); }

TEST(GroupByLengthTest, TextsOfSimilarLengthAreRunTogether) {
  EXPECT_THAT(Group({20, 20, 22, 21}), ElementsAre(UnorderedElementsAre(0, 1, 2, 3)));
}

TEST(GroupByLengthTest, ShortTextsAreNotPaddedToALongOne) {
  EXPECT_THAT(Group({10, 200, 12, 11, 190}),
              UnorderedElementsAre(UnorderedElementsAre(0, 2, 3), UnorderedElementsAre(1, 4)));
}

TEST(GroupByLengthTest, AFewTokensOfPaddingAreCheaperThanARun) {
  EXPECT_THAT(Group({10, 10 + kTokensPerRun - 1}), ElementsAre(UnorderedElementsAre(0, 1)));
  EXPECT_EQ(Group({10, 10 + kTokensPerRun + 1}).size(), 2U);
}

TEST(GroupByLengthTest, ARunIsBounded) {
  const Groups groups = Group(std::vector<size_t>(100, 256));
  for (const auto& group : groups) EXPECT_LE(group.size() * 256, kTokensAtOnce);
  EXPECT_EQ(groups.size(), (100 * 256 + kTokensAtOnce - 1) / kTokensAtOnce);
  EXPECT_EQ(Group({2 * kTokensAtOnce, 2 * kTokensAtOnce}).size(), 2U);
}

// Of all groupings: each text joins one of the groups before it, or begins one.
size_t LeastCost(const std::vector<size_t>& lengths, Groups groups, size_t text) {
  if (text == lengths.size()) return Cost(lengths, groups);
  groups.push_back({text});
  size_t least = LeastCost(lengths, groups, text + 1);
  groups.pop_back();
  for (size_t i = 0; i < groups.size(); ++i) {
    groups[i].push_back(text);
    least = std::min(least, LeastCost(lengths, groups, text + 1));
    groups[i].pop_back();
  }
  return least;
}

TEST(GroupByLengthTest, EveryTextIsInOneGroupAndNoGroupingCostsLess) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    std::vector<size_t> lengths(std::uniform_int_distribution<size_t>(1, 7)(random));
    for (size_t& length : lengths) length = std::uniform_int_distribution<size_t>(1, 120)(random);

    const Groups groups = GroupByLength(lengths);

    std::vector<size_t> seen;
    for (const auto& group : groups) seen.insert(seen.end(), group.begin(), group.end());
    std::sort(seen.begin(), seen.end());
    for (size_t i = 0; i < lengths.size(); ++i) ASSERT_EQ(seen.at(i), i);
    ASSERT_EQ(seen.size(), lengths.size());
    EXPECT_EQ(Cost(lengths, groups), LeastCost(lengths, {}, 0));
  }
}

}  // namespace
}  // namespace tiffin::worker
