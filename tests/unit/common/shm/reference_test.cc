#include "common/shm/reference.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tiffin::shm {
namespace {

constexpr uint64_t kSegmentSize = 4096;
constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr int64_t kMaxDimension = std::numeric_limits<int64_t>::max();

Reference Good() {
  return {.segment = 1, .offset = 128, .size = 256, .dtype = DataType::kFp32, .shape = {1, 64}};
}

TEST(ReferenceTest, ResolvesToTheBytesItNames) {
  std::vector<std::byte> segment(kSegmentSize);
  segment[128] = std::byte{42};

  const absl::StatusOr<TensorView> tensor = Resolve(Good(), segment);

  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ(tensor->dtype, DataType::kFp32);
  EXPECT_EQ(tensor->shape, Shape({1, 64}));
  EXPECT_EQ(tensor->bytes.data(), segment.data() + 128);
  EXPECT_EQ(tensor->bytes.size(), 256U);
}

TEST(ReferenceTest, AcceptsWhatIsJustWithinBounds) {
  const auto check = [](uint64_t offset, uint64_t size, DataType dtype, Shape shape) {
    return CheckReference(
        {.segment = 1, .offset = offset, .size = size, .dtype = dtype, .shape = shape},
        kSegmentSize);
  };

  EXPECT_TRUE(check(0, kSegmentSize, DataType::kUint8, {4096}).ok());
  EXPECT_TRUE(check(kSegmentSize - 64, 64, DataType::kFp64, {8}).ok());
  EXPECT_TRUE(check(64, 4, DataType::kFp32, {}).ok()) << "a scalar";
  EXPECT_TRUE(check(64, 0, DataType::kFp32, {0, 64}).ok()) << "no rows";
  EXPECT_TRUE(check(64, 8, DataType::kBytes, {2}).ok()) << "two empty strings";
  EXPECT_TRUE(check(64, 100, DataType::kBytes, {1}).ok());
}

TEST(ReferenceTest, RefusesEveryBadOneAndSaysWhy) {
  struct Case {
    std::string name;
    Reference reference;
    std::string says;
  };
  const auto bad = [](auto change) {
    Reference reference = Good();
    change(reference);
    return reference;
  };
  const std::vector<Case> cases = {
      {"segment 0", bad([](Reference& r) { r.segment = 0; }), "counted from 1"},
      {"misaligned by 1", bad([](Reference& r) { r.offset = 129; }), "multiple of 64"},
      {"misaligned by 32", bad([](Reference& r) { r.offset = 160; }), "multiple of 64"},
      {"begins beyond", bad([](Reference& r) { r.offset = kSegmentSize + 64; }), "beyond"},
      {"begins at the end", bad([](Reference& r) { r.offset = kSegmentSize; }), "beyond"},
      {"ends beyond", bad([](Reference& r) { r.offset = kSegmentSize - 192; }), "beyond"},
      {"largest offset: offset + size wraps", bad([](Reference& r) { r.offset = kMax / 64 * 64; }),
       "beyond"},
      {"size wraps", bad([](Reference& r) { r.size = kMax - 127; }), "beyond"},
      {"largest size", bad([](Reference& r) { r.size = kMax; }), "beyond"},
      {"too small for the shape", bad([](Reference& r) { r.size = 252; }), "not that of"},
      {"too large for the shape", bad([](Reference& r) { r.size = 260; }), "not that of"},
      {"size 0", bad([](Reference& r) { r.size = 0; }), "not that of"},
      {"dtype invalid", bad([](Reference& r) { r.dtype = DataType::kInvalid; }), "dtype number 0"},
      {"dtype unknown", bad([](Reference& r) { r.dtype = DataType{15}; }), "dtype number 15"},
      {"dtype 255", bad([](Reference& r) { r.dtype = DataType{255}; }), "dtype number 255"},
      {"negative dimension", bad([](Reference& r) {
         r.shape = {-1, 64};
       }),
       "negative"},
      {"two negative dimensions", bad([](Reference& r) {
         r.shape = {-8, -8};
       }),
       "negative"},
      {"most negative dimension",
       bad([](Reference& r) { r.shape = {std::numeric_limits<int64_t>::min()}; }), "negative"},
      {"negative beside zero", bad([](Reference& r) {
         r.shape = {0, -1};
       }),
       "negative"},
      {"elements wrap to 64", bad([](Reference& r) {
         r.shape = {int64_t{1} << 32, int64_t{1} << 32, 64};
       }),
       "elements"},
      {"bytes wrap to 256", bad([](Reference& r) { r.shape = {(int64_t{1} << 62) + 64}; }),
       "bytes"},
      {"largest dimension", bad([](Reference& r) { r.shape = {kMaxDimension}; }), "bytes"},
      {"largest dimensions", bad([](Reference& r) {
         r.shape = {kMaxDimension, kMaxDimension};
       }),
       "elements"},
      {"overflow hidden by a zero", bad([](Reference& r) {
         r.size = 0;
         r.shape = {kMaxDimension, kMaxDimension, 0};
       }),
       "elements"},
      {"BYTES with more elements than there is room for", bad([](Reference& r) {
         r.dtype = DataType::kBytes;
         r.shape = {65};
       }),
       "too small"},
      {"BYTES with a negative dimension", bad([](Reference& r) {
         r.dtype = DataType::kBytes;
         r.shape = {-1};
       }),
       "negative"},
      {"BYTES with the largest dimension", bad([](Reference& r) {
         r.dtype = DataType::kBytes;
         r.shape = {kMaxDimension};
       }),
       "too small"},
      {"BYTES beyond the end", bad([](Reference& r) {
         r.dtype = DataType::kBytes;
         r.size = kSegmentSize;
       }),
       "beyond"},
  };
  const std::vector<std::byte> segment(kSegmentSize);
  ASSERT_TRUE(CheckReference(Good(), kSegmentSize).ok());

  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    const absl::Status status = CheckReference(test.reference, kSegmentSize);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(test.says));
    EXPECT_EQ(Resolve(test.reference, segment).status(), status);
  }
}

TEST(ReferenceTest, RefusesEverythingInAnEmptySegment) {
  EXPECT_FALSE(CheckReference(Good(), 0).ok());
}

__extension__ using Wide = unsigned __int128;

// What CheckReference promises, in numbers too wide to overflow. Products are cut at 2^64, for no
// bad one may become good again.
bool IsGood(const Reference& reference, uint64_t segment_size) {
  constexpr Wide kCut = Wide{1} << 64;
  const auto number = static_cast<uint32_t>(reference.dtype);
  if (reference.segment == 0 || number < 1 || number > 14 || reference.offset % 64 != 0) {
    return false;
  }
  if (Wide{reference.offset} + Wide{reference.size} > Wide{segment_size}) return false;
  Wide product = 1;
  bool has_zero = false;
  for (const int64_t dimension : reference.shape) {
    if (dimension < 0) return false;
    if (dimension == 0) {
      has_zero = true;
      continue;
    }
    product *= static_cast<Wide>(dimension);
    if (product > kCut) product = kCut;
  }
  if (product > static_cast<Wide>(kMaxDimension)) return false;
  const Wide count = has_zero ? 0 : product;
  if (reference.dtype == DataType::kBytes) return 4 * count <= Wide{reference.size};
  return count * ElementSize(reference.dtype) == Wide{reference.size};
}

TEST(ReferenceTest, RandomOnesAreJudgedAsInWideNumbers) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  const auto near = [&random](uint64_t value) { return value + random() % 3 - 1; };
  const auto any = [&](uint64_t limit) -> uint64_t {
    switch (random() % 6) {
      case 0:
        return near(uint64_t{1} << (random() % 64));
      case 1:
        return near(limit);
      case 2:
        return random();
      case 3:
        return near(0);
      default:
        return random() % (limit + 1) / 64 * 64;
    }
  };
  int accepted = 0;
  int refused = 0;

  for (int i = 0; i < 200'000; ++i) {
    const uint64_t segment_size = 64 * (random() % 128);
    Reference reference{.segment = random() % 8,
                        .offset = any(segment_size),
                        .dtype = static_cast<DataType>(random() % 17),
                        .shape = {}};
    uint64_t elements = 1;
    for (uint64_t rank = random() % 4; rank > 0; --rank) {
      const uint64_t dimension = random() % 4 == 0 ? any(segment_size) : random() % 9;
      reference.shape.push_back(static_cast<int64_t>(dimension));
      elements *= dimension;
    }
    // Mostly the size that fits, with whatever wraps around, or just beside it.
    const uint64_t element = std::max<uint64_t>(ElementSize(reference.dtype), 1);
    const uint64_t exact = elements * (reference.dtype == DataType::kBytes ? 4 : element);
    reference.size = random() % 8 == 0   ? any(segment_size)
                     : random() % 8 == 0 ? near(exact)
                                         : exact;

    const absl::Status status = CheckReference(reference, segment_size);
    ASSERT_EQ(status.ok(), IsGood(reference, segment_size))
        << "segment " << reference.segment << " of " << segment_size << ", offset "
        << reference.offset << ", size " << reference.size << ", dtype "
        << static_cast<uint32_t>(reference.dtype) << ShapeToString(reference.shape) << ": "
        << status;
    ++(status.ok() ? accepted : refused);
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace tiffin::shm
