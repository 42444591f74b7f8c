#include "common/tensor.h"

#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/strings.h"

namespace tiffin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

std::string Framed(const std::vector<std::string>& elements) {
  std::string framed;
  for (const std::string& element : elements) AppendBytesElement(element, framed);
  return framed;
}

TEST(DataTypeTest, NamesAndSizesAreThoseOfKServe) {
  const std::vector<std::pair<std::string, size_t>> expected = {
      {"BOOL", 1}, {"UINT8", 1}, {"UINT16", 2}, {"UINT32", 4}, {"UINT64", 8},
      {"INT8", 1}, {"INT16", 2}, {"INT32", 4},  {"INT64", 8},  {"FP16", 2},
      {"FP32", 4}, {"FP64", 8},  {"BYTES", 0},  {"BF16", 2}};
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto dtype = static_cast<DataType>(i + 1);
    EXPECT_EQ(DataTypeName(dtype), expected[i].first);
    EXPECT_EQ(ElementSize(dtype), expected[i].second) << expected[i].first;
    EXPECT_EQ(ParseDataType(expected[i].first), dtype);
    EXPECT_EQ(ParseDataType(ToLower(expected[i].first)), dtype);
  }
}

TEST(DataTypeTest, UnknownNamesAndNumbersAreRefused) {
  EXPECT_EQ(ParseDataType("float"), std::nullopt);
  EXPECT_EQ(ParseDataType(""), std::nullopt);
  EXPECT_EQ(ParseDataType("INVALID"), std::nullopt);
  EXPECT_FALSE(IsDataType(0));
  EXPECT_TRUE(IsDataType(1));
  EXPECT_TRUE(IsDataType(14));
  EXPECT_FALSE(IsDataType(15));
  EXPECT_FALSE(IsDataType(256 + 11));
  EXPECT_EQ(DataTypeName(static_cast<DataType>(200)), "INVALID");
  EXPECT_EQ(ElementSize(static_cast<DataType>(200)), 0u);
}

TEST(ShapeTest, PrintsAsAList) {
  EXPECT_EQ(ShapeToString(Shape{}), "[]");
  EXPECT_EQ(ShapeToString(Shape{-1, 64}), "[-1,64]");
}

TEST(ShapeTest, ElementCountMultiplies) {
  EXPECT_EQ(*ElementCount(Shape{}), 1);
  EXPECT_EQ(*ElementCount(Shape{2, 3, 4}), 24);
  EXPECT_EQ(*ElementCount(Shape{2, 0, 4}), 0);
  EXPECT_EQ(*ElementCount(Shape{kMax}), kMax);
}

TEST(ShapeTest, ElementCountRefusesNegativeDimensions) {
  EXPECT_EQ(ElementCount(Shape{2, -1}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(ElementCount(Shape{-2, -3}).ok());
  EXPECT_FALSE(ElementCount(Shape{0, -1}).ok());
  EXPECT_FALSE(ElementCount(Shape{std::numeric_limits<int64_t>::min()}).ok());
}

TEST(ShapeTest, ElementCountRefusesOverflow) {
  EXPECT_FALSE(ElementCount(Shape{kMax, 2}).ok());
  EXPECT_FALSE(ElementCount(Shape{int64_t{1} << 32, int64_t{1} << 31}).ok());
  EXPECT_TRUE(ElementCount(Shape{int64_t{1} << 31, int64_t{1} << 31}).ok());
  // Wraps to 0 and to a small positive number without the check.
  EXPECT_FALSE(ElementCount(Shape{int64_t{1} << 32, int64_t{1} << 32}).ok());
  EXPECT_FALSE(ElementCount(Shape{int64_t{1} << 62, 5}).ok());
}

TEST(ShapeTest, ElementCountRefusesOverflowWhereverTheZeroStands) {
  EXPECT_FALSE(ElementCount(Shape{int64_t{1} << 62, 8, 0}).ok());
  EXPECT_FALSE(ElementCount(Shape{0, int64_t{1} << 62, 8}).ok());
}

TEST(ShapeTest, ByteSizeRefusesOverflow) {
  EXPECT_EQ(*ByteSize(DataType::kFp32, Shape{2, 3}), 24u);
  EXPECT_EQ(*ByteSize(DataType::kUint8, Shape{kMax}), static_cast<uint64_t>(kMax));
  EXPECT_EQ(*ByteSize(DataType::kFp16, Shape{kMax}), 2 * static_cast<uint64_t>(kMax));
  EXPECT_FALSE(ByteSize(DataType::kFp32, Shape{kMax}).ok());
  EXPECT_FALSE(ByteSize(DataType::kFp64, Shape{int64_t{1} << 61}).ok());
  EXPECT_FALSE(ByteSize(DataType::kFp32, Shape{kMax, 2}).ok());
}

TEST(ShapeTest, ByteSizeRefusesTypesWithoutASize) {
  EXPECT_FALSE(ByteSize(DataType::kBytes, Shape{1}).ok());
  EXPECT_FALSE(ByteSize(DataType::kInvalid, Shape{1}).ok());
}

TEST(ShapeTest, MatchesItsPattern) {
  EXPECT_TRUE(ShapeMatches(Shape{}, Shape{}));
  EXPECT_TRUE(ShapeMatches(Shape{3, 64}, Shape{-1, 64}));
  EXPECT_FALSE(ShapeMatches(Shape{3, 63}, Shape{-1, 64}));
  EXPECT_FALSE(ShapeMatches(Shape{64}, Shape{-1, 64}));
  EXPECT_FALSE(ShapeMatches(Shape{-1}, Shape{64}));
}

TEST(ValidateByteSizeTest, NeedsNoBytes) {
  const Shape shape{2, 2};
  EXPECT_TRUE(ValidateByteSize(DataType::kFp32, shape, 16).ok());
  EXPECT_EQ(Message(ValidateByteSize(DataType::kFp32, shape, 17)),
            "FP32 of shape [2,2] needs 16 bytes, but there are 17");
  EXPECT_FALSE(ValidateByteSize(DataType::kBytes, shape, 16).ok());
}

TEST(ValidateTensorTest, AsksForJustTheRightSize) {
  const std::string bytes(24, '\0');
  const TensorView right{DataType::kFp32, {2, 3}, AsBytes(bytes)};
  EXPECT_TRUE(ValidateTensor(right).ok());

  for (const Shape& shape : {Shape{2, 2}, Shape{2, 4}, Shape{0}, Shape{-1}, Shape{kMax, 2}}) {
    const absl::Status status = ValidateTensor({DataType::kFp32, shape, AsBytes(bytes)});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << ShapeToString(shape);
  }
  EXPECT_EQ(Message(ValidateTensor({DataType::kFp32, {2, 2}, AsBytes(bytes)})),
            "FP32 of shape [2,2] needs 16 bytes, but there are 24");
  EXPECT_FALSE(ValidateTensor({DataType::kInvalid, {24}, AsBytes(bytes)}).ok());
  EXPECT_FALSE(ValidateTensor({static_cast<DataType>(77), {24}, AsBytes(bytes)}).ok());
}

TEST(ValidateTensorTest, AcceptsAnEmptyTensorWithoutBytes) {
  EXPECT_TRUE(ValidateTensor({DataType::kFp32, {0, 4}, {}}).ok());
  EXPECT_TRUE(ValidateTensor({DataType::kBytes, {0}, {}}).ok());
  EXPECT_FALSE(ValidateTensor({DataType::kFp32, {}, {}}).ok());
}

TEST(ValidateTensorTest, CountsTheElementsOfBytes) {
  const std::string framed = Framed({"one", "", "three"});
  EXPECT_TRUE(ValidateTensor({DataType::kBytes, {3}, AsBytes(framed)}).ok());
  EXPECT_TRUE(ValidateTensor({DataType::kBytes, {1, 3}, AsBytes(framed)}).ok());
  EXPECT_EQ(Message(ValidateTensor({DataType::kBytes, {2}, AsBytes(framed)})),
            "BYTES of shape [2] needs 2 elements, but there are 3");
  EXPECT_FALSE(ValidateTensor({DataType::kBytes, {4}, AsBytes(framed)}).ok());
  EXPECT_FALSE(ValidateTensor({DataType::kBytes, {kMax, 2}, AsBytes(framed)}).ok());
}

TEST(BytesElementsTest, ComeBackAsTheyWere) {
  const std::string framed = Framed({"a", "", std::string("b\0c", 3)});
  EXPECT_EQ(framed.size(), 3 * kBytesElementHeader + 4);
  EXPECT_THAT(*ParseBytesElements(AsBytes(framed)), ElementsAre("a", "", std::string("b\0c", 3)));
  EXPECT_TRUE(ParseBytesElements({})->empty());
}

TEST(BytesElementsTest, LengthIsLittleEndian) {
  std::string framed;
  AppendBytesElement(std::string(0x0203, 'x'), framed);
  EXPECT_EQ(framed.substr(0, 4), std::string("\x03\x02\x00\x00", 4));
}

TEST(BytesElementsTest, BrokenLengthsAreRefused) {
  const std::vector<std::string> broken = {
      std::string("\x01", 1),              // Half a length.
      std::string("\x01\x00\x00", 3),      // The same.
      std::string("\x01\x00\x00\x00", 4),  // A length without its byte.
      std::string("\xff\xff\xff\xff"
                  "abcd",
                  8),                // Far beyond the end.
      Framed({"abc"}).substr(0, 6),  // Cut off.
      Framed({"abc"}) + "x",         // Something left over.
      std::string("\x00\x00\x00\x01"
                  "abcd",
                  8),  // Big-endian.
  };
  for (const std::string& framed : broken) {
    const auto elements = ParseBytesElements(AsBytes(framed));
    EXPECT_EQ(elements.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_FALSE(ValidateTensor({DataType::kBytes, {1}, AsBytes(framed)}).ok());
  }
  EXPECT_THAT(std::string(Message(ParseBytesElements(AsBytes(broken[3])).status())),
              HasSubstr("BYTES element 0 has the length 4294967295, but only 4 bytes follow"));
}

TEST(BytesElementsTest, AnyBytesAreParsedWithinTheirBounds) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    // In a vector of its own size, so that AddressSanitizer sees a read beyond it.
    std::vector<std::byte> framed(random() % 40);
    for (std::byte& byte : framed) byte = static_cast<std::byte>(random() % 5);
    const auto elements = ParseBytesElements(framed);
    if (!elements.ok()) continue;
    size_t total = 0;
    for (const std::string_view element : *elements) total += kBytesElementHeader + element.size();
    EXPECT_EQ(total, framed.size());
  }
}

TEST(TensorViewTest, GivesItsElements) {
  const std::vector<float> values = {1, 2, 3};
  const TensorView tensor{DataType::kFp32, {3}, std::as_bytes(std::span(values))};
  EXPECT_THAT(tensor.As<float>(), ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace tiffin
