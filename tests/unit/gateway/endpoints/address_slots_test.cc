#include "gateway/endpoints/address_slots.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

WorkerAddress At(const std::string& target) { return {.target = target, .server_name = ""}; }

std::vector<std::string> Texts(const std::vector<AddressSlots::Change>& changes) {
  std::vector<std::string> texts;
  for (const auto& change : changes) {
    texts.push_back(std::to_string(change.slot) + " " +
                    (change.address.has_value() ? change.address->target : "gone"));
  }
  return texts;
}

TEST(AddressSlotsTest, AddressesKeepTheirSlots) {
  AddressSlots slots(1, 4);

  EXPECT_THAT(Texts(slots.Set(0, {At("a"), At("b")})), ElementsAre("0 a", "1 b"));
  EXPECT_THAT(Texts(slots.Set(0, {At("b"), At("a")})), IsEmpty());
  EXPECT_THAT(Texts(slots.Set(0, {At("b"), At("c")})), ElementsAre("2 c", "0 gone"));
}

TEST(AddressSlotsTest, ASlotThatIsFreeForLongestIsTakenNext) {
  AddressSlots slots(1, 2);
  slots.Set(0, {At("a")});
  slots.Set(0, {});

  EXPECT_THAT(Texts(slots.Set(0, {At("b")})), ElementsAre("1 b"));
  EXPECT_THAT(Texts(slots.Set(0, {At("b"), At("c")})), ElementsAre("0 c"));
}

TEST(AddressSlotsTest, WhatSeveralEndpointsHaveIsThereOnceAsLongAsOneHasIt) {
  AddressSlots slots(2, 4);

  EXPECT_THAT(Texts(slots.Set(0, {At("a")})), ElementsAre("0 a"));
  EXPECT_THAT(Texts(slots.Set(1, {At("a")})), IsEmpty());
  EXPECT_THAT(Texts(slots.Set(0, {})), IsEmpty());
  EXPECT_THAT(Texts(slots.Set(1, {})), ElementsAre("0 gone"));
}

TEST(AddressSlotsTest, WhatHasNoSlotWaitsForOne) {
  AddressSlots slots(1, 2);

  EXPECT_THAT(Texts(slots.Set(0, {At("a"), At("b"), At("c")})), ElementsAre("0 a", "1 b"));
  EXPECT_EQ(slots.left_out(), 1U);
  EXPECT_THAT(Texts(slots.Set(0, {At("b"), At("c")})), ElementsAre("0 gone", "0 c"));
  EXPECT_EQ(slots.left_out(), 0U);
}

}  // namespace
}  // namespace tiffin::gateway
