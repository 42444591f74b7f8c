#include "common/session/frames.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::session {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kFp32 = static_cast<uint32_t>(DataType::kFp32);
constexpr uint32_t kBytesType = static_cast<uint32_t>(DataType::kBytes);

worker::v1::Tensor Inline(uint32_t dtype, const std::vector<int64_t>& shape, std::string bytes) {
  worker::v1::Tensor tensor;
  tensor.set_dtype(dtype);
  tensor.mutable_shape()->Assign(shape.begin(), shape.end());
  tensor.set_inline_bytes(std::move(bytes));
  return tensor;
}

TEST(FramesTest, AReferenceSurvivesTheWay) {
  worker::v1::Tensor tensor;
  SetReference({.segment = 7,
                .offset = 1 << 20,
                .size = uint64_t{3} << 32,
                .dtype = DataType::kInt64,
                .shape = {3, -1, 0}},
               tensor);
  worker::v1::Tensor received;
  ASSERT_TRUE(received.ParseFromString(tensor.SerializeAsString()));
  const shm::Reference reference = ToReference(received);

  EXPECT_EQ(reference.segment, 7U);
  EXPECT_EQ(reference.offset, uint64_t{1} << 20);
  EXPECT_EQ(reference.size, uint64_t{3} << 32);
  EXPECT_EQ(reference.dtype, DataType::kInt64);
  EXPECT_THAT(reference.shape, ElementsAre(3, -1, 0));
  EXPECT_TRUE(received.inline_bytes().empty());
}

TEST(FramesTest, AnUnknownTypeOfAReferenceIsInvalid) {
  for (const uint32_t number : {0U, 15U, 256U + kFp32, UINT32_MAX}) {
    worker::v1::Tensor tensor;
    tensor.set_segment(1);
    tensor.set_dtype(number);
    EXPECT_EQ(ToReference(tensor).dtype, DataType::kInvalid) << number;
  }
}

TEST(FramesTest, AnInlineTensorSurvivesTheWay) {
  const std::string bytes("\x00\x00\x80\x3f\x00\x00\x00\x40", 8);
  worker::v1::Tensor tensor;
  SetInline({.dtype = DataType::kFp32, .shape = {1, 2}, .bytes = AsBytes(bytes)}, tensor);
  worker::v1::Tensor received;
  ASSERT_TRUE(received.ParseFromString(tensor.SerializeAsString()));

  const absl::StatusOr<TensorView> view = InlineView(received);

  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(received.segment(), 0U);
  EXPECT_EQ(view->dtype, DataType::kFp32);
  EXPECT_THAT(view->shape, ElementsAre(1, 2));
  EXPECT_EQ(AsStringView(view->bytes), bytes);
}

TEST(FramesTest, InlineTensorsMayBeEmptyOrScalars) {
  EXPECT_TRUE(InlineView(Inline(kFp32, {0}, "")).ok());
  EXPECT_TRUE(InlineView(Inline(kFp32, {}, "1234")).ok());
  EXPECT_TRUE(InlineView(Inline(kBytesType, {0}, "")).ok());
}

TEST(FramesTest, InlineBytesElementsAreChecked) {
  std::string framed;
  AppendBytesElement("tiffin", framed);
  AppendBytesElement("", framed);

  EXPECT_TRUE(InlineView(Inline(kBytesType, {2}, framed)).ok());
  EXPECT_FALSE(InlineView(Inline(kBytesType, {1}, framed)).ok());
  EXPECT_FALSE(InlineView(Inline(kBytesType, {3}, framed)).ok());
  EXPECT_FALSE(InlineView(Inline(kBytesType, {2}, framed.substr(0, framed.size() - 1))).ok());
  EXPECT_FALSE(InlineView(Inline(kBytesType, {1}, "\xff\xff\xff\xff")).ok());
}

TEST(FramesTest, MalformedInlineTensorsAreInvalidArguments) {
  struct Case {
    const char* what;
    worker::v1::Tensor tensor;
  };
  const std::vector<Case> cases = {
      {"a byte short", Inline(kFp32, {2}, "1234567")},
      {"a byte long", Inline(kFp32, {2}, "123456789")},
      {"no bytes", Inline(kFp32, {2}, "")},
      {"bytes for an empty shape", Inline(kFp32, {2, 0}, "1234")},
      {"a negative dimension", Inline(kFp32, {-1}, "1234")},
      {"negative dimensions whose product fits", Inline(kFp32, {-1, -1}, "1234")},
      {"a count that overflows", Inline(kFp32, {INT64_MAX, 2}, "1234")},
      {"a size that overflows", Inline(kFp32, {int64_t{1} << 62}, "")},
      {"a count that wraps to the right size",
       Inline(kFp32, {int64_t{1} << 32, int64_t{1} << 32}, "")},
  };
  for (const auto& [what, tensor] : cases) {
    EXPECT_TRUE(absl::IsInvalidArgument(InlineView(tensor).status()))
        << what << ": " << InlineView(tensor).status();
  }
}

TEST(FramesTest, AnUnknownTypeOfAnInlineTensorIsNamed) {
  const absl::Status status = InlineView(Inline(99, {1}, "1")).status();

  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("99"));
  EXPECT_FALSE(InlineView(Inline(0, {1}, "1")).ok());
  EXPECT_FALSE(InlineView(Inline(256 + kFp32, {1}, "1234")).ok());
}

}  // namespace
}  // namespace tiffin::session
