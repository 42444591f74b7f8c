#include "gateway/dispatch/accepted_description.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

using Version = AcceptedDescription::Version;

WorkerDescription Described(std::string model, int64_t version) {
  WorkerDescription description;
  description.backend = "torch";
  description.model = std::move(model);
  description.model_version = version;
  return description;
}

TEST(AcceptedDescriptionTest, TheFirstWordIsWhatOthersAgreeWith) {
  AcceptedDescription accepted;

  EXPECT_TRUE(accepted.Accept(Described("digits", 1), Version::kSame));
  EXPECT_TRUE(accepted.Accept(Described("digits", 1), Version::kSame));
  EXPECT_FALSE(accepted.Accept(Described("digits", 2), Version::kSame));
  EXPECT_TRUE(accepted.Accept(Described("digits", 2), Version::kAny));
}

// An address may have gone to somebody else.
TEST(AcceptedDescriptionTest, AnotherModelOrBackendIsRefusedThoughItsSignatureIsTheSame) {
  AcceptedDescription accepted;
  ASSERT_TRUE(accepted.Accept(Described("digits", 1), Version::kAny));
  WorkerDescription another = Described("digits", 1);
  another.backend = "xgboost";

  EXPECT_FALSE(accepted.Accept(Described("letters", 1), Version::kAny));
  EXPECT_FALSE(accepted.Accept(another, Version::kAny));
}

TEST(AcceptedDescriptionTest, WhatWasForgottenBindsNobody) {
  AcceptedDescription accepted;
  ASSERT_TRUE(accepted.Accept(Described("digits", 1), Version::kSame));

  accepted.Forget();

  EXPECT_FALSE(accepted.current().has_value());
  EXPECT_TRUE(accepted.Accept(Described("letters", 3), Version::kSame));
}

}  // namespace
}  // namespace tiffin::gateway
